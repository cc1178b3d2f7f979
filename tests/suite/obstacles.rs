//! Something else where a file is expected (a FIFO, a folder, a socket, a link that leads nowhere): every command ends,
//! and says which path is in its way. None waits, and none calls it a fault of teof.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{Ran, World};

/// Whether some command must name the place. Caches, and what is made anew each time, may be replaced instead.
#[derive(Clone, Copy, PartialEq)]
enum Duty {
    Named,
    MayBeReplaced,
}
use Duty::{MayBeReplaced, Named};

const PLACES: [(&str, Duty); 29] = [
    (".git/teof/hub", Named),
    (".git/teof/locks", Named),
    (".git/teof/locks/bus.lock", Named),
    (".git/teof/locks/coordinator.lock", Named),
    (".git/teof/locks/run-T-1.lock", Named),
    (".git/teof/intents/current", Named),
    (".git/teof/marks/logs/_bus%events%events.jsonl", MayBeReplaced),
    (".git/teof/marks/lines/_bus%events%events.jsonl", Named),
    (".git/teof/marks/claims/_bus%claims%T-1.json", Named),
    (".git/teof/requests", Named),
    (".git/teof/cache/events.json", MayBeReplaced),
    (".git/teof/cache/record.json", MayBeReplaced),
    (".git/teof/cache/scan.json", MayBeReplaced),
    (".git/teof/durable.gitconfig", MayBeReplaced),
    ("_bus/events/events.jsonl", Named),
    ("_bus/messages/manager-report.jsonl", Named),
    ("_bus/claims/T-1.json", Named),
    ("_bus/claims", Named),
    ("_bus/assignments/T-1.json", Named),
    ("_bus/.gitattributes", Named),
    ("_plans/next-development.todo.json", Named),
    ("_plans/2026-01-05-p.plan.json", Named),
    ("_report/receipts.jsonl", Named),
    ("_report/session/s0/manager-report-tail.txt", Named),
    ("docs/automation/autonomy-consent.json", Named),
    ("memory/log.jsonl", MayBeReplaced),
    ("teof.toml", Named),
    ("AGENT_MANIFEST.json", Named),
    (".git/teof/trust.json", MayBeReplaced),
];

/// The last ones only read, and are tried where they could wait.
const COMMANDS: [&[&str]; 12] = [
    &["bus", "event", "--agent=s0", "--event=note", "--summary=x", "--allow-stale-session", "--request-id=r1"],
    &["bus", "claim", "T-1", "--agent=s0", "--allow-unassigned", "--allow-stale-session"],
    &["bus", "message", "--agent=s0", "--task=manager-report", "--type=note", "--summary=x"],
    &["bus", "commit"],
    &["task", "list"],
    &["consent", "show"],
    &["receipts", "verify"],
    &["coordinator", "status"],
    &["doctor"],
    &["bus", "status", "--all"],
    &["scan"],
    &["preflight", "full"],
];
const READERS: usize = 3;

/// The longest that a command may take on a machine that is busy, in seconds; a command that waits has no end.
const BOUND: &str = "60";

fn world() -> World {
    let mut world = World::bare_of_teof();
    world.now = Some("2026-01-05T10:00:00Z".into());
    world.ok(&["init", "--agent", "s0"]);
    world.ok(&["session-boot", "--agent", "s0", "--no-sync"]);
    world.ok(COMMANDS[0]);
    world.ok(COMMANDS[1]);
    world.ok(COMMANDS[2]);
    world.ok(&["task", "add", "Q-1", "--title", "t"]);
    world.ok(&["bus", "commit"]);
    world
}

fn run(world: &World, args: &[&str]) -> Ran {
    let mut command = Command::new("timeout");
    world.clear(&mut command);
    command.args(["--signal=KILL", BOUND, env!("CARGO_BIN_EXE_teof")]).args(args).current_dir(&world.repo);
    command.env("TEOF_NOW", world.now.as_deref().unwrap()).stdin(Stdio::null());
    Ran::of(command.output().unwrap(), args)
}

fn put(kind: &str, place: &Path) {
    match kind {
        "fifo" => {
            rustix::fs::mknodat(rustix::fs::CWD, place, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        }
        "folder" => {
            fs::create_dir(place).unwrap();
            fs::write(place.join("x"), "x").unwrap();
        }
        "socket" => drop(UnixListener::bind(place).unwrap()),
        "link" => symlink("/nonexistent/x", place).unwrap(),
        _ => fs::write(place, "x").unwrap(),
    }
}

fn remove(place: &Path) {
    if fs::symlink_metadata(place).is_ok_and(|found| found.is_dir()) {
        fs::remove_dir_all(place).unwrap();
    } else {
        let _ = fs::remove_file(place);
    }
}

/// What is wrong with how the commands take it.
fn faults(world: &World, place: &str, duty: Duty, kind: &str) -> Vec<String> {
    let path = world.repo.join(place);
    let aside = world.folder().join("aside");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let was_there = fs::rename(&path, &aside).is_ok();
    put(kind, &path);
    let mut found = Vec::new();
    let mut is_named = duty == MayBeReplaced;
    let readers = if kind == "fifo" { READERS } else { 0 };
    for args in &COMMANDS[..COMMANDS.len() - READERS + readers] {
        let ran = run(world, args);
        if !(0..=6).contains(&ran.code) {
            found.push(format!("{place} is a {kind}: {ran:?}"));
        }
        let name = place.trim_start_matches(".git/teof/");
        is_named |= ran.stdout.contains(name) || ran.stderr.contains(name);
    }
    if !is_named {
        found.push(format!("no command said that {place} is a {kind}"));
    }
    remove(&path);
    if was_there {
        fs::rename(&aside, &path).unwrap();
    }
    found
}

#[test]
fn special_files_are_named_and_never_block() {
    let half = |kinds: &[&str]| {
        let world = world();
        let cases = kinds.iter().flat_map(|kind| PLACES.map(|(place, duty)| (place, duty, *kind)));
        let found = cases.flat_map(|(place, duty, kind)| {
            let is_folder = world.repo.join(place).is_dir();
            faults(&world, place, duty, if kind == "folder" && is_folder { "file" } else { kind })
        });
        found.collect::<Vec<_>>()
    };
    let found = std::thread::scope(|scope| {
        let first = scope.spawn(|| half(&["fifo", "folder"]));
        let second = half(&["socket", "link"]);
        [first.join().unwrap(), second].concat()
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}
