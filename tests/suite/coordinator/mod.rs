//! The coordinator with real workers: what it promises of a run, and what a kill -9 may not cost.

mod crashes;
mod decisions;
mod executors;
mod frozen;
mod lfs;
mod metrics;
mod operators;
mod overlaps;
mod queue;
mod service;
mod steer;
mod units;
mod work;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Child;

use serde_json::{Value, json};
use teof::base::{Clock, Stamp};
use teof::coordinator::inbox::{self, Letter};
use teof::coordinator::state::Word;
use teof::coordinator::{Command, ReviewWord, process};
use teof::hub::Hub;

use crate::harness::work::UNCONFINED;
use crate::harness::{Ran, World, until};
use crate::review::pull_requests::GH;

/// A hub with two workers' seats, consent, and settings that lose no time.
struct Yard {
    world: World,
}

impl Yard {
    fn new() -> Yard {
        Self::with("")
    }

    fn with(settings: &str) -> Yard {
        let world = World::new();
        let seat = |id: &str, role: &str| json!({"agent_id": id, "desired_roles": [role]}).to_string();
        world.write("AGENT_MANIFEST.json", &seat("manager", "manager"));
        for id in ["codex-1", "codex-2"] {
            world.write(&format!("AGENT_MANIFEST.{id}.json"), &seat(id, "engineer"));
        }
        let quick = "retry_first = \"0s\"\nretry_later = \"0s\"\npoll_min = \"1s\"\n";
        world.write("teof.toml", &format!("{}[coordinator]\n{quick}{settings}", UNCONFINED));
        let consent = json!({"auto_enabled": true, "continuous": true, "max_iterations": 0});
        world.write("docs/automation/autonomy-consent.json", &consent.to_string());
        let yard = Yard { world };
        yard.grant();
        yard
    }

    /// A person's grant, as it lies on this machine.
    fn grant(&self) {
        let sha = |path: &str| teof::base::digest::sha256(self.world.read(path).as_bytes());
        let hub = teof::hub::Hub::find(Some(&self.world.repo), teof::base::Clock::Machine).unwrap();
        let settings = teof::guard::trust::settings_digest(&hub).unwrap();
        let grant = json!({"by": "ada", "at": "2026-01-05T10:00:00Z",
            "consent_sha256": sha("docs/automation/autonomy-consent.json"), "settings_sha256": settings});
        let path = self.world.repo.join(".git/teof/trust.json");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, json!({"grant": grant, "approvals": []}).to_string()).unwrap();
    }

    /// A plan with a step per command, approved.
    fn plan(&self, name: &str, commands: &[&str]) -> String {
        let id = format!("2026-01-05-{name}");
        let steps: Vec<_> = commands
            .iter()
            .enumerate()
            .map(|(n, command)| {
                json!({"id": format!("S{}", n + 1), "title": format!("{name} {}", n + 1), "status": "queued",
                    "notes": "", "receipts": [], "commands": [command], "tests": ["true"], "diff_limit": 5})
            })
            .collect();
        let plan = json!({"version": 0, "plan_id": id, "created": "2026-01-05T10:00:00Z", "actor": "manager",
            "summary": name, "priority": 2, "impact_score": 1, "layer": "L5", "systemic_scale": 5,
            "systemic_targets": ["S1", "S6"], "layer_targets": ["L5"], "status": "queued", "steps": steps,
            "checkpoint": {"description": "it is there", "owner": "manager", "status": "pending"}, "links": [],
            "receipts": []});
        self.world.write(&format!("_plans/{id}.plan.json"), &(serde_json::to_string_pretty(&plan).unwrap() + "\n"));
        self.world.ok(&["plan", "approve", &id]);
        id
    }

    /// What a command appends to `ran` each time it is run.
    fn ran(&self) -> Vec<String> {
        let text = fs::read_to_string(self.world.folder().join("ran")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// A command that says that it ran, and leaves a file.
    fn work(&self, name: &str) -> String {
        format!("echo {name} >> {}/ran; echo {name} > {name}.txt", self.world.folder().display())
    }

    /// A command that says that it ran, then waits for [`Yard::open`].
    fn gated(&self, name: &str) -> String {
        let folder = self.world.folder().display().to_string();
        format!("echo {name} >> {folder}/ran; while [ ! -e {folder}/open ]; do sleep 0.02; done; echo x > {name}.txt")
    }

    fn open(&self) {
        fs::write(self.world.folder().join("open"), "").unwrap();
    }

    fn begin(&self) -> Child {
        self.world.spawn(&["coordinator", "run", "--until-idle"])
    }

    fn finish(&self) -> String {
        self.finish_with(0)
    }

    /// 1: a job ended blocked.
    fn finish_with(&self, code: i32) -> String {
        let ran = self.world.run(&["coordinator", "run", "--until-idle"]);
        assert_eq!(ran.code, code, "{}\n{:#}", ran.stderr, self.status());
        ran.stderr
    }

    fn status(&self) -> Value {
        self.world.json(&["coordinator", "status", "--limit", "1000"])
    }

    fn step(&self, plan: &str, step: &str) -> Value {
        let plan = self.world.read_json(&format!("_plans/{plan}.plan.json"));
        let steps = plan["steps"].as_array().unwrap();
        steps.iter().find(|found| found["id"] == step).unwrap().clone()
    }

    /// Task to how many checkpoints its commands have.
    fn checkpoints(&self) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for text in self.world.git(&["for-each-ref", "--format=%(contents)%00", "refs/teof/jobs"]).split('\0') {
            if let Some((task, _)) = text.trim().split_once(':') {
                found.insert(task.to_owned(), text.matches("\nTeof-Stage: commands ").count());
            }
        }
        found
    }

    /// The processes of this hub's workers.
    fn workers(&self) -> Vec<i32> {
        let root = format!("TEOF_ROOT={}", self.world.repo.display());
        let has = |pid: &i32| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let mut entries = environ.split(|&b| b == 0);
            let dead = fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
            !dead && entries.clone().any(|e| e.starts_with(b"TEOF_WORKER=")) && entries.any(|e| e == root.as_bytes())
        };
        let pids = fs::read_dir("/proc").unwrap().flatten();
        pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(has).collect()
    }

    /// No worker, no held lock, no live claim, nothing pending.
    fn nothing_is_left_over(&self) {
        until("the last worker's end", || self.workers().is_empty());
        for entry in fs::read_dir(self.world.repo.join(".git/teof/locks")).unwrap().flatten() {
            let held = teof::base::lock::is_held(&entry.path()).unwrap();
            assert!(!held, "{} is held", entry.path().display());
        }
        let claims = fs::read_dir(self.world.repo.join("_bus/claims")).unwrap().flatten();
        // What a killed writer was about to rename is no claim; `doctor` knows such files by their names.
        for entry in claims.filter(|entry| entry.path().extension().is_some_and(|e| e == "json")) {
            let claim: Value = serde_json::from_slice(&fs::read(entry.path()).unwrap()).unwrap();
            assert!(["done", "released"].contains(&claim["status"].as_str().unwrap()), "{claim}");
        }
        let state: Value = serde_json::from_slice(&fs::read(self.state()).unwrap()).unwrap();
        assert_eq!(state["pending"], json!([]));
    }

    fn state(&self) -> PathBuf {
        self.world.repo.join(".git/teof/coordinator/state.json")
    }
}

fn kill(pid: i32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}
