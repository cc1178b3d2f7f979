//! A hundred approved command steps, three at a time, end to end: worktree, guards, test, receipts.
//!
//! The baseline does by hand what no step can do without: a worktree, its command, a commit, its test.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::measure::time;
use crate::world::{World, run};

const STEPS: usize = 100;
const AT_A_TIME: usize = 3;

pub fn jobs() {
    let world = World::new();
    for seat in 1..=AT_A_TIME {
        world.teof(&["init", "--agent", &format!("worker-{seat}")]);
    }
    run(world.git(&["add", "-A"]));
    run(world.git(&["commit", "-qm", "Set up"]));
    for n in 0..STEPS {
        let id = format!("2026-01-05-jobs-{n}");
        let plan = format!(
            r#"{{"version":0,"plan_id":"{id}","created":"2026-01-05T00:00:00Z","actor":"bench","summary":"Plan {n}","status":"queued","layer":"L5","systemic_scale":6,"systemic_targets":["S6"],"layer_targets":["L5"],"steps":[{{"id":"S1","title":"Write a file","status":"queued","notes":"","receipts":[],"commands":["echo {n} > file-{n}.txt"],"tests":["test -f file-{n}.txt"]}}],"checkpoint":{{"description":"It is done","owner":"bench","status":"pending"}},"links":[],"receipts":[]}}"#
        );
        fs::write(world.repo.join(format!("_plans/{id}.plan.json")), plan).unwrap();
        world.operator(&["plan", "approve", &id]);
    }
    world.operator(&["consent", "grant", "--max-iterations", "1000"]);
    let at_a_time = AT_A_TIME.to_string();
    let ours = time(|| world.operator(&["coordinator", "run", "--until-idle", "--concurrency", &at_a_time]));
    let by_hand = World::new();
    let baseline = time(|| by_hands(&by_hand));
    println!(
        "{STEPS} steps, {AT_A_TIME} at a time: {:.1} s; by hand with git: {:.1} s; ratio {:.2}",
        ours.as_secs_f64(),
        baseline.as_secs_f64(),
        ours.as_secs_f64() / baseline.as_secs_f64()
    );
}

fn by_hands(world: &World) {
    let next = AtomicUsize::new(0);
    // Git cannot add two worktrees at once.
    let adding = std::sync::Mutex::new(());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= STEPS {
                        break;
                    }
                    step(world, n, &adding);
                }
            });
        }
    });
}

fn step(world: &World, n: usize, adding: &std::sync::Mutex<()>) {
    let folder = world.repo.join(format!("../by-hand-{n}"));
    let path = folder.to_str().unwrap();
    {
        let _adding = adding.lock().unwrap();
        run(world.git(&["worktree", "add", "-q", "-b", &format!("by-hand-{n}"), path]));
    }
    shell(&folder, &format!("echo {n} > file-{n}.txt"));
    run(world.git(&["-C", path, "add", "-A"]));
    run(world.git(&["-C", path, "commit", "-qm", "Write a file"]));
    shell(&folder, &format!("test -f file-{n}.txt"));
}

fn shell(folder: &Path, line: &str) {
    run(std::process::Command::new("sh").args(["-c", line]).current_dir(folder));
}
