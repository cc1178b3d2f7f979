//! A line or a file that is dated years ahead keeps nobody from anything.

use serde_json::json;

use crate::harness::World;

const FUTURE: &str = "2099-01-01T00:00:00Z";

#[test]
fn one_future_date_freezes_no_claim_no_session_and_no_seat() {
    let mut world = World::bare_of_teof();
    world.now = Some("2026-01-05T10:00:00Z".into());
    world.ok(&["init", "--agent", "s0"]);
    world.ok(&["session-boot", "--agent", "s0", "--no-sync"]);
    let append = |log: &str, line: serde_json::Value| {
        let before = std::fs::read_to_string(world.repo.join(log)).unwrap_or_default();
        world.write(log, &format!("{before}{line}\n"));
    };
    append("_bus/events/events.jsonl", json!({"ts": FUTURE, "agent_id": "s1", "event": "handshake", "summary": "x"}));
    let message = json!({"ts": FUTURE, "from": "s1", "type": "note", "task_id": "manager-report", "summary": "x"});
    append("_bus/messages/manager-report.jsonl", message);
    for (task, field) in [("F-1", "claimed_at"), ("F-2", "lease_expires_at")] {
        let mut claim = json!({"agent_id": "s1", "branch": "agent/s1/x", "claimed_at": "2026-01-01T10:00:00Z",
            "epoch": 1, "status": "active", "task_id": task});
        claim[field] = json!(FUTURE);
        world.write(&format!("_bus/claims/{task}.json"), &format!("{claim}\n"));
    }
    let scan = world.run(&["scan"]);
    for task in ["F-1", "F-2"] {
        let path = format!("_bus/claims/{task}.json");
        assert!(scan.stdout.lines().any(|line| line.contains("claim.stale") && line.contains(&path)), "{scan:?}");
        world.ok(&["bus", "takeover", task, "--agent", "s0", "--reason", "silent"]);
    }
    let refused = world.refused(&["bus", "claim", "F-3", "--agent", "s0", "--allow-unassigned", "--lease", "1000d"]);
    assert_eq!(refused["code"], "lease.too_long");

    world.write("_report/session/s0/manager-report-tail.txt", &format!("# captured_at={FUTURE}\n"));
    let event = ["bus", "event", "--agent", "s0", "--event", "note", "--summary", "x"];
    assert_ne!(world.run(&event).code, 0);
    world.ok(&["session-boot", "--agent", "s0", "--no-sync"]);
    world.ok(&event);
}
