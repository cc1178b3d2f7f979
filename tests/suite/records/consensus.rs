//! Decisions: the ledger, records, the dashboard, the daily sweep, the weekly review and escalation.

use serde_json::{Value, json};

use super::world;
use crate::harness::World;

fn at(world: &mut World, now: &str) {
    world.now = Some(now.to_owned());
    world.write("_report/session/codex-1/manager-report-tail.txt", &format!("# captured_at={now}\n"));
}

#[test]
fn the_ledger_has_the_playbooks_rows_and_the_records_and_exports_itself_once() {
    let world = world();
    world.write(
        "_report/ledger.csv",
        "batch_ts,total_items,notes\n20250917T010000Z,2,\"first, with a comma\"\n20250918T010000Z,3,second\n",
    );
    world.write("_report/agent/codex-1/proof.json", "{}");
    let record = ["consensus", "record", "DEC-1", "--summary", "Ship it", "--meta", "vote=3:0"];
    let path = world.json(&[&record[..], &["--receipt", "_report/agent/codex-1/proof.json"]].concat());
    assert_eq!(path["path"], "_report/consensus/DEC-1-2026-01-05T100000Z.jsonl");
    let line = world.read(path["path"].as_str().unwrap());
    assert_eq!(
        line,
        "{\"decision_id\":\"DEC-1\",\"summary\":\"Ship it\",\"agent_id\":\"codex-1\",\"event\":\"consensus\",\"ts\":\"2026-01-05T10:00:00Z\",\"receipts\":[\"_report/agent/codex-1/proof.json\"],\"meta\":{\"vote\":\"3:0\"}}\n"
    );
    let rows = |args: &[&str]| -> Vec<Value> {
        let text = world.ok(&[&["consensus", "ledger", "--format", "jsonl"], args].concat());
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = rows(&[]);
    assert_eq!(all.len(), 3);
    assert_eq!((&all[0]["notes"], &all[0]["total_items"]), (&json!("first, with a comma"), &json!("2")));
    assert_eq!(all[2]["source"], "_report/consensus/DEC-1-2026-01-05T100000Z.jsonl:1");
    assert_eq!(rows(&["--limit", "1"])[0]["decision_id"], "DEC-1");
    assert_eq!(rows(&["--decision", "20250918T010000Z"])[0]["notes"], "second");
    assert_eq!(rows(&["--agent", "codex-1"]).len(), 1);
    assert_eq!(rows(&["--since", "2025-09-18T00:00:00Z"]).len(), 2);
    assert_eq!(rows(&["--decision", "DEC-9"]).len(), 0);
    for _ in 0..2 {
        world.ok(&["consensus", "ledger", "--output", "review.jsonl"]);
        assert_eq!(world.lines("_report/consensus/review.jsonl").len(), 3, "an export is not a record");
    }
    let over = ["consensus", "ledger", "--output", path["path"].as_str().unwrap()];
    assert_eq!(world.refused(&over)["code"], "output.refused");
    assert!(world.ok(&["consensus", "ledger"]).contains("DEC-1"));
    world.ok(&["receipts", "verify"]);
    let secret = ["consensus", "record", "DEC-2", "--summary", "ghp_0123456789abcdefghijABCDEFGHIJ456789"];
    assert_eq!(world.run(&secret).code, 1);
    std::fs::write(world.repo.join("_report/ledger.csv"), b"a,b\n\xff,1\n").unwrap();
    let damaged = world.refused(&["consensus", "ledger"]);
    assert_eq!((&damaged["code"], damaged["exit"].as_u64()), (&json!("ledger.unreadable"), Some(1)));
}

#[test]
fn an_event_about_a_decision_leaves_its_record_and_settles_it_when_it_completes() {
    let world = world();
    world.ok(&["task", "pickup", "QUEUE-030"]);
    let event =
        ["bus", "event", "--task", "QUEUE-030", "--consensus-decision", "QUEUE-030", "--consensus-meta", "round=1"];
    let done = world.json(&[&event[..], &["--event", "status", "--summary", "Drafted"]].concat());
    let path = done["written"][0]["record"].as_str().unwrap();
    let record = &world.lines(path)[0];
    assert_eq!(record["meta"], json!({"task_id": "QUEUE-030", "event": "status", "round": "1"}));
    let events = world.lines("_bus/events/events.jsonl");
    let last = events.last().unwrap();
    assert_eq!((&last["receipts"], &last["meta"]["consensus_decision"]), (&json!([path]), &json!("QUEUE-030")));
    let row = |world: &World| world.json(&["consensus", "dashboard"])["decisions"][0].clone();
    let open = row(&world);
    assert_eq!(
        (&open["decision_id"], &open["is_open"], &open["status"]),
        (&json!("QUEUE-030"), &json!(true), &json!("status"))
    );
    assert_eq!((&open["manager"], &open["receipts"]), (&json!("codex-1"), &json!([path])));
    assert_eq!(open["due"], Value::Null);
    world.ok(&[&event[..], &["--event", "complete", "--summary", "Agreed"]].concat());
    let settled = row(&world);
    assert_eq!((&settled["is_open"], &settled["status"]), (&json!(false), &json!("complete")));
    assert_eq!(settled["receipts"].as_array().unwrap().len(), 2);
    // The same time, another record: both stay.
    world.ok(&["receipts", "verify"]);
    let batch = ["bus", "event", "--batch", "--consensus-decision", "X"];
    assert_eq!(world.run(&batch).code, 2);
}

#[test]
fn a_decision_without_evidence_is_escalated_once_and_blocks_the_weekly_review_until_then() {
    let mut world = world();
    world.ok(&["task", "pickup", "DEC-7"]);
    world.ok(&["bus", "message", "--task", "DEC-7", "--type", "consensus", "--summary", "Which parser?"]);
    let findings = |world: &World| -> Vec<String> {
        let scan: Value = serde_json::from_str(&world.run(&["scan", "--json"]).stdout).unwrap();
        let found = scan["findings"].as_array().unwrap();
        let found = found.iter().filter(|found| found["code"].as_str().unwrap().starts_with("consensus."));
        found
            .map(|found| format!("{} {}", found["severity"].as_str().unwrap(), found["message"].as_str().unwrap()))
            .collect()
    };
    assert_eq!(findings(&world), ["low decision DEC-7 has no receipt"]);
    assert_eq!(world.json(&["consensus", "escalate"])["escalated"], json!([]), "a day is not over");
    at(&mut world, "2026-01-06T11:00:00Z");
    assert_eq!(findings(&world), ["medium decision DEC-7 has no receipt"]);
    let text = world.ok(&["consensus", "dashboard", "--since", "1h"]);
    assert!(text.contains("due") && text.contains("no receipt after 24 h"), "{text}");
    let refused = world.refused(&["consensus", "weekly"]);
    assert_eq!((&refused["code"], &refused["decisions"]), (&json!("consensus.due"), &json!(["DEC-7"])));
    let dry = world.json(&["consensus", "escalate", "--dry-run"]);
    assert_eq!(dry["escalated"][0]["decision_id"], "DEC-7");
    assert!(!world.exists("_bus/messages/manager-report.jsonl"));
    assert_eq!(world.refused(&["consensus", "escalate", "--assign", "codx-2"])["code"], "seat.unknown");
    world.ok(&["consensus", "escalate", "--assign", "codex-2"]);
    let requests = world.lines("_bus/messages/manager-report.jsonl");
    let request = &requests[0];
    assert_eq!((&request["type"], &request["meta"]["escalation"]), (&json!("request"), &json!("consensus")));
    assert_eq!((&request["meta"]["decision_id"], &request["to"]), (&json!("DEC-7"), &json!("codex-2")));
    assert_eq!(world.lines("_bus/messages/agent-codex-2.jsonl").len(), 1);
    let again = world.json(&["consensus", "escalate"]);
    assert_eq!((&again["escalated"], &again["standing"][0]["decision_id"]), (&json!([]), &json!("DEC-7")));
    assert_eq!(world.lines("_bus/messages/manager-report.jsonl").len(), 1);
    let unknown = world.refused(&["consensus", "escalate", "DEC-8"]);
    assert!(unknown["message"].as_str().unwrap().ends_with("(did you mean DEC-7?)"), "{unknown}");

    // The daily sweep touches it, and keeps what it saw.
    at(&mut world, "2026-01-06T11:30:00Z");
    let sweep = world.json(&["consensus", "sweep", "--touch", "DEC-7"]);
    let kept = world.read_json(sweep["receipt"].as_str().unwrap());
    assert!(sweep["receipt"].as_str().unwrap().starts_with("_report/agent/codex-1/consensus/sweep-"));
    assert_eq!((&sweep["due"], &kept["decisions"][0]["due"]), (&json!(["DEC-7"]), &json!("no_receipt")));
    assert_eq!(findings(&world), [""; 0], "it has a record and an update now");
    at(&mut world, "2026-01-07T12:00:00Z");
    assert_eq!(findings(&world), ["medium decision DEC-7 has had no update for 24 h"]);
    assert_eq!(world.json(&["consensus", "escalate"])["escalated"][0]["why"], "no update for 24 h", "it is news");

    // The week is reviewed; then the decision is closed.
    let weekly = world.json(&["consensus", "weekly"]);
    assert_eq!((&weekly["decision_id"], &weekly["open"]), (&json!("WEEKLY-2026-W02"), &json!(1)));
    let summary = world.read(weekly["summary"].as_str().unwrap());
    assert!(summary.contains("| DEC-7 | due |"), "{summary}");
    let posted = world.lines("_bus/messages/manager-report.jsonl");
    assert_eq!((&posted[2]["type"], &posted[2]["receipts"][0]), (&json!("consensus"), &weekly["summary"]));
    assert_eq!(world.lines(weekly["record"].as_str().unwrap())[0]["receipts"], json!([weekly["summary"]]));
    world.ok(&["consensus", "record", "DEC-7", "--summary", "The small one"]);
    assert_eq!(findings(&world), [""; 0]);
    let decisions = world.json(&["consensus", "dashboard"])["decisions"].clone();
    assert_eq!(decisions.as_array().unwrap().len(), 1, "a weekly review is no decision of its own: {decisions}");
    assert_eq!(decisions[0]["is_open"], false);
    world.ok(&["receipts", "verify", "--all"]);
}

#[test]
fn the_dashboard_counts_what_other_tools_wrote_and_names_claims_that_disagree() {
    let world = world();
    world.write(
        "_bus/claims/QUEUE-030.json",
        r#"{"task_id": "QUEUE-030", "agent_id": "codex-4", "branch": "agent/codex-4/q", "status": "done", "claimed_at": "2025-09-18T19:36:15Z"}"#,
    );
    world.write(
        "_bus/assignments/QUEUE-030.json",
        r#"{"task_id": "QUEUE-030", "engineer": "unassigned", "manager": "codex-1", "assigned_at": "2025-11-09T18:27:05Z"}"#,
    );
    world.write(
        "_bus/events/events.jsonl",
        "{\"agent_id\": \"codex-4\", \"event\": \"status\", \"receipt\": \"_report/a.txt\", \"summary\": \"x\", \"task_id\": \"QUEUE-030\", \"ts\": \"2025-09-18T19:40:00Z\"}\n{\"agent_id\": \"codex-4\", \"event\": \"complete\", \"plan_id\": \"p\", \"receipts\": [\"_report/b.txt\"], \"summary\": \"x\", \"task_id\": \"QUEUE-030\", \"ts\": \"2025-09-18T19:42:00Z\"}\n",
    );
    world.write(
        "_bus/messages/manager-report.jsonl",
        "{\"ts\": \"2025-09-18T19:43:00Z\", \"from\": \"codex-4\", \"type\": \"status\", \"task_id\": \"QUEUE-030\", \"summary\": \"done\"}\n{\"from\": \"codex-1\", \"summary\": \"no task\", \"ts\": \"2025-09-18T19:44:00Z\", \"type\": \"note\"}\n",
    );
    world.write(
        "_report/consensus/summary-latest.json",
        r#"{"tasks": [{"task_id": "CI-1", "required_receipts": ["_report/consensus/none.jsonl"]}]}"#,
    );
    // Also where no claim says so, a completed task is settled.
    let log =
        world.read("_bus/events/events.jsonl") + &world.read("_bus/events/events.jsonl").replace("QUEUE-030", "Q-9");
    world.write("_bus/events/events.jsonl", &log);
    let other = world.json(&["consensus", "dashboard", "--task", "Q-9"]);
    assert_eq!(other["decisions"][0]["is_open"], false, "{other}");
    let asked = world.json(&["consensus", "dashboard", "--task", "QUEUE-031", "--task", "QUEUE-030"]);
    let [unknown, row] = asked["decisions"].as_array().unwrap().as_slice() else { panic!("{asked}") };
    assert_eq!((&unknown["status"], &unknown["due"]), (&json!("unknown"), &json!("no_receipt")));
    assert_eq!(
        (&row["status"], &row["manager"], &row["plan_id"]),
        (&json!("complete"), &json!("codex-1"), &json!("p"))
    );
    assert_eq!((&row["event_count"], &row["message_count"]), (&json!(2), &json!(1)));
    assert_eq!((&row["receipts"], &row["is_open"]), (&json!(["_report/a.txt", "_report/b.txt"]), &json!(false)));
    let markdown = world.ok(&["consensus", "dashboard", "--format", "markdown"]);
    assert!(markdown.contains("| CI-1 | due | unknown |"), "CI requires a receipt that is not there: {markdown}");
    assert!(markdown.contains("- QUEUE-030: assigned to nobody, claimed by codex-4"), "{markdown}");
    world.write("_report/consensus/none.jsonl", "{}\n");
    assert_eq!(world.json(&["consensus", "dashboard"])["decisions"][0]["is_open"], false);
}
