//! `teof dashboard`: what a manager sweeps, on a tree that the playbook's own tools wrote and on one of our own.

use serde_json::{Value, json};

use crate::harness::World;

/// A tree in the form that the playbook's own tools left: other field orders, words of their own, no leases.
fn swept() -> World {
    let world = World::bare_of_teof();
    let put = |path: &str, document: Value| world.write(path, &document.to_string());
    let claim = |task: &str, seat: &str, status: &str, plan: &str| {
        let claim = json!({"task_id": task, "status": status, "branch": format!("agent/{seat}/x"), "agent_id": seat,
            "claimed_at": "2025-09-18T19:36:15Z", "plan_id": plan});
        put(&format!("_bus/claims/{task}.json"), claim);
    };
    let assignment = |task: &str, engineer: &str, plan: Value| {
        let assignment = json!({"assigned_at": "2025-10-04T05:57:55Z", "branch": null, "engineer": engineer,
            "manager": "codex-4", "note": null, "plan_id": plan, "task_id": task});
        put(&format!("_bus/assignments/{task}.json"), assignment);
    };
    claim("AUTH-PRIMARY_TRUTH", "codex-tier2", "active", "2025-11-09-authenticity-stability");
    assignment("AUTH-PRIMARY_TRUTH", "codex-5", json!("2025-11-09-authenticity-stability"));
    claim("QUEUE-030", "codex-4", "done", "2025-09-18-consensus-ledger-cli");
    assignment("QUEUE-030", "unassigned", Value::Null);
    claim("QUEUE-037", "codex-2", "done", "2025-09-19-manifest-swap");
    assignment("QUEUE-037", "codex-2", json!("2025-09-18-manifest-helper"));
    claim("QUEUE-044", "codex-4", "active", "2025-11-11-btc");
    assignment("QUEUE-044", "codex-4", json!("_plans/2025-11-11-btc.plan.json"));
    claim("ETHICS-ND-068", "codex-3", "pending", "2025-09-19-bus-heartbeat");
    let plan = |id: &str, actor: &str, status: &str, first: &str, receipts: &[&str]| {
        let steps = json!([{"id": "S1", "title": "a", "status": first, "receipts": receipts},
            {"id": "S2", "title": "b", "status": "queued", "receipts": []}]);
        let plan = json!({"version": 0, "plan_id": id, "created": "2025-09-19T00:00:00Z", "actor": actor,
            "summary": "Do it", "status": status, "steps": steps, "receipts": [],
            "links": [{"type": "queue", "ref": "queue/1.md"}],
            "checkpoint": {"description": "d", "owner": actor, "status": "pending"}});
        put(&format!("_plans/{id}.plan.json"), plan);
    };
    world.write("queue/1.md", "# One\n");
    plan("2025-09-18-consensus-ledger-cli", "codex-4", "completed", "completed", &[]);
    plan("2025-09-19-bus-heartbeat", "codex-2", "queued", "queued", &[]);
    plan("2025-11-11-btc", "codex-4", "in_progress", "done", &["docs/gone.md"]);
    let report = |summary: &str, directive: Option<&str>| {
        let meta = directive.map_or(json!({}), |directive| json!({"directive": directive}));
        let line = json!({"ts": "2025-09-18T20:41:45Z", "from": "codex-2", "type": "status", "summary": summary,
            "task_id": "manager-report", "meta": meta});
        format!("{line}\n")
    };
    let lines = [report("Directive posted", Some("BUS-COORD-0001")), report("Checklist published", None)].concat();
    world.write("_bus/messages/manager-report.jsonl", &lines);
    for thread in ["BUS-COORD-0001", "BUS-COORD-0002"] {
        let directive = json!({"ts": "2025-09-20T03:23:03Z", "from": "codex-1", "type": "directive", "task_id": thread,
            "summary": "Release <b>nothing</b>"});
        world.write(&format!("_bus/messages/{thread}.jsonl"), &format!("{directive}\n"));
    }
    let event = |seat: &str, at: &str| {
        let event = json!({"ts": at, "agent_id": seat, "event": "status", "summary": "s"});
        format!("{event}\n")
    };
    let old = ["codex-2", "codex-observer"].map(|seat| event(seat, "2025-09-18T21:47:26Z")).concat();
    put("_report/session/codex-observer/seat.json", json!({"status": "retired", "reason": "dormant"}));
    world.ok(&["init", "-q"]);
    world.write("_bus/events/events.jsonl", &(old + &event("codex-4", &world.hub().now().to_string())));
    world
}

fn texts<'a>(document: &'a Value, list: &str, key: &str) -> Vec<&'a str> {
    let entries = document[list].as_array().unwrap_or_else(|| panic!("no {list}: {document}"));
    entries.iter().filter_map(|entry| entry[key].as_str()).collect()
}

#[test]
fn the_dashboard_of_a_real_tree_names_what_disagrees_and_what_nobody_works_on() {
    let world = swept();
    let found = world.json(&["dashboard"]);
    let tasks = texts(&found, "claim_disagreements", "task_id").into_iter();
    let disagreements: Vec<(&str, &str)> = tasks.zip(texts(&found, "claim_disagreements", "why")).collect();
    let why = [
        ("AUTH-PRIMARY_TRUTH", "assigned to codex-5, claimed by codex-tier2"),
        ("QUEUE-030", "assigned to nobody, claimed by codex-4"),
        ("QUEUE-037", "assigned for plan 2025-09-18-manifest-helper, claimed for 2025-09-19-manifest-swap"),
    ];
    assert_eq!(disagreements, why);
    let open = ["2025-09-19-bus-heartbeat", "2025-11-11-btc"];
    assert_eq!(texts(&found, "plans", "plan_id"), open);
    assert_eq!(texts(&found, "unclaimed_plans", "plan_id"), open[..1], "a pending claim is not an active one");
    assert_eq!((&found["plans"][1]["steps_completed"], &found["plans"][1]["steps_total"]), (&json!(1), &json!(2)));
    assert_eq!(found["plans"][1]["missing_details"], json!(["step S1: no file docs/gone.md"]));
    assert_eq!(texts(&found["heartbeat_meta"], "automation_plans", "plan_id"), open[..1]);
    assert_eq!(found["heartbeat_meta"]["agent_window_minutes"], 60.0);
    let states = |list: &str| {
        let beats = found["heartbeats"][list].as_array().unwrap().iter();
        beats.map(|beat| format!("{} {}", beat["agent_id"], beat["state"]).replace('"', "")).collect::<Vec<_>>()
    };
    assert_eq!(states("managers"), ["codex-4 active"]);
    assert_eq!(states("agents"), ["codex-2 stale", "codex-4 active", "codex-tier2 missing"]);
    assert_eq!(found["manager_directives"][1]["summary"], "Checklist published", "newest last");
    assert_eq!(texts(&found, "missing_pointers", "directive"), ["BUS-COORD-0002"]);
    assert_eq!(texts(&found["pruning_candidates"], "claims", "task_id"), ["QUEUE-030", "QUEUE-037"]);
    let alerts: Vec<&str> = found["alerts"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for alert in [
        "Plan 2025-11-11-btc: step S1: no file docs/gone.md",
        "Plan 2025-09-19-bus-heartbeat has no active claim (actor=codex-2)",
        "Heartbeat codex-2 is stale",
        "Heartbeat codex-tier2 is missing",
        "Directive BUS-COORD-0002 has no pointer in manager-report",
    ] {
        assert!(alerts.contains(&alert), "{alert}: {alerts:?}");
    }
    assert_eq!(texts(&found, "retired", "agent_id"), ["codex-observer"]);
    assert!(!alerts.iter().any(|alert| alert.contains("codex-observer")), "nobody waits for it: {alerts:?}");

    let markdown = world.ok(&["dashboard", "--format", "md"]);
    assert!(
        markdown.contains("\n- Heartbeat codex-2 is stale\n") && markdown.contains("## Dirty Handoffs\n\n- none\n")
    );
    assert!(markdown.contains(r"Release \<b\>nothing"), "{markdown}");
    let page = world.ok(&["dashboard", "--format", "html"]);
    assert!(page.contains("Release &lt;b&gt;nothing") && !page.contains("<script") && !page.contains("src="), "{page}");

    let path = world.json(&["dashboard", "report", "--format", "json"])["path"].clone();
    let path = path.as_str().unwrap();
    let kept = world.read_json(path);
    assert!(path.starts_with("_report/manager/coordination-dashboard-20") && kept["receipt_sha256"].is_string());
    assert_eq!(kept["claim_disagreements"], found["claim_disagreements"]);
    let other = "_report/manager/sweep.md";
    world.ok(&["dashboard", "report", "--output", other]);
    assert!(world.read(other).starts_with("# Coordination Dashboard\n"));
    let error = world.refused(&["dashboard", "report", "--output", other]);
    assert_eq!(error["code"], "output.refused", "a receipt is written once: {error}");
    let ledger = world.lines("_report/receipts.jsonl");
    assert!([path, other].iter().all(|path| ledger.iter().any(|line| line["path"] == *path)), "{ledger:?}");
    world.ok(&["receipts", "verify"]);
    assert_eq!(world.refused(&["dashboard", "--output", "_report/manager/x.md"])["code"], "dashboard.receipt");
    world.write("mine.txt", "mine\n");
    assert_eq!(world.refused(&["dashboard", "--output", "mine.txt"])["code"], "output.refused");
    world.ok(&["dashboard", "--output", "board.html"]);
    world.ok(&["dashboard", "--output", "board.html"]);
    assert!(world.read("board.html").starts_with("<!doctype html>"), "the name tells the format");
}

#[test]
fn a_dirty_hand_off_is_shown_until_its_seat_a_manager_or_a_person_decides() {
    let world = World::bare_of_teof();
    for (seat, role) in [("codex-1", "engineer"), ("codex-2", "engineer"), ("codex-m", "manager")] {
        world.write(
            &format!("AGENT_MANIFEST.{seat}.json"),
            &json!({"agent_id": seat, "desired_roles": [role]}).to_string(),
        );
    }
    world.ok(&["init", "-q"]);
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Set up"]);
    world.write("half.txt", "somebody's half-done work\n");
    world.ok(&["session-boot", "--agent", "codex-1", "--sync-allow-dirty", "--allow-branch-mismatch"]);
    for seat in ["codex-2", "codex-m"] {
        world.ok(&["session-boot", "--agent", seat, "--no-sync", "--allow-branch-mismatch"]);
    }
    let folder = world.repo.join("_report/agent/codex-2/session_boot");
    let kept: Vec<_> = std::fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.path()).collect();
    let [kept] = &kept[..] else { panic!("{kept:?}") };
    let document: Value = serde_json::from_slice(&std::fs::read(kept).unwrap()).unwrap();
    assert_eq!(texts(&document, "dirty_handoffs", "agent_id"), ["codex-1"], "a boot keeps the dashboard");
    world.ok(&["session-boot", "--agent", "codex-2", "--no-sync", "--no-dashboard", "--allow-branch-mismatch"]);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    let shown = |key: &str| {
        let found = world.json(&["dashboard"]);
        texts(&found, "dirty_handoffs", key).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(shown("agent_id"), ["codex-1"]);
    let receipt = shown("receipt").remove(0);
    let text = world.ok(&["dashboard"]);
    assert!(text.contains("half.txt") && text.contains("teof dashboard clear codex-1"), "{text}");

    let clear = ["dashboard", "clear", "codex-1", "--agent", "codex-2"];
    assert_eq!(world.refused(&clear)["code"], "handoff.not_yours");
    let unknown = world.refused(&["dashboard", "reassign", "codex-1", "--to", "codex-7", "--agent", "codex-m"]);
    assert_eq!(unknown["code"], "seat.unknown", "{unknown}");
    world.ok(&["dashboard", "reassign", "codex-1", "--to", "codex-2", "--agent", "codex-m", "--note", "you began it"]);
    assert_eq!((shown("agent_id"), shown("found_by")), (vec!["codex-2".to_owned()], vec!["codex-1".to_owned()]));
    let message = world.lines("_bus/messages/agent-codex-2.jsonl").pop().unwrap();
    assert_eq!((&message["from"], &message["receipts"][0]), (&json!("codex-m"), &json!(receipt)));
    let report = |world: &World| {
        let found = world.json(&["manager-report", "--agent", "codex-m"]);
        texts(&found, "handoffs", "agent_id").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(report(&world), ["codex-2"]);
    let retire = |seat: &str| ["seat", "retire", seat, "--agent", "codex-m", "--reason", "gone"].map(str::to_owned);
    let refused = world.refused(&retire("codex-2").each_ref().map(String::as_str));
    assert_eq!((&refused["code"], refused["exit"].as_u64()), (&json!("seat.handoffs"), Some(3)));
    world.ok(&retire("codex-1").each_ref().map(String::as_str));
    let gone = world.refused(&["dashboard", "reassign", "codex-2", "--to", "codex-1", "--agent", "codex-m"]);
    assert_eq!(gone["code"], "seat.retired", "{gone}");
    world.ok(&["dashboard", "clear", "codex-2", "--agent", "codex-2"]);
    assert_eq!(report(&world), [""; 0]);
    assert_eq!(shown("agent_id"), [""; 0]);
    assert!(world.exists(&receipt), "the evidence stays");
    assert_eq!(world.refused(&["dashboard", "clear", "codex-2", "--agent", "codex-2"])["code"], "handoff.none");
    let events = world.lines("_bus/events/events.jsonl");
    assert!(events.last().unwrap()["summary"].as_str().unwrap().contains("codex-2 cleared"), "{events:?}");
    world.ok(&["receipts", "verify"]);
}

#[test]
fn a_dashboard_is_no_receipt_where_teof_writes_itself_or_a_clone_has_nothing() {
    let world = World::bare_of_teof();
    world.ok(&["init", "--agent", "codex-1"]);
    world.ok(&["session-boot", "--agent", "codex-1", "--no-sync"]);
    world.write(".gitignore", "*.tmp\n");
    let before = world.read("_report/receipts.jsonl");
    for place in [
        "_report/session/codex-1/agent-inbox-tail.txt",
        "_report/usage/scan-history.jsonl",
        "_report/usage/ci.json",
        "_report/planner/validate/summary-latest.json",
        "_report/consensus/x.jsonl",
        "_report/receipts-2026.jsonl",
        "_report/.gitattributes",
        "_report/manager/.gitattributes",
        "_report/agent/codex-1/errors.jsonl",
        "_report/agent/codex-1/state.json",
        "_report/agent/codex-1/runs/x/envelope.json",
        "_report/agent/codex-1/reviews/x.json",
    ] {
        for args in [
            ["dashboard", "report", "--output", place].as_slice(),
            &["session-boot", "--agent", "codex-1", "--no-sync", "--dashboard-receipt", place],
        ] {
            assert_eq!(world.refused(args)["code"], "output.refused", "{place}");
        }
    }
    let ignored = ["dashboard", "report", "--output", "_report/manager/x.tmp"];
    assert_eq!(world.refused(&ignored)["code"], "receipt.ignored");
    assert_eq!(world.read("_report/receipts.jsonl"), before);
    for place in ["_report/agent/codex-1/board.md", "_report/agent/codex-1/session_boot/mine.md"] {
        world.ok(&["dashboard", "report", "--output", place]);
    }
    world.ok(&["receipts", "verify"]);
}
