//! What a single command costs: start, event, claim.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::measure::{compare, costs};
use crate::world::{TEOF, World, run};

/// `teof --version` against an empty Rust program.
pub fn version() {
    let empty = empty_program();
    compare(
        "--version / empty Rust program",
        200,
        1.5,
        |_| run(Command::new(TEOF).arg("--version")),
        |_| run(&mut Command::new(&empty)),
    );
    let mut version = Command::new(TEOF);
    version.arg("--version");
    costs("--version", version);
    costs("empty Rust program", Command::new(&empty));
}

/// `bus event` and `bus claim` against a bare process, linked alike, that makes the same writes and syncs: on a
/// disk, and in memory, where what is left is the command's own.
pub fn bus() {
    for (place, parent) in [("disk", env!("CARGO_TARGET_TMPDIR")), ("tmpfs", "/dev/shm")] {
        if Path::new(parent).is_dir() {
            bus_in(place, Path::new(parent));
        }
    }
}

fn bus_in(place: &str, parent: &Path) {
    let event = ["bus", "event", "--event", "status", "--task", "BENCH-1", "--summary", "halfway"];
    let world = World::within(parent);
    world.teof(&["bus", "claim", "BENCH-1", "--allow-unassigned"]);
    let folder = world.repo.join("../bare");
    std::fs::create_dir_all(&folder).unwrap();
    compare(
        &format!("bus event / bare process, {place}"),
        100,
        1.4,
        |_| world.teof(&event),
        |_| bare(&["event", folder.to_str().unwrap()]),
    );
    compare(
        &format!("bus claim / bare process, {place}"),
        100,
        1.4,
        |n| world.teof(&["bus", "claim", &format!("TASK-{n}"), "--allow-unassigned"]),
        |n| bare(&["claim", folder.to_str().unwrap(), &format!("TASK-{n}.json")]),
    );
    if place == "tmpfs" {
        costs("bus event", world.command(&event));
        costs("bus claim", world.command(&["bus", "claim", "TASK-N", "--allow-unassigned"]));
    }
}

fn bare(args: &[&str]) {
    let status = Command::new(std::env::current_exe().unwrap()).arg("--bare").args(args).stdin(Stdio::null()).status();
    assert!(status.unwrap().success());
}

fn empty_program() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (source, program) = (folder.join("empty.rs"), folder.join("empty"));
    std::fs::write(&source, "fn main() {}\n").unwrap();
    run(Command::new("rustc").args(["-O", "-o"]).arg(&program).arg(&source));
    program
}
