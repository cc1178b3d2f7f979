//! Whatever a person does is recorded with how they were recognised.

use super::*;

#[test]
fn decisions_record_how_the_person_was_recognised() {
    let world = World::new();
    make_token(&world);
    let plan = json!({"version": 0, "plan_id": "2026-01-05-docs", "created": "2026-01-05T10:00:00Z", "actor": "manager",
        "summary": "Docs", "status": "queued", "priority": 2, "layer": "L5", "systemic_scale": 5, "impact_score": 1,
        "systemic_targets": ["S1"], "checkpoint": {"description": "x", "owner": "manager", "status": "pending"},
        "steps": [{"id": "S1", "title": "Do it", "status": "queued", "notes": "", "receipts": [], "commands": ["true"]}],
        "receipts": [], "links": []});
    world.write("_plans/2026-01-05-docs.plan.json", &format!("{plan:#}\n"));
    world.ok(&["session-boot", "--agent", "a", "--no-sync"]);
    world.ok(&["session-boot", "--agent", "b", "--no-sync"]);
    world.ok(&["bus", "claim", "T1", "--allow-unassigned", "--agent", "a"]);
    world.ok(&["bus", "release", "T1", "--agent", "a", "--status", "released"]);
    world.ok(&["bus", "message", "--task", "T2", "--type", "hold", "--summary", "wait", "--agent", "b"]);
    let person = |args: &[&str]| {
        let mut command = world.teof(args);
        command.env_remove("TEOF_AGENT").env("TEOF_OPERATOR_TOKEN", TOKEN);
        ran(command, &[]).expect(0)
    };
    let commands: &[&[&str]] = &[
        &["coordinator", "pause", "--note", "lunch"],
        &["coordinator", "resume"],
        &["coordinator", "skip", "T9"],
        &["coordinator", "submit", "2026-01-05-docs"],
        &["coordinator", "cancel", "2026-01-05-docs"],
    ];
    commands.iter().for_each(|args| drop(person(args)));
    let decisions = world.lines("_report/agent/manager/decisions.jsonl");
    for (args, decision) in commands.iter().zip(["pause", "resume", "skip", "submit", "cancel"]) {
        let told = decisions.iter().find(|told| told["decision"] == decision);
        assert_eq!(told.map(|told| &told["recognised"]), Some(&json!("token")), "{args:?}: {decisions:#?}");
    }

    let operator: &[&[&str]] = &[
        &["bus", "takeover", "T1", "--reason", "urgent"],
        &["bus", "claim", "T3", "--allow-unassigned"],
        &["bus", "pause", "T3", "--reason", "later"],
        &["bus", "release", "T3", "--status", "released"],
        &["bus", "event", "--event", "observation", "--summary", "seen"],
        &["bus", "message", "--task", "T2", "--type", "lift", "--summary", "go"],
        &["task", "add", "T4", "--title", "More"],
        &["task", "assign", "T4", "--engineer", "a", "--no-auto-claim"],
        &["plan", "step", "set", "2026-01-05-docs", "S1", "--note", "look"],
    ];
    operator.iter().for_each(|args| drop(person(&[args, &["--agent", "operator"][..]].concat())));
    let events = world.lines("_bus/events/events.jsonl");
    let mine: Vec<_> = events.iter().filter(|event| event["agent_id"] == "operator").collect();
    assert!(mine.len() >= operator.len() - 1, "{mine:#?}");
    assert!(mine.iter().all(|event| event["meta"]["recognised"] == "token"), "{mine:#?}");
    let lift = world.lines("_bus/messages/T2.jsonl").pop().unwrap();
    assert_eq!((&lift["type"], &lift["meta"]["recognised"]), (&json!("lift"), &json!("token")));
    let seats = events.iter().filter(|event| event["agent_id"] != "operator");
    assert!(seats.into_iter().all(|event| event["meta"].get("recognised").is_none()), "{events:#?}");

    // A script says of a person no more than it can know.
    world.ok(&["coordinator", "pause"]);
    let last = world.lines("_report/agent/manager/decisions.jsonl").pop().unwrap();
    assert_eq!((&last["decision"], &last["recognised"]), (&json!("pause"), &json!("neither")));
}
