//! Runs of a worker, with real processes: commands that misbehave get the right verdict, no process is left and no
//! work is lost.

mod elsewhere;
mod ends;
mod guards;
mod kills;
mod permission;
mod runs;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use teof::exec::ProcessTree;

use crate::harness::World;
use crate::harness::work::{SEAT, TASK, UNCONFINED, set};

/// A world with a seat, a session, a claim, and an order that can be given commands.
struct Fixture {
    world: World,
    order: Value,
}

impl Fixture {
    fn new() -> Fixture {
        let world = World::with_work(&[("_report/note.txt", "kept\n")]);
        let order = world.order(json!({
            "plan_id": "2026-01-05-docs", "step_id": "S1",
            "expected_receipts": [{"path": format!("_report/agent/{SEAT}/tests.json")}],
        }));
        Fixture { world, order }
    }

    /// A person grants consent, with these lines under `[commands]`.
    fn consent(&self, commands: &str) {
        self.world.grant(&format!("[commands]\n{commands}\n"));
    }

    /// What programs do that no kernel confines.
    fn unconfined(self) -> Fixture {
        self.world.trust_settings(UNCONFINED);
        self
    }

    fn commands(mut self, lines: &[&str]) -> Fixture {
        self.order["commands"] = json!(lines);
        self
    }

    fn with(mut self, key: &str, value: Value) -> Fixture {
        set(&mut self.order, key, value);
        self
    }

    fn write_order(&self) -> String {
        self.world.write_order(&self.order)
    }

    /// Runs the order; gives back the outcome, which must be there, and the exit code.
    fn run(&self, run: &str) -> (Value, i32) {
        let order = self.write_order();
        let ran = self.world.run(&["foreman", "run", &order, "--execute", "--run", run, "--json"]);
        let outcome = self.outcome(run).unwrap_or_else(|| panic!("no outcome: {ran:?}"));
        assert!(self.no_process_is_left(run), "somebody still carries the run's mark");
        (outcome, ran.code)
    }

    fn spawn(&self, run: &str) -> Child {
        let order = self.write_order();
        self.world.spawn(&["foreman", "run", &order, "--execute", "--run", run])
    }

    fn outcome(&self, run: &str) -> Option<Value> {
        self.world.outcome(run)
    }

    fn envelope(&self, outcome: &Value) -> Value {
        self.world.read_json(outcome["envelope"].as_str().unwrap())
    }

    fn no_process_is_left(&self, run: &str) -> bool {
        let marks = vec![
            ("TEOF_RUN".to_owned(), run.to_owned()),
            ("TEOF_ROOT".to_owned(), self.world.repo.display().to_string()),
        ];
        ProcessTree { marks, ..ProcessTree::default() }.living().is_empty()
    }

    fn worktree(&self) -> PathBuf {
        self.world.folder().join("repo.worktrees/job-1")
    }

    fn show(&self, what: &str) -> String {
        self.world.git(&["show", what])
    }

    fn finding<'a>(outcome: &'a Value, code: &str) -> Option<&'a Value> {
        outcome["findings"].as_array().unwrap().iter().find(|found| found["code"] == code)
    }
}

const RECEIPT: &str = r#"mkdir -p _report/agent/codex-1 && echo '{"passed": 3}' > _report/agent/codex-1/tests.json"#;

fn wait_for(path: &Path) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !path.exists() {
        assert!(Instant::now() < patience, "{} never appeared", path.display());
        std::thread::yield_now();
    }
}
