//! Claims, assignments, the backlog, the playbook's list of tasks, and plans' statuses agree or are named.

use serde_json::{Value, json};

use super::{plan, world};
use crate::harness::{Ran, World};

/// A claim and an assignment as the playbook's tools wrote them.
fn written(world: &World, task: &str, claim: Value, assignment: Value) {
    let mut claim = claim;
    for (key, value) in [("task_id", task), ("branch", "agent/x/y"), ("claimed_at", "2025-09-18T19:36:15Z")] {
        claim[key] = json!(value);
    }
    world.write(&format!("_bus/claims/{task}.json"), &claim.to_string());
    let mut assignment = assignment;
    for (key, value) in [("task_id", task), ("manager", "codex-1"), ("assigned_at", "2025-11-09T18:27:05Z")] {
        assignment[key] = json!(value);
    }
    world.write(&format!("_bus/assignments/{task}.json"), &assignment.to_string());
}

#[test]
fn a_seeded_task_waits_for_its_seat_with_assignment_claim_and_folder() {
    let world = world();
    let id = plan(&world, "docs", "queued", &[]);
    world.ok(&["task", "add", "QUEUE-001", "--title", "Docs"]);
    let seed = ["task", "seed", "QUEUE-001", "--engineer", "codex-2", "--plan", &id, "--notes", "Start here"];
    world.ok(&[&seed[..], &["--scaffold"]].concat());
    let claim = world.read_json("_bus/claims/QUEUE-001.json");
    assert_eq!([&claim["agent_id"], &claim["status"], &claim["plan_id"]], ["codex-2", "paused", id.as_str()]);
    assert_eq!(world.read_json("_bus/assignments/QUEUE-001.json")["engineer"], "codex-2");
    assert!(world.exists(&format!("_report/agent/codex-2/{id}/.gitkeep")));
    assert_eq!(world.lines("_bus/messages/agent-codex-2.jsonl")[0]["type"], "assignment");
    // Nobody else gets it by another template, and the seat starts with an ordinary claim.
    let other = world.refused(&["task", "seed", "QUEUE-001", "--engineer", "codex-1"]);
    assert_eq!(other["code"], "claim.held", "{other}");
    world.write("_report/session/codex-2/manager-report-tail.txt", "# captured_at=2026-01-05T10:00:00Z\n");
    let mut start = world.teof(&["bus", "claim", "QUEUE-001"]);
    Ran::of(start.env("TEOF_AGENT", "codex-2").output().unwrap(), &["bus", "claim"]).expect(0);
    assert_eq!(world.read_json("_bus/claims/QUEUE-001.json")["notes"], "Start here");
    let active = world.refused(&[&seed[..], &["--agent", "codex-1"]].concat());
    assert_eq!(active["code"], "claim.held", "a seed never pauses work: {active}");
    world.ok(&["task", "assign", "QUEUE-002", "--engineer", "codex-2", "--no-auto-claim"]);
    assert!(!world.exists("_bus/claims/QUEUE-002.json"));
    let assigned = world.refused(&["task", "seed", "QUEUE-002", "--engineer", "codex-1"]);
    assert_eq!(assigned["code"], "claim.assigned", "{assigned}");
}

#[test]
fn sync_follows_the_claims_and_names_what_disagrees() {
    let world = world();
    let done = |agent: &str, plan: &str| json!({"agent_id": agent, "status": "done", "plan_id": plan});
    written(
        &world,
        "AUTH-1",
        json!({"agent_id": "codex-tier2", "status": "active", "plan_id": "p"}),
        json!({"engineer": "codex-5", "plan_id": "p"}),
    );
    written(&world, "QUEUE-030", done("codex-4", "p"), json!({"engineer": "unassigned", "status": "unassigned"}));
    written(&world, "QUEUE-037", done("codex-2", "swap"), json!({"engineer": "codex-2", "plan_id": "helper"}));
    written(&world, "QUEUE-014", done("codex-2", "p"), json!({"engineer": "codex-2", "plan_id": "p"}));
    let released = json!({"agent_id": "codex-2", "status": "released"});
    written(&world, "QUEUE-015", released, json!({"engineer": "codex-2", "plan_id": null}));
    let items = r#"{"owner": "x", "items": [{"id": "QUEUE-014", "status": "in_progress"}, {"id": "QUEUE-015", "status": "in_progress"},
  {"id": "AUTH-1", "status": "done"}, {"id": "LOST-1", "status": "in_progress"}]}
"#;
    world.write("_plans/next-development.todo.json", items);
    let tasks = "{\n  \"tasks\": [{\"id\": \"QUEUE-014\", \"status\": \"open\"}, {\"status\": \"done\", \"id\": \"QUEUE-015\"}]\n}\n";
    world.write("agents/tasks/tasks.json", tasks);
    let dry = world.ok(&["task", "sync", "--dry-run"]);
    assert_eq!(world.read("agents/tasks/tasks.json"), tasks);
    let lines = [
        "QUEUE-014: in_progress -> done (_plans/next-development.todo.json)",
        "QUEUE-015: in_progress -> pending (_plans/next-development.todo.json)",
        "QUEUE-014: open -> done (agents/tasks/tasks.json)",
        "QUEUE-015: done -> open (agents/tasks/tasks.json)",
        "AUTH-1: the backlog says done, but codex-tier2 still holds it",
        "LOST-1: the backlog says in_progress, but no seat has claimed it",
        "AUTH-1: assigned to codex-5, claimed by codex-tier2",
        "QUEUE-030: assigned to nobody, claimed by codex-4",
        "QUEUE-037: assigned for plan helper, claimed for swap",
    ];
    assert_eq!(dry.lines().collect::<Vec<_>>(), lines);
    let answer = world.json(&["task", "sync"]);
    let backlog = world.read_json("_plans/next-development.todo.json");
    let statuses: Vec<_> = backlog["items"].as_array().unwrap().iter().map(|item| item["status"].clone()).collect();
    assert_eq!(statuses, ["done", "pending", "done", "in_progress"]);
    assert_eq!(
        world.read("agents/tasks/tasks.json"),
        tasks.replace("\"done\"", "\"OPEN\"").replace("\"open\"", "\"done\"").replace("OPEN", "open")
    );
    let receipt = world.read_json(answer["receipt"].as_str().unwrap());
    assert!(answer["receipt"].as_str().unwrap().starts_with("_report/agent/codex-1/task_sync/"));
    assert_eq!(receipt["changes"].as_array().unwrap().len(), 4);
    assert_eq!(receipt["disagreements"].as_array().unwrap().len(), 3);
    world.ok(&["receipts", "verify", "--all"]);
    assert_eq!(world.json(&["task", "sync"])["changes"], json!([]), "once is enough");
}

#[test]
fn drifted_statuses_are_respelt_and_the_plan_is_kept_before_and_after() {
    let world = world();
    let drifted = plan(&world, "drift", "in-progress", &[]);
    plan(&world, "fine", "queued", &[]);
    let path = format!("_plans/{drifted}.plan.json");
    let before = world.read(&path);
    let found = world.run(&["plan", "hygiene", "--check"]).expect(1).stdout;
    assert_eq!(found.trim_end(), format!("FIXABLE {path} :: /status: 'in-progress' -> 'in_progress'"));
    assert_eq!(world.read(&path), before);
    let answer = world.json(&["plan", "hygiene", "--apply"]);
    let after = before.replace("in-progress", "in_progress");
    assert_eq!(world.read(&path), after, "every other byte stays");
    let receipt = world.read_json(answer["receipt"].as_str().unwrap());
    let kept = |when: &str| world.read(receipt["plans"][0][when].as_str().unwrap());
    assert_eq!((kept("before"), kept("after")), (before, after));
    assert!(answer["receipt"].as_str().unwrap().starts_with("_report/agent/codex-1/plan-hygiene/"));
    world.ok(&["receipts", "verify", "--all"]);
    world.ok(&["plan", "hygiene"]);
    assert_eq!(world.json(&["plan", "hygiene", "--apply"])["receipt"], Value::Null, "nothing to keep");
    // What only a person can decide stays as it is, and fails.
    let odd = plan(&world, "odd", "someday", &[]);
    let left = world.run(&["plan", "hygiene", "--apply", &odd]).expect(1).stdout;
    assert!(left.contains("ERROR") && left.contains("invalid status"), "{left}");
}
