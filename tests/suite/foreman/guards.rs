//! What a run may leave: diff, tests, record, receipts.

use super::*;

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
        let fixture = Fixture::new().commands(&commands);
        let (outcome, exit) = fixture.run(name);
        assert_eq!((outcome["verdict"].as_str(), exit), (Some("blocked"), 1), "{name}: {outcome:#}");
        let codes: Vec<_> =
            outcome["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
        assert!(codes.contains(&code), "{name}: {codes:?}");
        let commit = outcome["commit"].as_str().unwrap();
        let changed = fixture.world.git(&["diff", "--name-only", "main", commit]);
        assert!(!changed.is_empty(), "{name}: the work is in its commit");
        assert!(fixture.worktree().exists());
    }
}

#[test]
fn a_failing_or_flaky_test_blocks_and_the_next_attempt_runs_the_tests_alone() {
    let fixture = Fixture::new()
        .commands(&["echo three >> src/code.txt", RECEIPT])
        .with("guardrails.tests", json!(["true", "echo broken > junk; exit 1", "touch never"]));
    let (outcome, _) = fixture.run("run-1");
    assert_eq!(outcome["verdict"], "blocked");
    assert!(Fixture::finding(&outcome, "test.failed").is_some());
    assert!(!fixture.worktree().join("never").exists());
    assert!(!fixture.worktree().join("junk").exists(), "what a test changed is taken back");

    let flaky = "test -e $TEOF_RECEIPTS_DIR/seen || { touch $TEOF_RECEIPTS_DIR/seen; exit 1; }";
    let fixture = fixture.with("guardrails.tests", json!([flaky]));
    let (outcome, _) = fixture.run("run-2");
    assert_eq!(outcome["verdict"], "blocked", "a person looks: {outcome:#}");
    assert_eq!(Fixture::finding(&outcome, "test.flaky").unwrap()["severity"], "medium");
    let killed = "test -e $TEOF_RECEIPTS_DIR/seen || { touch $TEOF_RECEIPTS_DIR/seen; kill -9 $$; }";
    let fixture = fixture.with("guardrails.tests", json!([killed]));
    let (outcome, _) = fixture.run("run-3");
    assert_eq!(outcome["verdict"], "succeeded", "{outcome:#}");
    assert_eq!(Fixture::finding(&outcome, "test.killed").unwrap()["severity"], "low");
    let stages = fixture.envelope(&outcome)["stages"].clone();
    assert_eq!((&stages[0]["done_before"], &stages[1]["name"]), (&json!(true), &json!("tester")));
    assert_eq!(fixture.show("agent/codex-1/docs:src/code.txt"), "one\ntwo\nthree");
}

#[test]
fn changes_of_the_record_in_the_worktree_are_reverted() {
    let fixture = Fixture::new().commands(&[
        "echo forged > _report/note.txt; rm -r _bus; mkdir -p _plans; echo x > _plans/evil.plan.json",
        RECEIPT,
    ]);
    let (outcome, _) = fixture.run("run-1");
    assert_eq!(outcome["verdict"], "succeeded", "{outcome:#}");
    let changed = fixture.world.git(&["diff", "--name-only", "main", "agent/codex-1/docs"]);
    assert_eq!(changed, "", "the branch never changes the record");
    assert_eq!(fs::read_to_string(fixture.worktree().join("_report/note.txt")).unwrap(), "kept\n");
    assert!(fixture.worktree().join("_bus/events/events.jsonl").exists());
    assert_eq!(fixture.show("refs/teof/parked/run-1:_report/note.txt"), "forged");
    assert_eq!(fixture.world.read("_report/note.txt"), "kept\n", "the hub's record was never touched");
}

#[test]
fn a_worker_that_merges_its_own_work_is_reported() {
    let own = "echo x >> src/code.txt; git add src; git -c user.name=x -c user.email=x@x commit -qm mine";
    let fixture = Fixture::new().commands(&[own, RECEIPT]);
    assert_eq!(fixture.run("run-1").0["verdict"], "succeeded", "a commit of its own is no fault");
    let fixture =
        Fixture::new().unconfined().commands(&[&format!("{own}; git update-ref refs/heads/main HEAD"), RECEIPT]);
    let (outcome, _) = fixture.run("run-1");
    assert_eq!(outcome["verdict"], "blocked", "{outcome:#}");
    assert!(Fixture::finding(&outcome, "git.merged").is_some(), "{outcome:#}");
    // Its tests are its own code as well, and run when all else is looked at.
    let fixture = Fixture::new().unconfined().commands(&[&format!("{own}; git reset -q --soft HEAD~1"), RECEIPT]);
    let fixture = fixture.with("guardrails.tests", json!(["git update-ref refs/heads/main HEAD"]));
    let (outcome, _) = fixture.run("run-1");
    assert_eq!(outcome["verdict"], "blocked", "{outcome:#}");
    assert!(Fixture::finding(&outcome, "git.merged").is_some(), "{outcome:#}");
}

#[test]
fn a_rewritten_base_is_found_although_the_checkpoint_restores_the_branch() {
    let fixture =
        Fixture::new().commands(&["git -c user.name=x -c user.email=x@x commit -q --amend -m other", RECEIPT]);
    let (outcome, _) = fixture.run("run-1");
    assert_eq!(outcome["verdict"], "blocked", "{outcome:#}");
    assert!(Fixture::finding(&outcome, "history.rewritten").is_some(), "{outcome:#}");
}

#[test]
fn a_replaced_git_is_seen_and_nothing_of_it_runs() {
    let evil = "rm .git && git init -q . && git config core.fsmonitor 'touch ../pwned' && \
        printf '#!/bin/sh\\ntouch ../pwned\\n' > .git/hooks/pre-commit && chmod +x .git/hooks/pre-commit && \
        echo 'src/* filter=evil' > .gitattributes && git config filter.evil.clean 'touch ../pwned; cat' && echo x >> src/code.txt";
    let fixture = Fixture::new().commands(&[evil, RECEIPT]);
    let (outcome, _) = fixture.run("run-1");
    assert_eq!(outcome["verdict"], "blocked", "{outcome:#}");
    assert!(Fixture::finding(&outcome, "git.replaced").is_some(), "{outcome:#}");
    assert!(!fixture.worktree().join("../pwned").exists(), "something of it ran in the foreman");
    let (again, _) = fixture.run("run-2");
    assert_eq!(again["verdict"], "refused");
    assert!(Fixture::finding(&again, "git.replaced").is_some(), "{again:#}");
    assert!(!fixture.worktree().join("../pwned").exists());
}

#[test]
fn receipts_that_are_links_or_pipes_stay_out() {
    let evil = "mkdir -p _report/agent/codex-1 && ln -s /etc/passwd _report/agent/codex-1/tests.json && \
        mkfifo _report/pipe $TEOF_RECEIPTS_DIR/pipe && ln -s /etc $TEOF_RECEIPTS_DIR/etc";
    let fixture = Fixture::new().commands(&[evil]);
    let (outcome, _) = fixture.run("run-1");
    assert_eq!(outcome["verdict"], "blocked");
    assert!(Fixture::finding(&outcome, "receipt.not_regular").is_some(), "{outcome:#}");
    assert!(!fixture.world.exists("_report/agent/codex-1/tests.json"));
}

#[test]
fn receipts_go_through_their_folder_and_secrets_stay_out() {
    let secret = ["AKIA", "Q7RK2ZP9XW4TN8VB"].concat();
    let leave = format!(
        "echo '{{}}' > $TEOF_RECEIPTS_DIR/tests.json; mkdir $TEOF_RECEIPTS_DIR/more; echo 1 > $TEOF_RECEIPTS_DIR/more/x.txt; echo key {secret} | tee $TEOF_RECEIPTS_DIR/bad.txt"
    );
    let fixture = Fixture::new().commands(&[&leave]);
    let (outcome, _) = fixture.run("run-1");
    assert_eq!(outcome["verdict"], "blocked");
    assert!(Fixture::finding(&outcome, "receipt.secret").is_some());
    assert!(
        fixture.world.exists("_report/agent/codex-1/more/x.txt")
            && fixture.world.exists("_report/agent/codex-1/tests.json")
    );
    assert!(!fixture.world.exists("_report/agent/codex-1/bad.txt"));
    let everything = format!("{outcome} {}", fixture.envelope(&outcome));
    assert!(!everything.contains(&secret), "the secret got into the record");
}

#[test]
fn a_receipt_of_that_name_that_is_there_already_is_not_overwritten() {
    let fixture = Fixture::new().commands(&[RECEIPT]);
    fixture.world.write("_report/agent/codex-1/tests.json", "{\"passed\": 1}\n");
    let (outcome, _) = fixture.run("run-1");
    assert_eq!(outcome["verdict"], "succeeded", "{outcome:#}");
    assert_eq!(fixture.world.read_json("_report/agent/codex-1/tests.json")["passed"], 1);
    assert_eq!(fixture.world.read_json("_report/agent/codex-1/tests-run-1.json")["passed"], 3);
}

#[test]
fn command_folders_do_not_follow_links() {
    let fixture =
        Fixture::new().with("commands", json!([{"cmd": "ln -s /tmp out"}, {"cmd": "touch pwned", "cwd": "out"}]));
    let (outcome, _) = fixture.run("run-1");
    assert_eq!(outcome["verdict"], "blocked", "{outcome:#}");
    let fixture = fixture.with("commands", json!([{"cmd": "true", "cwd": "../.."}]));
    let error = fixture.world.refused(&["foreman", "run", &fixture.write_order(), "--execute"]);
    assert_eq!(error["code"], "path.outside");
}
