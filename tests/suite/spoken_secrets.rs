//! What people and seats say is kept in the record for everybody to read: a secret in it is refused before it is
//! written.

use crate::harness::World;

#[test]
fn a_secret_in_a_summary_a_note_a_reason_or_an_answer_is_refused() {
    let world = World::bare_of_teof();
    world.ok(&["init", "--agent", "s0"]);
    world.ok(&["session-boot", "--agent", "s0", "--no-sync"]);
    world.ok(&["bus", "claim", "T-1", "--agent", "s0", "--allow-unassigned"]);
    let secret = ["AKIA", "Q7RK2ZP9XW4TN8VB"].concat();
    let said = format!("use aws_access_key_id = {secret}");
    let said = said.as_str();
    for args in [
        &["session-boot", "--agent", "s0", "--no-sync", "--summary", said][..],
        &["session-boot", "--agent", "s0", "--no-sync", "--focus", said],
        &["bus", "event", "--agent", "s0", "--event", "note", "--summary", said],
        &["bus", "message", "--agent", "s0", "--task", "manager-report", "--type", "note", "--summary", said],
        &["bus", "message", "--agent=s0", "--task=manager-report", "--type=note", "--summary=x", "--note", said],
        &["bus", "claim", "T-1", "--agent", "s0", "--notes", said],
        &["bus", "pause", "T-1", "--agent", "s0", "--reason", said],
        &["bus", "release", "T-1", "--agent", "s0", "--notes", said],
        &["task", "add", "Q-1", "--title", said],
        &["coordinator", "pause", "--note", said],
        &["coordinator", "answer", "T-1", said],
    ] {
        let refused = world.refused(args);
        assert_eq!(refused["code"], "text.secret", "{args:?}: {refused}");
        assert!(!refused.to_string().contains(&secret), "{args:?} repeats it");
    }
    for log in ["_bus/events/events.jsonl", "_bus/claims/T-1.json"] {
        assert!(!world.read(log).contains(&secret), "{log}");
    }
}

#[test]
fn a_secret_in_a_new_name_is_refused() {
    let world = World::bare_of_teof();
    world.ok(&["init", "--agent", "s0"]);
    world.ok(&["session-boot", "--agent", "s0", "--no-sync"]);
    let secret = ["AKIA", "Q7RK2ZP9XW4TN8VB"].concat();
    let secret = secret.as_str();
    let receipt = format!("_report/agent/s0/{secret}.txt");
    let board = format!("_report/manager/{secret}.md");
    world.write(&receipt, "ok");
    for args in [
        &["task", "add", secret, "--title", "x", "--agent", "s0"][..],
        &["task", "pickup", secret, "--agent", "s0"],
        &["bus", "claim", secret, "--agent", "s0", "--allow-unassigned"],
        &["receipts", "add", &receipt, "--agent", "s0"],
        &["dashboard", "report", "--output", &board, "--agent", "s0"],
        &["consent", "grant", "--by", secret],
    ] {
        let refused = world.refused(args);
        assert_eq!(refused["code"], "text.secret", "{args:?}: {refused}");
    }
    assert!(!world.read("_report/receipts.jsonl").contains(secret));
}
