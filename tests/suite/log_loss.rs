//! Nothing that was acknowledged is lost: not to a killed process, a cut line, a merge, a stash or a reset.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc;

use serde_json::Value;

use crate::harness::World;

const NOW: &str = "2026-01-05T10:00:00Z";
const EVENTS: &str = "_bus/events/events.jsonl";

fn world() -> World {
    let mut world = World::new();
    world.now = Some(NOW.to_owned());
    for n in 0..8 {
        session(&world, &format!("s{n}"));
    }
    world
}

fn session(world: &World, seat: &str) {
    world.write(&format!("_report/session/{seat}/manager-report-tail.txt"), &format!("# captured_at={NOW}\n"));
}

fn event<'a>(seat: &'a str, summary: &'a str) -> [&'a str; 8] {
    ["bus", "event", "--agent", seat, "--event", "note", "--summary", summary]
}

fn log_event(world: &World, seat: &str, summary: &str) -> String {
    world.json(&event(seat, summary))["written"][0]["id"].as_str().unwrap().to_owned()
}

fn commit(world: &World) {
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Record"]);
}

/// All ids of the log, sealed parts included, with how often each is there.
fn ids(world: &World) -> BTreeMap<String, usize> {
    let mut ids = BTreeMap::new();
    for entry in std::fs::read_dir(world.repo.join("_bus/events")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        for line in world.lines(&format!("_bus/events/{name}")) {
            *ids.entry(line["id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    ids
}

fn codes(world: &World) -> Vec<String> {
    let ran = world.run(&["bus", "verify", "--json"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(ran.code, i32::from(report["errors"].as_u64().unwrap() > 0));
    report["findings"].as_array().unwrap().iter().map(|found| found["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn acknowledged_lines_of_many_processes_exist_once_despite_kills() {
    let world = world();
    world.write("teof.toml", "[log]\nseal_at = 5000\n[lock]\nwait = \"60s\"\n");
    let mut acknowledged = Vec::new();
    let mut said = Vec::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|n| {
                let world = &world;
                scope.spawn(move || worker(world, n))
            })
            .collect();
        for worker in workers {
            let (ids, words) = worker.join().unwrap();
            acknowledged.extend(ids);
            said.extend(words);
        }
    });
    assert!(acknowledged.len() > 50, "enough survived to say something: {}", acknowledged.len());
    let there = ids(&world);
    for id in &acknowledged {
        assert_eq!(there.get(id), Some(&1), "{id}");
    }
    assert!(there.values().all(|count| *count == 1), "nothing is there twice");
    let channel = world.lines("_bus/messages/manager-report.jsonl");
    for word in &said {
        assert_eq!(channel.iter().filter(|line| line["summary"] == **word).count(), 1, "{word}");
    }
    assert_eq!(codes(&world), [] as [String; 0]);
    assert!(std::fs::read_dir(world.repo.join("_bus/events")).unwrap().count() > 1, "it was sealed on the way");
}

/// Writes a row of events and messages, and kills every third writer at some moment of its life.
fn worker(world: &World, n: usize) -> (Vec<String>, Vec<String>) {
    let seat = format!("s{n}");
    let (mut ids, mut words) = (Vec::new(), Vec::new());
    for round in 0..15 {
        let word = format!("{n}-{round}");
        let mut child = if round % 5 == 4 {
            let args = ["bus", "ping", "--agent", &seat, "--message-task", "manager-report", "--summary", &word];
            world.spawn(&[&args[..], &["--json"]].concat())
        } else {
            world.spawn(&[&event(&seat, &word)[..], &["--json"]].concat())
        };
        if round % 3 == 1 {
            // Somewhere between its start and its end: as far as this many turns of a loop go.
            (0..(n * 7919 + round * 104_729) % 300_000).for_each(|i| {
                std::hint::black_box(i);
            });
            let _ = child.kill();
        }
        let output = child.wait_with_output().unwrap();
        // What was printed was acknowledged, whatever became of the process.
        if let Ok(done) = serde_json::from_slice::<Value>(&output.stdout) {
            for written in done["written"].as_array().unwrap() {
                match written["id"].as_str() {
                    Some(id) => ids.push(id.to_owned()),
                    None => words.push(format!("{seat}: {word}")),
                }
            }
        }
    }
    (ids, words)
}

#[test]
fn a_cut_last_line_costs_no_other_line_and_is_told() {
    let world = world();
    let first = log_event(&world, "s0", "one");
    let cut = world.read(EVENTS) + "{\"ts\":\"2026-01-05T10:0";
    world.write(EVENTS, &cut);
    assert_eq!(codes(&world), ["event.torn"]);
    let ran = world.run(&event("s0", "two")).expect(0);
    assert!(ran.stderr.contains("ended in a cut line"), "{}", ran.stderr);
    assert_eq!(codes(&world), ["event.unreadable"]);
    world.ok(&["bus", "restore"]);
    assert_eq!(codes(&world), [] as [String; 0]);
    let lines = world.lines(EVENTS);
    assert_eq!((lines.len(), lines[0]["id"].as_str()), (2, Some(first.as_str())));
}

#[test]
fn an_altered_line_is_found_and_comes_back_from_git_with_its_copy_kept() {
    let world = world();
    for n in 0..4 {
        log_event(&world, "s0", &format!("event {n}"));
    }
    let whole = world.read(EVENTS);
    commit(&world);
    log_event(&world, "s1", "after the commit");
    let grown = world.read(EVENTS);
    world.write(EVENTS, &grown.replace("event 2", "event 9"));
    // The file lacks a line of this machine's marks; line 3 was altered, and is lost against git; line 4
    // chains to a line that is gone.
    assert_eq!(codes(&world), ["record.behind", "event.altered", "log.lost", "event.gap"].map(str::to_owned));
    let dry = world.json(&["bus", "restore", "--dry-run"]);
    assert_eq!(world.read(EVENTS), grown.replace("event 2", "event 9"));
    let done = world.json(&["bus", "restore"]);
    assert_eq!(done["mended"][0]["from_git"], dry["mended"][0]["from_git"]);
    assert_eq!((done["mended"][0]["from_git"].as_u64(), done["mended"][0]["left_out"].as_u64()), (Some(1), Some(1)));
    assert_eq!(world.read(EVENTS), grown);
    let aside = std::fs::read_to_string(done["mended"][0]["aside"].as_str().unwrap()).unwrap();
    assert_eq!(aside, grown.replace("event 2", "event 9"));
    assert_eq!(codes(&world), [] as [String; 0]);
    assert!(grown.starts_with(&whole));
}

#[test]
fn following_the_fix_after_stash_reset_or_switch_loses_nothing() {
    for (command, advice) in [
        (&["stash", "-u", "-q"][..], &["git", "stash", "pop"][..]),
        (&["stash", "-u", "-q"], &["teof", "bus", "restore"]),
        (&["reset", "-q", "--hard"], &["teof", "bus", "restore"]),
        (&["checkout", "-qf", "elsewhere"], &["git", "switch"]),
    ] {
        let world = world();
        log_event(&world, "s0", "committed");
        world.json(&["bus", "claim", "T", "--agent", "s0", "--allow-unassigned"]);
        world.git(&["branch", "elsewhere"]);
        commit(&world);
        log_event(&world, "s0", "not committed");
        world.ok(&["bus", "message", "--agent", "s0", "--task", "T", "--type", "note", "--summary", "not committed"]);
        world.ok(&["bus", "claim", "U", "--agent", "s0", "--allow-unassigned"]);
        world.ok(&["bus", "release", "T", "--agent", "s0"]);
        let before = (world.read(EVENTS), world.read("_bus/messages/T.jsonl"), world.read("_bus/claims/T.json"));
        world.git(command);
        for seat in 0..8 {
            session(&world, &format!("s{seat}"));
        }
        let error = world.refused(&event("s1", "refused"));
        assert!(error["code"] == "record.behind" || error["code"] == "hub.switched", "{error}");
        let next = error["next"].to_string();
        assert!(next.contains(&advice.join(" ")) || advice[1] == "switch" && next.contains("git -C"), "{next}");
        match advice {
            ["git", "stash", ..] => {
                // The sessions written meanwhile are in the way of the stash's own.
                std::fs::remove_dir_all(world.repo.join("_report/session")).unwrap();
                world.git(&["checkout", "-q", "--", "."]);
                world.git(&["stash", "pop", "-q"]);
            }
            ["git", ..] => drop(world.git(&["checkout", "-qf", "main"])),
            _ => drop(world.ok(&["bus", "restore"])),
        }
        if advice[0] == "git" && advice[1] == "switch" {
            // What was not committed went with the switch; the refusal after it says how it comes back.
            assert_eq!(world.refused(&event("s1", "refused"))["code"], "record.behind");
            world.ok(&["bus", "restore"]);
        }
        let after = (world.read(EVENTS), world.read("_bus/messages/T.jsonl"), world.read("_bus/claims/T.json"));
        assert_eq!(before, after, "{command:?}");
        log_event(&world, "s1", "goes on");
        assert_eq!(codes(&world), [] as [String; 0], "{command:?}");
    }
}

#[test]
fn a_log_that_two_clones_merged_counts_lines_once_and_forks_are_no_fault() {
    let world = world();
    let root = log_event(&world, "s0", "root");
    let common = world.read(EVENTS);
    log_event(&world, "s0", "ours");
    let ours = world.read(EVENTS);
    // The other clone went on from the same root.
    let other = World::new();
    other.write(EVENTS, &common);
    let theirs = {
        let mut other = other;
        other.now = Some("2026-01-05T10:00:05Z".into());
        session(&other, "s0");
        log_event(&other, "s0", "theirs");
        other.read(EVENTS)
    };
    // A union merge that also doubled the common lines.
    let merged = format!("{theirs}{ours}");
    world.write(EVENTS, &merged);
    assert_eq!(codes(&world), [] as [String; 0]);
    let status = world.json(&["bus", "status", "--all", "--limit", "0", "--window-hours", "0"]);
    let shown: Vec<_> = status["events"].as_array().unwrap().iter().map(|e| e["summary"].as_str().unwrap()).collect();
    assert_eq!(shown.len(), 3, "{shown:?}");
    let next = log_event(&world, "s0", "after the merge");
    assert_ne!(next, root);
    assert_eq!(codes(&world), [] as [String; 0]);
    assert!(world.read(EVENTS).starts_with(&merged), "a merged log is only appended to");
}

#[test]
fn a_write_after_the_task_went_to_another_is_a_finding() {
    let world = world();
    world.ok(&["bus", "claim", "T", "--agent", "s0", "--allow-unassigned", "--status", "paused"]);
    world.ok(&["bus", "claim", "T", "--agent", "s1"]);
    assert_eq!(codes(&world), [] as [String; 0]);
    // Another tool writes without asking.
    let line = format!(
        "{{\"ts\":\"{NOW}\",\"agent_id\":\"s0\",\"event\":\"complete\",\"summary\":\"x\",\"task_id\":\"T\"}}\n"
    );
    world.write(EVENTS, &(world.read(EVENTS) + &line));
    assert_eq!(codes(&world), ["event.fenced"]);
}

#[test]
fn a_follower_shows_what_comes_once_through_seals_and_rewrites() {
    let mut world = world();
    // The real time: a follower runs on while the log grows.
    world.now = None;
    for n in 0..3 {
        let at = machine_time();
        world.write(&format!("_report/session/s{n}/manager-report-tail.txt"), &format!("# captured_at={at}\n"));
    }
    world.write("teof.toml", "[log]\nseal_at = 1500\n");
    log_event(&world, "s0", "before");
    let mut watch = Following::start(&world, &["bus", "watch", "--follow", "--task", "manager-report", "--limit", "5"]);
    assert!(watch.line().contains(":: before"));
    for n in 0..12 {
        log_event(&world, "s1", &format!("event {n}"));
        assert!(watch.line().contains(&format!(":: event {n}")));
    }
    assert!(std::fs::read_dir(world.repo.join("_bus/events")).unwrap().count() > 1, "it was sealed meanwhile");
    world.ok(&["bus", "message", "--agent", "s1", "--task", "manager-report", "--type", "note", "--summary", "hello"]);
    assert!(watch.line().contains(":: message/note :: task=manager-report :: hello"));
    // Written anew, as git does it: another file with the same lines and one more.
    let text = world.read(EVENTS);
    let last = text.lines().last().map(str::to_owned).unwrap_or_default();
    let more = last.replace("event 11", "merged").replace("\"id\"", "\"was\"");
    world.write("_bus/events/new", &format!("{text}{more}\n"));
    std::fs::rename(world.repo.join("_bus/events/new"), world.repo.join(EVENTS)).unwrap();
    log_event(&world, "s2", "last");
    let shown = [watch.line(), watch.line()];
    assert!(shown[0].contains(":: merged") && shown[1].contains(":: last"), "{shown:?}");
    watch.stop();
}

fn machine_time() -> String {
    let output = std::process::Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A `watch --follow` whose lines are read as they come.
struct Following {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Following {
    fn start(world: &World, args: &[&str]) -> Following {
        let mut child = world.teof(args).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let (send, lines) = mpsc::channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        Following { child, lines }
    }

    /// The next line; a follower that says nothing for long has failed.
    fn line(&self) -> String {
        self.lines.recv_timeout(std::time::Duration::from_secs(60)).expect("the follower went silent")
    }

    fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        assert_eq!(self.lines.iter().count(), 0, "nothing was shown twice");
    }
}

#[test]
fn a_record_commit_that_was_reset_away_comes_back_from_the_reflog() {
    let world = world();
    log_event(&world, "s0", "first");
    commit(&world);
    log_event(&world, "s0", "second");
    world.ok(&["bus", "message", "--agent", "s0", "--task", "manager-report", "--type", "note", "--summary", "x"]);
    world.ok(&["bus", "commit"]);
    assert_eq!(world.git(&["rev-list", "--count", "HEAD"]), "3");
    log_event(&world, "s0", "third");
    let before = (world.read(EVENTS), world.read("_bus/messages/manager-report.jsonl"));
    world.git(&["reset", "-q", "--hard", "HEAD~1"]);
    assert_eq!(world.refused(&event("s0", "refused"))["code"], "record.behind");
    world.ok(&["bus", "restore"]);
    assert_eq!(before, (world.read(EVENTS), world.read("_bus/messages/manager-report.jsonl")));
    log_event(&world, "s0", "goes on");
    assert_eq!(codes(&world), [] as [String; 0]);
}

#[test]
fn a_log_that_was_sealed_elsewhere_is_accepted_and_one_that_lost_lines_is_not() {
    let world = world();
    for n in 0..5 {
        log_event(&world, "s0", &format!("event {n}"));
    }
    let text = world.read(EVENTS);
    let (moved, left) = text.split_at(text.match_indices('\n').nth(3).unwrap().0 + 1);
    // As a merge brings it from a clone that sealed the log.
    world.write("_bus/events/events-20260105T100000Z.jsonl", moved);
    world.write(EVENTS, left);
    assert_eq!(world.refused(&event("s0", "refused"))["code"], "record.behind");
    let done = world.json(&["bus", "restore"]);
    assert_eq!((done["mended"][0]["from_marks"].as_u64(), world.read(EVENTS).as_str()), (Some(0), left));
    log_event(&world, "s0", "goes on");
    assert_eq!(codes(&world), [] as [String; 0]);

    // Gone from everywhere: the marks' copy, too.
    std::fs::remove_dir_all(world.repo.join(".git/teof/marks/lines")).unwrap();
    world.write(EVENTS, left);
    let ran = world.run(&["bus", "restore", "--json"]).expect(1);
    let done: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(done["mended"][0]["note"].as_str().unwrap().contains("no copy of the rest was found"), "{done}");
    assert_eq!(world.refused(&event("s0", "refused"))["code"], "record.behind", "nothing is accepted by itself");
    world.ok(&["bus", "restore", "--accept"]);
    log_event(&world, "s0", "goes on");
}
