//! Words that nobody gave: bundles and decisions that lie in the record and that teof did not write.

use super::*;

impl Desk {
    /// Writes a receipt as teof does, sealed and in the ledger.
    pub(super) fn receipt(&self, seat: &str, path: &str, payload: &Value) {
        let hub = self.hub();
        let mut writer = hub.lock("test").unwrap();
        let mut transaction = Transaction::new("test");
        let payload = payload.as_object().unwrap().clone();
        teof::receipts::write(&writer, &mut transaction, seat, path, payload).unwrap();
        writer.commit(transaction).unwrap();
    }

    fn word(&self, decision: &str) -> Value {
        json!({
            "version": 1, "decision": decision, "job": JOB, "run": format!("{JOB}.1"), "task_id": "QUEUE-001",
            "by": "Ann", "at": "2031-01-01T00:00:00Z", "bundle": self.path, "bundle_sha256": "", "reviewed_commit":
            self.commit, "target_branch": "main",
        })
    }
}

#[test]
fn a_decision_without_a_receipt_is_ignored() {
    let desk = Desk::new();
    let planted = "_report/agent/codex-2/reviews/word.json";
    let sealed = teof::receipts::seal::sealed(desk.word("rejected").as_object().unwrap().clone());
    for text in [desk.word("rejected").to_string(), sealed] {
        desk.world.write(planted, &text);
        let list = desk.world.json(&["review", "list"]);
        assert_eq!((&list[0]["job"], &list[0]["decision"]), (&json!(JOB), &Value::Null), "it still waits: {list}");
    }
    fs::remove_file(desk.world.repo.join(planted)).unwrap();
    desk.merged();
    let path = "_report/agent/manager-report/reviews/word.json";
    desk.receipt("manager-report", path, &desk.word("reverted"));
    assert_eq!(
        desk.world.json(&["review", "list", "--all"])[0]["decision"]["decision"],
        "reverted",
        "as it is written"
    );
    let text = desk.world.read(path).replace("Ann", "Eve");
    desk.world.write(path, &text);
    let decided = desk.world.json(&["review", "list", "--all"])[0]["decision"]["decision"].clone();
    assert_eq!(decided, "approved", "what was altered is believed no more");
}

#[test]
fn a_bundle_speaks_for_the_seat_whose_folder_it_lies_in_and_for_no_other() {
    let desk = Desk::new();
    let mut planted = desk.world.read_json(&desk.path);
    planted["commit"] = json!(desk.base);
    planted["generated_at"] = json!("2031-01-01T00:00:00Z");
    desk.receipt("codex-2", "_report/agent/codex-2/reviews/mine.json", &planted);
    let shown = desk.world.json(&["review", "show", JOB]);
    assert_eq!((&shown["path"], &shown["bundle"]["commit"]), (&json!(desk.path), &json!(desk.commit)), "{shown}");
}

#[test]
fn a_test_whose_secret_was_redacted_is_not_run_as_something_else() {
    let secret = ["AKIA", "Q7RK2ZP9XW4TN8VB"].concat();
    let desk = Desk::tested(&[&teof::guard::secrets::redact(&format!("check --key {secret}"))]);
    let refused = desk.refused();
    assert_eq!(refused["code"], "review.test_redacted", "{refused}");
    assert_eq!(desk.main(), desk.base);
}

#[test]
fn approve_refuses_when_its_tests_move_the_target_or_plant_a_program() {
    let config = "git -C \"$TEOF_ROOT\" config core.sshCommand /tmp/evil";
    let commit = "cd \"$TEOF_ROOT\" && echo y > src/other.txt && git add src/other.txt && \
        git -c user.name=B -c user.email=b@example.invalid commit -qm sneaky";
    for (test, next) in [(config, "review.outside_changed"), (commit, "target.moved_by_worker")] {
        let desk = Desk::writing(&[test]);
        let config_before = desk.world.read(".git/config");
        let refused = desk.refused();
        assert_eq!(refused["code"], "review.outside_changed", "{refused}");
        assert!(desk.memory().is_empty() && desk.leftovers().is_empty());
        desk.world.write(".git/config", &config_before);
        assert_eq!(desk.refused()["code"], next, "nothing is merged on top of it");
        assert!(!desk.world.git(&["log", "--format=%s", "main"]).contains("Write the docs"));
    }
}
