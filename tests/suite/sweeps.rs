//! The playbook's follow-ups and recoveries, step by step as it writes them.

use serde_json::{Value, json};

use crate::harness::{Ran, World};

const EVENTS: &str = "_bus/events/events.jsonl";
const REPORT: &str = "_bus/messages/manager-report.jsonl";

fn world() -> World {
    let mut world = World::new();
    for seat in ["codex-1", "codex-2", "manager"] {
        session(&world, seat, "2026-01-05T10:00:00Z");
    }
    world.now = Some("2026-01-05T10:00:00Z".into());
    world
}

fn session(world: &World, seat: &str, at: &str) {
    world.write(&format!("_report/session/{seat}/manager-report-tail.txt"), &format!("# captured_at={at}\n"));
}

fn run_as(world: &World, seat: &str, line: &str) -> Ran {
    let line = format!("TEOF_AGENT={seat} teof {line} --json");
    world.shell(&line)
}

#[track_caller]
fn ok(world: &World, seat: &str, line: &str) -> Value {
    serde_json::from_str(&run_as(world, seat, line).expect(0).stdout).unwrap()
}

#[track_caller]
fn refused(world: &World, seat: &str, line: &str) -> Value {
    let ran = run_as(world, seat, line);
    assert_ne!(ran.code, 0, "{line}");
    serde_json::from_str::<Value>(&ran.stderr).unwrap()["error"]["code"].clone()
}

#[test]
fn a_request_of_the_manager_is_followed_up_in_log_and_channel_with_a_receipt() {
    let world = world();
    ok(&world, "codex-1", "bus claim --task T-1 --allow-unassigned");
    ok(
        &world,
        "codex-1",
        "bus message --task manager-report --type status --summary 'codex-1 online; focus=docs' --meta agent=codex-1",
    );
    assert_eq!(world.lines(REPORT)[0]["meta"], json!({"agent": "codex-1"}));
    ok(
        &world,
        "manager",
        "bus message --task manager-report --type request --summary 'codex-1: release T-1' --target codex-1",
    );
    assert_eq!(ok(&world, "codex-1", "bus inbox")["messages"][0]["summary"], "codex-1: release T-1");
    ok(&world, "codex-1", "bus ping --task T-1 --message-task T-1 --summary working");

    let receipt = "_report/agent/codex-1/follow-up/release.txt";
    world.write(receipt, "released\n");
    ok(
        &world,
        "codex-1",
        &format!(
            "bus event --event status --summary 'codex-1 handled the request' --plan 2026-01-05-p --receipt {receipt}"
        ),
    );
    let resolved = format!("--type status --summary 'codex-1 resolved it' --receipt {receipt}");
    ok(&world, "codex-1", &format!("bus message --task T-1 {resolved}"));
    ok(&world, "codex-1", &format!("bus message --task manager-report {resolved}"));
    ok(&world, "codex-1", "bus release --task T-1 --status done");
    let handled = world.lines(EVENTS).into_iter().find(|event| event["plan_id"] == "2026-01-05-p").unwrap();
    assert_eq!((&handled["event"], &handled["receipts"]), (&json!("status"), &json!([receipt])));
    for channel in [REPORT, "_bus/messages/T-1.jsonl"] {
        assert_eq!(world.lines(channel).pop().unwrap()["receipts"], json!([receipt]), "{channel}");
    }
    ok(&world, "codex-2", "bus claim --task T-2 --allow-unassigned");
    assert_eq!(refused(&world, "codex-1", &format!("bus message --task T-2 {resolved}")), "claim.not_yours");
    let tail = world.ok(&["bus", "watch", "--task", "manager-report", "--limit", "20"]);
    assert!(tail.contains("codex-1 online; focus=docs") && tail.contains("codex-1 handled the request"), "{tail}");
}

#[test]
fn the_task_of_a_crashed_agent_is_paused_and_reclaimed_by_another() {
    let mut world = world();
    ok(&world, "codex-1", "bus claim --task T-1 --allow-unassigned");
    let pause = "bus pause T-1 --reason 'codex-1 crashed; its branch is whole'";
    assert_eq!(refused(&world, "codex-2", pause), "claim.not_expired", "it may only be slow");
    let later = "2026-01-05T14:00:01Z";
    world.now = Some(later.into());
    session(&world, "codex-2", later);
    ok(&world, "codex-2", pause);
    let claim = world.read_json("_bus/claims/T-1.json");
    assert_eq!((&claim["status"], &claim["agent_id"]), (&json!("paused"), &json!("codex-1")));
    assert_eq!(claim["notes"], "codex-1 crashed; its branch is whole");
    assert_eq!(world.lines("_bus/messages/agent-codex-1.jsonl").pop().unwrap()["note"], claim["notes"]);
    let reclaimed = ok(&world, "codex-2", "bus claim --task T-1");
    assert_eq!(
        (&reclaimed["claim"]["agent_id"], &reclaimed["from"]["agent_id"]),
        (&json!("codex-2"), &json!("codex-1"))
    );
    assert!(reclaimed["claim"]["epoch"].as_u64() > claim["epoch"].as_u64());
    session(&world, "codex-1", later);
    assert_eq!(refused(&world, "codex-1", "bus event --event status --task T-1 --summary back"), "claim.not_yours");
}

/// Two clones that merge can end up with two claims of one piece of work, which no lock could prevent.
#[test]
fn of_two_seats_that_got_the_same_work_one_releases_and_the_check_is_satisfied() {
    let world = world();
    ok(&world, "manager", "task add ND-1 --title Parser");
    ok(
        &world,
        "manager",
        "plan new parser --summary Parser --checkpoint c --priority high --impact-score 1 --layer L4 --systemic-scale 4 --actor manager --allow-unclaimed",
    );
    let plan = "2026-01-05-parser";
    let claim = |task: &str, seat: &str| {
        let claim = json!({"task_id": task, "agent_id": seat, "branch": format!("agent/{seat}/x"), "status": "active",
            "claimed_at": "2026-01-05T10:00:00Z", "epoch": 1, "plan_id": plan});
        world.write(&format!("_bus/claims/{task}.json"), &claim.to_string());
    };
    claim(&format!("{plan}-S1"), "codex-1");
    claim(plan, "codex-2");
    let double = || {
        let ran = world.run(&["preflight", "full", "--json"]);
        let found: Value = serde_json::from_str(&ran.stdout).unwrap();
        found["findings"].as_array().unwrap().iter().filter(|found| found["code"] == "claim.double_hold").count()
    };
    assert_eq!(double(), 1);
    ok(&world, "codex-2", &format!("bus release {plan} --status released"));
    assert_eq!(double(), 0);
}
