//! People do to the hub's worktree what people do to worktrees, while agents write: no claim is lost or
//! given twice, no acknowledged line is lost or doubled, no commit lands where it does not belong.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Child;

use serde_json::Value;

use crate::harness::World;

const AGENTS: [&str; 4] = ["a", "b", "c", "d"];
const EVENTS: &str = "_bus/events/events.jsonl";

/// A hub that is set up and committed, with a branch that conflicts in the README, and seats with sessions.
fn world() -> World {
    let mut world = World::bare_of_teof();
    world.now = Some("2026-01-05T10:00:00Z".to_owned());
    world.ok(&["init"]);
    fs::remove_file(world.repo.join("AGENT_MANIFEST.json")).unwrap();
    for agent in AGENTS {
        world.ok(&["session-boot", "--no-sync", "--agent", agent]);
    }
    world.git(&["add", "."]);
    world.git(&["commit", "-qm", "Set up teof"]);
    world.git(&["switch", "-qc", "side"]);
    world.write("README.md", "side\n");
    world.git(&["commit", "-qam", "Side"]);
    world.git(&["switch", "-q", "main"]);
    world.write("README.md", "main\n");
    world.git(&["commit", "-qam", "Main"]);
    world
}

fn git(world: &World, args: &[&str]) -> bool {
    let mut command = std::process::Command::new("git");
    world.clear(&mut command);
    command.args(args).current_dir(&world.repo).output().unwrap().status.success()
}

/// What was acknowledged.
#[derive(Default)]
struct Acknowledged {
    winners: BTreeMap<String, Vec<String>>,
    events: Vec<String>,
    refused: Vec<String>,
}

/// Every agent tries to claim the task, writes an event, and commits the record.
fn begin(world: &World, task: &str) -> Vec<(&'static str, &'static str, Child)> {
    let each = |agent: &'static str| {
        let claim = world.spawn(&["bus", "claim", task, "--allow-unassigned", "--agent", agent, "--json"]);
        let event = ["bus", "event", "--event", "observation", "--summary", task, "--agent", agent, "--json"];
        [
            ("claim", agent, claim),
            ("event", agent, world.spawn(&event)),
            ("commit", agent, world.spawn(&["bus", "commit"])),
        ]
    };
    AGENTS.into_iter().flat_map(each).collect()
}

fn end(seen: &mut Acknowledged, task: &str, children: Vec<(&str, &str, Child)>) {
    for (what, agent, child) in children {
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_ne!(output.status.code(), Some(70), "a fault of ours: {stderr}");
        match (what, output.status.success()) {
            ("claim", true) => seen.winners.entry(task.to_owned()).or_default().push(agent.to_owned()),
            ("event", true) => {
                let document: Value = serde_json::from_slice(&output.stdout).unwrap();
                seen.events.push(document["written"][0]["id"].as_str().unwrap().to_owned());
            }
            (_, true) => {}
            (what, false) => {
                if what != "commit" {
                    let error: Value = serde_json::from_str(&stderr).unwrap_or_else(|e| panic!("{e}: {stderr}"));
                    let next = error["error"]["next"].as_array().unwrap();
                    assert!(!next.is_empty(), "a refusal says what to do: {error}");
                    seen.refused.push(error["error"]["code"].as_str().unwrap().to_owned());
                }
            }
        }
    }
}

fn check(world: &World, seen: &Acknowledged) {
    for (task, winners) in &seen.winners {
        assert_eq!(winners.len(), 1, "{task} was given to {winners:?}");
        assert_eq!(world.read_json(&format!("_bus/claims/{task}.json"))["agent_id"], winners[0].as_str());
    }
    let log = world.read(EVENTS);
    for id in &seen.events {
        assert_eq!(log.matches(&format!("\"id\":\"{id}\"")).count(), 1, "event {id}");
    }
    for line in world.git(&["log", "--all", "--format=%H %s"]).lines() {
        let (commit, subject) = line.split_once(' ').unwrap();
        if subject == "Commit the record" {
            let files = world.git(&["show", "--format=", "--name-only", commit]);
            assert!(files.lines().all(|file| file.starts_with('_')), "{line}: {files}");
            assert!(git(world, &["merge-base", "--is-ancestor", commit, "main"]), "{line} is not on main");
        }
    }
    assert_eq!(world.git(&["log", "-1", "--format=%s", "side"]), "Side");
}

#[test]
fn agents_write_while_people_switch_merge_rebase_and_commit() {
    let world = world();
    let hook = world.repo.join(".git/hooks/pre-commit");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let mut seen = Acknowledged::default();
    let abuses: [(&str, &[&[&str]]); 5] = [
        (
            "switch",
            &[
                &["switch", "-q", "-m", "-c", "elsewhere"],
                &["switch", "-q", "main"],
                &["branch", "-q", "-D", "elsewhere"],
            ],
        ),
        ("merge", &[&["merge", "-q", "side"], &["status"], &["merge", "--abort"]]),
        ("rebase", &[&["rebase", "-q", "side"], &["status"], &["rebase", "--abort"]]),
        ("pick", &[&["cherry-pick", "side"], &["status"], &["cherry-pick", "--abort"]]),
        ("hook", &[&["commit", "-q", "--allow-empty", "-m", "Refused by the hook"]]),
    ];
    for round in 0..2 {
        for (name, commands) in abuses {
            let task = format!("{name}-{round}");
            let children = begin(&world, &task);
            for command in commands {
                // Beside agents that commit, git may find its index locked: as with any two git processes.
                git(&world, command);
            }
            end(&mut seen, &task, children);
            // The person tidies up: whatever did not get through is done again.
            for command in [&["merge", "--abort"][..], &["rebase", "--abort"], &["cherry-pick", "--abort"]] {
                git(&world, command);
            }
            git(&world, &["switch", "-q", "main"]);
            if world.git(&["branch", "--show-current"]) != "main" {
                // A rebase that found the index locked may have left too little to go back by.
                git(&world, &["rebase", "--quit"]);
                world.git(&["switch", "-q", "-m", "main"]);
            }
            assert_eq!(world.git(&["branch", "--show-current"]), "main", "{task}");
            // Git may have written a file from before a line that came meanwhile: that is seen, and brought back.
            let committed = world.run(&["bus", "commit", "--json"]);
            if committed.code != 0 {
                assert!(committed.stderr.contains("record.behind"), "{}", committed.stderr);
                world.ok(&["bus", "restore"]);
                world.ok(&["bus", "commit"]);
            }
            check(&world, &seen);
        }
    }
    let known = ["claim.held", "hub.switched", "hub.busy", "hub.detached", "record.behind", "lock.timeout"];
    assert!(seen.refused.iter().all(|code| known.contains(&code.as_str())), "{:?}", seen.refused);
    assert!(!seen.winners.is_empty() && !seen.events.is_empty());
}

#[test]
fn a_stash_or_a_reset_never_makes_a_held_task_look_free() {
    let world = world();
    let mut seen = Acknowledged::default();
    let children = begin(&world, "T");
    end(&mut seen, "T", children);
    let winner = seen.winners["T"][0].clone();
    let other = AGENTS.into_iter().find(|agent| *agent != winner).unwrap();
    let claim = ["bus", "claim", "T", "--allow-unassigned", "--agent", other];
    world.ok(&["bus", "event", "--event", "observation", "--summary", "not committed yet", "--agent", other]);

    world.git(&["stash", "-qu"]);
    let refused = world.refused(&claim);
    assert_eq!(refused["code"], "record.behind", "{refused}");
    assert!(refused["next"].to_string().contains("git stash pop"), "{refused}");
    world.git(&["stash", "pop", "-q"]);
    assert_eq!(world.refused(&claim)["code"], "claim.held");

    let log = world.read(EVENTS);
    world.git(&["reset", "-q", "--hard", "HEAD"]);
    let refused = world.refused(&claim);
    assert_eq!(refused["code"], "record.behind");
    assert!(refused["next"].to_string().contains("teof bus restore"), "{refused}");
    assert_eq!(world.refused(&["bus", "commit"])["code"], "record.behind");
    world.ok(&["bus", "restore"]);
    assert_eq!(world.read(EVENTS), log);
    assert_eq!(world.refused(&claim)["code"], "claim.held");

    // An older commit of the record's own branch, too.
    world.ok(&["bus", "commit"]);
    let tip = world.git(&["rev-parse", "HEAD"]);
    world.git(&["reset", "-q", "--hard", "HEAD~1"]);
    assert_eq!(world.refused(&claim)["code"], "record.behind");
    world.git(&["reset", "-q", "--hard", &tip]);
    assert_eq!(world.refused(&claim)["code"], "claim.held");
    check(&world, &seen);
}
