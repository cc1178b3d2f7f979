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

/// A world with a seat, a session, a claim, and an order that can be given commands.
struct Fixture {
    world: World,
    order: Value,
}

const TASK: &str = "QUEUE-001";

const SEAT: &str = "codex-1";

impl Fixture {
    fn new() -> Fixture {
        let world = World::new();
        world.write("src/code.txt", "one\ntwo\n");
        world.write("_bus/events/events.jsonl", "");
        world.write("_report/note.txt", "kept\n");
        world.git(&["add", "."]);
        world.git(&["commit", "-qm", "Content"]);
        let base = world.git(&["rev-parse", "HEAD"]);
        let fixture = Fixture {
            order: json!({
                "version": 2, "order": "order-1", "generated_at": "2026-01-05T10:00:00Z",
                "manager_agent": "manager", "agent_id": SEAT, "job": "job-1", "task_id": TASK,
                "plan_id": "2026-01-05-docs", "step_id": "S1", "title": "Write the docs",
                "objective": "Docs exist", "acceptance": "they read well", "commands": [],
                "expected_receipts": [{"path": format!("_report/agent/{SEAT}/tests.json")}],
                "rollback": {"base_commit": base}, "branch": format!("agent/{SEAT}/docs"),
                "base_commit": base, "target_branch": "main", "epoch": 3,
                "guardrails": {"diff_limit": 20, "tests": [], "no_output": "5m", "wall": "10m"},
                "layer": "L5", "systemic_targets": ["S1"],
            }),
            world,
        };
        fixture.session();
        fixture.claim(SEAT, 3);
        fixture
    }

    fn session(&self) {
        let now = teof::base::Clock::Machine.now();
        self.world.write(&format!("_report/session/{SEAT}/manager-report-tail.txt"), &format!("# captured_at={now}\n"));
    }

    fn claim(&self, agent: &str, epoch: u64) {
        let until = teof::base::Clock::Machine.now().plus(Duration::from_secs(3600));
        let claim = json!({"agent_id": agent, "branch": format!("agent/{SEAT}/docs"), "claimed_at": "2026-01-05T10:00:00Z",
            "epoch": epoch, "lease_expires_at": until.to_string(), "status": "active", "task_id": TASK});
        self.world.write(&format!("_bus/claims/{TASK}.json"), &format!("{claim:#}\n"));
    }

    fn hub(&self) -> teof::hub::Hub {
        teof::hub::Hub::find(Some(&self.world.repo), teof::base::Clock::Machine).unwrap()
    }

    /// A person grants consent, with these lines under `[commands]`.
    fn consent(&self, commands: &str) {
        let text = r#"{"auto_enabled": true, "continuous": true, "max_iterations": 0}"#;
        self.world.write("docs/automation/autonomy-consent.json", text);
        self.world.write("teof.toml", &format!("[commands]\n{commands}\n"));
        let hub = self.hub();
        let grant = teof::guard::trust::Grant {
            by: "tester".into(),
            at: hub.now(),
            consent_sha256: teof::base::digest::sha256(text.as_bytes()),
            settings_sha256: teof::guard::trust::settings_digest(&hub).unwrap(),
            recognised: Default::default(),
        };
        teof::guard::trust::update(&hub, |trust| trust.grant = Some(grant)).unwrap();
    }

    fn commands(mut self, lines: &[&str]) -> Fixture {
        self.order["commands"] = json!(lines);
        self
    }

    fn with(mut self, key: &str, value: Value) -> Fixture {
        match key.split_once('.') {
            Some((part, key)) => self.order[part][key] = value,
            None => self.order[key] = value,
        }
        self
    }

    fn write_order(&self) -> String {
        let path = "_report/agent/manager/manifests/manifest-20260105T100000Z-job-1.json";
        self.world.write(path, &format!("{:#}\n", self.order));
        path.to_owned()
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
        let bytes = fs::read(self.world.repo.join(format!(".git/teof/runs/{run}.json"))).ok()?;
        Some(serde_json::from_slice(&bytes).unwrap())
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
