//! The queue of submissions, with ten thousand waiting: `status` and `submit`.

use std::fs;

use serde_json::json;

use crate::measure::{median, time};
use crate::surface::tell;
use crate::world::World;

const QUEUED: usize = 10_000;
const TARGET: f64 = 100.0;

/// `status` and `submit` under 100 ms, however many wait.
pub fn queue() {
    for queued in [10, QUEUED] {
        let world = World::new();
        fs::write(world.repo.join("teof.toml"), format!("[coordinator]\nqueue = {}\n", 2 * QUEUED)).unwrap();
        let item = |n: usize| json!({"id": format!("T-{n}"), "title": format!("Task {n}"), "status": "pending"});
        let items: Vec<_> = (0..queued + 32).map(item).collect();
        let backlog = json!({"version": 0, "items": items}).to_string();
        fs::write(world.repo.join("_plans/next-development.todo.json"), backlog).unwrap();
        let word = json!({"by": "ada", "at": "2026-01-05T10:00:00Z"});
        let waiting = |n: usize| json!({"task": format!("T-{n}"), "plan": null, "step": null, "word": word});
        let submissions: Vec<_> = (0..queued).map(waiting).collect();
        let folder = world.repo.join(".git/teof/coordinator");
        fs::create_dir_all(&folder).unwrap();
        let state = json!({"version": 1, "submissions": submissions});
        fs::write(folder.join("state.json"), state.to_string()).unwrap();
        let status = (0..16).map(|_| time(|| world.teof(&["status"]))).collect();
        tell(&format!("status, {queued} queued"), median(status), TARGET);
        let submit = |n: usize| time(|| world.operator(&["coordinator", "submit", &format!("T-{n}")]));
        tell(&format!("submit, {queued} queued"), median((queued..queued + 16).map(submit).collect()), TARGET);
    }
}
