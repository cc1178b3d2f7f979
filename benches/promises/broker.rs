//! What a write costs that a program of a run sends to its worker, beside the same write without the worker.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::measure::{compare, instructions};
use crate::stage::order;
use crate::world::{TEOF, World};

/// Runs this program as the work of a run, and prints what it found there.
pub fn broker() {
    let world = World::new();
    // The same write without the worker is possible without the sandbox only.
    fs::write(world.repo.join("teof.toml"), "[worker.sandbox]\nmode = \"off\"\n").unwrap();
    world.operator(&["consent", "grant", "--max-jobs", "1"]);
    world.teof(&["bus", "claim", "BENCH", "--allow-unassigned"]);
    let found = world.repo.join("../found");
    let own = std::env::current_exe().unwrap();
    let mut order = order(&world, 1, &[]);
    let line = format!("echo work > work.txt; {:?} --in-a-run > {:?} 2>&1", own.display(), found.display());
    order["commands"] = json!([["sh", "-c", line]]);
    let path = "_report/agent/bench/manifests/manifest-1.json";
    fs::create_dir_all(world.repo.join(path).parent().unwrap()).unwrap();
    fs::write(world.repo.join(path), format!("{order:#}\n")).unwrap();
    let ran = world.command(&["foreman", "run", path, "--execute", "--run", "run-1"]).status().unwrap();
    print!("{}", fs::read_to_string(found).unwrap());
    assert!(ran.success());
}

/// The part inside the run.
pub fn inside() {
    let event = |without: Option<&str>| {
        let mut command = Command::new(TEOF);
        command.args(["bus", "event", "--event", "status", "--task", "BENCH", "--summary", "halfway"]);
        let variables = std::env::vars().filter(|(name, _)| Some(name.as_str()) != without);
        command.env_clear().envs(variables).stdin(Stdio::null()).stdout(Stdio::null());
        command
    };
    let direct = Some("TEOF_BROKER");
    let run = |mut command: Command| assert!(command.status().unwrap().success());
    compare("bus event by the worker / direct", 100, 2.2, |_| run(event(None)), |_| run(event(direct)));
    instructions("bus event, sent to the worker", &event(None));
    instructions("bus event in a run, direct", &event(direct));
}
