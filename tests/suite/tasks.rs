//! Slips of an agent: unknown tasks, writes without a claim, evidence that is not there.

use serde_json::{Value, json};

use crate::harness::World;

fn world() -> World {
    let mut world = World::new();
    world.now = Some("2026-01-05T10:00:00Z".into());
    world.write("AGENT_MANIFEST.json", "{\"agent_id\": \"codex-1\"}\n");
    world.write("_report/session/codex-1/manager-report-tail.txt", "# captured_at=2026-01-05T10:00:00Z\n");
    world
}

fn remarks(document: &Value) -> String {
    document["remarks"].to_string()
}

#[test]
fn an_unknown_task_is_claimed_with_a_warning() {
    let world = world();
    world.ok(&["task", "add", "KNOWN-1", "--title", "First"]);
    world.write("vault/10_features/03_planned/f.md", "---\nid: FR-1\nstatus: planned\n---\n# Score\n");
    world.write("queue/041-clock.md", "# Mend the clock\n");
    let plan = ["plan", "new", "docs", "--summary", "Docs", "--actor", "codex-1", "--priority", "2"];
    let plan = [&plan[..], &["--impact-score", "5", "--layer", "L5", "--systemic-scale", "6", "--allow-unclaimed"]];
    world.ok(&plan.concat());
    for task in ["KNOWN-1", "FR-1", "041-clock", "2026-01-05-docs-S1"] {
        assert_eq!(remarks(&world.json(&["task", "pickup", task])), "[]", "{task}");
        world.ok(&["bus", "release", task, "--status", "released"]);
    }
    let slip = world.json(&["task", "pickup", "KNOWN-2"]);
    assert!(remarks(&slip).contains("no such task KNOWN-2 (did you mean KNOWN-1?)"), "{slip}");
    assert_eq!(remarks(&world.json(&["task", "pickup", "KNOWN-2"])), "[]", "it is known from its claim now");
    let slip = world.json(&["bus", "claim", "KNOWN-4", "--allow-unassigned"]);
    assert!(remarks(&slip).contains("no such task KNOWN-4"), "{slip}");
    let given = world.run(&["task", "assign", "KNOWN-3", "--engineer", "codex-1"]).expect(0);
    assert!(given.stderr.contains("warning: no such task KNOWN-3"), "{}", given.stderr);
    let next = given.stderr.lines().find(|line| line.contains("teof task add")).unwrap();
    world.follow(&format!("next: {}", next.rsplit_once(": ").unwrap().1));
    assert!(world.read("_plans/next-development.todo.json").contains("KNOWN-3"));
}

#[test]
fn an_entry_of_the_queue_goes_by_one_name() {
    let world = world();
    world.write("queue/041-clock.md", "# Mend the clock\nCoordinate: S6:L5\n");
    world.write("queue/042-bell.md", "# Mend the bell\n");
    world.write("_bus/assignments/042-BELL.json", "{\"task_id\": \"042-BELL\", \"engineer\": \"codex-2\"}\n");
    let rows = world.json(&["task", "list"]);
    let known = |id: &str| rows["tasks"].as_array().unwrap().iter().find(|row| row["task_id"] == id).cloned();
    assert_eq!(known("041-clock").unwrap()["title"], "Mend the clock", "as the coordinator calls it: {rows}");
    assert!(known("041-CLOCK").is_none() && known("042-bell").is_none(), "{rows}");
    assert_eq!(known("042-BELL").unwrap()["sources"], json!(["queue", "assignment"]), "as it was assigned: {rows}");
}

/// They said `bus claim`, which is refused for what is assigned to nobody.
#[test]
fn writing_without_a_claim_names_the_command_that_claims() {
    let world = world();
    let event = ["bus", "event", "--event", "status", "--summary", "half", "--task", "NOPE-1"];
    for (task, args) in [("NOPE-1", &event[..]), ("NOPE-2", &["bus", "release", "NOPE-2"])] {
        let refused = world.refused(args);
        world.follow(refused["next"][0].as_str().unwrap());
        assert_eq!(world.read_json(&format!("_bus/claims/{task}.json"))["status"], "active");
        world.ok(args);
    }
}

#[test]
fn evidence_that_is_not_there_is_named_and_the_event_is_written() {
    let world = world();
    world.ok(&["task", "pickup", "NOPE-1"]);
    world.write("_report/agent/codex-1/tests.json", "{}");
    let event = ["bus", "event", "--event", "status", "--summary", "half", "--task", "NOPE-1", "--receipt"];
    for (path, noted) in [
        ("_report/agent/codex-1/test.json", true),
        ("_report/agent/codex-1/tests.json", false),
        ("https://example.org/run/1", false),
    ] {
        let ran = world.run(&[&event[..], &[path]].concat()).expect(0);
        assert_eq!(ran.stderr.contains(&format!("warning: {path} does not exist")), noted, "{}", ran.stderr);
    }
    assert_eq!(world.lines("_bus/events/events.jsonl").iter().filter(|line| line["event"] == "status").count(), 3);
}

#[test]
fn misspelt_holds_and_unknown_recipients_are_warned_about() {
    let world = world();
    world.ok(&["task", "pickup", "NOPE-1"]);
    let told = |args: &[&str]| world.run(&[args, &["--summary", "stop"]].concat()).expect(0).stderr;
    let to = |task: &'static str, kind: &'static str| ["bus", "message", "--task", task, "--type", kind];
    assert!(told(&to("NOPE-1", "hlod")).contains("did you mean hold?"));
    assert!(told(&to("agent-nosuch", "note")).contains("no seat or role nosuch"));
    for fine in [to("NOPE-1", "question"), to("agent-codex-1", "note"), to("manager-report", "status")] {
        assert_eq!(told(&fine), "", "{fine:?}");
    }
}

#[test]
fn an_item_of_no_known_layer_scale_or_target_is_not_added() {
    let world = world();
    for wrong in [["--layer", "L9"], ["--systemic-scale", "11"], ["--systemic-target", "S0"]] {
        let ran = world.run(&[&["task", "add", "X-1", "--title", "First"][..], &wrong].concat());
        assert_eq!(ran.code, 2, "{wrong:?}: {}", ran.stderr);
    }
    let right = ["--layer", "L5", "--systemic-scale", "6", "--systemic-target", "S6"];
    world.ok(&[&["task", "add", "X-1", "--title", "First"][..], &right].concat());
}

#[test]
fn the_work_of_a_blocked_plan_is_listed_as_blocked() {
    let world = world();
    let step = |id: &str| json!({"id": id, "title": id, "status": "queued", "notes": "", "receipts": []});
    let plan = json!({"version": 0, "plan_id": "2026-01-05-docs", "created": "2026-01-05T09:00:00Z", "actor": "codex-1",
        "summary": "Docs", "status": "blocked", "steps": [step("S1"), step("S2")], "receipts": [],
        "checkpoint": {"description": "d", "owner": "codex-1", "status": "pending"}});
    world.write("_plans/2026-01-05-docs.plan.json", &plan.to_string());
    let listed = world.json(&["task", "list"]);
    let states = listed["tasks"].as_array().unwrap().iter().map(|row| row["state"].clone());
    assert_eq!(states.collect::<Vec<_>>(), ["blocked", "blocked"], "{listed}");
}
