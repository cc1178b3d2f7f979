//! Guards on agents' work, whatever they say of it: limits, budgets, history, evidence.

use super::*;

#[test]
fn a_guard_stops_at_once_and_what_needs_a_person_goes_on() {
    let fixture = Fixture::new().with("guardrails.denied", json!(["secret/"]));
    fixture.coder.on(1, &format!("mkdir secret; echo x > secret/x; echo three >> src/code.txt\n{DONE}"));
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "blocked");
    assert_eq!((fixture.coder.calls(), fixture.judge.calls()), (1, 0), "never retried");
    assert!(finding(&outcome, "path.denied").is_some());

    let fixture = Fixture::new();
    fixture.coder.on(1, &format!("echo all: > Makefile; echo three >> src/code.txt\n{DONE}"));
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "succeeded");
    let bundle = fixture.world.read_json(outcome["bundle"].as_str().unwrap());
    assert_eq!(bundle["findings"][0]["code"], "path.protected", "needs a person: shown first");
}

#[test]
fn a_limit_of_the_account_pauses_and_says_until_when() {
    let fixture = Fixture::new();
    fixture.coder.on(1, "limit 4102444800");
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "paused");
    assert_eq!(outcome["suspended"]["agent"], "fake");
    let until = Stamp::parse(outcome["suspended"]["until"].as_str().unwrap()).unwrap();
    let days = until.since(Stamp::parse(outcome["finished_at"].as_str().unwrap()).unwrap()).as_secs() / (24 * 3600);
    assert!((39..=40).contains(&days), "{until}: no agent is believed that it rests until 2100");
    assert_verdict(&fixture.run("run-2"), "succeeded");
}

#[test]
fn a_run_that_goes_on_counts_what_it_used_before() {
    let fixture = Fixture::new();
    fixture.coder.on(1, "use_tokens 5000\nlimit 4102444800");
    let before = fixture.run("run-1")["usage"]["input_tokens"].as_u64().unwrap();
    assert!(before >= 5000, "{before}");
    // As the coordinator does, before it starts the run again.
    fs::remove_file(fixture.world.repo.join(".git/teof/runs/run-1.json")).unwrap();
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "succeeded");
    assert!(outcome["usage"]["input_tokens"].as_u64().unwrap() > before, "{outcome:#}");
    let bundle = fixture.world.read_json(outcome["bundle"].as_str().unwrap());
    assert_eq!(bundle["usage"], outcome["usage"], "a person is told of all of it");
}

#[test]
fn a_budget_that_is_used_up_blocks() {
    let fixture = Fixture::new().with("budget", json!({"tokens": 1000, "cost": 0.0}));
    fixture.coder.on(1, "use_tokens 5000\nexec sleep 1000");
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "blocked");
    assert_eq!(finding(&outcome, "budget.job").unwrap()["severity"], "high");
}

#[test]
fn a_push_is_blocked_and_reported() {
    let fixture = Fixture::new();
    let remote = fixture.world.folder().join("remote.git");
    fixture.world.git(&["init", "-q", "--bare", remote.to_str().unwrap()]);
    fixture.world.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
    let push = "git push --no-verify origin HEAD:refs/heads/stolen; git push \"$(git remote get-url origin)\" HEAD:refs/heads/stolen";
    fixture.coder.on(1, &format!("echo three >> src/code.txt\n{push}\n{DONE}"));
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "blocked");
    assert_eq!(finding(&outcome, "git.push_attempted").unwrap()["severity"], "high");
    assert_eq!(fixture.world.git_in(&remote, &["for-each-ref"]), "", "nothing arrived");
}

#[test]
fn a_checkpoint_that_a_later_round_merges_is_seen() {
    let fixture = Fixture::new();
    fixture.settings(UNCONFINED);
    fixture.coder.on(1, &format!("echo wrong >> src/code.txt\n{DONE}"));
    fixture.coder.on(2, &format!("git update-ref refs/heads/main HEAD; echo three >> src/code.txt\n{DONE}"));
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "blocked");
    assert_eq!(finding(&outcome, "git.merged").unwrap()["severity"], "high");
}

#[test]
fn a_call_that_fails_hides_no_push_and_no_planted_setting() {
    for (deed, code) in [
        ("git push --no-verify origin HEAD:refs/heads/stolen", "git.push_attempted"),
        ("git config core.fsmonitor ./evil", "git.surroundings"),
    ] {
        let fixture = Fixture::new();
        fixture.settings(UNCONFINED);
        let remote = fixture.world.folder().join("remote.git");
        fixture.world.git(&["init", "-q", "--bare", remote.to_str().unwrap()]);
        fixture.world.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
        fixture.coder.on(1, &format!("{deed}\nexit 3"));
        let outcome = fixture.run("run-1");
        assert_verdict(&outcome, "blocked");
        assert_eq!(finding(&outcome, code).unwrap()["severity"], "high");
    }
}

#[test]
fn commits_of_an_agent_are_folded_in_and_a_rewritten_history_is_found() {
    let fixture = Fixture::new();
    let own = "echo three >> src/code.txt; git -c user.name=x -c user.email=x@x commit -qam own";
    fixture.coder.on(1, &format!("{own}\n{DONE}"));
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "succeeded");
    assert!(finding(&outcome, "git.own_commits").is_some());
    assert_eq!(fixture.stages(), ["coder1", "tester1", "reviewer1"]);

    let fixture = Fixture::new();
    fixture.coder.on(1, &format!("{own}; git reset -q --soft HEAD~2\n{DONE}"));
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "blocked");
    assert!(finding(&outcome, "history.rewritten").is_some());
}

#[test]
fn a_coder_that_changes_nothing_fails() {
    let fixture = Fixture::new().with("passes", json!(1));
    fixture.coder.on(1, DONE);
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "blocked");
    assert!(outcome["reason"].as_str().unwrap().contains("the coder changed nothing"));

    // What is asked for was there before.
    let fixture =
        Fixture::new().with("expected_receipts", json!([{"path": "src/code.txt"}, {"path": "_report/note.txt"}]));
    let fixture = fixture.with("passes", json!(1));
    fixture.coder.on(1, DONE);
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "blocked");
    assert!(finding(&outcome, "coder.no_change").is_some());
}

#[test]
fn ignored_files_are_not_part_of_the_result() {
    let fixture = Fixture::new().with("expected_receipts", json!([{"path": "out/docs.txt"}])).with("passes", json!(1));
    let make = "mkdir out; echo x > out/docs.txt; echo out/ > .gitignore; echo three >> src/code.txt";
    fixture.coder.on(1, &format!("{make}\n{DONE}"));
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "blocked");
    assert_eq!(finding(&outcome, "receipt.ignored").unwrap()["path"], "out/docs.txt");
}

#[test]
fn a_test_that_fails_and_then_passes_needs_a_person() {
    let fixture =
        Fixture::new().with("guardrails.tests", json!(["test -e $TMPDIR/flaky || { touch $TMPDIR/flaky; false; }"]));
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "succeeded");
    assert_eq!(finding(&outcome, "test.flaky").unwrap()["severity"], "medium");
    assert_eq!(fixture.coder.calls(), 1);

    // One that passes only with what it wrote when it failed has not passed on this tree.
    let golden = "test -e src/golden.txt || { touch src/golden.txt; false; }";
    let fixture = Fixture::new().with("guardrails.tests", json!([golden])).with("passes", json!(1));
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "blocked");
    assert!(finding(&outcome, "test.failed").is_some(), "{outcome:#}");
}

#[test]
fn a_receipt_whose_name_the_record_has_for_a_folder_keeps_nothing_else_out() {
    let fixture = Fixture::new();
    fixture.world.write("_report/agent/codex-1/logs/old.txt", "old\n");
    let leave = "echo 1 > \"$TEOF_RECEIPTS_DIR/logs\"; echo 2 > \"$TEOF_RECEIPTS_DIR/more.txt\"";
    fixture.coder.on(1, &format!("echo three >> src/code.txt; {leave}\n{DONE}"));
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "succeeded");
    assert_eq!(finding(&outcome, "receipt.obstructed").unwrap()["path"], "_report/agent/codex-1/logs");
    assert_eq!(fixture.world.read("_report/agent/codex-1/more.txt"), "2\n");
}
