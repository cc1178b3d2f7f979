//! However a run ends, nothing of it is left running and nothing is lost.

use super::*;

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
fn what_an_attempt_planted_before_it_died_is_found_by_the_next_one() {
    let shop = Shop::new().commands(&["git config core.fsmonitor ./evil; touch planted; sleep 1000"]);
    let mut child = shop.spawn("run-1");
    wait_for(&shop.worktree().join("planted"));
    child.kill().unwrap();
    child.wait().unwrap();
    let shop = shop.commands(&[RECEIPT]);
    let (outcome, _) = shop.run("run-2");
    assert_eq!(outcome["verdict"], "blocked", "{outcome:#}");
    let codes: Vec<_> = outcome["findings"].as_array().unwrap().iter().map(|found| &found["code"]).collect();
    assert!(codes.contains(&&json!("git.surroundings")), "{codes:?}");
    // Once it was told, what a person leaves there is as it should be.
    assert_eq!(shop.run("run-3").0["verdict"], "succeeded");
}

#[test]
fn a_run_whose_lock_file_was_deleted_ends_before_another_works_beside_it() {
    let go = "touch started; while [ ! -e go ]; do sleep 0.02; done";
    let shop = Shop::new().commands(&[go, "touch never"]);
    let mut child = shop.spawn("run-1");
    wait_for(&shop.worktree().join("started"));
    fs::remove_file(shop.world.repo.join(format!(".git/teof/locks/run-{TASK}.lock"))).unwrap();
    child.wait().unwrap();
    let outcome = shop.outcome("run-1").unwrap();
    assert_eq!(outcome["verdict"], "paused", "{outcome:#}");
    assert!(outcome["reason"].as_str().unwrap().contains("lock file"), "{outcome:#}");
    assert!(!shop.worktree().join("never").exists());
}
