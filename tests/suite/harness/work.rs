//! A seat's work: its session and claim, an order for it, and a person's grant of unattended work.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use teof::base::{Clock, digest};
use teof::guard::trust::{self, Grant};
use teof::hub::Hub;

use super::World;

pub const SEAT: &str = "codex-1";
pub const TASK: &str = "QUEUE-001";

/// Settings for tests of what programs do that no kernel confines, or whose commands write beside the repository.
pub const UNCONFINED: &str = "[worker.sandbox]\nmode = \"off\"\n";

impl World {
    /// A world with two lines in `src/code.txt`, these files, an empty log, and a seat with a fresh session and a
    /// claim.
    pub fn with_work(files: &[(&str, &str)]) -> World {
        World::new().add_work(files)
    }

    pub fn add_work(self, files: &[(&str, &str)]) -> World {
        let world = self;
        world.write("src/code.txt", "one\ntwo\n");
        world.write("_bus/events/events.jsonl", "");
        files.iter().for_each(|(path, text)| world.write(path, text));
        world.git(&["add", "."]);
        world.git(&["commit", "-qm", "Content"]);
        let now = Clock::Machine.now();
        world.write(&format!("_report/session/{SEAT}/manager-report-tail.txt"), &format!("# captured_at={now}\n"));
        world.claim(SEAT, 3);
        world
    }

    /// The task's claim, with an hour's lease.
    pub fn claim(&self, agent: &str, epoch: u64) {
        let until = Clock::Machine.now().plus(Duration::from_secs(3600)).to_string();
        let claim = json!({"agent_id": agent, "branch": format!("agent/{SEAT}/docs"), "claimed_at": "2026-01-05T10:00:00Z",
            "epoch": epoch, "lease_expires_at": until, "status": "active", "task_id": TASK});
        self.write(&format!("_bus/claims/{TASK}.json"), &format!("{claim:#}\n"));
    }

    /// An order for the seat on the newest commit, with these fields over the usual ones.
    pub fn order(&self, fields: Value) -> Value {
        let base = self.git(&["rev-parse", "HEAD"]);
        let mut order = json!({
            "version": 2, "order": "order-1", "generated_at": "2026-01-05T10:00:00Z", "manager_agent": "manager",
            "agent_id": SEAT, "job": "job-1", "task_id": TASK, "title": "Write the docs", "objective": "Docs exist",
            "acceptance": "they read well", "commands": [], "rollback": {"base_commit": base},
            "branch": format!("agent/{SEAT}/docs"), "base_commit": base, "target_branch": "main", "epoch": 3,
            "guardrails": {"diff_limit": 20, "tests": [], "no_output": "5m", "wall": "10m"},
            "layer": "L5", "systemic_targets": ["S1"],
        });
        for (key, value) in fields.as_object().into_iter().flatten() {
            set(&mut order, key, value.clone());
        }
        order
    }

    pub fn write_order(&self, order: &Value) -> String {
        let path = "_report/agent/manager/manifests/manifest-20260105T100000Z-job-1.json";
        self.write(path, &format!("{order:#}\n"));
        path.to_owned()
    }

    /// The outcome of a run, once it has left one.
    pub fn outcome(&self, run: &str) -> Option<Value> {
        let bytes = fs::read(self.repo.join(format!(".git/teof/runs/{run}.json"))).ok()?;
        Some(serde_json::from_slice(&bytes).unwrap())
    }

    pub fn hub(&self) -> Hub {
        Hub::find(Some(&self.repo), Clock::Machine).unwrap()
    }

    /// These settings, and a person's consent to unattended work under them.
    pub fn grant(&self, settings: &str) {
        let consent = r#"{"auto_enabled": true, "continuous": true, "max_iterations": 0}"#;
        self.write("docs/automation/autonomy-consent.json", consent);
        self.trust(settings, consent);
    }

    /// These settings, trusted by a person who consents to no unattended work.
    pub fn trust_settings(&self, settings: &str) {
        self.trust(settings, "");
    }

    fn trust(&self, settings: &str, consent: &str) {
        self.write("teof.toml", settings);
        let hub = self.hub();
        let grant = Grant {
            by: "tester".into(),
            at: hub.now(),
            consent_sha256: digest::sha256(consent.as_bytes()),
            settings_sha256: trust::settings_digest(&hub).unwrap(),
            recognised: Default::default(),
            only: None,
        };
        trust::update(&hub, |trust| trust.grant = Some(grant)).unwrap();
    }
}

/// Sets a field of an order; `part.field` is a field of a part.
pub fn set(order: &mut Value, key: &str, value: Value) {
    match key.split_once('.') {
        Some((part, key)) => order[part][key] = value,
        None => order[key] = value,
    }
}
