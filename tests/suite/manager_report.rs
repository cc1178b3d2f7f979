//! The manager's report, and the heartbeat that goes with it.

use std::fs;

use serde_json::{Value, json};

use crate::harness::World;

const NOW: &str = "2026-01-05T10:00:00Z";
const PATH: &str = "_report/manager/manager-report-2026-01-05T10:00:00Z.md";

/// A record with something for each section.
fn world() -> World {
    let mut world = World::new();
    world.now = Some(NOW.to_owned());
    world.write("AGENT_MANIFEST.json", &json!({"agent_id": "m1", "desired_roles": ["manager"]}).to_string());
    world.write("_report/session/m1/manager-report-tail.txt", &format!("# captured_at={NOW}\n"));
    let claim = |task: &str, agent: &str, status: &str, plan: &str| {
        let claim = json!({"task_id": task, "agent_id": agent, "branch": format!("agent/{agent}/x"), "status": status,
            "claimed_at": "2026-01-04T10:00:00Z", "plan_id": plan});
        world.write(&format!("_bus/claims/{task}.json"), &claim.to_string());
    };
    let assignment = |task: &str, engineer: &str, plan: &str| {
        let assignment = json!({"task_id": task, "manager": "m1", "engineer": engineer, "assigned_at": NOW, "plan_id": plan,
            "note": "see <b>docs</b>"});
        world.write(&format!("_bus/assignments/{task}.json"), &assignment.to_string());
    };
    claim("AUTH_1", "codex-2", "active", "p");
    assignment("AUTH_1", "codex-5", "p");
    claim("QUEUE-030", "codex-4", "done", "p");
    assignment("QUEUE-030", "unassigned", "p");
    claim("QUEUE-037", "codex-2", "done", "p");
    assignment("QUEUE-037", "codex-2", "q");
    assignment("QUEUE-081", "codex-3", "q");
    let at = "2026-01-05T09:00:00Z";
    let alert = json!({"ts": at, "agent_id": "m2", "event": "alert", "summary": "disk is full", "severity": "high"});
    let note = json!({"ts": at, "agent_id": "m2", "event": "note", "summary": "only a note"});
    world.write("_bus/events/events.jsonl", &format!("{alert}\n{note}\n"));
    let said = json!({"ts": "2026-01-05T04:00:00Z", "from": "codex-2", "type": "note", "task_id": "AUTH_1", "summary": "see [x](evil) <img>"});
    world.write("_bus/messages/AUTH_1.jsonl", &format!("{said}\n"));
    let dirty = "# dirty handoff\n# captured_at=2026-01-05T08:00:00Z\n# git_status_lines=1\n\n M src/a\n";
    for seat in ["codex-2", "parked"] {
        world.write(&format!("_report/session/{seat}/dirty-handoff/dirty-20260105T080000Z.txt"), dirty);
    }
    world.write("_report/session/parked/seat.json", "{\"status\": \"retired\"}");
    world.write(
        "_plans/2026-01-05-broken.plan.json",
        &json!({"plan_id": "2026-01-05-broken", "status": "queued", "summary": "Half"}).to_string(),
    );
    world.write(
        "_plans/2026-01-05-over.plan.json",
        &json!({"plan_id": "2026-01-05-over", "status": "completed", "summary": "Over"}).to_string(),
    );
    let task = json!({"id": "AUTH_1", "title": "Sign in", "role": "engineer", "priority": "high", "status": "open"});
    world.write("agents/tasks/tasks.json", &json!({"tasks": [task]}).to_string());
    world.write(
        "_report/usage/external-authenticity.json",
        &json!({"overall_avg_trust": 0.7654, "tiers": [], "attention_feeds": [{"feed_id": "f1"}]}).to_string(),
    );
    world
}

#[test]
fn the_managers_report_names_what_needs_a_manager_and_is_a_receipt_of_the_heartbeat() {
    let world = world();
    let args = ["manager-report", "--log-heartbeat", "--heartbeat-shift", "mid", "--heartbeat-meta", "cadence=daily"];
    let report = world.json(&args);
    assert_eq!(report["path"], PATH);
    let names = |section: &str, key: &str| -> Vec<String> {
        report[section].as_array().unwrap().iter().map(|entry| entry[key].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("claims", "task_id"), ["AUTH_1"]);
    assert_eq!(names("stale_claims", "path"), ["_bus/claims/AUTH_1.json"]);
    assert_eq!(names("unclaimed", "task_id"), ["QUEUE-081"]);
    assert_eq!(names("disagreements", "task_id"), ["AUTH_1", "QUEUE-030", "QUEUE-037"]);
    assert_eq!(names("handoffs", "agent_id"), ["codex-2"], "not those of a retired seat");
    assert_eq!(names("alerts", "summary"), ["disk is full"]);
    assert_eq!(
        names("plan_issues", "plan"),
        ["_plans/2026-01-05-broken.plan.json", "_plans/2026-01-05-over.plan.json"]
    );
    assert_eq!(names("plans", "plan_id"), ["2026-01-05-broken"]);
    let page = world.read(PATH);
    for shown in [
        "# Manager Report — 2026-01-05T10:00:00Z\n\nManager: `m1`\n",
        "- manager `m1`: missing",
        "- `QUEUE-081`: assigned to `codex-3` by `m1`",
        r"- `QUEUE-030` \[done\]: assigned to nobody, claimed by codex-4",
        "## Dirty hand-offs\n\n- `codex-2`: 1 change at 2026-01-05T08:00:00Z: M src/a (",
        "- Overall adjusted trust: 0.765\n- needs attention: f1",
        "### `AUTH_1` — Sign in\n\n- Role: engineer | Priority: high | Status: open\n",
        r"(note: see \<b\>docs\</b\>)",
        r"`codex-2`: see \[x\](evil) \<img\>",
    ] {
        assert!(page.contains(shown), "{shown}\n{page}");
    }
    let beat = world.lines("_bus/events/events.jsonl").pop().unwrap();
    assert_eq!((&beat["event"], &beat["agent_id"], &beat["id"]), (&json!("status"), &json!("m1"), &report["event"]));
    assert_eq!((&beat["meta"], &beat["receipts"]), (&json!({"cadence": "daily", "shift": "mid"}), &json!([PATH])));
    let shown = world.ok(&["bus", "status", "--preset", "manager"]);
    assert!(shown.contains("Manager report generated") && shown.contains("cadence=daily, shift=mid"), "{shown}");
    world.ok(&["receipts", "verify", "--all"]);

    let second = world.ok(&["manager-report"]);
    assert!(second.starts_with("Wrote _report/manager/manager-report-2026-01-05T10:00:00Z-2.md\n"), "{second}");
    assert!(
        second.contains("\n3 claims other than assigned\n") && second.contains("\n1 active claim, 1 open plan"),
        "{second}"
    );
    assert_eq!(world.lines("_bus/events/events.jsonl").last().unwrap(), &beat, "a heartbeat only when asked for");
}

#[test]
fn the_managers_report_goes_to_a_file_that_it_may_replace_and_to_no_other() {
    let world = world();
    for _ in 0..2 {
        let written = world.json(&["manager-report", "--output", "latest.md"]);
        assert_eq!(written["path"], "_report/manager/latest.md");
    }
    assert!(!world.exists("_report/receipts.jsonl"), "what is replaced is no receipt");
    for (other, code) in
        [("_bus/claims/AUTH_1.json", "output.refused"), ("_plans/x.md", "output.refused"), ("../x.md", "path.outside")]
    {
        assert_eq!(world.refused(&["manager-report", "--output", other])["code"], code);
    }
    assert_eq!(
        world.refused(&["manager-report", "--log-heartbeat", "--heartbeat-meta", "summary=x"])["code"],
        "meta.reserved"
    );
    assert_eq!(world.run(&["manager-report", "--heartbeat-shift", "mid"]).code, 2, "without a heartbeat");
    fs::remove_dir_all(world.repo.join("_report/session/m1")).unwrap();
    let refused: Value = world.refused(&["manager-report"]);
    assert_eq!(refused["code"], "session.missing");
    assert!(!world.exists(PATH));
}
