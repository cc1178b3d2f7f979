//! What a single command costs: start, event, claim.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::measure::compare;
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
}

/// `bus event` and `bus claim` against a bare process that makes the same writes and syncs.
pub fn bus() {
    let world = World::new();
    world.teof(&["bus", "claim", "BENCH-1", "--allow-unassigned"]);
    let folder = world.repo.join("../bare");
    std::fs::create_dir_all(&folder).unwrap();
    compare(
        "bus event / bare process",
        100,
        1.5,
        |_| world.teof(&["bus", "event", "--event", "status", "--task", "BENCH-1", "--summary", "halfway"]),
        |_| bare(&["event", folder.to_str().unwrap()]),
    );
    compare(
        "bus claim / bare process",
        100,
        1.5,
        |n| world.teof(&["bus", "claim", &format!("TASK-{n}"), "--allow-unassigned"]),
        |n| bare(&["claim", folder.to_str().unwrap(), &format!("TASK-{n}.json")]),
    );
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
