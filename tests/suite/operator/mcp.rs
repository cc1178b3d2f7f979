//! Inside a run the tools write through the run's worker, as the commands do.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::attack::Fort;
use crate::mcp::client::{call, initialize};

#[test]
fn inside_a_run_the_worker_writes_for_its_own_task_and_nothing_else() {
    let fort = Fort::new();
    let calls = [
        // The worker knows the claim's epoch, whatever the environment says.
        (1, "event", json!({"event": "status", "summary": "Half", "task": "QUEUE-001"})),
        (2, "message", json!({"channel": "QUEUE-002", "type": "question", "summary": "Which?"})),
        (4, "claim", json!({"task": "QUEUE-001", "notes": "Half"})),
        (11, "claim", json!({"task": "QUEUE-002", "allow_unassigned": true})),
        (12, "next", json!({})),
        (13, "release", json!({"task": "QUEUE-002"})),
        (14, "event", json!({"event": "complete", "summary": "x", "task": "QUEUE-002"})),
        (15, "plan_step", json!({"plan": "2026-01-05-docs", "step": "S1", "status": "done"})),
        (16, "message", json!({"channel": "QUEUE-002", "type": "lift", "summary": "Go"})),
        (17, "handoff", json!({"worked": ["x"]})),
        (18, "claim", json!({"task": "QUEUE-002", "take_over": "mine"})),
    ];
    let lines = std::iter::once(initialize("2025-06-18")).chain(calls.iter().map(|(id, tool, arguments)| {
        let mut arguments = arguments.clone();
        if *tool == "event" {
            arguments["request_id"] = json!(format!("r{id}"));
        }
        call(*id, tool, &arguments)
    }));
    let input: String = lines.map(|line| format!("{line}\n")).collect();
    std::fs::write(fort.folder.join("in"), input).unwrap();
    let body = r#"
env TEOF_CLAIM_EPOCH=1 $T mcp < $B/in > $B/out 2> $B/err; echo "mcp $?" >> $B/ended
env TEOF_CLAIM_EPOCH=1 TEOF_AGENT=codex-2 $T mcp < $B/in > $B/other 2>> $B/err; echo "other $?" >> $B/ended
"#;
    fort.run(&fort.script(body)).expect("an outcome");
    let said = |name: &str| std::fs::read_to_string(fort.folder.join(name)).unwrap();
    let answers = |name: &str| -> BTreeMap<u64, Value> {
        let all = said(name);
        let all = all.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        all.map(|answer| (answer["id"].as_u64().unwrap(), answer["result"].clone())).collect()
    };
    let own = answers("out");
    for (id, tool, _) in &calls {
        let result = &own[id];
        if *id < 10 {
            assert_eq!(result["isError"], false, "{tool}: {result}");
        } else {
            assert_eq!(result["_meta"]["teof/error"]["exit"], 6, "{tool}: {result}");
        }
    }
    assert!(answers("other").iter().filter(|(id, _)| **id > 0).all(|(_, result)| result["isError"] == true));
    let claim = fort.world.read_json("_bus/claims/QUEUE-001.json");
    assert_eq!((&claim["epoch"], &claim["notes"]), (&json!(3), &json!("Half")));
    let events = fort.world.lines("_bus/events/events.jsonl");
    assert!(events.iter().any(|one| one["summary"] == "Half" && one["meta"]["epoch"] == 3), "{events:?}");
    assert!(!fort.world.exists("_bus/claims/QUEUE-002.json"));
    assert_eq!(said("err"), "");
}
