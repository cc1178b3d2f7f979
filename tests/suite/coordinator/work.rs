//! Plans and backlog are worked off, step by step.

use super::*;

#[test]
fn a_dry_run_gives_its_reasons_however_often_it_is_asked() {
    let yard = Yard::new();
    let id = yard.plan("a", &[&yard.work("a1")]);
    let path = format!("_plans/{id}.plan.json");
    let changed = yard.world.read(&path).replace("\"diff_limit\": 5", "\"diff_limit\": 6");
    yard.world.write(&path, &changed);
    yard.finish_with(5);
    let dry = yard.world.json(&["coordinator", "run", "--dry-run"]);
    assert_eq!(dry["decisions"][0]["skipped"][0]["task"], format!("{id}-S1"), "{dry}");
    let unknown = yard.world.run(&["coordinator", "explain", "nobodys"]);
    assert!(unknown.code == 4 && unknown.stderr.contains("no such task or job: nobodys"), "{unknown:?}");
    yard.world.git(&["switch", "-qc", "elsewhere"]);
    let elsewhere = yard.world.run(&["coordinator", "run", "--dry-run"]);
    assert!(elsewhere.stderr.contains("is on branch elsewhere"), "{}", elsewhere.stderr);
}

#[test]
fn a_dry_run_says_of_skipped_work_that_it_is_skipped() {
    let yard = Yard::new();
    let (first, second) = (yard.plan("a", &[&yard.work("a1")]), yard.plan("b", &[&yard.work("b1")]));
    yard.world.ok(&["coordinator", "skip", &second]);
    let dry = yard.world.json(&["coordinator", "run", "--dry-run"]);
    assert_eq!(dry["decisions"][0]["task"], format!("{first}-S1"), "{dry}");
    assert_eq!((&dry["no_slot"], &dry["waiting"][0]["task"]), (&json!([]), &json!(format!("{second}-S1"))), "{dry}");
    assert!(dry["waiting"][0]["why"].as_str().unwrap().starts_with("skipped by "), "{dry}");
}

#[test]
fn plans_are_done_step_by_step_and_everything_is_accounted_for() {
    let yard = Yard::new();
    let a = yard.plan("a", &[&yard.work("a1"), &yard.work("a2")]);
    let b = yard.plan("b", &[&yard.work("b1")]);
    let dry = yard.world.json(&["coordinator", "run", "--dry-run"]);
    assert_eq!(dry["decisions"].as_array().unwrap().len(), 2, "{dry}");
    let alone = yard.world.json(&["coordinator", "run", "--dry-run", "--concurrency", "1"]);
    assert_eq!(alone["no_slot"], json!([format!("{b}-S1")]), "what waits for a worker is named: {alone}");
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
fn concurrent_jobs_get_one_seat_each_and_further_seats_when_the_pool_is_busy() {
    let yard = Yard::new();
    yard.world.write("AGENT_MANIFEST.worker-1.json", "{ damaged");
    for name in ["a", "b", "c"] {
        yard.plan(name, &[&yard.gated(name)]);
    }
    let child = yard.begin();
    until("three workers", || yard.ran().len() == 3);
    let active = yard.status()["jobs"].as_array().unwrap().clone();
    let mut seats: Vec<_> = active.iter().map(|job| job["seat"].as_str().unwrap()).collect();
    seats.sort();
    assert_eq!(seats, ["codex-1", "codex-2", "worker-2"], "{active:?}");
    yard.open();
    assert!(child.wait_with_output().unwrap().status.success());
    assert!(!yard.world.exists("AGENT_MANIFEST.worker-2.json"), "a person's tree stays as it is");
    // Each finished job leaves its seat to the next.
    yard.plan("d", &[&yard.work("d")]);
    assert!(yard.finish().contains("with seat codex-1"));
}

#[test]
fn a_seat_in_interactive_use_gets_no_unattended_work() {
    let yard = Yard::new();
    let seat = |id: &str| json!({"agent_id": id, "desired_roles": ["engineer"]}).to_string();
    yard.world.write("AGENT_MANIFEST.json", &seat("ada"));
    fs::remove_file(yard.world.repo.join("AGENT_MANIFEST.codex-2.json")).unwrap();
    // Somebody works as worker-1, though no manifest has that name.
    for agent in ["codex-1", "worker-1"] {
        let boot = yard.world.teof(&["session-boot", "--no-sync"]).env("TEOF_AGENT", agent).output().unwrap();
        assert!(boot.status.success(), "{}", String::from_utf8_lossy(&boot.stderr));
    }
    let plan = yard.plan("a", &[&yard.work("a")]);
    yard.world.ok(&[
        "task",
        "assign",
        &format!("{plan}-S1"),
        "--engineer",
        "ada",
        "--no-auto-claim",
        "--agent",
        "operator",
    ]);
    yard.plan("b", &[&yard.work("b")]);
    let said = yard.finish_with(5);
    assert!(yard.ran() == ["b"] && said.contains("worker-2"), "{said}");
    let explained = yard.world.ok(&["coordinator", "explain", &format!("{plan}-S1")]);
    assert!(explained.contains("seat ada is in interactive use"), "{explained}");
    // A while later nobody sits there any more.
    let tail = "_report/session/codex-1/manager-report-tail.txt";
    yard.world.write(tail, "# captured_at=2026-01-05T10:00:00Z\n");
    yard.plan("c", &[&yard.work("c")]);
    assert!(yard.finish_with(5).contains("with seat codex-1"));
}

#[test]
fn a_step_builds_on_the_plans_earlier_steps_until_a_person_merges_them() {
    let yard = Yard::new();
    let plan =
        yard.plan("a", &[&yard.work("a1"), "test -e a1.txt && echo 2 > a2.txt", "test -e a2.txt && echo 3 > a3.txt"]);
    let said = yard.finish();
    assert!(said.contains("  not merged j1 a 1\n") && said.contains("teof review\n"), "{said}");
    assert!(said.contains("all its steps are done; close it as a person"), "{said}");
    assert!(said.ends_with("no more work to start: 3 not merged\n"), "{said}");
    let status = yard.world.ok(&["status"]);
    assert!(status.contains("3 reviews: j") && status.matches("not merged ").count() == 3, "{status}");
    assert!(status.contains("teof review j1"), "{status}");
    let logs = yard.world.ok(&["logs", "j1"]);
    assert!(logs.contains("\n  not merged") && logs.contains("teof review approve j1"), "{logs}");
    assert_eq!(yard.world.json(&["status"])["summary"]["reviews"].as_array().unwrap().len(), 3);
    assert_eq!(yard.world.json(&["report"])["review"].as_array().unwrap().len(), 3);
    let commit = |step: &str| yard.step(&plan, step)["last_run"]["commit"].as_str().unwrap().to_owned();
    let git = |args: &[&str]| yard.world.git(args);
    assert_eq!(git(&["rev-parse", &format!("{}^", commit("S2"))]), commit("S1"));
    assert_eq!(git(&["rev-parse", &format!("{}^", commit("S3"))]), commit("S2"));
    assert!(!yard.world.exists("a1.txt"), "nothing is merged");
    git(&["merge", "-q", &commit("S3")]);
    assert!(yard.world.exists("a1.txt") && yard.world.exists("a3.txt"));
    let status = yard.world.ok(&["status"]);
    assert!(status.contains("For you      nothing") && !status.contains("not merged"), "{status}");
    assert_eq!(yard.world.json(&["review", "list"]), json!([]), "a person merged them by hand");
    let said = yard.finish();
    assert!(!said.contains("not merged") && !said.contains("all its steps"), "asked once: {said}");
    yard.world.ok(&["plan", "checkpoint", &plan, "satisfied"]);
    yard.world.ok(&["plan", "status", &plan, "done"]);
    yard.world.ok(&["plan", "validate", "--strict"]);
}

#[test]
fn failures_are_retried_and_guard_refusals_are_not() {
    let yard = Yard::new();
    let flaky = format!(
        "{}; test -e {1}/second || {{ touch {1}/second; exit 7; }}",
        yard.work("flaky"),
        yard.world.folder().display()
    );
    let flaky = yard.plan("flaky", &[&flaky]);
    let large = yard.plan("large", &[&format!("{}; seq 100 > large.txt", yard.work("large")), "true"]);
    yard.finish_with(1);
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
fn a_target_branch_that_is_gone_blocks_the_job_with_its_name() {
    let yard = Yard::with("[git]\ntarget = \"gone\"\n");
    let plan = yard.plan("a", &[&yard.work("a")]);
    yard.finish_with(1);
    let step = yard.step(&plan, "S1");
    assert_eq!(step["status"], "blocked", "{step}");
    assert!(step["last_run"]["reason"].as_str().unwrap().contains("target branch gone"), "{step}");
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
