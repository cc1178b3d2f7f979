//! Whose leave a command needs.

use super::*;

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
