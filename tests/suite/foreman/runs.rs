//! A run: its claim, its commits, its evidence, and stages that do not run twice.

use super::*;

#[test]
fn a_run_commits_guards_and_leaves_its_evidence() {
    let fixture = Fixture::new()
        .commands(&["echo three >> src/code.txt", RECEIPT])
        .with("guardrails.tests", json!(["grep three src/code.txt"]));
    let (outcome, code) = fixture.run("run-1");
    assert_eq!((outcome["verdict"].as_str(), code), (Some("succeeded"), 0), "{outcome:#}");
    assert_eq!(fixture.show("agent/codex-1/docs:src/code.txt"), "one\ntwo\nthree");
    let message = fixture.world.git(&["log", "-1", "--format=%an%n%B", "agent/codex-1/docs"]);
    for line in ["codex-1", "QUEUE-001: Write the docs", "Teof-Job: job-1", "Teof-Run: run-1"] {
        assert!(message.lines().any(|found| found == line), "{line} in {message}");
    }
    let checkpoint = fixture.world.git(&["for-each-ref", "--format=%(contents)", "refs/teof/jobs/job-1"]);
    let line = format!("Teof-Stage: commands 1 run-1 {}", outcome["commit"].as_str().unwrap());
    assert!(checkpoint.contains(&line) && !message.contains("Teof-Stage"), "{checkpoint}");
    assert_eq!(fixture.world.git(&["log", "--format=%s", "main", "-1"]), "Content", "the main branch is as it was");
    assert_eq!(fixture.world.read_json("_report/agent/codex-1/tests.json")["passed"], 3);

    let envelope = fixture.envelope(&outcome);
    assert_eq!(envelope["git"]["commit"], outcome["commit"]);
    assert_eq!(envelope["diff"]["added"], 1);
    assert_eq!(envelope["stages"][0]["commands"][1]["exit_code"], 0);
    assert_eq!(envelope["tests"][0]["tail"], "three\n");
    let output = &envelope["tests"][0]["output"];
    let raw = fs::read(output["file"].as_str().unwrap()).unwrap();
    assert_eq!(output["sha256"], teof::base::digest::sha256(&raw));
    let ledger = fixture.world.lines("_report/receipts.jsonl");
    let paths: Vec<_> = ledger.iter().map(|line| line["path"].clone()).collect();
    let bundle = outcome["bundle"].as_str().unwrap();
    let page = json!(bundle.replace(".json", ".md"));
    assert_eq!(paths, [json!("_report/agent/codex-1/tests.json"), json!(bundle), page, outcome["envelope"].clone()]);
    let event = fixture.world.lines("_bus/events/events.jsonl").pop().unwrap();
    assert_eq!((event["event"].as_str(), event["task_id"].as_str()), (Some("status"), Some(TASK)));
    let claim = fixture.world.read_json("_bus/claims/QUEUE-001.json");
    assert_eq!((claim["status"].as_str(), claim["epoch"].as_u64()), (Some("active"), Some(3)), "the claim stays");
}

#[test]
fn a_dry_run_shows_everything_and_writes_nothing() {
    let fixture = Fixture::new().commands(&["touch ran"]).with("acceptance", Value::Null);
    let order = fixture.write_order();
    let before = fixture.world.git(&["status", "--porcelain", "--ignored"]);
    let text = fixture.world.ok(&["foreman", "run", &order]);
    for part in ["touch ran", "agent/codex-1/docs", "20 lines", "acceptance", "dry run"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let document = fixture.world.json(&["foreman", "run", &order]);
    assert_eq!(document["obstacles"][0]["code"], "order.incomplete");
    assert_eq!(fixture.world.git(&["status", "--porcelain", "--ignored"]), before);
    assert!(!fixture.worktree().exists() && !fixture.world.exists(".git/teof"));
}

#[test]
fn an_incomplete_order_waits_for_a_person() {
    let fixture = Fixture::new().commands(&["true"]).with("acceptance", Value::Null).with("layer", Value::Null);
    let (outcome, code) = fixture.run("run-1");
    assert_eq!((outcome["verdict"].as_str(), code), (Some("refused"), 1));
    assert!(outcome["reason"].as_str().unwrap().contains("acceptance, targets"), "{outcome:#}");
    let line = fixture.world.lines("_report/agent/codex-1/errors.jsonl").pop().unwrap();
    assert_eq!((line["task_id"].as_str(), line["run"].as_str()), (Some(TASK), Some("run-1")));
    assert!(!fixture.worktree().exists());
}

#[test]
fn work_is_done_only_under_the_claim_and_epoch_of_the_order() {
    let fixture = Fixture::new().commands(&["true"]);
    for (agent, epoch) in [("codex-2", 3), (SEAT, 4)] {
        fixture.world.claim(agent, epoch);
        let (outcome, _) = fixture.run(&format!("run-{agent}-{epoch}"));
        assert_eq!(outcome["verdict"], "refused", "{agent} {epoch}: {outcome:#}");
    }
    fs::remove_file(fixture.world.repo.join("_bus/claims/QUEUE-001.json")).unwrap();
    assert_eq!(fixture.run("run-none").0["verdict"], "refused");
    assert!(!fixture.worktree().exists());
}

#[test]
fn a_stale_session_is_refused() {
    let fixture = Fixture::new().commands(&["true"]);
    fixture
        .world
        .write(&format!("_report/session/{SEAT}/manager-report-tail.txt"), "# captured_at=2026-01-05T10:00:00Z\n");
    assert_eq!(fixture.run("run-1").0["verdict"], "refused");
}

#[test]
fn the_first_failure_stops_the_run_and_the_retry_starts_clean() {
    let fixture = Fixture::new().commands(&["echo half >> src/code.txt; exit 3", "touch never"]);
    let (outcome, code) = fixture.run("run-1");
    assert_eq!((outcome["verdict"].as_str(), code), (Some("failed"), 1));
    assert!(outcome["reason"].as_str().unwrap().contains("exit code 3"));
    assert_eq!(fixture.envelope(&outcome)["stages"][0]["commands"].as_array().unwrap().len(), 1);
    assert!(!fixture.worktree().join("never").exists());

    let fixture = fixture.commands(&["grep -c half src/code.txt; true", RECEIPT]);
    let (outcome, _) = fixture.run("run-2");
    assert_eq!(outcome["verdict"], "succeeded", "{outcome:#}");
    assert_eq!(fixture.envelope(&outcome)["stages"][0]["commands"][0]["tail"], "0\n", "what failed is not there");
    assert_eq!(fixture.show("refs/teof/parked/run-1:src/code.txt"), "one\ntwo\nhalf", "and it is not lost");
}

#[test]
fn committed_stages_do_not_run_again() {
    let fixture = Fixture::new().commands(&["echo once >> src/code.txt"]);
    let (outcome, _) = fixture.run("run-1");
    assert_eq!(outcome["verdict"], "blocked", "the expected receipt is missing");
    let fixture = fixture.with("expected_receipts", json!([])).with("guardrails.tests", json!(["true"]));
    let (outcome, _) = fixture.run("run-2");
    assert_eq!(outcome["verdict"], "succeeded", "{outcome:#}");
    assert_eq!(fixture.show("agent/codex-1/docs:src/code.txt"), "one\ntwo\nonce");
    assert_eq!(fixture.envelope(&outcome)["stages"][0]["done_before"], true);
}

#[test]
fn a_running_worker_renews_its_lease() {
    let fixture = Fixture::new().commands(&[RECEIPT]);
    let lease = |fixture: &Fixture| {
        fixture.world.read_json("_bus/claims/QUEUE-001.json")["lease_expires_at"].as_str().unwrap().to_owned()
    };
    fixture.world.write("teof.toml", "[worker]\nlease = \"5h\"\n");
    let before = lease(&fixture);
    assert_eq!(fixture.run("run-1").0["verdict"], "succeeded");
    assert!(lease(&fixture) > before);
}

#[test]
fn the_playbooks_order_is_read_and_run() {
    let fixture = Fixture::new();
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
    fixture.world.write("manifest.json", &order.to_string());
    let args = ["foreman", "run", "manifest.json", "--agent", SEAT, "--task", TASK];
    assert!(fixture.world.ok(&args).contains("show the status"));
    let ran = fixture.world.run(&[&args[..], &["--execute", "--run", "run-1"]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    let outcome = fixture.outcome("run-1").unwrap();
    let commands = fixture.envelope(&outcome)["stages"][0]["commands"].clone();
    assert!(commands[0]["tail"].as_str().unwrap().contains("QUEUE-001 [active] codex-1"), "{commands:#}");
}

#[test]
fn plain_words_find_their_routine() {
    let fixture = Fixture::new();
    symlink(fixture.world.repo.join("_plans"), fixture.world.folder().join("elsewhere")).unwrap();
    assert!(fixture.world.ok(&["foreman", "show", "the", "status"]).contains("QUEUE-001"));
    assert_eq!(fixture.world.json(&["foreman", "status"])["claims"][0]["agent"], SEAT);
    assert_eq!(fixture.world.json(&["foreman", "tasks"])["summary"]["claims"], 1);
    assert!(fixture.world.ok(&["foreman", "run", "the", "alignment", "scan"]).contains("0 high"));
    let daily = fixture.world.ok(&["foreman", "--say", "the daily routine"]);
    assert!(daily.contains("== status") && daily.contains("== scan") && daily.contains("== tasks"));
    assert!(fixture.world.ok(&["foreman", "help"]).contains("daily"));
    let ran = fixture.world.run(&["foreman", "sing"]).expect(2);
    assert!(ran.stderr.contains("daily, routine, cycle"), "the help is shown: {}", ran.stderr);
}
