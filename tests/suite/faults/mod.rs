//! Faults at every file system call of the commands that write: an error, a kill, and git replacing the record just
//! then. The exit code tells the truth, what was acknowledged is there, and what was not is there whole or not at all.
//!
//! `TEOF_FAULTS=all` tries every command with every fault; without it a choice of them is tried.

mod driver;
pub mod lab;
mod scenarios;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde_json::Value;

use crate::harness::World;

const NOW: &str = "2026-01-05T10:00:00Z";

/// A repository with two seats, a claim, a plan and a backlog, kept so that it can be had again.
struct Lab {
    world: World,
    pristine: PathBuf,
}

impl Lab {
    fn new() -> Lab {
        let mut world = World::new();
        world.now = Some(NOW.to_owned());
        for seat in ["s0", "s1"] {
            let tail = format!("_report/session/{seat}/manager-report-tail.txt");
            world.write(&tail, &format!("# captured_at={NOW}\n"));
        }
        world.ok(&["task", "add", "Q-1", "--title", "First", "--agent", "s0"]);
        world.ok(&["bus", "claim", "T", "--agent", "s0", "--allow-unassigned"]);
        world.ok(&["bus", "event", "--agent", "s0", "--event", "note", "--summary", "committed"]);
        world.git(&["add", "-A"]);
        world.git(&["commit", "-qm", "Record"]);
        world.ok(&["bus", "commit"]);
        world.ok(&["bus", "event", "--agent", "s0", "--event", "note", "--summary", "not committed"]);
        let pristine = world.folder().join("pristine");
        copy(&world.repo, &pristine);
        Lab { world, pristine }
    }

    fn reset(&self) {
        fs::remove_dir_all(&self.world.repo).unwrap();
        copy(&self.pristine, &self.world.repo);
    }

    /// Runs a command that meets a fault at its `n`-th call; `None` when it has fewer.
    fn with_fault(&self, args: &[&str], fault: &str, n: u32) -> Option<(Output, String)> {
        let log = self.world.folder().join("fault");
        let _ = fs::remove_file(&log);
        let mut command = self.world.teof(&[args, &["--json"]].concat());
        command.env("TEOF_FAULT", format!("{fault}:{n}")).env("TEOF_FAULT_LOG", &log);
        let output = command.stdin(Stdio::null()).output().unwrap();
        fs::read_to_string(log).ok().map(|call| (output, call))
    }

    /// Everything in the record: of logs the set of lines, of other files the text.
    fn record(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut found = BTreeMap::new();
        let mut folders: Vec<PathBuf> = ["_bus", "_plans", "_report"].map(|name| self.world.repo.join(name)).into();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(&self.world.repo).unwrap().to_str().unwrap().to_owned();
                let text = fs::read_to_string(&path).unwrap();
                let lines: BTreeSet<String> = match name.ends_with(".jsonl") {
                    true => text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect(),
                    false => [text].into(),
                };
                if !lines.is_empty() && !name.contains("/.teof-") {
                    found.insert(name, lines);
                }
            }
        }
        found
    }

    /// The record after a next command, which finishes or forgets what was interrupted.
    fn after_the_next_command(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.world.ok(&["bus", "event", "--agent", "s1", "--event", "note", "--summary", "the next"]);
        self.record()
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

const COMMANDS: [&[&str]; 9] = [
    &["bus", "claim", "Q-1", "--agent", "s1", "--allow-unassigned"],
    &["bus", "event", "--agent", "s0", "--event", "note", "--summary", "x"],
    &["task", "add", "Q-2", "--title", "Second", "--agent", "s0"],
    &["bus", "message", "--agent", "s0", "--task", "T", "--type", "note", "--summary", "x"],
    &["bus", "release", "T", "--agent", "s0"],
    &["bus", "ping", "--agent", "s0", "--message-task", "manager-report", "--summary", "x", "--request-id", "r1"],
    &["task", "pickup", "Q-1", "--agent", "s1"],
    &["bus", "pause", "T", "--agent", "s0", "--reason", "x"],
    &["bus", "claim", "T", "--agent", "s0", "--lease", "1h"],
];

fn commands() -> &'static [&'static [&'static str]] {
    match std::env::var("TEOF_FAULTS").as_deref() {
        Ok("all") => &COMMANDS,
        _ => &COMMANDS[..2],
    }
}

#[test]
fn a_command_that_fails_or_dies_at_any_file_system_call_is_whole_or_never_happened() {
    let lab = Lab::new();
    let old = lab.after_the_next_command();
    for args in commands() {
        lab.reset();
        lab.world.ok(args);
        let new = lab.after_the_next_command();
        for fault in ["eio", "kill"] {
            let mut tried = 0;
            for n in 1.. {
                lab.reset();
                let before = lab.record();
                let Some((output, call)) = lab.with_fault(args, fault, n) else { break };
                tried = n;
                let case = format!("{args:?}: {fault} at {call} ({n}): {}", String::from_utf8_lossy(&output.stderr));
                let document: Value = serde_json::from_slice(&output.stderr).unwrap_or_default();
                let code = document["error"]["code"].as_str().unwrap_or_default().to_owned();
                let at_once = lab.record();
                let after = lab.after_the_next_command();
                match output.status.code() {
                    Some(0) => assert_eq!(after, new, "{case}"),
                    Some(1) if code == "write.uncertain" => assert!(after == old || after == new, "{case}"),
                    Some(1 | 5) => {
                        assert_eq!(at_once, before, "{case}");
                        assert_eq!(after, old, "{case}");
                    }
                    None => assert!(after == old || after == new, "{case}"),
                    other => panic!("exit code {other:?}: {case}"),
                }
                lab.world.ok(&["bus", "verify"]);
            }
            assert!(tried > 3, "{args:?} reached only {tried} calls");
        }
    }
}

#[test]
fn a_log_that_is_replaced_at_each_attempt_is_given_up_and_no_line_is_there_twice() {
    let lab = Lab::new();
    let (before, old) = (lab.record(), lab.after_the_next_command());
    let put_back = format!("replace:{}", before["_bus/events/events.jsonl"].len());
    // One log alone, and a transaction of several files.
    for args in [COMMANDS[1], COMMANDS[0]] {
        lab.reset();
        lab.world.ok(args);
        let new = lab.after_the_next_command();
        // The tool puts back what was there, or copies the new line too.
        for (fault, code) in [(&*put_back, "record.moving"), ("replace:999", "write.uncertain")] {
            lab.reset();
            let output = lab.world.teof(&[args, &["--json"]].concat()).env("TEOF_FAULT", fault).output().unwrap();
            let error: Value = serde_json::from_slice(&output.stderr).unwrap_or_default();
            assert_eq!((output.status.code(), &error["error"]["code"]), (Some(1), &code.into()), "{output:?}");
            if fault == put_back {
                assert_eq!(lab.record(), before, "{args:?}");
            }
            let after = lab.after_the_next_command();
            assert_eq!(after, if fault == put_back { old.clone() } else { new.clone() }, "{args:?} {fault}");
            let log = lab.world.read("_bus/events/events.jsonl");
            assert_eq!(log.lines().collect::<BTreeSet<_>>().len(), log.lines().count(), "{args:?} {fault}: {log}");
            lab.world.ok(&["bus", "verify"]);
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_git_resets_the_record_during_any_call() {
    let lab = Lab::new();
    let event = |summary: &str| {
        let args = ["bus", "event", "--agent", "s0", "--event", "note", "--summary", summary, "--json"];
        lab.world.run(&args)
    };
    for n in 1.. {
        lab.reset();
        let log = lab.world.folder().join("fault");
        let _ = fs::remove_file(&log);
        let mut command = lab.world.teof(&["bus", "event", "--agent", "s0", "--event", "note", "--summary", "raced"]);
        command.env("TEOF_FAULT", format!("stop:{n}")).env("TEOF_FAULT_LOG", &log);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap();
        if !status.stopped() {
            assert!(n > 3);
            break;
        }
        lab.world.git(&["reset", "-q", "--hard"]);
        for seat in ["s0", "s1"] {
            let tail = format!("_report/session/{seat}/manager-report-tail.txt");
            lab.world.write(&tail, &format!("# captured_at={NOW}\n"));
        }
        kill_process(pid, Signal::CONT).unwrap();
        let mut acknowledged = vec!["committed", "not committed"];
        if child.wait().unwrap().success() {
            acknowledged.push("raced");
        }
        let case = format!("stopped at {}", fs::read_to_string(&log).unwrap());
        if event("next").code == 0 {
            acknowledged.push("next");
        }
        lab.world.ok(&["bus", "restore"]);
        assert_eq!(event("after").code, 0, "{case}");
        let events = lab.world.read("_bus/events/events.jsonl");
        for summary in acknowledged {
            assert!(events.contains(&format!("\"{summary}\"")), "{summary} is lost: {case}");
        }
        lab.world.ok(&["bus", "verify"]);
    }
}
