//! `bus restore` brings back everything that was acknowledged, documents too, and overwrites nobody's edit.

use std::fs;

use serde_json::Value;

use crate::harness::World;

const NOW: &str = "2026-01-05T10:00:00Z";
const BACKLOG: &str = "_plans/next-development.todo.json";

fn world() -> World {
    let mut world = World::new();
    world.now = Some(NOW.to_owned());
    session(&world);
    world.ok(&["task", "add", "Q-1", "--title", "First", "--agent", "s0"]);
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Record"]);
    world.ok(&["bus", "commit"]);
    world
}

fn session(world: &World) {
    for seat in ["s0", "s1"] {
        world.write(&format!("_report/session/{seat}/manager-report-tail.txt"), &format!("# captured_at={NOW}\n"));
    }
}

/// A backlog item, an assignment, a plan with its justification, and a receipt that is in the ledger.
fn work(world: &World) -> Vec<(&'static str, String)> {
    world.ok(&["task", "add", "Q-2", "--title", "Second", "--agent", "s0"]);
    world.ok(&["task", "pickup", "Q-1", "--agent", "s1"]);
    let scale = ["--priority", "2", "--impact-score", "5", "--layer", "L5", "--systemic-scale", "6"];
    let plan =
        [&["plan", "new", "docs", "--summary", "Doc", "--actor", "s0", "--allow-unclaimed"][..], &scale].concat();
    world.ok(&[&plan[..], &["--systemic-target", "S6"]].concat());
    world.write("_report/agent/s0/notes.md", "evidence\n");
    world.ok(&["receipts", "add", "_report/agent/s0/notes.md", "--agent", "s0"]);
    ["_plans/2026-01-05-docs.plan.json", "_plans/2026-01-05-docs.md", BACKLOG, "_bus/assignments/Q-1.json"]
        .map(|path| (path, world.read(path)))
        .into()
}

fn is_behind(world: &World) -> Vec<String> {
    let ran = world.run(&["bus", "verify", "--json"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap().iter().filter(|found| found["code"] == "record.behind");
    findings.map(|found| found["file"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn reset_documents_are_detected_refused_and_restored() {
    for committed in [true, false] {
        let world = world();
        let mut before = work(&world);
        if committed {
            world.ok(&["bus", "commit"]);
            before.push(("_report/agent/s0/notes.md", "evidence\n".to_owned()));
            world.git(&["reset", "-q", "--hard", "HEAD~1"]);
        } else {
            world.git(&["stash", "-u", "-q"]);
        }
        session(&world);
        let behind = is_behind(&world);
        for (path, _) in before.iter().filter(|(path, _)| !path.ends_with(".md")) {
            assert!(behind.iter().any(|found| found == path), "{path} is not among {behind:?}");
        }
        assert!(world.run(&["doctor"]).stdout.contains("record.behind"));
        let refused = world.refused(&["task", "add", "Q-3", "--title", "Third", "--agent", "s0"]);
        assert_eq!(refused["code"], "record.behind");
        assert_eq!(world.refused(&["bus", "commit"])["code"], "record.behind");
        let dry = world.json(&["bus", "restore", "--dry-run"]);
        let done = world.json(&["bus", "restore"]);
        assert_eq!(dry["mended"].as_array().unwrap().len(), done["mended"].as_array().unwrap().len());
        for (path, text) in before {
            assert_eq!(world.read(path), text, "{path}, committed: {committed}");
        }
        world.ok(&["bus", "verify"]);
        world.ok(&["task", "add", "Q-3", "--title", "Third", "--agent", "s0"]);
        world.ok(&["bus", "commit"]);
    }
}

#[test]
fn restore_keeps_documents_that_a_person_changed() {
    let world = world();
    let older = world.read(BACKLOG);
    work(&world);
    let edited = world.read(BACKLOG).replace("Second", "Second, as a person put it");
    world.write(BACKLOG, &edited);
    assert_eq!(is_behind(&world), [] as [String; 0]);
    world.ok(&["bus", "restore"]);
    assert_eq!(world.read(BACKLOG), edited);
    world.ok(&["task", "add", "Q-3", "--title", "Third", "--agent", "s0"]);
    world.write(BACKLOG, &older);
    assert_eq!(is_behind(&world), [BACKLOG]);
    world.ok(&["bus", "restore", "--accept"]);
    assert_eq!((world.read(BACKLOG), is_behind(&world)), (older, Vec::new()));
    world.ok(&["task", "add", "Q-4", "--title", "Fourth", "--agent", "s0"]);
    // Put back after a commit, an older state takes a person's word, too; a new one is an edit.
    let before = world.read(BACKLOG);
    world.ok(&["task", "add", "Q-5", "--title", "Fifth", "--agent", "s0"]);
    world.ok(&["bus", "commit"]);
    world.write(BACKLOG, &before);
    assert_eq!(is_behind(&world), [BACKLOG]);
    world.ok(&["bus", "restore", "--accept"]);
    assert_eq!((world.read(BACKLOG), is_behind(&world)), (before, Vec::new()));
    world.ok(&["task", "add", "Q-6", "--title", "Sixth", "--agent", "s0"]);
    world.write(BACKLOG, &world.read(BACKLOG).replace("Sixth", "Sixth, as a person put it"));
    assert_eq!(is_behind(&world), [] as [String; 0]);
}

#[test]
fn committed_states_are_recognised_after_many_saves() {
    let world = world();
    for n in 0..2 {
        world.ok(&["task", "add", &format!("C-{n}"), "--title", "x", "--agent", "s0"]);
        world.ok(&["bus", "commit"]);
    }
    let both = world.read(BACKLOG);
    world.git(&["checkout", "-q", "HEAD~1", "--", "_plans"]);
    assert_eq!(is_behind(&world), [BACKLOG]);
    assert_eq!(world.refused(&["task", "add", "T", "--title", "x", "--agent", "s0"])["code"], "record.behind");
    world.ok(&["bus", "restore"]);
    assert_eq!(world.read(BACKLOG), both);
    for n in 0..200 {
        world.ok(&["task", "add", &format!("T-{n}"), "--title", "x", "--agent", "s0"]);
    }
    let all = world.read(BACKLOG);
    for commit in ["HEAD", "HEAD~1"] {
        world.git(&["checkout", "-q", commit, "--", "_plans"]);
        assert_eq!(is_behind(&world), [BACKLOG], "{commit}");
        world.ok(&["bus", "restore"]);
        assert_eq!(world.read(BACKLOG), all, "{commit}");
    }
    world.git(&["reset", "-q", "--hard"]);
    world.ok(&["bus", "restore"]);
    assert_eq!(world.read(BACKLOG), all);
    world.ok(&["bus", "verify"]);
}

#[test]
fn equal_lines_come_back_as_often_as_they_were_written() {
    const LOG: &str = "_report/agent/s0/session_guard/events.jsonl";
    let world = world();
    world.git(&["rm", "-rq", "--cached", "_report/session"]);
    fs::remove_dir_all(world.repo.join("_report/session")).unwrap();
    let refuse = || (0..3).for_each(|_| drop(world.run(&["bus", "claim", "Q-1", "--agent", "s0"])));
    refuse();
    for committed in [false, true] {
        if committed {
            world.ok(&["bus", "commit"]);
            refuse();
        }
        let log = world.read(LOG);
        let lines: Vec<_> = log.lines().collect();
        assert!(lines.len() >= 3 && lines.iter().all(|line| *line == lines[0]), "{log}");
        world.git(&["stash", "-u", "-q"]);
        world.ok(&["bus", "restore"]);
        assert_eq!(world.read(LOG), log, "committed: {committed}");
        world.ok(&["bus", "verify"]);
        assert_eq!(is_behind(&world), [] as [String; 0]);
    }
}

#[test]
fn a_line_that_is_dated_in_the_future_keeps_no_claim_alive() {
    let mut world = world();
    world.ok(&["bus", "claim", "T", "--agent", "s0", "--allow-unassigned"]);
    let line = |ts: &str, rest: &str| format!("{{\"ts\":\"{ts}\",{rest}}}\n");
    let event = line("2999-01-01T00:00:00Z", "\"agent_id\":\"s0\",\"event\":\"note\",\"summary\":\"x\"");
    world.write("_bus/events/events.jsonl", &(world.read("_bus/events/events.jsonl") + &event));
    let message = line("2999-01-01T00:00:00Z", "\"from\":\"s0\",\"type\":\"note\",\"task_id\":\"T\",\"summary\":\"x\"");
    world.write("_bus/messages/T.jsonl", &message);
    let take = ["bus", "takeover", "T", "--agent", "s1", "--reason", "silent", "--allow-stale-session"];
    assert_eq!(world.refused(&take)["code"], "claim.not_expired", "the holder wrote just now");
    world.now = Some("2026-01-07T10:00:00Z".to_owned());
    world.ok(&take);
    assert_eq!(world.read_json("_bus/claims/T.json")["agent_id"], "s1");
    assert!(fs::read_dir(world.repo.join(".git/teof/marks")).is_ok());
}

#[test]
fn a_hold_and_a_release_that_git_takes_back_are_noticed_and_restored() {
    let world = world();
    let claim = ["bus", "claim", "Q-1", "--agent", "s1", "--allow-unassigned"];
    world.ok(&claim);
    for kind in ["hold", "lift"] {
        world.ok(&["bus", "message", "--task", "Q-2", "--type", kind, "--summary", "first", "--agent", "s0"]);
    }
    world.ok(&["bus", "commit"]);
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.ok(&["bus", "release", "Q-1", "--agent", "s1"]);
    world.ok(&["bus", "message", "--task", "Q-2", "--type", "hold", "--summary", "wait", "--agent", "s0"]);
    for committed in [false, true] {
        let (channel, released) = (world.read("_bus/messages/Q-2.jsonl"), world.read("_bus/claims/Q-1.json"));
        match committed {
            false => drop(world.git(&["stash", "-q", "--", "_bus/messages", "_bus/claims"])),
            true => drop(world.git(&["checkout", "-q", &commit, "--", "_bus/messages", "_bus/claims"])),
        }
        session(&world);
        assert_ne!(
            (&world.read("_bus/messages/Q-2.jsonl"), &world.read("_bus/claims/Q-1.json")),
            (&channel, &released)
        );
        let behind = is_behind(&world);
        for path in ["_bus/messages/Q-2.jsonl", "_bus/claims/Q-1.json"] {
            assert!(behind.iter().any(|found| found == path), "{path} is not among {behind:?}");
        }
        for task in ["Q-1", "Q-2"] {
            let refused = world.refused(&["bus", "claim", task, "--agent", "s0", "--allow-unassigned"]);
            assert_eq!(refused["code"], "record.behind", "{task}: {refused:#}");
        }
        assert!(world.run(&["doctor"]).stdout.contains("record.behind"));
        world.ok(&["bus", "restore"]);
        assert_eq!(is_behind(&world), [] as [String; 0]);
        assert_eq!((world.read("_bus/messages/Q-2.jsonl"), world.read("_bus/claims/Q-1.json")), (channel, released));
        let refused = world.refused(&["bus", "claim", "Q-2", "--agent", "s1", "--allow-unassigned"]);
        assert_eq!(refused["code"], "task.on_hold");
        world.ok(&["bus", "commit"]);
    }
}
