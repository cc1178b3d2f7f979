//! The event log and the channels: what is acknowledged is there, once, whole, whatever happens.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{Ran, World};

const NOW: &str = "2026-01-05T10:00:00Z";
const EVENTS: &str = "_bus/events/events.jsonl";

/// A world with a fixed time in which these seats have fresh sessions.
fn world(seats: &[&str]) -> World {
    let mut world = World::new();
    world.now = Some(NOW.to_owned());
    for seat in seats {
        session(&world, seat, NOW);
    }
    world
}

fn session(world: &World, seat: &str, at: &str) {
    world.write(&format!("_report/session/{seat}/manager-report-tail.txt"), &format!("# captured_at={at}\n"));
}

fn feed(world: &World, args: &[&str], input: &[u8]) -> Ran {
    let mut child =
        world.teof(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that refuses early may not read all of it.
    let _ = child.stdin.take().unwrap().write_all(input);
    Ran::of(child.wait_with_output().unwrap(), args)
}

fn code(ran: &Ran) -> String {
    let document: Value = serde_json::from_str(&ran.stderr).unwrap_or_else(|e| panic!("{e}: {}", ran.stderr));
    document["error"]["code"].as_str().unwrap().to_owned()
}

#[test]
fn events_carry_what_was_said_and_chain() {
    let world = world(&["a"]);
    let first = world.json(&["bus", "event", "--agent", "a", "--event", "observation", "--summary", "one"]);
    let second = world.json(&[
        "bus",
        "event",
        "--agent",
        "a",
        "--event",
        "alert",
        "--summary",
        "two\nlines \u{1b}[31m",
        "--severity",
        "HIGH",
        "--extra",
        "k=v=w",
        "--receipt",
        "_report/a.json",
        "--receipt",
        "_report/b.json",
        "--plan",
        "2026-01-05-p",
    ]);
    let lines = world.lines(EVENTS);
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["id"], &lines[0]["prev"]), (&first["written"][0]["id"], &Value::Null));
    assert_eq!((&lines[1]["id"], &lines[1]["prev"]), (&second["written"][0]["id"], &lines[0]["id"]));
    assert_eq!((lines[1]["severity"].as_str(), lines[1]["meta"]["k"].as_str()), (Some("high"), Some("v=w")));
    assert_eq!(lines[1]["summary"], "two\nlines \u{1b}[31m");
    assert_eq!(lines[1]["receipts"].as_array().unwrap().len(), 2);
    assert_eq!(lines[1]["ts"], NOW);
}

#[test]
fn events_that_report_on_a_task_need_its_claim() {
    let world = world(&["a", "b"]);
    let event = |agent: &str, kind: &str, more: &[&str]| {
        let args = ["bus", "event", "--json", "--agent", agent, "--task", "T", "--event", kind, "--summary", "x"];
        world.run(&[&args, more].concat())
    };
    assert_eq!(code(&event("a", "status", &[])), "claim.missing");
    event("a", "observation", &[]).expect(0);
    world.ok(&["bus", "claim", "T", "--agent", "a", "--allow-unassigned"]);
    let epoch = world.read_json("_bus/claims/T.json")["epoch"].to_string();
    event("a", "status", &["--epoch", &epoch]).expect(0);
    assert_eq!(code(&event("b", "complete", &[])), "claim.not_yours");
    assert_eq!(code(&event("a", "observation", &["--epoch", "999"])), "claim.epoch");
    let message = |agent: &str, kind: &str| {
        world.run(&["bus", "message", "--json", "--agent", agent, "--task", "T", "--type", kind, "--summary", "x"])
    };
    assert_eq!(code(&message("b", "note")), "claim.not_yours");
    message("b", "reminder").expect(0);
    message("a", "note").expect(0);
    let errors = world.lines("_report/agent/b/errors.jsonl");
    assert_eq!(errors.len(), 2, "refusals leave their lines");
    assert_eq!((errors[0]["event"].as_str(), errors[0]["claim_owner"].as_str()), (Some("complete"), Some("a")));
    let kept: Vec<_> = world.lines(EVENTS).iter().map(|line| line["meta"]["epoch"].clone()).collect();
    assert_eq!(kept.last().unwrap().to_string(), epoch, "the epoch that was shown is recorded");
}

#[test]
fn a_stale_session_writes_only_with_an_override_or_an_epoch() {
    let world = world(&["a"]);
    world.ok(&["bus", "claim", "T", "--agent", "a", "--allow-unassigned"]);
    session(&world, "a", "2026-01-05T08:59:59Z");
    let args = ["bus", "event", "--agent", "a", "--event", "status", "--summary", "x", "--task", "T"];
    assert_eq!(world.refused(&args)["code"], "session.stale");
    world.ok(&[&args[..], &["--epoch", "1"]].concat());
    world.ok(&[&args[..], &["--allow-stale-session"]].concat());
    let codes: Vec<_> = world.lines("_report/agent/a/session_guard/events.jsonl");
    let codes: Vec<_> = codes.iter().map(|line| line["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["session_stale", "session_stale", "session_override"]);
}

#[test]
fn a_message_with_a_target_reaches_the_role_too() {
    let world = world(&["a"]);
    world.ok(&[
        "bus",
        "message",
        "--agent",
        "a",
        "--task",
        "manager-report",
        "--type",
        "status",
        "--summary",
        "a online",
        "--meta",
        "agent=a",
        "--meta",
        "empty=",
        "--plan",
        "p",
        "--target",
        " Manager ",
        "--note",
        "n",
    ]);
    let lines = world.lines("_bus/messages/manager-report.jsonl");
    assert_eq!(lines, world.lines("_bus/messages/agent-manager.jsonl"));
    assert_eq!(lines[0]["to"], "manager");
    let keys: Vec<_> = lines[0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["ts", "from", "type", "task_id", "summary", "meta", "note", "to"]);
    assert_eq!(lines[0]["meta"].to_string(), r#"{"plan_id":"p","agent":"a","empty":""}"#);
}

#[test]
fn a_ping_and_a_directive_write_both_lines_or_neither() {
    let world = world(&["a"]);
    world.ok(&["bus", "ping", "--agent", "a", "--message-task", "manager-report"]);
    assert_eq!(world.lines(EVENTS)[0]["summary"], "a: heartbeat");
    assert_eq!(world.lines("_bus/messages/manager-report.jsonl")[0]["summary"], "a: heartbeat");
    world.refused(&["bus", "ping", "--agent", "a", "--message-task", "T", "--summary", "A: x"]);
    assert_eq!(world.lines(EVENTS).len(), 1, "no event without its message");
    world.ok(&["bus", "directive", "--agent", "a", "--task", "BUS-COORD-1", "--summary", "do", "--plan", "p"]);
    assert_eq!(world.lines("_bus/messages/BUS-COORD-1.jsonl")[0]["type"], "directive");
    let pointer = world.lines("_bus/messages/manager-report.jsonl").pop().unwrap();
    assert_eq!(
        (pointer["meta"]["directive"].as_str(), pointer["note"].as_str()),
        (Some("BUS-COORD-1"), Some("See BUS-COORD-1"))
    );
}

#[test]
fn a_request_that_is_made_again_is_answered_and_not_done_again() {
    let world = world(&["a"]);
    let args =
        |summary| ["bus", "event", "--agent", "a", "--event", "note", "--request-id", "r-1", "--summary", summary];
    let first = world.json(&args("x"));
    session(&world, "a", "2026-01-01T00:00:00Z");
    let again = world.json(&args("x"));
    assert_eq!((&first["written"], again["repeated"].as_bool()), (&again["written"], Some(true)));
    assert_eq!(world.lines(EVENTS).len(), 1);
    assert_eq!(world.refused(&args("y"))["code"], "request.changed");
}

#[test]
fn a_batch_is_written_whole_or_not_at_all() {
    let world = world(&["a"]);
    let args = ["bus", "event", "--agent", "a", "--batch", "--json"];
    let line = |n: usize| format!("{{\"event\":\"note\",\"summary\":\"{n}\",\"task\":\"T\",\"meta\":{{\"n\":{n}}}}}\n");
    let good: String = (0..50).map(line).collect();
    let done = feed(&world, &args, format!("{good}\n").as_bytes()).expect(0);
    let done: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(done["written"].as_array().unwrap().len(), 50);
    let before = world.read(EVENTS);
    let deep =
        format!("{{\"event\":\"note\",\"summary\":\"x\",\"meta\":{}1{}}}", "{\"a\":".repeat(5000), "}".repeat(5000));
    let huge = format!("{{\"event\":\"note\",\"summary\":\"{}\"}}", "x".repeat(9 << 20));
    for (bad, wanted) in [
        (b"{\"event\":\"note\"".as_slice(), "batch.invalid"),
        (b"[1]", "batch.invalid"),
        (b"{\"event\":\"note\",\"summary\":\"\xff\"}", "batch.invalid"),
        (b"{\"event\":\"note\",\"summary\":\"x\",\"sumary\":1}", "batch.invalid"),
        (b"{\"event\":\"note\",\"summary\":\"x\",\"meta\":{\"id\":1}}", "meta.reserved"),
        (b"{\"event\":\"note\",\"summary\":\" \"}", "text.empty"),
        (b"{\"event\":\"status\",\"summary\":\"x\",\"task_id\":\"T\"}", "claim.missing"),
        (b"{\"event\":\"note\",\"summary\":\"x\",\"receipts\":[\"../x\"]}", "path.outside"),
        (b"{\"event\":\"note\",\"summary\":\"x\",\"agent_id\":\"b\"}", "agent.mismatch"),
        (deep.as_bytes(), "batch.invalid"),
        (huge.as_bytes(), "text.too_long"),
    ] {
        let ran = feed(&world, &args, &[good.as_bytes(), bad, b"\n", good.as_bytes()].concat());
        let shown = String::from_utf8_lossy(&bad[..bad.len().min(60)]);
        assert_eq!(code(&ran), wanted, "{shown}");
        assert!(ran.stderr.contains("line 51: "), "{shown}: {}", ran.stderr);
        assert_eq!(world.read(EVENTS), before, "{shown}");
    }
}

#[test]
fn hostile_words_change_nothing() {
    let world = world(&["a"]);
    let huge = "x".repeat(100_000);
    for (args, wanted) in [
        (vec!["--event", "note", "--summary", &huge], "text.too_long"),
        (vec!["--event", "no te", "--summary", "x"], "word.invalid"),
        (vec!["--event", "../note", "--summary", "x"], "word.invalid"),
        (vec!["--event", "note", "--summary", "x", "--task", "../../etc/passwd"], "name.invalid"),
        (vec!["--event", "status", "--summary", "x", "--task", "a/b"], "name.invalid"),
        (vec!["--event", "note", "--summary", "x", "--extra", "novalue"], "pair.invalid"),
        (vec!["--event", "note", "--summary", "x", "--extra", "summary=y"], "meta.reserved"),
        (vec!["--event", "note", "--summary", "x", "--receipt", "/etc/passwd"], "path.outside"),
        (vec!["--event", "note", "--summary", "x", "--request-id", "../x"], "name.invalid"),
        (vec!["--event", "note", "--summary", "x", "--severity", "dire"], "usage"),
    ] {
        let error = world.refused(&[&["bus", "event", "--agent", "a"], &args[..]].concat());
        assert_eq!(error["code"], wanted, "{args:.80?}");
    }
    for (channel, kind) in [("../x", "reminder"), ("a b", "reminder"), ("T", "re\nminder")] {
        world.refused(&["bus", "message", "--agent", "a", "--task", channel, "--type", kind, "--summary", "x"]);
    }
    assert!(!world.exists(EVENTS));
    assert_eq!(std::fs::read_dir(world.repo.join("_bus/messages")).unwrap().count(), 0);
}
