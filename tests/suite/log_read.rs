//! Looking at the bus: status, watch, inbox.

use serde_json::Value;

use crate::harness::World;

const NOW: &str = "2026-01-05T10:00:00Z";
const EVENTS: &str = "_bus/events/events.jsonl";

fn world() -> World {
    let mut world = World::new();
    world.now = Some(NOW.to_owned());
    world
}

fn event(ts: &str, agent: &str, kind: &str, more: &str) -> String {
    format!(
        "{{\"ts\":\"{ts}\",\"agent_id\":\"{agent}\",\"event\":\"{kind}\",\"summary\":\"{agent} {kind} {ts}\"{more}}}\n"
    )
}

fn summaries(items: &Value) -> Vec<String> {
    items.as_array().unwrap().iter().map(|item| item["summary"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn status_filters_before_it_limits_and_presets_fill_what_was_left_open() {
    let world = world();
    let old = event("2026-01-05T03:00:00Z", "a", "alert", ",\"severity\":\"high\"");
    let high = event("2026-01-05T09:00:00Z", "a", "alert", ",\"severity\":\"high\"");
    let medium = event("2026-01-05T09:30:00Z", "b", "alert", ",\"severity\":\"medium\"");
    let noise: String = (0..30).map(|n| event(&format!("2026-01-05T09:40:{n:02}Z"), "b", "note", "")).collect();
    world.write(EVENTS, &format!("{old}{high}not json\n{medium}{noise}"));
    let status = |args: &[&str]| world.json(&[&["bus", "status"], args].concat());
    assert_eq!(summaries(&status(&[])["events"]).len(), 10);
    assert_eq!(status(&[])["events"][0]["_index"], 1);
    assert_eq!(status(&[])["log"]["damaged"], 1);
    let high_of_a = ["a alert 2026-01-05T09:00:00Z", "a alert 2026-01-05T03:00:00Z"];
    assert_eq!(summaries(&status(&["--agent", "a"])["events"]), high_of_a, "newest first");
    assert_eq!(summaries(&status(&["--severity", "high", "--limit", "1"])["events"]), high_of_a[..1]);
    let support = status(&["--preset", "support"]);
    assert_eq!(summaries(&support["events"]), ["b alert 2026-01-05T09:30:00Z", "a alert 2026-01-05T09:00:00Z"]);
    assert_eq!(
        (support["filters"]["limit"].as_u64(), support["filters"]["active_only"].as_bool()),
        (Some(20), Some(true))
    );
    assert_eq!(summaries(&status(&["--preset", "manager"])["events"]).len(), 1);
    assert_eq!(summaries(&status(&["--preset", "manager", "--window-hours", "0"])["events"]), high_of_a);
    assert_eq!(summaries(&status(&["--since", "2026-01-05T09:30:00Z", "--severity", "medium"])["events"]).len(), 1);
    assert_eq!(world.run(&["bus", "status", "--window-hours", "-1"]).code, 2);
    let shown = world.run(&["bus", "status", "--agent", "a"]).expect(0);
    assert!(
        shown.stdout.contains("2026-01-05T09:00:00Z  a     alert  a alert 2026-01-05T09:00:00Z  high"),
        "{}",
        shown.stdout
    );
    assert!(shown.stderr.contains("Only a; everybody: teof bus status --all"), "{}", shown.stderr);
    // A seat sees everybody by default too.
    let all = world.teof(&["bus", "status"]).env("TEOF_AGENT", "a").output().unwrap();
    assert!(String::from_utf8_lossy(&all.stdout).contains("b note") && all.stderr.is_empty(), "{all:?}");
}

#[test]
fn status_shows_claims_holds_and_managers_and_names_what_is_damaged() {
    let world = world();
    let manifest = |agent: &str| format!("{{\"agent_id\": \"{agent}\", \"desired_roles\": [\"manager\"]}}");
    for agent in ["m1", "m2", "m3"] {
        world.write(&format!("AGENT_MANIFEST.{agent}.json"), &manifest(agent));
    }
    let beats = [
        event("2026-01-05T09:45:00Z", "m1", "status", ",\"meta\":{\"shift\":\"day\"}"),
        event("2026-01-05T09:00:00Z", "m2", "handshake", ""),
        event("2026-01-05T09:59:00Z", "m2", "note", ""),
    ];
    world.write(EVENTS, &beats.concat());
    for (task, status) in [("A", "active"), ("B", "done")] {
        world.write(
            &format!("_bus/claims/{task}.json"),
            &format!("{{\"task_id\":\"{task}\",\"agent_id\":\"x\",\"branch\":\"agent/x/a\",\"status\":\"{status}\",\"claimed_at\":\"{NOW}\"}}"),
        );
    }
    world.write("_bus/messages/A.jsonl", "{\"ts\":\"2026-01-05T09:00:00Z\",\"from\":\"m1\",\"type\":\"hold\",\"task_id\":\"A\",\"summary\":\"wait for legal\"}\n");
    let status = world.json(&["bus", "status"]);
    let manager = &status["manager_status"];
    assert_eq!(manager["candidates"].to_string(), r#"["m1","m2","m3"]"#);
    assert_eq!(
        (&manager["active"][0]["agent_id"], &manager["active"][0]["meta"]["shift"]),
        (&"m1".into(), &"day".into())
    );
    assert_eq!(
        (&manager["stale"][0]["agent_id"], &manager["stale"][0]["last_seen"]),
        (&"m2".into(), &"2026-01-05T09:00:00Z".into())
    );
    assert_eq!(manager["missing"].to_string(), r#"["m3"]"#);
    assert_eq!(status["claims"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&status["claims"][0]["_path"], &status["claims"][0]["_hold"]),
        (&"_bus/claims/A.json".into(), &"wait for legal".into())
    );
    assert_eq!(world.json(&["bus", "status", "--active-only"])["claims"].as_array().unwrap().len(), 1);
    assert_eq!(world.json(&["bus", "status", "--manager-window", "0"])["manager_status"], Value::Null);
    world.write("_bus/claims/C.json", "{\"task_id\":");
    let ran = world.run(&["bus", "status"]).expect(1);
    assert!(
        ran.stdout.contains("damaged: _bus/claims/C.json") && ran.stdout.contains("A     active  x     agent/x/a"),
        "{}",
        ran.stdout
    );
}

#[test]
fn watch_shows_a_channel_among_the_events() {
    let world = world();
    let on = |task: &str| format!(",\"task_id\":\"{task}\"");
    let events = [
        event("2026-01-04T09:00:00Z", "a", "status", &on("T")),
        event("2026-01-05T09:00:00Z", "a", "status", &on("T")),
        event("2026-01-05T09:20:00Z", "b", "complete", &on("U")),
    ];
    world.write(EVENTS, &events.concat());
    let message = |channel: &str, at: &str| {
        world.write(&format!("_bus/messages/{channel}.jsonl"), &format!("{{\"ts\":\"{at}\",\"from\":\"m\",\"type\":\"note\",\"task_id\":\"{channel}\",\"summary\":\"to \\u001b[31m{channel}\"}}\n"));
    };
    message("T", "2026-01-05T09:10:00Z");
    message("manager-report", "2026-01-05T09:10:00Z");
    let shown = |args: &[&str]| -> Vec<String> {
        let out = world.ok(&[&["bus", "watch"], args].concat());
        out.lines().map(|line| line.split(" :: ").nth(2).unwrap().to_owned()).collect()
    };
    assert_eq!(shown(&[]), ["status", "complete"], "a day back");
    assert_eq!(shown(&["--window-hours", "0"]).len(), 3);
    assert_eq!(shown(&["--task", "T"]), ["status", "message/note"]);
    assert_eq!(shown(&["--task", "manager-report"]), ["status", "message/note", "complete"]);
    assert_eq!(shown(&["--messages"]), ["message/note", "message/note"], "of all channels, without events");
    assert_eq!(shown(&["--messages", "--task", "T"]), ["message/note"]);
    assert_eq!(shown(&["--since", "48h"]).len(), 3, "beats the default window");
    assert_eq!(shown(&["--task", "manager-report", "--limit", "2"]), ["message/note", "complete"]);
    assert_eq!(shown(&["--agent", "a", "--limit", "1"]), ["status"], "filtered, then limited");
    assert_eq!(
        shown(&["--event", "complete", "--event", "note", "--task", "manager-report"]),
        ["message/note", "complete"]
    );
    assert_eq!(shown(&["--since", "2026-01-05T09:15:00Z"]), ["complete"]);
    assert!(!world.ok(&["bus", "watch", "--task", "T"]).contains('\u{1b}'), "nothing that a terminal obeys");
    assert_eq!(world.json(&["bus", "watch", "--task", "T"])["items"].as_array().unwrap().len(), 2);
}

#[test]
fn an_inbox_counts_what_is_unread_until_it_is_marked() {
    let world = world();
    let message = |ts: &str| {
        format!("{{\"ts\":\"{ts}\",\"from\":\"m\",\"type\":\"note\",\"task_id\":\"T\",\"summary\":\"x\"}}\n")
    };
    let two = message("2026-01-05T08:00:00Z") + &message("2026-01-05T09:00:00Z");
    world.write("_bus/messages/agent-codex-1.jsonl", &two);
    let inbox = |args: &[&str]| world.json(&[&["bus", "inbox", "--agent", "Codex-1"], args].concat());
    assert_eq!(inbox(&["--no-capture-receipt"])["unread"], 2);
    assert!(!world.exists("_report/session"), "nothing was asked to be written");
    let shown = inbox(&["--limit", "1", "--mark-read"]);
    assert_eq!((shown["unread"].as_u64(), shown["messages"].as_array().unwrap().len()), (Some(2), 1));
    let receipt = world.read("_report/session/Codex-1/agent-inbox-tail.txt");
    let header = "# agent=Codex-1\n# channel=_bus/messages/agent-codex-1.jsonl\n# captured_at=2026-01-05T10:00:00Z\n# requested_entries=1\n# written_entries=1\n# unread_since_state=2\n# last_message_ts=2026-01-05T09:00:00Z\n";
    assert_eq!(receipt, header.to_owned() + &message("2026-01-05T09:00:00Z"));
    let state = world.read_json("_report/session/Codex-1/agent-inbox-state.json");
    assert_eq!((&state["last_seen_ts"], &state["last_checked_at"]), (&"2026-01-05T09:00:00Z".into(), &NOW.into()));
    world.write("_bus/messages/agent-codex-1.jsonl", &(two + &message("2026-01-05T09:30:00Z")));
    assert_eq!(inbox(&[])["unread"], 1);
    assert!(
        world.ok(&["bus", "inbox", "--agent", "Codex-1"]).lines().last().unwrap().starts_with("*  2026-01-05T09:30")
    );
    world.ok(&["bus", "inbox", "--agent", "codex-2"]);
    assert!(world.read("_report/session/codex-2/agent-inbox-tail.txt").ends_with("(inbox empty)\n"));
    assert_eq!(world.refused(&["bus", "inbox", "--agent", "a", "--receipt", "../x"])["code"], "path.outside");
    // A person without a seat reads what is for the operator, and what managers report.
    world.write("_bus/messages/agent-operator.jsonl", &message("2026-01-05T09:00:00Z"));
    world.write("_bus/messages/manager-report.jsonl", &message("2026-01-05T08:00:00Z"));
    let person = world.run(&["bus", "inbox"]).expect(0);
    let times: Vec<_> = person.stdout.lines().skip(1).map(|line| &line[3..19]).collect();
    assert_eq!(times, ["2026-01-05T08:00", "2026-01-05T09:00"], "{}", person.stdout);
    assert_eq!(person.stderr, "For you as the operator, in agent-operator and manager-report: 2 messages\n");
    assert!(!world.exists("_report/session/operator"));
    world.write("AGENT_MANIFEST.json", "{\"agent_id\": \"m\"}");
    world.ok(&["bus", "inbox", "--agent", "reader"]);
    assert!(!world.exists("_report/session/reader"), "who looks into another's inbox leaves no trace in it");
    assert_eq!(world.refused(&["bus", "inbox", "--agent", "reader", "--mark-read"])["code"], "agent.mismatch");
}
