//! Whatever a person does is recorded with how they were recognised.

use super::*;

#[test]
fn a_person_needs_no_seat_and_no_session() {
    let world = World::new();
    make_token(&world);
    world.write("_report/note.txt", "x\n");
    let person = |args: &[&str]| {
        let mut command = world.teof(args);
        command.env("TEOF_OPERATOR_TOKEN", TOKEN);
        ran(command, &[]).expect(0)
    };
    let plan = person(&["plan", "new", "docs", "--summary", "Docs"]).stdout;
    let plan = plan.trim().trim_start_matches("_plans/").trim_end_matches(".plan.json");
    let commands: &[&[&str]] = &[
        &["bus", "claim", "T1"],
        &["bus", "event", "--event", "status", "--summary", "half", "--task", "T1"],
        &["bus", "message", "--task", "T1", "--type", "note", "--summary", "hello"],
        &["bus", "pause", "T1", "--reason", "later"],
        &["bus", "release", "T1", "--status", "released"],
        &["task", "add", "T2", "--title", "More"],
        &["task", "pickup", "T2"],
        &["receipts", "add", "_report/note.txt"],
        &["plan", "step", "set", plan, "S1", "--note", "look"],
        &["plan", "attach", plan, "S1", "--file", "_report/note.txt"],
        &["plan", "checkpoint", plan, "satisfied"],
    ];
    commands.iter().for_each(|args| drop(person(args)));
    let events = world.lines("_bus/events/events.jsonl");
    assert!(events.len() >= 9, "{events:#?}");
    for event in &events {
        let found = (&event["agent_id"], &event["meta"]["by"], &event["meta"]["recognised"]);
        assert_eq!(found, (&json!("operator"), &json!("Tester"), &json!("token")), "{event}");
    }
    let message = world.lines("_bus/messages/T1.jsonl").pop().unwrap();
    assert_eq!((&message["from"], &message["meta"]["by"]), (&json!("operator"), &json!("Tester")));

    // Without a terminal and a token, two that nothing tells apart would share a claim; all else is only recorded.
    if teof::guard::operator::agent_at_work().is_none() {
        let script = |args: &[&str]| {
            let mut command = world.teof(args);
            command.env_remove("TEOF_OPERATOR_TOKEN");
            ran(command, &[])
        };
        script(&["bus", "event", "--event", "observation", "--summary", "seen"]).expect(0);
        let last = world.lines("_bus/events/events.jsonl").pop().unwrap();
        assert_eq!((&last["agent_id"], &last["meta"]["recognised"]), (&json!("operator"), &json!("neither")));
        let claim = script(&["bus", "claim", "T3"]).expect(2);
        assert!(claim.stderr.contains("the seat that claims is unknown"), "{}", claim.stderr);

        // Beside a seat's manifest a person is the operator until somebody boots that seat.
        world.write("AGENT_MANIFEST.json", "{\"agent_id\": \"a\"}\n");
        let say = format!("{} bus event --event observation --summary seen", env!("CARGO_BIN_EXE_teof"));
        let author = || {
            world.at_a_terminal(&say, "").expect(0);
            world.lines("_bus/events/events.jsonl").pop().unwrap()["agent_id"].clone()
        };
        assert_eq!(author(), "operator");
        world.ok(&["session-boot", "--no-sync"]);
        assert_eq!(author(), "a");
    }
}

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

    // What an agent may do as well is not the person's.
    for (variable, value, name) in [("TEOF_AGENT", "a", "a"), ("CLAUDECODE", "1", "claude")] {
        for (args, decision) in [(&["coordinator", "pause"][..], "pause"), (&["coordinator", "skip", "T8"], "skip")] {
            let mut command = world.teof(args);
            command.env_remove("TEOF_OPERATOR_TOKEN").env(variable, value);
            ran(command, &[]).expect(0);
            let last = world.lines("_report/agent/manager/decisions.jsonl").pop().unwrap();
            assert_eq!((&last["decision"], &last["recognised"]), (&json!(decision), &json!("neither")), "{last}");
            assert!(last["why"].as_str().unwrap().starts_with(&format!("{name}: ")), "{last}");
        }
    }
}
