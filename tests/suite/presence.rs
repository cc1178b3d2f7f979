//! Who is at work: heartbeats, managers, retired seats, reviews by other seats.

use std::fs::File;

use serde_json::{Value, json};

use crate::harness::World;

const NOW: &str = "2026-01-05T10:00:00Z";
const EVENTS: &str = "_bus/events/events.jsonl";

fn world() -> World {
    let mut world = World::new();
    world.now = Some(NOW.to_owned());
    world
}

/// A seat with a manifest and a fresh session.
fn seat(world: &World, agent: &str, role: &str) {
    let manifest = json!({"agent_id": agent, "desired_roles": [role]});
    world.write(&format!("AGENT_MANIFEST.{agent}.json"), &manifest.to_string());
    world.write(&format!("_report/session/{agent}/manager-report-tail.txt"), &format!("# captured_at={NOW}\n"));
}

fn event(at: &str, agent: &str, kind: &str) -> String {
    format!("{}\n", json!({"ts": at, "agent_id": agent, "event": kind, "summary": "s"}))
}

fn claim(world: &World, task: &str, agent: &str, status: &str) {
    let claim = json!({"task_id": task, "agent_id": agent, "branch": format!("agent/{agent}/x"), "status": status,
        "claimed_at": "2026-01-05T05:00:00Z"});
    world.write(&format!("_bus/claims/{task}.json"), &claim.to_string());
}

fn assignment(world: &World, task: &str, manager: &str, engineer: &str) {
    let assignment = json!({"task_id": task, "manager": manager, "engineer": engineer, "assigned_at": NOW});
    world.write(&format!("_bus/assignments/{task}.json"), &assignment.to_string());
}

fn alerts(document: &Value) -> Vec<String> {
    let alerts = document["alerts"].as_array().unwrap().iter();
    alerts.map(|alert| format!("{} {}", alert["type"].as_str().unwrap(), alert["agent_id"].as_str().unwrap())).collect()
}

#[test]
fn a_heartbeat_check_finds_absent_managers_and_idle_agents_and_writes_only_what_it_may() {
    let world = world();
    seat(&world, "m1", "manager");
    assignment(&world, "A", "m2", "codex-1");
    assignment(&world, "P", "picker", "picker");
    claim(&world, "A", "codex-1", "active");
    claim(&world, "B", "codex-2", "paused");
    claim(&world, "C", "codex-3", "active");
    claim(&world, "D", "codex-4", "done");
    let log = [
        event("2026-01-05T05:00:00Z", "codex-1", "status"),
        event("2026-01-05T09:00:00Z", "m2", "handshake"),
        event("2026-01-05T09:45:00Z", "m1", "status"),
        event("2026-01-05T09:59:00Z", "m2", "observation"),
        event("2099-01-01T00:00:00Z", "m2", "status"),
    ];
    world.write(EVENTS, &log.concat());
    let sent = |at: &str, from: &str| json!({"ts": at, "from": from, "type": "note", "task_id": "B", "summary": "x"});
    let lines = [sent("2026-01-05T05:30:00Z", "codex-1"), sent("2026-01-05T09:00:00Z", "codex-2")];
    world.write("_bus/messages/B.jsonl", &format!("{}\n{}\n", lines[0], lines[1]));
    let check = |args: &[&str]| world.json(&[&["bus", "heartbeat", "--agent", "m1"], args].concat());

    let rehearsed = check(&["--dry-run"]);
    let all = ["manager_heartbeat_stale m2", "agent_idle codex-1", "agent_idle codex-3"];
    assert_eq!(alerts(&rehearsed), all, "{rehearsed:#}");
    assert_eq!(rehearsed["alerts"][0]["last_seen"], "2026-01-05T09:00:00Z", "neither a note nor the future is a beat");
    assert_eq!(rehearsed["alerts"][1]["last_activity"], "2026-01-05T05:30:00Z", "a message is a sign of life");
    assert_eq!((&rehearsed["alerts"][2]["tasks"], &rehearsed["severity"]), (&json!(["C"]), &json!("high")));
    assert_eq!(world.read(EVENTS), log.concat(), "a dry run leaves the bus as it is");
    let path = "_report/agent/m1/apoptosis-004/alerts/heartbeat-20260105T100000Z.json";
    assert_eq!(rehearsed["receipt"], path);
    let receipt = world.read_json(path);
    assert_eq!((alerts(&receipt), &receipt["version"], &receipt["ts"]), (alerts(&rehearsed), &json!(1), &json!(NOW)));
    assert_eq!(
        (&receipt["manager"]["window_minutes"], &receipt["agent_idle"][0]["window_minutes"]),
        (&json!(30.0), &json!(240.0))
    );
    world.ok(&["receipts", "verify", "--all"]);

    let found = check(&[]);
    let alert = world.lines(EVENTS).pop().unwrap();
    assert_eq!((&alert["event"], &alert["severity"], &alert["id"]), (&json!("alert"), &json!("high"), &found["event"]));
    assert_eq!((alert["receipts"][0].clone(), alerts(&alert["meta"])), (found["receipt"].clone(), alerts(&rehearsed)));
    let told = world.lines("_bus/messages/manager-report.jsonl").pop().unwrap();
    assert_eq!(
        (&told["from"], &told["type"], &told["receipts"][0]),
        (&json!("m1"), &json!("status"), &found["receipt"])
    );
    assert_eq!(told["summary"], "Heartbeat alerts: agent_idle=2, manager_heartbeat_stale=1");
    let count = || (world.lines(EVENTS).len(), world.lines("_bus/messages/manager-report.jsonl").len());
    let before = count();
    check(&["--no-bus-event"]);
    assert_eq!(count(), (before.0, before.1 + 1));
    check(&["--no-bus-message"]);
    assert_eq!(count(), (before.0 + 1, before.1 + 1));

    assert_eq!(alerts(&check(&["--manager-window", "0", "--dry-run"])), all[1..]);
    assert_eq!(alerts(&check(&["--manager-window", "90", "--agent-window", "5h", "--dry-run"])), all[2..]);
    let calm = check(&["--manager-window", "0", "--agent-window", "0"]);
    assert_eq!((&calm["severity"], &calm["event"], count().1), (&json!("low"), &Value::Null, before.1 + 1));
    assert_eq!(
        alerts(&check(&["--manager", "picker", "--agent-window", "0", "--dry-run"]))[0],
        "manager_heartbeat_missing picker"
    );
    assert_eq!(world.run(&["bus", "heartbeat", "--agent", "m1", "--agent-window", "-1"]).code, 2);
    let shown = world.run(&["bus", "heartbeat", "--agent", "m1", "--dry-run"]).expect(0);
    assert!(shown.stdout.contains("3 alerts (high)") && shown.stderr.contains("teof seat retire m2"), "{shown:?}");

    let lock = world.repo.join(".git/teof/locks/coordinator.lock");
    let coordinator = File::create(lock).unwrap();
    coordinator.lock().unwrap();
    let active = check(&["--dry-run", "--agent-window", "0"])["manager"]["active"].clone();
    assert_eq!((active[1]["agent_id"].clone(), active[1]["coordinator"].clone()), (json!("manager"), json!(true)));
}

#[test]
fn a_retired_seat_raises_no_alert_and_holds_nothing_until_a_manager_revives_it() {
    let world = world();
    seat(&world, "m1", "manager");
    seat(&world, "codex-1", "engineer");
    assignment(&world, "Q", "m1", "codex-1");
    claim(&world, "A", "codex-1", "active");
    world.write(EVENTS, &(event(NOW, "m1", "status") + &event("2026-01-05T03:00:00Z", "observer", "handshake")));
    world.write("_report/session/codex-1/seat.json", "{\n  \"desk\": 4\n}\n");
    let retire =
        |by: &str, agent: &str| world.refused(&["seat", "retire", agent, "--agent", by, "--reason", "dormant"]);
    assert_eq!(retire("codex-1", "observer")["code"], "seat.not_manager");
    let typo = retire("m1", "obsrever");
    assert_eq!((&typo["code"], typo["exit"].as_u64()), (&json!("seat.unknown"), Some(4)));
    assert!(typo["message"].as_str().unwrap().contains("did you mean observer?"), "{typo}");
    let held = retire("m1", "codex-1");
    assert_eq!((&held["code"], &held["tasks"], held["exit"].as_u64()), (&json!("seat.holds"), &json!(["A"]), Some(3)));
    world.follow(held["next"][0].as_str().unwrap());

    world.ok(&["seat", "retire", "codex-1", "--agent", "m1", "--reason", "dormant"]);
    world.ok(&["seat", "retire", "observer", "--agent", "operator"]);
    let decided = world.lines(EVENTS);
    let [by_manager, by_person] = &decided[decided.len() - 2..] else { panic!("{decided:?}") };
    assert_eq!((&by_manager["event"], &by_manager["agent_id"]), (&json!("seat_retired"), &json!("m1")));
    assert_eq!((&by_manager["meta"]["seat"], &by_manager["meta"]["reason"]), (&json!("codex-1"), &json!("dormant")));
    assert_eq!((&by_person["agent_id"], &by_person["meta"]["recognised"]), (&json!("operator"), &json!("neither")));
    let file = world.read("_report/session/codex-1/seat.json");
    assert!(file.contains("\"desk\": 4") && file.contains("\"status\": \"retired\""), "{file}");
    let again = world.json(&["seat", "retire", "observer", "--agent", "m1"]);
    assert_eq!((&again["status"], &again["event"]), (&json!("retired"), &Value::Null));

    let beats = world.json(&["bus", "heartbeat", "--agent", "m1", "--dry-run", "--manager", "observer"]);
    assert_eq!(beats["alerts"], json!([]), "neither the paused claim nor the silence of a retired seat counts");
    let listed = world.ok(&["seat", "list"]);
    assert!(listed.contains("retired by m1") && listed.contains("dormant"), "{listed}");
    for refused in [
        &["bus", "claim", "Q", "--agent", "codex-1"][..],
        &["bus", "claim", "A", "--agent", "codex-1"],
        &["task", "pickup", "Q", "--agent", "codex-1"],
        &["task", "assign", "R", "--to", "codex-1", "--agent", "m1"],
        &["task", "assign", "R", "--to", "codex-1", "--agent", "m1", "--no-auto-claim"],
    ] {
        let error = world.refused(refused);
        assert_eq!((&error["code"], error["exit"].as_u64()), (&json!("seat.retired"), Some(1)), "{refused:?}");
    }
    let free =
        ["session-boot", "--no-sync", "--auto-agent", "--auto-agent-pool", "codex-1", "--allow-manifest-mismatch"];
    assert_eq!(world.refused(&free)["reason"], "codex-1 is retired");

    assert_eq!(world.refused(&["seat", "revive", "obsrever", "--agent", "m1"])["code"], "seat.unknown");
    world.ok(&["seat", "revive", "codex-1", "--agent", "m1"]);
    assert_eq!(world.json(&["seat", "list"])["seats"][0]["retired"], Value::Null);
    world.ok(&["bus", "claim", "A", "--agent", "codex-1"]);
    world.ok(&["seat", "retire", "m1", "--agent", "operator"]);
    assert_eq!(retire("m1", "observer")["code"], "seat.retired", "a retired manager does not decide");
}

#[test]
fn picking_up_a_task_makes_nobody_a_manager_and_init_gives_the_manager_its_role() {
    let mut world = World::bare_of_teof();
    world.now = Some(NOW.to_owned());
    world.ok(&["init", "--agent", "manager"]);
    world.ok(&["init", "--agent", "codex-1"]);
    assert_eq!(world.read_json("AGENT_MANIFEST.json")["desired_roles"], json!(["manager"]));
    assert_eq!(world.read_json("AGENT_MANIFEST.codex-1.json")["desired_roles"], json!(["engineer"]));
    let boot = |agent: &str| {
        let mut command = world.teof(&["session-boot", "--no-sync", "--agent", agent]);
        assert!(command.env("TEOF_AGENT", agent).output().unwrap().status.success());
    };
    boot("codex-1");
    let as_codex = |args: &[&str]| {
        let output = world.teof(args).env("TEOF_AGENT", "codex-1").output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    as_codex(&["task", "pickup", "T-1"]);
    let managers = || world.json(&["bus", "status", "--preset", "manager"])["manager_status"].clone();
    assert_eq!((&managers()["candidates"], &managers()["missing"]), (&json!(["manager"]), &json!(["manager"])));
    boot("manager");
    world.ok(&["bus", "ping", "--agent", "manager", "--meta", "shift=mid", "--meta", "cadence=daily"]);
    let active = &managers()["active"][0];
    assert_eq!((&active["meta"]["shift"], &active["summary"]), (&json!("mid"), &json!("manager: heartbeat")));
    let shown = world.ok(&["bus", "status", "--preset", "manager"]);
    assert!(shown.contains("shift=mid, cadence=daily"), "{shown}");
    let list = world.ok(&["bus", "status", "--preset", "manager", "--summary"]);
    assert_eq!(list.lines().next(), Some("- manager manager active (2026-01-05T10:00:00Z; shift=mid, cadence=daily)"));
    assert!(list.contains("- claim T-1 codex-1 active"), "{list}");
    assert_eq!(world.refused(&["bus", "ping", "--agent", "manager", "--meta", "branch=x"])["code"], "meta.reserved");
    as_codex(&["bus", "event", "--event", "status", "--task", "T-1", "--summary", "half", "--meta", "shift=late"]);
    assert_eq!(world.lines(EVENTS).pop().unwrap()["meta"]["shift"], "late");
}

#[test]
fn a_seat_audits_the_work_of_others_and_never_its_own() {
    let world = world();
    for agent in ["codex-1", "codex-2"] {
        seat(&world, agent, "engineer");
    }
    claim(&world, "T", "codex-1", "active");
    assignment(&world, "U", "m", "codex-1");
    let audit = |task: &str, more: &[&str]| {
        let line = ["bus", "event", "--event", "audit", "--task", task, "--summary", "tests cover it"];
        world.run(&[&line, more, &["--json"]].concat())
    };
    let refused = |task: &str, more: &[&str]| {
        let ran = audit(task, more);
        assert_ne!(ran.code, 0, "{more:?}");
        serde_json::from_str::<Value>(&ran.stderr).unwrap()["error"]["code"].clone()
    };
    assert_eq!(refused("T", &["--agent", "codex-2"]), "claim.not_yours", "without saying that it is a review");
    assert_eq!(refused("T", &["--reviewer", "codex-1"]), "audit.own_work");
    assert_eq!(refused("U", &["--reviewer", "codex-1"]), "audit.own_work");
    assert_eq!(refused("T", &["--agent", "codex-1", "--extra", "reviewer=codex-2"]), "audit.reviewer");
    assert_eq!(refused("V", &["--reviewer", "codex-2"]), "audit.no_work");
    let status = ["bus", "event", "--event", "status", "--task", "T", "--summary", "x", "--reviewer", "codex-2"];
    assert_eq!(world.refused(&status)["code"], "reviewer.not_audit");
    audit("T", &["--reviewer", "codex-2"]).expect(0);
    audit("U", &["--agent", "codex-2", "--extra", "reviewer=codex-2"]).expect(0);
    let line = world.lines(EVENTS).remove(0);
    assert_eq!((&line["agent_id"], &line["meta"]["reviewer"]), (&json!("codex-2"), &json!("codex-2")));
    let status = world.json(&["bus", "status"]);
    assert_eq!((&status["audits"][0]["task_id"], status["audits"].as_array().unwrap().len()), (&json!("T"), 1));
    let shown = world.ok(&["bus", "status"]);
    assert!(shown.contains("audit T by codex-2: tests cover it, 2026-01-05T10:00:00Z"), "{shown}");
    // Who held it before did its work, too; so did the engineer of an assignment that another seat claimed.
    for agent in ["codex-3", "codex-4"] {
        seat(&world, agent, "engineer");
    }
    world.ok(&["bus", "claim", "W", "--agent", "codex-3", "--allow-unassigned"]);
    world.ok(&["bus", "release", "W", "--agent", "codex-3"]);
    world.ok(&["bus", "claim", "W", "--agent", "codex-4", "--allow-unassigned"]);
    assert_eq!(refused("W", &["--reviewer", "codex-3", "--agent", "codex-3"]), "audit.own_work");
    world.ok(&["bus", "takeover", "T", "--agent", "codex-4", "--reason", "silent for a day"]);
    assert_eq!(refused("T", &["--reviewer", "codex-1", "--agent", "codex-1"]), "audit.own_work");
    claim(&world, "U", "codex-4", "active");
    assert_eq!(refused("U", &["--reviewer", "codex-1", "--agent", "codex-1"]), "audit.own_work");
    audit("W", &["--reviewer", "codex-2", "--agent", "codex-2"]).expect(0);
}
