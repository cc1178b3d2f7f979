//! The coordinator with real workers: what it promises of a run, and what a kill -9 may not cost.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use teof::base::{Clock, Stamp};
use teof::coordinator::inbox::{self, Letter};
use teof::coordinator::state::Word;
use teof::coordinator::{Command, ReviewWord, shell};
use teof::hub::Hub;

use crate::harness::{Ran, World};
use crate::review::GH;

/// Waits for what another process brings about; a test that waits a minute has failed.
fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

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
        world.write("teof.toml", &format!("[coordinator]\n{quick}{settings}"));
        let consent = json!({"auto_enabled": true, "continuous": true, "max_iterations": 0});
        world.write("docs/automation/autonomy-consent.json", &consent.to_string());
        let yard = Yard { world };
        yard.grant();
        yard
    }

    /// A person's grant, as it lies on this machine.
    fn grant(&self) {
        let sha = |path: &str| teof::base::digest::sha256(self.world.read(path).as_bytes());
        let grant = json!({"by": "ada", "at": "2026-01-05T10:00:00Z",
            "consent_sha256": sha("docs/automation/autonomy-consent.json"), "settings_sha256": sha("teof.toml")});
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
        let ran = self.world.run(&["coordinator", "run", "--until-idle"]);
        assert_eq!(ran.code, 0, "{}\n{:#}", ran.stderr, self.status());
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

    /// Task to how many checkpoints it has on any branch.
    fn checkpoints(&self) -> BTreeMap<String, usize> {
        let log = self.world.git(&["log", "--all", "--grep=^Teof-Job:", "--format=%s"]);
        let mut found = BTreeMap::new();
        for title in log.lines() {
            *found.entry(title.split(':').next().unwrap().to_owned()).or_default() += 1;
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

#[test]
fn a_stop_that_finds_no_coordinator_does_not_end_the_next_one() {
    let yard = Yard::new();
    yard.plan("a", &[&yard.work("a1")]);
    let stopped = yard.world.json(&["coordinator", "stop"]);
    assert_eq!((&stopped["command"], &stopped["answered"]), (&Value::Null, &json!(false)), "{stopped}");
    yard.finish();
    assert_eq!(yard.ran(), ["a1"]);
}

#[test]
fn a_dry_run_gives_its_reasons_however_often_it_is_asked() {
    let yard = Yard::new();
    let id = yard.plan("a", &[&yard.work("a1")]);
    let path = format!("_plans/{id}.plan.json");
    let changed = yard.world.read(&path).replace("\"diff_limit\": 5", "\"diff_limit\": 6");
    yard.world.write(&path, &changed);
    yard.finish();
    let dry = yard.world.json(&["coordinator", "run", "--dry-run"]);
    assert_eq!(dry["decisions"][0]["skipped"][0]["task"], format!("{id}-S1"), "{dry}");
    let nothing = yard.world.ok(&["coordinator", "explain", "nobodys"]);
    assert!(nothing.contains("nothing was decided about nobodys yet"), "{nothing}");
    yard.world.git(&["switch", "-qc", "elsewhere"]);
    let elsewhere = yard.world.run(&["coordinator", "run", "--dry-run"]);
    assert!(elsewhere.stderr.contains("is on branch elsewhere"), "{}", elsewhere.stderr);
}

#[test]
fn an_end_for_want_of_consent_says_what_is_wanting() {
    let yard = Yard::new();
    yard.plan("a", &[&yard.work("a1")]);
    yard.world.ok(&["consent", "grant", "--continuous=false", "--max-iterations", "0"]);
    let ran = yard.world.run(&["coordinator", "run", "--until-idle"]);
    assert!(ran.code == 6 && ran.stderr.contains("max_iterations"), "{}", ran.stderr);
    assert!(yard.ran().is_empty());
}

#[test]
fn plans_are_done_step_by_step_and_everything_is_accounted_for() {
    let yard = Yard::new();
    let a = yard.plan("a", &[&yard.work("a1"), &yard.work("a2")]);
    let b = yard.plan("b", &[&yard.work("b1")]);
    let dry = yard.world.json(&["coordinator", "run", "--dry-run"]);
    assert_eq!(dry["decisions"].as_array().unwrap().len(), 2, "{dry}");
    assert!(yard.ran().is_empty(), "a dry run runs nothing");
    let said = yard.finish();
    assert!(said.contains("codex-1") && said.contains("codex-2"), "two seats share the work: {said}");
    assert_eq!(yard.ran().len(), 3);
    for (plan, step) in [(&a, "S1"), (&a, "S2"), (&b, "S1")] {
        let step = yard.step(plan, step);
        assert_eq!((&step["status"], &step["last_run"]["outcome"]), (&json!("done"), &json!("done")));
        let mut receipts = step["receipts"].as_array().unwrap().iter().filter_map(Value::as_str);
        let envelope = yard.world.read_json(receipts.find(|path| path.contains("/runs/")).unwrap());
        assert_eq!(envelope["verdict"], "succeeded");
    }
    let chose = |line: &&Value| line["decision"] == "chose";
    assert_eq!(yard.world.lines("_report/agent/manager/decisions.jsonl").iter().filter(chose).count(), 3);
    let report = yard.world.lines("_bus/messages/manager-report.jsonl");
    assert!(report.iter().any(|line| line["summary"].as_str().unwrap().contains("b-S1 (codex-")), "{report:?}");
    assert_eq!(yard.world.read_json("_report/usage/autonomy-coordinator/summary.json")["successes"], 3);
    assert_eq!(yard.world.git(&["status", "--porcelain", "_bus", "_plans", "_report"]), "", "the record is committed");
    yard.nothing_is_left_over();
    let before = yard.world.git(&["rev-parse", "HEAD"]);
    yard.finish();
    assert_eq!(yard.world.git(&["rev-parse", "HEAD"]), before, "a second run finds nothing and writes nothing");
    assert_eq!(yard.world.git(&["status", "--porcelain", "_bus", "_plans", "_report"]), "");
}

#[test]
fn a_step_builds_on_the_plans_earlier_steps_until_a_person_merges_them() {
    let yard = Yard::new();
    let plan =
        yard.plan("a", &[&yard.work("a1"), "test -e a1.txt && echo 2 > a2.txt", "test -e a2.txt && echo 3 > a3.txt"]);
    yard.finish();
    let commit = |step: &str| yard.step(&plan, step)["last_run"]["commit"].as_str().unwrap().to_owned();
    let git = |args: &[&str]| yard.world.git(args);
    assert_eq!(git(&["rev-parse", &format!("{}^", commit("S2"))]), commit("S1"));
    assert_eq!(git(&["rev-parse", &format!("{}^", commit("S3"))]), commit("S2"));
    assert!(!yard.world.exists("a1.txt"), "nothing is merged");
    git(&["merge", "-q", &commit("S3")]);
    assert!(yard.world.exists("a1.txt") && yard.world.exists("a3.txt"));
    yard.world.ok(&["plan", "checkpoint", &plan, "satisfied"]);
    yard.world.ok(&["plan", "status", &plan, "done"]);
    yard.world.ok(&["plan", "validate", "--strict"]);
}

#[test]
fn what_fails_once_is_retried_and_what_a_guard_refuses_is_not() {
    let yard = Yard::new();
    let flaky = format!(
        "{}; test -e {1}/second || {{ touch {1}/second; exit 7; }}",
        yard.work("flaky"),
        yard.world.folder().display()
    );
    let flaky = yard.plan("flaky", &[&flaky]);
    let large = yard.plan("large", &[&format!("{}; seq 100 > large.txt", yard.work("large")), "true"]);
    yard.finish();
    assert_eq!(yard.step(&flaky, "S1")["status"], "done");
    assert_eq!(yard.ran().iter().filter(|name| *name == "flaky").count(), 2);
    let step = yard.step(&large, "S1");
    assert_eq!((&step["status"], &step["last_run"]["outcome"]), (&json!("blocked"), &json!("blocked")));
    assert!(step["last_run"]["reason"].as_str().unwrap().contains("lines"), "{step}");
    assert_eq!(yard.ran().iter().filter(|name| *name == "large").count(), 1, "a guard's refusal is not retried");
    assert_eq!(yard.step(&large, "S2")["status"], "queued", "what follows a blocked step waits");
    assert_eq!(yard.status()["totals"]["retries"], 1);
    yard.nothing_is_left_over();
}

#[test]
fn consent_that_is_revoked_now_ends_what_runs_and_loses_nothing() {
    let yard = Yard::new();
    let plan = yard.plan("a", &[&yard.gated("a")]);
    let mut coordinator = yard.begin();
    until("the command to run", || !yard.ran().is_empty());
    yard.world.ok(&["consent", "revoke", "--now"]);
    until("the coordinator's end", || coordinator.try_wait().unwrap().is_some());
    until("the worker's end", || yard.workers().is_empty());
    assert_ne!(yard.step(&plan, "S1")["status"], "done");
    assert_eq!(yard.world.run(&["coordinator", "run", "--until-idle"]).code, 6, "nobody may go on");
    yard.open();
    yard.world.ok(&["consent", "grant", "--continuous"]);
    yard.finish();
    assert_eq!(yard.step(&plan, "S1")["status"], "done");
    yard.nothing_is_left_over();
}

#[test]
fn three_blocked_jobs_open_the_breaker_until_a_person_resets_it() {
    let yard = Yard::with("retries = 0\nconcurrency = 1\n");
    for name in ["a", "b", "c", "d"] {
        yard.plan(name, &[&format!("echo {name} >> {}/ran; false", yard.world.folder().display())]);
    }
    let run = ["coordinator", "run", "--until-idle"];
    assert_eq!(yard.world.run(&run).code, 6);
    assert_eq!(yard.ran().len(), 3);
    assert_eq!(yard.world.run(&run).code, 6, "the breaker is sticky");
    assert_eq!(yard.ran().len(), 3);
    assert_eq!(yard.world.read_json("_report/agent/manager/state.json")["circuit_breaker"]["active"], true);
    let mut worker = yard.world.teof(&["coordinator", "reset-breaker"]);
    assert_eq!(worker.env("TEOF_RUN", "r").output().unwrap().status.code(), Some(6), "a worker may not reset it");
    yard.world.ok(&["coordinator", "reset-breaker"]);
    yard.finish();
    assert_eq!(yard.ran().len(), 4);
}

#[test]
fn a_worker_outlives_its_coordinator_and_is_taken_over() {
    let yard = Yard::new();
    let plan = yard.plan("a", &[&yard.gated("a")]);
    let mut first = yard.begin();
    until("the command's begin", || yard.ran().len() == 1);
    first.kill().unwrap();
    first.wait().unwrap();
    let mut second = yard.begin();
    until("the second coordinator", || yard.status()["running"] == true);
    yard.open();
    assert!(second.wait().unwrap().success());
    assert_eq!(yard.ran(), ["a"], "it ran once");
    assert_eq!(yard.step(&plan, "S1")["status"], "done");
    assert_eq!(yard.status()["totals"]["retries"], 0);
    yard.nothing_is_left_over();
}

#[test]
fn one_hub_has_one_coordinator_and_the_second_is_told_who() {
    let yard = Yard::new();
    yard.plan("a", &[&yard.gated("a")]);
    let mut first = yard.begin();
    until("the command's begin", || yard.ran().len() == 1);
    let error = yard.world.refused(&["coordinator", "run"]);
    assert_eq!((error["code"].as_str(), error["exit"].as_u64()), (Some("coordinator.running"), Some(3)));
    assert!(error["reason"].as_str().unwrap().contains(&format!("pid {}", first.id())), "{error}");
    yard.open();
    assert!(first.wait().unwrap().success());
}

#[test]
fn without_consent_nothing_runs_unattended() {
    let yard = Yard::new();
    yard.plan("a", &[&yard.work("a")]);
    yard.world.write("docs/automation/autonomy-consent.json", "{\"auto_enabled\": true}");
    let error = yard.world.refused(&["coordinator", "run", "--until-idle"]);
    assert_eq!(error["exit"], 6, "{error}");
    assert!(yard.ran().is_empty());
}

#[test]
fn sigterm_ends_the_stage_and_the_next_run_goes_on() {
    let yard = Yard::new();
    let plan = yard.plan("a", &[&yard.gated("a"), &yard.work("a2")]);
    let mut first = yard.begin();
    until("the command's begin", || yard.ran().len() == 1);
    let pid = rustix::process::Pid::from_raw(first.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    until("the worker is told", || {
        let runs = fs::read_dir(yard.world.repo.join(".git/teof/runs")).unwrap().flatten();
        runs.into_iter().any(|entry| entry.path().extension().is_some_and(|e| e == "stop"))
    });
    yard.open();
    assert!(first.wait().unwrap().success());
    assert!(yard.workers().is_empty(), "it waited for its worker");
    assert_eq!(yard.ran(), ["a"], "nothing new was started");
    yard.finish();
    assert_eq!(yard.ran(), ["a", "a2"], "what was committed is not done again");
    assert_eq!(yard.step(&plan, "S2")["status"], "done");
    yard.nothing_is_left_over();
}

#[test]
fn operators_words_wait_for_the_next_start_and_count_once() {
    let yard = Yard::new();
    yard.plan("a", &[&yard.work("a")]);
    yard.plan("b", &[&yard.work("b")]);
    let noted = yard.world.json(&["coordinator", "skip", "2026-01-05-a-S1", "--note", "not today"]);
    assert_eq!(noted["answered"], false);
    yard.finish();
    assert_eq!(yard.ran(), ["b"]);
    let explained = yard.world.json(&["coordinator", "explain", "2026-01-05-a-S1"]);
    assert!(explained.to_string().contains("skipped by"), "{explained}");
    yard.world.ok(&["coordinator", "submit", "2026-01-05-a/S1"]);
    yard.finish();
    assert_eq!(yard.ran(), ["b", "a"], "what is submitted is not skipped any more");
    let error = yard.world.refused(&["coordinator", "submit", "2026-01-05-a/S9"]);
    assert_eq!(error["code"], "step.not_found");
}

#[test]
fn a_running_coordinator_answers_operators() {
    let yard = Yard::new();
    yard.plan("a", &[&yard.gated("a")]);
    yard.plan("b", &[&yard.gated("b")]);
    let mut coordinator = yard.begin();
    until("both commands' begin", || yard.ran().len() == 2);
    let answer = yard.world.json(&["coordinator", "cancel", "2026-01-05-a-S1", "--now"]);
    assert_eq!(answer["answered"], true);
    let error = yard.world.refused(&["coordinator", "cancel", "nobody"]);
    assert_eq!(error["code"], "coordinator.refused");
    until("the cancelled job's end", || {
        let status = yard.status();
        status["finished"].as_array().unwrap().iter().any(|job| job["phase"]["ending"] == "cancelled")
    });
    yard.open();
    assert!(coordinator.wait().unwrap().success());
    assert_eq!(yard.ran().len(), 2, "a cancelled task is not chosen again");
    yard.nothing_is_left_over();
}

#[test]
fn a_hold_keeps_a_finished_task_until_it_is_lifted() {
    let yard = Yard::new();
    let plan = yard.plan("a", &[&yard.gated("a")]);
    let mut coordinator = yard.begin();
    until("the command's begin", || yard.ran().len() == 1);
    let say = |kind| {
        let task = "2026-01-05-a-S1";
        let args = ["bus", "message", "--task", task, "--type", kind, "--summary", "wait", "--agent", "manager"];
        yard.world.ok(&args);
    };
    say("hold");
    yard.open();
    assert!(coordinator.wait().unwrap().success(), "held work does not keep it from ending");
    assert_eq!(yard.step(&plan, "S1")["status"], "in_progress");
    say("lift");
    yard.finish();
    assert_eq!(yard.step(&plan, "S1")["status"], "done");
    assert_eq!(yard.ran(), ["a"]);
    yard.nothing_is_left_over();
}

#[test]
fn an_item_that_nobody_has_is_open_again() {
    let yard = Yard::new();
    let plan = yard.plan("a", &[&yard.work("a")]);
    let item = json!({"id": "ND-1", "title": "a", "status": "in_progress", "plan_suggestion": plan});
    yard.world.write("_plans/next-development.todo.json", &json!({"version": 0, "items": [item]}).to_string());
    yard.finish();
    assert_eq!(yard.ran(), ["a"]);
    assert_eq!(yard.world.read_json("_plans/next-development.todo.json")["items"][0]["status"], "done");
    assert_eq!(yard.step(&plan, "S1")["status"], "done");
    yard.nothing_is_left_over();
}

/// A small generator, so that the kills are the same in every run as far as the machine allows.
fn dice(seed: &mut u64, sides: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % sides
}

#[test]
fn twenty_jobs_survive_kills_at_any_moment_and_each_is_done_once() {
    let yard = Yard::with("retries = 1000\n");
    let names: Vec<String> = (0..20).map(|n| format!("p{n}")).collect();
    let plans: Vec<String> = names.iter().map(|name| yard.plan(name, &[&yard.work(name)])).collect();
    let mut seed = 20_260_105;
    let done = || yard.ran().len();
    for round in 0..12 {
        let mut coordinator = yard.begin();
        // Some progress, then some moments more: a point that nobody chose.
        let (before, moments) = (done(), dice(&mut seed, 400));
        until("progress", || done() > before || coordinator.try_wait().unwrap().is_some());
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(moments) {
            std::thread::yield_now();
        }
        let workers = yard.workers();
        match round % 3 {
            0 => workers.iter().take(1).for_each(|pid| kill(*pid)),
            1 => {}
            _ => workers.iter().for_each(|pid| kill(*pid)),
        }
        if round % 3 != 0 || coordinator.try_wait().unwrap().is_none() {
            kill(coordinator.id() as i32);
        }
        coordinator.wait().unwrap();
    }
    yard.finish();
    for (name, plan) in names.iter().zip(&plans) {
        let step = yard.step(plan, "S1");
        assert_eq!(step["status"], "done", "{name}: {step}");
    }
    let checkpoints = yard.checkpoints();
    assert_eq!(checkpoints.len(), 20, "{checkpoints:?}");
    assert!(checkpoints.values().all(|times| *times == 1), "what was committed is not redone: {checkpoints:?}");
    let finished = yard.status()["finished"].as_array().unwrap().len();
    assert_eq!(finished, 20, "each job is done once");
    yard.nothing_is_left_over();
}

#[test]
fn a_result_waits_for_a_persons_word_and_needs_no_coordinator_to_be_settled() {
    let yard = Yard::with("[review]\ncommands = true\n");
    let id = yard.plan("a", &[&yard.work("a1"), &yard.work("a2")]);
    yard.finish();
    let step = yard.step(&id, "S1");
    assert_eq!((&step["status"], &step["last_run"]["outcome"]), (&json!("in_progress"), &json!("review")), "{step}");
    let claim = yard.world.read_json(&format!("_bus/claims/{id}-S1.json"));
    let at = |key: &str| Stamp::parse(claim[key].as_str().unwrap()).unwrap();
    assert_eq!(claim["status"], "active");
    assert!(at("lease_expires_at").since(at("claimed_at")) >= Duration::from_secs(30 * 24 * 3600), "{claim}");
    yard.finish();
    assert_eq!(yard.ran(), ["a1"], "the plan's next step waits");
    let job = yard.status()["jobs"][0].clone();
    assert_eq!(job["phase"]["is"], "review", "{job}");
    let text = yard.world.ok(&["coordinator", "status"]);
    assert!(text.contains(&format!("teof review show {id}-S1")), "{text}");
    let hub = Hub::find(Some(&yard.world.repo), Clock::Machine).unwrap();
    let run = format!("{}.1", job["id"].as_str().unwrap());
    let word = ReviewWord::Merged { commit: job["last"]["commit"].as_str().unwrap().into() };
    let command = Command::Reviewed { job: job["id"].as_str().unwrap().into(), run, word };
    let by = Word { by: "ada".into(), at: hub.now(), note: None };
    let letter = inbox::post(&hub, &Letter { word: by, command }).unwrap();
    assert!(shell::errand(&hub, &mut |_| {}).unwrap());
    assert!(inbox::take_answer(&hub, &letter).unwrap().unwrap().ok);
    let step = yard.step(&id, "S1");
    assert_eq!((&step["status"], &step["last_run"]["outcome"]), (&json!("done"), &json!("done")), "{step}");
    assert_eq!(yard.ran(), ["a1"], "an errand begins nothing");
    yard.nothing_is_left_over();
}

#[test]
fn a_result_that_a_person_merged_by_hand_is_done_and_the_plan_goes_on() {
    let yard = Yard::with("[review]\ncommands = true\n");
    let id = yard.plan("a", &[&yard.work("a1"), "test -e a1.txt && echo 2 > a2.txt"]);
    yard.finish();
    yard.finish();
    assert_eq!(yard.step(&id, "S1")["status"], "in_progress", "what nobody merged is not done");
    let commit = |step: &str| yard.step(&id, step)["last_run"]["commit"].as_str().unwrap().to_owned();
    yard.world.git(&["merge", "-q", &commit("S1")]);
    yard.finish();
    let (first, second) = (yard.step(&id, "S1"), yard.step(&id, "S2"));
    assert_eq!(
        (&first["status"], &second["last_run"]["outcome"]),
        (&json!("done"), &json!("review")),
        "{first} {second}"
    );
}

/// A yard whose hub is whole enough for a merge, with a result that waits for a person.
fn reviewed_yard() -> (Yard, String, String) {
    let yard = Yard::with("[review]\ncommands = true\n");
    yard.world.git(&["add", "."]);
    yard.world.git(&["commit", "-qm", "Set up"]);
    let id = yard.plan("a", &[&yard.work("a1")]);
    yard.finish();
    let job = yard.status()["jobs"][0]["id"].as_str().unwrap().to_owned();
    (yard, id, job)
}

#[test]
fn an_approval_merges_the_work_and_settles_the_job_without_a_coordinator() {
    let (yard, id, job) = reviewed_yard();
    assert_eq!(yard.world.json(&["review", "list"])[0]["job"], json!(job));
    let said = yard.world.json(&["review", "approve", &format!("{id}-S1"), "--by", "ada"]);
    assert_eq!(said["coordinator"]["ok"], true, "{said}");
    assert_eq!(yard.world.read("a1.txt"), "a1\n");
    let step = yard.step(&id, "S1");
    assert_eq!((&step["status"], &step["last_run"]["outcome"]), (&json!("done"), &json!("done")), "{step}");
    yard.nothing_is_left_over();
    yard.world.ok(&["bus", "verify"]);
    assert_eq!(yard.world.ok(&["review", "list"]).trim(), "nothing waits for a person");

    yard.world.ok(&["review", "revert", &job, "--note", "not yet", "--by", "ada"]);
    assert!(!yard.world.exists("a1.txt"));
    assert_eq!(yard.step(&id, "S1")["last_run"]["outcome"], "reverted");
}

#[test]
fn a_rejection_blocks_the_step_with_its_note_and_a_conflict_sends_the_job_back() {
    let (yard, id, job) = reviewed_yard();
    let said = yard.world.json(&["review", "reject", &job, "--note", "not what was asked", "--by", "ada"]);
    assert_eq!(said["coordinator"]["ok"], true, "{said}");
    let step = yard.step(&id, "S1");
    assert_eq!(step["status"], "blocked", "{step}");
    assert!(step["last_run"]["reason"].as_str().unwrap().contains("not what was asked"), "{step}");
    yard.nothing_is_left_over();

    let (yard, _, job) = reviewed_yard();
    yard.world.write("a1.txt", "a person's\n");
    yard.world.git(&["add", "a1.txt"]);
    yard.world.git(&["commit", "-qm", "A person's"]);
    let refused = yard.world.refused(&["review", "approve", &job, "--by", "ada"]);
    assert_eq!((&refused["code"], &refused["files"]), (&json!("review.conflict"), &json!(["a1.txt"])), "{refused}");
    let status = yard.status();
    assert_ne!(status["jobs"][0]["phase"]["is"], "review", "{status}");
    assert_eq!(yard.world.read("a1.txt"), "a person's\n");
}

#[test]
fn a_result_is_offered_as_a_draft_pull_request_and_its_merge_there_is_followed() {
    let yard = Yard::with("[review]\ncommands = true\n");
    let home = yard.world.folder().join("home");
    let remote = home.join("remote.git");
    let consent = json!({"auto_enabled": true, "continuous": true, "max_iterations": 0, "allow_apply": true});
    yard.world.write("docs/automation/autonomy-consent.json", &consent.to_string());
    yard.grant();
    yard.world.git(&["add", "."]);
    yard.world.git(&["commit", "-qm", "Set up"]);
    yard.world.git(&["init", "-q", "--bare", "-b", "main", remote.to_str().unwrap()]);
    yard.world.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
    yard.world.git(&["push", "-q", "origin", "main"]);
    let bin = yard.world.folder().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("gh"), GH).unwrap();
    fs::set_permissions(bin.join("gh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let args = ["coordinator", "run", "--until-idle"];
    let run = || Ran::of(yard.world.teof(&args).env("PATH", &path).output().unwrap(), &args).expect(0);

    let id = yard.plan("a", &[&yard.work("a1")]);
    run();
    let calls = fs::read_to_string(home.join("gh.calls")).unwrap();
    assert!(calls.contains("pr create --draft --head agent/"), "{calls}");
    let branches = yard.world.git_in(&remote, &["for-each-ref", "--format=%(refname)"]);
    let pushed: Vec<_> = branches.lines().filter(|name| *name != "refs/heads/main").collect();
    assert!(pushed.len() == 1 && pushed[0].starts_with("refs/heads/agent/codex-"), "{branches}");
    let events = yard.world.lines("_bus/events/events.jsonl");
    let opened: Vec<_> = events.iter().filter(|event| event["event"] == "pr_opened").collect();
    assert_eq!((opened.len(), &opened[0]["pr"]), (1, &json!("7")), "{opened:?}");
    run();
    let calls = fs::read_to_string(home.join("gh.calls")).unwrap();
    assert_eq!(calls.matches("pr create").count(), 1, "{calls}");
    yard.world.ok(&["bus", "verify"]);

    let commit = fs::read_to_string(home.join("gh.state")).unwrap();
    fs::write(home.join("gh.merged"), commit).unwrap();
    run();
    assert_eq!(yard.step(&id, "S1")["status"], "done");
    let memory = yard.world.lines("memory/log.jsonl");
    assert_eq!((memory.len(), &memory[0]["event"]), (1, &json!("approved")), "{memory:?}");
    assert!(memory[0]["actor"].as_str().unwrap().contains("ann"), "{memory:?}");
    yard.nothing_is_left_over();
}
