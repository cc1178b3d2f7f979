//! Agent sessions: how long a list of thousands takes, and how soon a session runs after its work was asked for.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;
use teof::base::Clock;
use teof::hub::Hub;

use crate::coordinator;
use crate::measure::{median, time};
use crate::world::World;

const SESSIONS: usize = 5_000;

/// The folder of the repository's sessions, as the commands of this world see it.
fn folder(world: &World) -> PathBuf {
    let hub = Hub::find(Some(&world.repo), Clock::Machine).unwrap();
    let name = hub.state_home().file_name().unwrap().to_owned();
    world.home().join(".local/state/teof/projects").join(name).join("sessions")
}

/// `session list` under 100 ms with 5,000 sessions.
pub fn list() {
    let world = World::new();
    let sessions = folder(&world);
    for n in 0..SESSIONS {
        let (id, second) = (format!("20250101T000000Z-{n}.1-coder-1-1"), n % 60);
        let record = json!({"id": id, "mode": "autonomous", "status": "done", "task_id": format!("TASK-{n}"),
            "job": format!("20250101T000000Z-{n}"), "run": format!("20250101T000000Z-{n}.1"), "stage": "coder", "round": 1,
            "agent_id": "codex-1", "program": "claude", "model": "m", "agent_session": "0f0e0d0c-0b0a-4908-8706-050403020100",
            "environment": {"executor": "process"}, "worktree": "/w/repo.worktrees/job", "branch": "agent/codex-1/task",
            "log": sessions.join(&id).join("stream.log"), "process": {"pid": 7, "started": 7}, "messages": 12,
            "tools": {"Bash": 30, "Edit": 12, "Read": 40}, "last_message": "x".repeat(120), "last_tool": "y".repeat(120),
            "usage": {"input_tokens": 100_000, "cached_tokens": 90_000, "output_tokens": 4_000, "cost_usd": 0.7},
            "started_at": format!("2025-01-01T00:00:{second:02}Z"), "ended_at": "2025-01-01T01:00:00Z", "exit_code": 0});
        fs::create_dir_all(sessions.join(&id)).unwrap();
        fs::write(sessions.join(&id).join("metadata.json"), record.to_string()).unwrap();
    }
    for args in [&["session", "list"][..], &["session", "list", "--task", "TASK-7", "--json"]] {
        let took = median((0..15).map(|_| time(|| world.teof(args))).skip(1).collect());
        tell(&format!("{} ({SESSIONS})", args.join(" ")), took, Duration::from_millis(100));
    }
}

/// From a plan written into `_plans/` to the record of its running session: under 3 s.
pub fn start() {
    let world = World::new();
    let sessions = folder(&world);
    let mut running = coordinator::start(&world);
    let mut times = Vec::new();
    for n in 0..10 {
        let id = format!("2026-01-05-session-{n}");
        let plan = json!({"version": 0, "plan_id": id, "created": "2026-01-05T00:00:00Z", "actor": "bench",
            "summary": format!("Plan {n}"), "status": "queued", "layer": "L5", "systemic_scale": 6,
            "systemic_targets": ["S6"], "layer_targets": ["L5"], "links": [], "receipts": [],
            "steps": [{"id": "S1", "title": "Nothing", "status": "queued", "notes": "", "receipts": [],
                "commands": [["true"]], "tests": ["true"]}],
            "checkpoint": {"description": "It is done", "owner": "bench", "status": "pending"}});
        let temporary = world.repo.join("_plans/.session.tmp");
        fs::write(&temporary, plan.to_string()).unwrap();
        let begin = Instant::now();
        fs::rename(&temporary, world.repo.join(format!("_plans/{id}.plan.json"))).unwrap();
        while !is_running(&sessions, &id) {
            assert!(begin.elapsed() < Duration::from_secs(30), "no session: see {}", world.repo.display());
            std::thread::sleep(Duration::from_millis(1));
        }
        times.push(begin.elapsed());
        std::thread::sleep(Duration::from_secs(2));
    }
    tell("plan written → session runs", median(times), Duration::from_secs(3));
    coordinator::stop(&world, &mut running);
}

/// Whether a session of a plan's task runs or ran.
fn is_running(sessions: &std::path::Path, plan: &str) -> bool {
    let records = fs::read_dir(sessions).into_iter().flatten().flatten();
    let mut texts = records.filter_map(|entry| fs::read_to_string(entry.path().join("metadata.json")).ok());
    texts.any(|text| text.contains(plan) && !text.contains("\"status\":\"starting\""))
}

fn tell(name: &str, took: Duration, target: Duration) {
    let verdict = if took <= target { "met" } else { "MISSED" };
    println!("{name:<44} {:>9.1} ms   (target {target:?}) {verdict}", took.as_secs_f64() * 1e3);
}
