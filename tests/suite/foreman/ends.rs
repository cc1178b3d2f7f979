//! However a run ends, no process of it is left and no work is lost.

use super::*;

#[test]
fn orphans_without_any_mark_are_adopted_and_ended() {
    let script = "setsid env -i sh -c 'echo $$ > far; exec sleep 1000' & while [ ! -s far ]; do :; done";
    let fixture = Fixture::new().commands(&[script, "rm far", RECEIPT]);
    let (outcome, _) = fixture.run("run-1");
    assert_eq!(outcome["verdict"], "succeeded", "{outcome:#}");
    let ended = fixture.envelope(&outcome)["stages"][0]["commands"][0]["ended"].clone();
    assert_eq!(ended.as_array().unwrap().len(), 1, "{ended}");
    assert!(ended[0].as_str().unwrap().starts_with("sleep"), "{ended}");
}

#[test]
fn hanging_and_flooding_commands_are_stopped_by_limits() {
    let fixture = Fixture::new()
        .commands(&["trap '' TERM; while :; do sleep 1000; done"])
        .with("guardrails.no_output", json!("1s"));
    fixture.world.write("teof.toml", "[worker]\ngrace = \"0s\"\nmax_output = 1000\n");
    let (outcome, _) = fixture.run("run-1");
    assert_eq!(outcome["verdict"], "failed");
    assert!(outcome["reason"].as_str().unwrap().contains("no output for too long"), "{outcome:#}");

    let fixture = fixture.commands(&["head -c 20000000 /dev/zero; sleep 1000"]);
    let (outcome, _) = fixture.run("run-2");
    let command = fixture.envelope(&outcome)["stages"][0]["commands"][0].clone();
    assert_eq!(
        (command["output"]["bytes"].as_u64(), command["output"]["kept"].as_u64()),
        (Some(20_000_000), Some(1000))
    );
    assert_eq!(command["status"], "timed_out");
}

#[test]
fn sigterm_pauses_and_the_next_run_continues() {
    let fixture = Fixture::new().commands(&["touch started; sleep 1000"]);
    let mut child = fixture.spawn("run-1");
    wait_for(&fixture.worktree().join("started"));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(6));
    let outcome = fixture.outcome("run-1").unwrap();
    assert_eq!(outcome["verdict"], "paused", "{outcome:#}");
    assert!(fixture.no_process_is_left("run-1"));
    let fixture = fixture.commands(&[RECEIPT]);
    assert_eq!(fixture.run("run-2").0["verdict"], "succeeded");
}

#[test]
fn a_killed_workers_processes_stop_and_the_next_run_continues() {
    let script = "setsid sh -c 'echo $$ > far; exec sleep 1000' & echo $$ > near; sleep 1000";
    let fixture = Fixture::new().commands(&[script]);
    let mut child = fixture.spawn("run-1");
    wait_for(&fixture.worktree().join("far"));
    wait_for(&fixture.worktree().join("near"));
    assert_eq!(fixture.world.refused(&["foreman", "run", &fixture.write_order(), "--execute"])["code"], "run.alive");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(fixture.outcome("run-1").is_none());
    let patience = Instant::now() + Duration::from_secs(30);
    while !fixture.no_process_is_left("run-1") {
        assert!(Instant::now() < patience, "somebody outlived the worker");
        std::thread::yield_now();
    }
    let fixture = fixture.commands(&[RECEIPT]);
    let (outcome, _) = fixture.run("run-2");
    assert_eq!(outcome["verdict"], "succeeded", "{outcome:#}");
    assert!(!fixture.show("refs/teof/parked/run-1:far").is_empty());
}

#[test]
fn receipts_outlive_a_worker_that_dies_after_its_checkpoint() {
    let leave = "echo 1 > $TEOF_RECEIPTS_DIR/more.txt";
    let fixture =
        Fixture::new().commands(&[RECEIPT, leave]).with("guardrails.tests", json!(["touch testing; sleep 1000"]));
    let mut child = fixture.spawn("run-1");
    wait_for(&fixture.worktree().join("testing"));
    child.kill().unwrap();
    child.wait().unwrap();
    let fixture = fixture.with("guardrails.tests", json!(["true"]));
    let (outcome, _) = fixture.run("run-2");
    assert_eq!(outcome["verdict"], "succeeded", "{outcome:#}");
    assert_eq!(fixture.envelope(&outcome)["stages"][0]["done_before"], true);
    assert_eq!(fixture.world.read_json("_report/agent/codex-1/tests.json")["passed"], 3);
    assert_eq!(fixture.world.read("_report/agent/codex-1/more.txt"), "1\n");
}

#[test]
fn next_run_stops_leftover_processes_of_a_dead_worker() {
    let fixture = Fixture::new().commands(&["touch started; false"]);
    fixture.run("run-1");
    let mut left = std::process::Command::new("sleep")
        .arg("1000")
        .env("TEOF_RUN", "run-1")
        .env("TEOF_ROOT", &fixture.world.repo)
        .spawn()
        .unwrap();
    assert!(!fixture.no_process_is_left("run-1"));
    let fixture = fixture.commands(&[RECEIPT]);
    assert_eq!(fixture.run("run-2").0["verdict"], "succeeded");
    assert!(!left.wait().unwrap().success());
}

#[test]
fn the_next_attempt_finds_what_a_dead_one_planted() {
    let fixture =
        Fixture::new().unconfined().commands(&["git config core.fsmonitor ./evil; touch planted; sleep 1000"]);
    let mut child = fixture.spawn("run-1");
    wait_for(&fixture.worktree().join("planted"));
    child.kill().unwrap();
    child.wait().unwrap();
    let fixture = fixture.commands(&[RECEIPT]);
    let (outcome, _) = fixture.run("run-2");
    assert_eq!(outcome["verdict"], "blocked", "{outcome:#}");
    let codes: Vec<_> = outcome["findings"].as_array().unwrap().iter().map(|found| &found["code"]).collect();
    assert!(codes.contains(&&json!("git.surroundings")), "{codes:?}");
    // Once it was told, what a person leaves there is as it should be.
    assert_eq!(fixture.run("run-3").0["verdict"], "succeeded");
}

#[test]
fn a_run_whose_lock_file_was_deleted_ends_before_another_works_beside_it() {
    let go = "touch started; while [ ! -e go ]; do sleep 0.02; done";
    let fixture = Fixture::new().commands(&[go, "touch never"]);
    let mut child = fixture.spawn("run-1");
    wait_for(&fixture.worktree().join("started"));
    fs::remove_file(fixture.world.repo.join(format!(".git/teof/locks/run-{TASK}.lock"))).unwrap();
    child.wait().unwrap();
    let outcome = fixture.outcome("run-1").unwrap();
    assert_eq!(outcome["verdict"], "paused", "{outcome:#}");
    assert!(outcome["reason"].as_str().unwrap().contains("lock file"), "{outcome:#}");
    assert!(!fixture.worktree().join("never").exists());
}

#[test]
fn a_home_that_cannot_be_written_needs_a_person_at_once() {
    let fixture = Fixture::new().commands(&[RECEIPT]);
    let order = fixture.write_order();
    let mut worker = fixture.world.teof(&["foreman", "run", &order, "--execute", "--run", "run-1"]);
    // Not even root makes folders there.
    let output = worker.env("XDG_STATE_HOME", "/sys/kernel").output().unwrap();
    let outcome = fixture.outcome("run-1").unwrap_or_else(|| panic!("{output:?}"));
    assert_eq!((&outcome["verdict"], &outcome["needs_person"]), (&json!("failed"), &json!(true)), "{outcome:#}");
    let reason = outcome["reason"].as_str().unwrap();
    assert!(reason.contains("could not create /sys/kernel/teof") && reason.contains("no permission"), "{reason}");
    assert_eq!(fixture.run("run-2").0["verdict"], "succeeded");
}
