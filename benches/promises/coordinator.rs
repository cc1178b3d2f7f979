//! The coordinator: how fast it reacts, and what it costs when there is nothing to do.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use teof::base::lock;

use crate::measure::median;
use crate::world::World;

/// From a plan written into `_plans/` to the worker holding its run lock.
pub fn latency() {
    let world = World::new();
    let mut coordinator = start(&world);
    let mut times = Vec::new();
    for n in 0..20 {
        let id = format!("2026-01-05-latency-{n}");
        let plan = format!(
            r#"{{"version":0,"plan_id":"{id}","created":"2026-01-05T00:00:00Z","actor":"bench","summary":"Plan {n}","status":"queued","layer":"L5","systemic_scale":6,"systemic_targets":["S6"],"layer_targets":["L5"],"steps":[{{"id":"S1","title":"Nothing","status":"queued","notes":"","receipts":[],"commands":[["true"]],"tests":["true"]}}],"checkpoint":{{"description":"It is done","owner":"bench","status":"pending"}},"links":[],"receipts":[]}}"#
        );
        let held = world.repo.join(format!(".git/teof/locks/run-{id}-S1.lock"));
        let target = world.repo.join(format!("_plans/{id}.plan.json"));
        let temporary = world.repo.join("_plans/.latency.tmp");
        fs::write(&temporary, plan).unwrap();
        let begin = Instant::now();
        fs::rename(&temporary, &target).unwrap();
        while !(held.exists() && lock::is_held(&held).unwrap()) {
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "the worker never started: see {}",
                world.repo.display()
            );
            std::thread::sleep(Duration::from_micros(200));
        }
        times.push(begin.elapsed());
        // The next one finds a quiet coordinator.
        while lock::is_held(&held).unwrap() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    let middle = median(times).as_secs_f64() * 1e3;
    println!(
        "plan written → run lock held: median {middle:.1} ms (target 60) {}",
        if middle <= 60.0 { "met" } else { "MISSED" }
    );
    stop(&world, &mut coordinator);
}

/// CPU and memory of an idle coordinator over a minute.
pub fn idle() {
    let world = World::new();
    let mut coordinator = start(&world);
    std::thread::sleep(Duration::from_secs(5));
    let before = ticks(&coordinator);
    let window = Duration::from_secs(60);
    std::thread::sleep(window);
    // Ticks are hundredths of a second on Linux.
    let cpu = (ticks(&coordinator) - before) as f64 / 100.0 / window.as_secs_f64() * 100.0;
    let status = fs::read_to_string(format!("/proc/{}/status", coordinator.id())).unwrap();
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap().trim().trim_end_matches(" kB");
    let rss = rss.parse::<f64>().unwrap() / 1024.0;
    println!("idle coordinator: {cpu:.3} % CPU (target 0.1) {}", if cpu < 0.1 { "met" } else { "MISSED" });
    println!("idle coordinator: {rss:.1} MB resident (target 15) {}", if rss < 15.0 { "met" } else { "MISSED" });
    stop(&world, &mut coordinator);
}

pub fn start(world: &World) -> Child {
    fs::write(world.repo.join("teof.toml"), "[commands]\nallow = [\"true\"]\n").unwrap();
    world.operator(&["consent", "grant", "--continuous", "--max-iterations", "0"]);
    let child = world.command(&["coordinator", "run"]).env_remove("TEOF_AGENT").spawn().unwrap();
    let lock_file = world.repo.join(".git/teof/locks/coordinator.lock");
    while !(lock_file.exists() && lock::is_held(&lock_file).unwrap()) {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_secs(1));
    child
}

pub fn stop(world: &World, child: &mut Child) {
    world.operator(&["coordinator", "stop"]);
    child.wait().unwrap();
}

/// User and system time of a process, in clock ticks.
fn ticks(child: &Child) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
