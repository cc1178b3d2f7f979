//! A worker's run, with real processes: commands that misbehave end in the right verdict, with
//! nothing left running and nothing lost.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use teof::exec::Family;

use crate::harness::World;

/// A world with a seat, a session, a claim, and an order that can be given commands.
struct Shop {
    world: World,
    order: Value,
}

const TASK: &str = "QUEUE-001";
const SEAT: &str = "codex-1";

impl Shop {
    fn new() -> Shop {
        let world = World::new();
        world.write("src/code.txt", "one\ntwo\n");
        world.write("_bus/events/events.jsonl", "");
        world.write("_report/note.txt", "kept\n");
        world.git(&["add", "."]);
        world.git(&["commit", "-qm", "Content"]);
        let base = world.git(&["rev-parse", "HEAD"]);
        let shop = Shop {
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
        shop.session();
        shop.claim(SEAT, 3);
        shop
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
        };
        teof::guard::trust::update(&hub, |trust| trust.grant = Some(grant)).unwrap();
    }

    fn commands(mut self, lines: &[&str]) -> Shop {
        self.order["commands"] = json!(lines);
        self
    }

    fn with(mut self, key: &str, value: Value) -> Shop {
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
        assert!(self.nobody_is_left(run), "somebody still carries the run's mark");
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

    fn nobody_is_left(&self, run: &str) -> bool {
        let marks = vec![
            ("TEOF_RUN".to_owned(), run.to_owned()),
            ("TEOF_ROOT".to_owned(), self.world.repo.display().to_string()),
        ];
        Family { marks, ..Family::default() }.living().is_empty()
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

#[test]
fn a_run_commits_guards_and_leaves_its_evidence() {
    let shop = Shop::new()
        .commands(&["echo three >> src/code.txt", RECEIPT])
        .with("guardrails.tests", json!(["grep three src/code.txt"]));
    let (outcome, code) = shop.run("run-1");
    assert_eq!((outcome["verdict"].as_str(), code), (Some("succeeded"), 0), "{outcome:#}");
    assert_eq!(shop.show("agent/codex-1/docs:src/code.txt"), "one\ntwo\nthree");
    let message = shop.world.git(&["log", "-1", "--format=%an%n%B", "agent/codex-1/docs"]);
    for line in [
        "codex-1",
        "QUEUE-001: Write the docs",
        "Teof-Job: job-1",
        "Teof-Run: run-1",
        "Teof-Stage: commands",
        "Teof-Round: 1",
    ] {
        assert!(message.lines().any(|found| found == line), "{line} in {message}");
    }
    assert_eq!(shop.world.git(&["log", "--format=%s", "main", "-1"]), "Content", "the main branch is as it was");
    assert_eq!(shop.world.read_json("_report/agent/codex-1/tests.json")["passed"], 3);

    let envelope = shop.envelope(&outcome);
    assert_eq!(envelope["git"]["commit"], outcome["commit"]);
    assert_eq!(envelope["diff"]["added"], 1);
    assert_eq!(envelope["stages"][0]["commands"][1]["exit_code"], 0);
    assert_eq!(envelope["tests"][0]["tail"], "three\n");
    let output = &envelope["tests"][0]["output"];
    let raw = fs::read(output["file"].as_str().unwrap()).unwrap();
    assert_eq!(output["sha256"], teof::base::digest::sha256(&raw));
    let ledger = shop.world.lines("_report/receipts.jsonl");
    let paths: Vec<_> = ledger.iter().map(|line| line["path"].clone()).collect();
    let bundle = outcome["bundle"].as_str().unwrap();
    let page = json!(bundle.replace(".json", ".md"));
    assert_eq!(paths, [json!("_report/agent/codex-1/tests.json"), json!(bundle), page, outcome["envelope"].clone()]);
    let event = shop.world.lines("_bus/events/events.jsonl").pop().unwrap();
    assert_eq!((event["event"].as_str(), event["task_id"].as_str()), (Some("status"), Some(TASK)));
    let claim = shop.world.read_json("_bus/claims/QUEUE-001.json");
    assert_eq!((claim["status"].as_str(), claim["epoch"].as_u64()), (Some("active"), Some(3)), "the claim stays");
}

#[test]
fn a_dry_run_shows_everything_and_writes_nothing() {
    let shop = Shop::new().commands(&["touch ran"]).with("acceptance", Value::Null);
    let order = shop.write_order();
    let before = shop.world.git(&["status", "--porcelain", "--ignored"]);
    let text = shop.world.ok(&["foreman", "run", &order]);
    for part in ["touch ran", "agent/codex-1/docs", "20 lines", "acceptance", "dry run"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let document = shop.world.json(&["foreman", "run", &order]);
    assert_eq!(document["obstacles"][0]["code"], "order.incomplete");
    assert_eq!(shop.world.git(&["status", "--porcelain", "--ignored"]), before);
    assert!(!shop.worktree().exists() && !shop.world.exists(".git/teof"));
}

#[test]
fn an_incomplete_order_waits_for_a_person() {
    let shop = Shop::new().commands(&["true"]).with("acceptance", Value::Null).with("layer", Value::Null);
    let (outcome, code) = shop.run("run-1");
    assert_eq!((outcome["verdict"].as_str(), code), (Some("refused"), 1));
    assert!(outcome["reason"].as_str().unwrap().contains("acceptance, targets"), "{outcome:#}");
    let line = shop.world.lines("_report/agent/codex-1/errors.jsonl").pop().unwrap();
    assert_eq!((line["task_id"].as_str(), line["run"].as_str()), (Some(TASK), Some("run-1")));
    assert!(!shop.worktree().exists());
}

#[test]
fn work_is_done_only_under_the_claim_and_epoch_of_the_order() {
    let shop = Shop::new().commands(&["true"]);
    for (agent, epoch) in [("codex-2", 3), (SEAT, 4)] {
        shop.claim(agent, epoch);
        let (outcome, _) = shop.run(&format!("run-{agent}-{epoch}"));
        assert_eq!(outcome["verdict"], "refused", "{agent} {epoch}: {outcome:#}");
    }
    fs::remove_file(shop.world.repo.join("_bus/claims/QUEUE-001.json")).unwrap();
    assert_eq!(shop.run("run-none").0["verdict"], "refused");
    assert!(!shop.worktree().exists());
}

#[test]
fn a_stale_session_is_refused() {
    let shop = Shop::new().commands(&["true"]);
    shop.world
        .write(&format!("_report/session/{SEAT}/manager-report-tail.txt"), "# captured_at=2026-01-05T10:00:00Z\n");
    assert_eq!(shop.run("run-1").0["verdict"], "refused");
}

#[test]
fn the_first_failure_stops_the_run_and_the_retry_starts_clean() {
    let shop = Shop::new().commands(&["echo half >> src/code.txt; exit 3", "touch never"]);
    let (outcome, code) = shop.run("run-1");
    assert_eq!((outcome["verdict"].as_str(), code), (Some("failed"), 1));
    assert!(outcome["reason"].as_str().unwrap().contains("exit code 3"));
    assert_eq!(shop.envelope(&outcome)["stages"][0]["commands"].as_array().unwrap().len(), 1);
    assert!(!shop.worktree().join("never").exists());

    let shop = shop.commands(&["grep -c half src/code.txt; true", RECEIPT]);
    let (outcome, _) = shop.run("run-2");
    assert_eq!(outcome["verdict"], "succeeded", "{outcome:#}");
    assert_eq!(shop.envelope(&outcome)["stages"][0]["commands"][0]["tail"], "0\n", "what failed is not there");
    assert_eq!(shop.show("refs/teof/parked/run-1:src/code.txt"), "one\ntwo\nhalf", "and it is not lost");
}

#[test]
fn what_was_committed_is_not_done_again() {
    let shop = Shop::new().commands(&["echo once >> src/code.txt"]);
    let (outcome, _) = shop.run("run-1");
    assert_eq!(outcome["verdict"], "blocked", "the expected receipt is missing");
    let shop = shop.with("expected_receipts", json!([])).with("guardrails.tests", json!(["true"]));
    let (outcome, _) = shop.run("run-2");
    assert_eq!(outcome["verdict"], "succeeded", "{outcome:#}");
    assert_eq!(shop.show("agent/codex-1/docs:src/code.txt"), "one\ntwo\nonce");
    assert_eq!(shop.envelope(&outcome)["stages"][0]["done_before"], true);
}

#[test]
fn guards_block_and_lose_nothing() {
    let lines = "seq 1 50 >> src/code.txt";
    let cases = [
        ("diff", vec![lines, RECEIPT], "diff.too_large"),
        ("denied", vec!["echo x > teof.toml", RECEIPT], "path.denied"),
        ("protected", vec!["echo '* -diff' > .gitattributes", RECEIPT], "path.protected"),
        ("link", vec!["ln -s /etc/passwd link", RECEIPT], "path.link"),
        ("receipt", vec!["echo x >> src/code.txt"], "receipt.missing"),
    ];
    for (name, commands, code) in cases {
        let shop = Shop::new().commands(&commands);
        let (outcome, exit) = shop.run(name);
        assert_eq!((outcome["verdict"].as_str(), exit), (Some("blocked"), 1), "{name}: {outcome:#}");
        let codes: Vec<_> =
            outcome["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
        assert!(codes.contains(&code), "{name}: {codes:?}");
        let commit = outcome["commit"].as_str().unwrap();
        let changed = shop.world.git(&["diff", "--name-only", "main", commit]);
        assert!(!changed.is_empty(), "{name}: the work is in its commit");
        assert!(shop.worktree().exists());
    }
}

#[test]
fn a_failing_test_blocks() {
    let shop = Shop::new()
        .commands(&[RECEIPT])
        .with("guardrails.tests", json!(["true", "echo broken; exit 1", "touch never"]));
    let (outcome, _) = shop.run("run-1");
    assert_eq!(outcome["verdict"], "blocked");
    assert!(Shop::finding(&outcome, "test.failed").is_some());
    assert!(!shop.worktree().join("never").exists());
}

#[test]
fn the_record_in_the_worktree_is_taken_back() {
    let shop = Shop::new().commands(&[
        "echo forged > _report/note.txt; rm -r _bus; mkdir -p _plans; echo x > _plans/evil.plan.json",
        RECEIPT,
    ]);
    let (outcome, _) = shop.run("run-1");
    assert_eq!(outcome["verdict"], "succeeded", "{outcome:#}");
    let changed = shop.world.git(&["diff", "--name-only", "main", "agent/codex-1/docs"]);
    assert_eq!(changed, "", "the branch never changes the record");
    assert_eq!(fs::read_to_string(shop.worktree().join("_report/note.txt")).unwrap(), "kept\n");
    assert!(shop.worktree().join("_bus/events/events.jsonl").exists());
    assert_eq!(shop.show("refs/teof/parked/run-1:_report/note.txt"), "forged");
    assert_eq!(shop.world.read("_report/note.txt"), "kept\n", "the hub's record was never touched");
}

#[test]
fn a_worker_that_merges_its_own_work_is_seen() {
    let own = "echo x >> src/code.txt; git add src; git -c user.name=x -c user.email=x@x commit -qm mine";
    let shop = Shop::new().commands(&[own, RECEIPT]);
    assert_eq!(shop.run("run-1").0["verdict"], "succeeded", "a commit of its own is no fault");
    let shop = Shop::new().commands(&[&format!("{own}; git update-ref refs/heads/main HEAD"), RECEIPT]);
    let (outcome, _) = shop.run("run-1");
    assert_eq!(outcome["verdict"], "blocked", "{outcome:#}");
    assert!(Shop::finding(&outcome, "git.merged").is_some(), "{outcome:#}");
}

#[test]
fn a_replaced_git_is_seen_and_nothing_of_it_runs() {
    let evil = "rm .git && git init -q . && git config core.fsmonitor 'touch ../pwned' && \
        printf '#!/bin/sh\\ntouch ../pwned\\n' > .git/hooks/pre-commit && chmod +x .git/hooks/pre-commit && \
        echo 'src/* filter=evil' > .gitattributes && git config filter.evil.clean 'touch ../pwned; cat' && echo x >> src/code.txt";
    let shop = Shop::new().commands(&[evil, RECEIPT]);
    let (outcome, _) = shop.run("run-1");
    assert_eq!(outcome["verdict"], "blocked", "{outcome:#}");
    assert!(Shop::finding(&outcome, "git.replaced").is_some(), "{outcome:#}");
    assert!(!shop.worktree().join("../pwned").exists(), "something of it ran in the foreman");
    let (again, _) = shop.run("run-2");
    assert_eq!(again["verdict"], "blocked");
    assert!(!shop.worktree().join("../pwned").exists());
}

#[test]
fn receipts_that_are_links_or_pipes_stay_out() {
    let evil = "mkdir -p _report/agent/codex-1 && ln -s /etc/passwd _report/agent/codex-1/tests.json && \
        mkfifo _report/pipe $TEOF_RECEIPTS_DIR/pipe && ln -s /etc $TEOF_RECEIPTS_DIR/etc";
    let shop = Shop::new().commands(&[evil]);
    let (outcome, _) = shop.run("run-1");
    assert_eq!(outcome["verdict"], "blocked");
    assert!(Shop::finding(&outcome, "receipt.not_regular").is_some(), "{outcome:#}");
    assert!(!shop.world.exists("_report/agent/codex-1/tests.json"));
}

#[test]
fn receipts_go_through_their_folder_and_secrets_stay_out() {
    let secret = ["AKIA", "Q7RK2ZP9XW4TN8VB"].concat();
    let leave = format!(
        "echo '{{}}' > $TEOF_RECEIPTS_DIR/tests.json; mkdir $TEOF_RECEIPTS_DIR/more; echo 1 > $TEOF_RECEIPTS_DIR/more/x.txt; echo key {secret} | tee $TEOF_RECEIPTS_DIR/bad.txt"
    );
    let shop = Shop::new().commands(&[&leave]);
    let (outcome, _) = shop.run("run-1");
    assert_eq!(outcome["verdict"], "blocked");
    assert!(Shop::finding(&outcome, "receipt.secret").is_some());
    assert!(
        shop.world.exists("_report/agent/codex-1/more/x.txt") && shop.world.exists("_report/agent/codex-1/tests.json")
    );
    assert!(!shop.world.exists("_report/agent/codex-1/bad.txt"));
    let everything = format!("{outcome} {}", shop.envelope(&outcome));
    assert!(!everything.contains(&secret), "the secret got into the record");
}

#[test]
fn a_receipt_of_that_name_that_is_there_already_is_not_overwritten() {
    let shop = Shop::new().commands(&[RECEIPT]);
    shop.world.write("_report/agent/codex-1/tests.json", "{\"passed\": 1}\n");
    let (outcome, _) = shop.run("run-1");
    assert_eq!(outcome["verdict"], "succeeded", "{outcome:#}");
    assert_eq!(shop.world.read_json("_report/agent/codex-1/tests.json")["passed"], 1);
    assert_eq!(shop.world.read_json("_report/agent/codex-1/tests-run-1.json")["passed"], 3);
}

#[test]
fn orphans_without_any_mark_are_adopted_and_ended() {
    let script = "setsid env -i sh -c 'echo $$ > far; exec sleep 1000' & while [ ! -s far ]; do :; done";
    let shop = Shop::new().commands(&[script, "rm far", RECEIPT]);
    let (outcome, _) = shop.run("run-1");
    assert_eq!(outcome["verdict"], "succeeded", "{outcome:#}");
    let ended = shop.envelope(&outcome)["stages"][0]["commands"][0]["ended"].clone();
    assert_eq!(ended.as_array().unwrap().len(), 1, "{ended}");
    assert!(ended[0].as_str().unwrap().starts_with("sleep"), "{ended}");
}

#[test]
fn hanging_and_flooding_commands_end_by_the_orders_clocks() {
    let shop =
        Shop::new().commands(&["trap '' TERM; while :; do sleep 1000; done"]).with("guardrails.no_output", json!("1s"));
    shop.world.write("teof.toml", "[worker]\ngrace = \"0s\"\nmax_output = 1000\n");
    let (outcome, _) = shop.run("run-1");
    assert_eq!(outcome["verdict"], "failed");
    assert!(outcome["reason"].as_str().unwrap().contains("printed nothing for too long"), "{outcome:#}");

    let shop = shop.commands(&["head -c 20000000 /dev/zero; sleep 1000"]);
    let (outcome, _) = shop.run("run-2");
    let command = shop.envelope(&outcome)["stages"][0]["commands"][0].clone();
    assert_eq!(
        (command["output"]["bytes"].as_u64(), command["output"]["kept"].as_u64()),
        (Some(20_000_000), Some(1000))
    );
    assert_eq!(command["status"], "timed_out");
}

#[test]
fn a_request_to_end_pauses_and_the_next_run_goes_on() {
    let shop = Shop::new().commands(&["touch started; sleep 1000"]);
    let mut child = shop.spawn("run-1");
    wait_for(&shop.worktree().join("started"));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(6));
    let outcome = shop.outcome("run-1").unwrap();
    assert_eq!(outcome["verdict"], "paused", "{outcome:#}");
    assert!(shop.nobody_is_left("run-1"));
    let shop = shop.commands(&[RECEIPT]);
    assert_eq!(shop.run("run-2").0["verdict"], "succeeded");
}

#[test]
fn a_worker_killed_at_once_takes_everything_along_and_the_next_run_goes_on() {
    let script = "setsid sh -c 'echo $$ > far; exec sleep 1000' & echo $$ > near; sleep 1000";
    let shop = Shop::new().commands(&[script]);
    let mut child = shop.spawn("run-1");
    wait_for(&shop.worktree().join("far"));
    wait_for(&shop.worktree().join("near"));
    assert_eq!(shop.world.refused(&["foreman", "run", &shop.write_order(), "--execute"])["code"], "run.alive");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(shop.outcome("run-1").is_none());
    let patience = Instant::now() + Duration::from_secs(30);
    while !shop.nobody_is_left("run-1") {
        assert!(Instant::now() < patience, "somebody outlived the worker");
        std::thread::yield_now();
    }
    let shop = shop.commands(&[RECEIPT]);
    let (outcome, _) = shop.run("run-2");
    assert_eq!(outcome["verdict"], "succeeded", "{outcome:#}");
    assert!(!shop.show("refs/teof/parked/run-1:far").is_empty());
}

#[test]
fn receipts_outlive_a_worker_that_dies_after_its_checkpoint() {
    let leave = "echo 1 > $TEOF_RECEIPTS_DIR/more.txt";
    let shop = Shop::new().commands(&[RECEIPT, leave]).with("guardrails.tests", json!(["touch testing; sleep 1000"]));
    let mut child = shop.spawn("run-1");
    wait_for(&shop.worktree().join("testing"));
    child.kill().unwrap();
    child.wait().unwrap();
    let shop = shop.with("guardrails.tests", json!(["true"]));
    let (outcome, _) = shop.run("run-2");
    assert_eq!(outcome["verdict"], "succeeded", "{outcome:#}");
    assert_eq!(shop.envelope(&outcome)["stages"][0]["done_before"], true);
    assert_eq!(shop.world.read_json("_report/agent/codex-1/tests.json")["passed"], 3);
    assert_eq!(shop.world.read("_report/agent/codex-1/more.txt"), "1\n");
}

#[test]
fn what_outlived_a_worker_and_its_guardian_is_ended_by_the_next_run() {
    let shop = Shop::new().commands(&["touch started; false"]);
    shop.run("run-1");
    let mut left = std::process::Command::new("sleep")
        .arg("1000")
        .env("TEOF_RUN", "run-1")
        .env("TEOF_ROOT", &shop.world.repo)
        .spawn()
        .unwrap();
    assert!(!shop.nobody_is_left("run-1"));
    let shop = shop.commands(&[RECEIPT]);
    assert_eq!(shop.run("run-2").0["verdict"], "succeeded");
    assert!(!left.wait().unwrap().success());
}

#[test]
fn what_the_worktree_links_to_is_not_followed_for_a_folder_of_a_command() {
    let shop = Shop::new().with("commands", json!([{"cmd": "ln -s /tmp out"}, {"cmd": "touch pwned", "cwd": "out"}]));
    let (outcome, _) = shop.run("run-1");
    assert_eq!(outcome["verdict"], "blocked", "{outcome:#}");
    let shop = shop.with("commands", json!([{"cmd": "true", "cwd": "../.."}]));
    let error = shop.world.refused(&["foreman", "run", &shop.write_order(), "--execute"]);
    assert_eq!(error["code"], "path.outside");
}

#[test]
fn an_altered_order_is_not_run() {
    let shop = Shop::new().commands(&["true"]).with("receipt_sha256", json!("0".repeat(64)));
    let error = shop.world.refused(&["foreman", "run", &shop.write_order(), "--execute"]);
    assert_eq!(error["code"], "order.altered");
}

#[test]
fn unattended_means_consented_and_trusted() {
    let shop = Shop::new()
        .commands(&["touch ran"])
        .with("expected_receipts", json!([]))
        .with("guardrails.tests", json!(["true"]));
    let order = shop.write_order();
    let verdict = |run: &str| {
        shop.world.run(&["foreman", "run", &order, "--execute", "--unattended", "--run", run]);
        assert_eq!(shop.worktree().exists(), run == "run-3");
        shop.outcome(run).unwrap()
    };
    let none = verdict("run-1");
    assert_eq!(none["verdict"], "paused", "{none:#}");
    shop.consent(r#"allow = ["touch elsewhere"]"#);
    let untrusted = verdict("run-2");
    assert!(untrusted["reason"].as_str().unwrap().contains("not trusted to run: touch ran"), "{untrusted:#}");
    shop.consent(r#"allow = ["touch ran", "true"]"#);
    assert_eq!(verdict("run-3")["verdict"], "succeeded");
}

#[test]
fn a_plan_that_was_approved_covers_its_own_commands_only() {
    let shop = Shop::new()
        .commands(&["touch ran"])
        .with("expected_receipts", json!([]))
        .with("guardrails.tests", json!(["true"]));
    let plan = json!({"version": 0, "plan_id": "2026-01-05-docs", "steps": [{"id": "S1", "commands": ["touch ran"], "tests": ["true"]}]});
    shop.world.write("_plans/2026-01-05-docs.plan.json", &plan.to_string());
    shop.consent("");
    let raw = serde_json::from_value(plan).unwrap();
    let digest = teof::plans::commands_digest(&teof::model::plan::Plan { raw }).unwrap();
    teof::guard::trust::approve(&shop.hub(), "2026-01-05-docs", &digest, "tester").unwrap();
    let run = |shop: &Shop, run: &str| {
        shop.world.run(&["foreman", "run", &shop.write_order(), "--execute", "--unattended", "--run", run]);
        shop.outcome(run).unwrap()
    };
    assert_eq!(run(&shop, "run-1")["verdict"], "succeeded", "{:#}", shop.outcome("run-1").unwrap());
    let shop = shop.commands(&["touch ran", "touch more"]);
    assert_eq!(run(&shop, "run-2")["verdict"], "paused");
}

#[test]
fn a_revocation_or_a_word_pauses_before_the_next_command() {
    let wait = "touch started; while [ ! -e go ]; do sleep 0.02; done";
    for how in ["revoke", "stop"] {
        let shop = Shop::new().commands(&[wait, "touch never"]);
        shop.consent(r#"allow = ["*", "touch started; while [ ! -e go ]; do sleep 0.02; done"]"#);
        let order = shop.write_order();
        let mut child = shop.world.spawn(&["foreman", "run", &order, "--execute", "--unattended", "--run", "run-1"]);
        wait_for(&shop.worktree().join("started"));
        match how {
            "revoke" => teof::guard::trust::update(&shop.hub(), |trust| trust.grant = None).unwrap(),
            _ => shop.world.write(".git/teof/runs/run-1.stop", ""),
        }
        fs::write(shop.worktree().join("go"), "").unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(6), "{how}");
        let outcome = shop.outcome("run-1").unwrap();
        assert_eq!(outcome["verdict"], "paused", "{how}: {outcome:#}");
        assert!(!shop.worktree().join("never").exists(), "{how}");
        assert!(shop.worktree().join("go").exists(), "{how}: what was done is still there");
    }
}

#[test]
fn a_running_worker_renews_its_lease() {
    let shop = Shop::new().commands(&[RECEIPT]);
    let lease = |shop: &Shop| {
        shop.world.read_json("_bus/claims/QUEUE-001.json")["lease_expires_at"].as_str().unwrap().to_owned()
    };
    shop.world.write("teof.toml", "[worker]\nlease = \"5h\"\n");
    let before = lease(&shop);
    assert_eq!(shop.run("run-1").0["verdict"], "succeeded");
    assert!(lease(&shop) > before);
}

#[test]
fn the_playbooks_order_is_read_and_run() {
    let shop = Shop::new();
    let order = json!({
        "version": 1, "manager_agent": "codex-4",
        "plan": {"id": "2025-10-19-autonomy", "summary": "Build it", "systemic_targets": ["S1"], "layer_targets": ["L5"]},
        "step": {"id": "step-2", "title": "Prototype", "status": "in_progress"},
        "commands": [
            {"label": "pre_status", "description": "d", "cmd": ["python3", "-m", "teof.cli", "foreman", "--say", "show the status"]},
            {"label": "tasks", "description": "d", "cmd": ["python3", "-m", "teof.cli", "foreman", "--say", "list today\u{2019}s tasks"]}],
        "expected_receipts": [{"description": "Worker run summary", "path": "_report/agent/codex-1/x/runs/<timestamp>.json"}],
        "guardrails": {"require_session_boot": true, "run_scan_before": true, "run_scan_after": true, "ensure_plan_update": true},
    });
    shop.world.write("manifest.json", &order.to_string());
    let args = ["foreman", "run", "manifest.json", "--agent", SEAT, "--task", TASK];
    assert!(shop.world.ok(&args).contains("show the status"));
    let ran = shop.world.run(&[&args[..], &["--execute", "--run", "run-1"]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    let outcome = shop.outcome("run-1").unwrap();
    let commands = shop.envelope(&outcome)["stages"][0]["commands"].clone();
    assert!(commands[0]["tail"].as_str().unwrap().contains("QUEUE-001 [active] codex-1"), "{commands:#}");
}

#[test]
fn plain_words_find_their_routine() {
    let shop = Shop::new();
    symlink(shop.world.repo.join("_plans"), shop.world.folder().join("elsewhere")).unwrap();
    assert!(shop.world.ok(&["foreman", "show", "the", "status"]).contains("QUEUE-001"));
    assert_eq!(shop.world.json(&["foreman", "status"])["claims"][0]["agent"], SEAT);
    assert_eq!(shop.world.json(&["foreman", "tasks"])["summary"]["claims"], 1);
    assert!(shop.world.ok(&["foreman", "run", "the", "alignment", "scan"]).contains("0 high"));
    let daily = shop.world.ok(&["foreman", "--say", "the daily routine"]);
    assert!(daily.contains("== status") && daily.contains("== scan") && daily.contains("== tasks"));
    assert!(shop.world.ok(&["foreman", "help"]).contains("daily"));
    let ran = shop.world.run(&["foreman", "sing"]).expect(2);
    assert!(ran.stderr.contains("daily, routine, cycle"), "the help is shown: {}", ran.stderr);
}
