//! Which consent and trust a command needs.

use super::*;

#[test]
fn an_altered_order_is_not_run() {
    let fixture = Fixture::new().commands(&["true"]).with("receipt_sha256", json!("0".repeat(64)));
    let error = fixture.world.refused(&["foreman", "run", &fixture.write_order(), "--execute"]);
    assert_eq!(error["code"], "order.altered");
}

#[test]
fn unattended_means_consented_and_trusted() {
    let fixture = Fixture::new()
        .commands(&["touch ran"])
        .with("expected_receipts", json!([]))
        .with("guardrails.tests", json!(["true"]));
    let order = fixture.write_order();
    let verdict = |run: &str| {
        fixture.world.run(&["foreman", "run", &order, "--execute", "--unattended", "--run", run]);
        assert_eq!(fixture.worktree().exists(), run == "run-3");
        fixture.outcome(run).unwrap()
    };
    let none = verdict("run-1");
    assert_eq!(none["verdict"], "paused", "{none:#}");
    fixture.consent(r#"allow = ["touch elsewhere"]"#);
    let untrusted = verdict("run-2");
    assert!(untrusted["reason"].as_str().unwrap().contains("command not trusted: touch ran"), "{untrusted:#}");
    fixture.consent(r#"allow = ["touch ran", "true"]"#);
    assert_eq!(verdict("run-3")["verdict"], "succeeded");
}

#[test]
fn a_plan_that_was_approved_covers_its_own_commands_only() {
    let fixture = Fixture::new()
        .commands(&["touch ran"])
        .with("expected_receipts", json!([]))
        .with("guardrails.tests", json!(["true"]));
    let plan = json!({"version": 0, "plan_id": "2026-01-05-docs", "steps": [{"id": "S1", "commands": ["touch ran"], "tests": ["true"]}]});
    fixture.world.write("_plans/2026-01-05-docs.plan.json", &plan.to_string());
    fixture.consent("");
    let raw = serde_json::from_value(plan).unwrap();
    let digest = teof::plans::commands_digest(&teof::model::plan::Plan { raw }).unwrap();
    teof::guard::trust::approve(&fixture.world.hub(), "2026-01-05-docs", &digest, "tester").unwrap();
    let run = |fixture: &Fixture, run: &str| {
        fixture.world.run(&["foreman", "run", &fixture.write_order(), "--execute", "--unattended", "--run", run]);
        fixture.outcome(run).unwrap()
    };
    assert_eq!(run(&fixture, "run-1")["verdict"], "succeeded", "{:#}", fixture.outcome("run-1").unwrap());
    let fixture = fixture.commands(&["touch ran", "touch more"]);
    assert_eq!(run(&fixture, "run-2")["verdict"], "paused");
}

#[test]
fn a_revocation_or_a_word_pauses_before_the_next_command() {
    let wait = "touch started; while [ ! -e go ]; do sleep 0.02; done";
    for how in ["revoke", "stop"] {
        let fixture = Fixture::new().commands(&[wait, "touch never"]);
        fixture.consent(r#"allow = ["*", "touch started; while [ ! -e go ]; do sleep 0.02; done"]"#);
        let order = fixture.write_order();
        let mut child = fixture.world.spawn(&["foreman", "run", &order, "--execute", "--unattended", "--run", "run-1"]);
        wait_for(&fixture.worktree().join("started"));
        match how {
            "revoke" => teof::guard::trust::update(&fixture.world.hub(), |trust| trust.grant = None).unwrap(),
            _ => fixture.world.write(".git/teof/runs/run-1.stop", ""),
        }
        fs::write(fixture.worktree().join("go"), "").unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(6), "{how}");
        let outcome = fixture.outcome("run-1").unwrap();
        assert_eq!(outcome["verdict"], "paused", "{how}: {outcome:#}");
        assert!(!fixture.worktree().join("never").exists(), "{how}");
        assert!(fixture.worktree().join("go").exists(), "{how}: what was done is still there");
    }
}
