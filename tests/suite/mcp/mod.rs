//! `teof mcp`: agents work through it as through the commands, and never as a person.

pub mod client;
mod hostile;
mod leases;

use std::sync::Barrier;

use serde_json::{Value, json};

use crate::harness::World;
use client::{Client, Lined, call, stateless, with_handshake};

/// A repository with two seats, two tasks and a plan.
fn world() -> World {
    let world = World::new();
    for seat in ["codex-1", "codex-2"] {
        world.write(&format!("AGENT_MANIFEST.{seat}.json"), &format!("{{\"agent_id\": \"{seat}\"}}\n"));
    }
    for task in ["QUEUE-001", "QUEUE-002"] {
        world.ok(&["task", "add", task, "--title", task, "--agent", "operator"]);
    }
    let plan = ["plan", "new", "walk", "--summary", "Walk", "--checkpoint", "Walked", "--priority", "low"];
    world.ok(&[&plan[..], &["--impact-score", "1", "--allow-unclaimed", "--actor", "codex-1"]].concat());
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Seats and tasks"]);
    world
}

fn plan_of(world: &World) -> String {
    world.json(&["plan", "list"])["plans"][0]["plan_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_client_of_either_era_claims_works_reports_and_releases() {
    for (n, lifecycle) in [with_handshake(), stateless()].into_iter().enumerate() {
        let world = world();
        let client = Client::begin(world.teof(&["mcp"]).env("TEOF_AGENT", "codex-1"), lifecycle);
        let (refused, told) = client.refused("claim", json!({"task": "QUEUE-001"}));
        assert_eq!(refused["code"], "session.missing");
        assert!(told.contains("fix: call the tool boot"), "{told}");
        let booted = client.ok("boot", json!({"sync": false, "focus": "Docs"}));
        assert_eq!(booted["agent_id"], "codex-1", "{n}");

        let claimed = client.ok("next", json!({"notes": "Parser first", "request_id": "n1"}));
        let task = claimed["claim"]["task_id"].as_str().unwrap();
        assert!(claimed["claim"]["lease_expires_at"].is_string(), "a claim that may be forgotten has a lease");
        let again = client.ok("next", json!({"notes": "Parser first", "request_id": "n1"}));
        assert_eq!((&again["claim"]["task_id"], &again["repeated"]), (&json!(task), &json!(true)));

        client.ok("event", json!({"event": "status", "summary": "Half", "task": task, "meta": {"shift": "mid"}}));
        world.write("_report/agent/codex-1/tests.txt", "3 passed\n");
        let entered = client.ok("receipt", json!({"paths": ["_report/agent/codex-1/tests.txt"]}));
        assert_eq!(entered["entered"][0]["path"], "_report/agent/codex-1/tests.txt");
        client.ok("message", json!({"channel": "agent-codex-2", "type": "note", "summary": "Look", "request_id": "m"}));
        client.ok("message", json!({"channel": "agent-codex-2", "type": "note", "summary": "Look", "request_id": "m"}));
        assert_eq!(world.lines("_bus/messages/agent-codex-2.jsonl").len(), 1);
        client.ok("message", json!({"channel": "agent-codex-1", "type": "note", "summary": "To myself"}));
        assert_eq!(client.ok("inbox", json!({"mark_read": true}))["messages"][0]["summary"], "To myself");
        let receipts = json!(["_report/agent/codex-1/tests.txt"]);
        client.ok("event", json!({"event": "complete", "summary": "Done", "task": task, "receipts": receipts}));

        let plan = plan_of(&world);
        let (refused, _) = client.refused("plan_step", json!({"plan": plan, "step": "S1", "status": "in_progress"}));
        assert_eq!(refused["code"], "plan.not_claimed");
        client.ok("claim", json!({"task": "WALK-1", "plan": plan, "allow_unassigned": true}));
        let step =
            client.ok("plan_step", json!({"plan": plan, "step": "S1", "status": "in_progress", "note": "On it"}));
        assert_eq!(step["status"], "in_progress");

        // A client that got no answer may send the same again.
        let record = || ["_bus/events/events.jsonl", "_report/receipts.jsonl"].map(|file| world.read(file));
        let before = record();
        client.ok("plan_step", json!({"plan": plan, "step": "S1", "status": "in_progress", "note": "On it"}));
        let entered = client.ok("receipt", json!({"paths": ["_report/agent/codex-1/tests.txt"]}));
        assert_eq!((&entered["entered"], record()), (&json!([]), before), "nothing is written twice");

        let status = client.ok("status", json!({"agents": ["codex-1"]}));
        assert_eq!(status["claims"].as_array().unwrap().len(), 2);
        let released = client.ok("release", json!({"task": task, "notes": "All of it", "epoch": 1}));
        assert_eq!(released["claim"]["status"], "done");
        let handed = client.ok("handoff", json!({"worked": ["Tests first"], "nudges": ["Finish WALK-1"]}));
        assert!(handed["remarks"][0].as_str().unwrap().contains("WALK-1"), "{handed}");
        let events = world.lines("_bus/events/events.jsonl");
        let kinds: Vec<_> = events.iter().filter(|one| one["agent_id"] == "codex-1").map(|one| &one["event"]).collect();
        for kind in ["handshake", "claim", "status", "complete", "plan", "release"] {
            assert!(kinds.contains(&&json!(kind)), "{kind} is not in {kinds:?}");
        }
        assert_eq!(client.end().1, Some(0));
    }
}

#[test]
fn an_older_client_is_answered_in_its_version() {
    let world = world();
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut client = Lined::begin(&mut world.teof(&["mcp", "--agent", "codex-1"]));
        let answer = client.initialize(version);
        assert_eq!(answer["result"]["protocolVersion"], version);
        assert_eq!(answer["result"]["serverInfo"]["name"], "teof");
        client.send(&call(1, "status", &json!({})));
        assert_eq!(client.next()["result"]["structuredContent"]["claims"], json!([]));
        assert_eq!(client.end(), Some(0));
    }
    let mut client = Lined::begin(&mut world.teof(&["mcp", "--agent", "codex-1"]));
    let answer = client.initialize("1999-01-01");
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "the newest one with a handshake");
}

#[test]
fn of_two_clients_that_race_for_a_task_one_wins_and_the_other_learns_who_holds_it() {
    let world = world();
    let clients = ["codex-1", "codex-2"].map(|seat| {
        let client = Client::start(&world, seat);
        client.ok("boot", json!({"sync": false}));
        (seat, client)
    });
    let barrier = Barrier::new(2);
    let results: Vec<_> = std::thread::scope(|scope| {
        let barrier = &barrier;
        let race = move |(seat, client): &(&'static str, Client)| {
            barrier.wait();
            (*seat, client.call("claim", json!({"task": "QUEUE-001", "allow_unassigned": true})))
        };
        let threads: Vec<_> = clients.iter().map(|one| scope.spawn(move || race(one))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(|(_, result)| result.is_error != Some(true));
    assert_eq!((won.len(), lost.len()), (1, 1));
    let holder = world.read_json("_bus/claims/QUEUE-001.json")["agent_id"].clone();
    assert_eq!(holder, won[0].0);
    let refused = &lost[0].1.meta.as_ref().unwrap().0["teof/error"];
    assert_eq!((&refused["code"], &refused["agent_id"], &refused["exit"]), (&json!("claim.held"), &holder, &json!(3)));
    assert_eq!(refused["next_task"], "QUEUE-002", "what it could take instead");
    let told = &lost[0].1.content[0].as_text().unwrap().text;
    assert!(told.contains(&format!("QUEUE-001 is held by {}", won[0].0)) && told.contains("fix: "), "{told}");
}

#[test]
fn resources_and_prompts_show_what_the_commands_show() {
    use rmcp::model::{GetPromptRequestParams, ReadResourceRequestParams};
    let world = world();
    let client = Client::start(&world, "codex-1");
    client.ok("boot", json!({"sync": false}));
    client.ok("claim", json!({"task": "QUEUE-001", "allow_unassigned": true}));
    let (service, plan) = (client.service(), plan_of(&world));
    let listed = client.wait(service.list_all_resources()).unwrap();
    let listed: Vec<&str> = listed.iter().map(|one| one.uri.as_str()).collect();
    for uri in ["teof://board", "teof://task/QUEUE-001", &format!("teof://plan/{plan}")] {
        assert!(listed.contains(&uri), "{uri} is not in {listed:?}");
    }
    let read = |uri: &str| {
        let read = client.wait(service.read_resource(ReadResourceRequestParams::new(uri)))?;
        let contents = serde_json::to_value(&read.contents[0]).unwrap();
        Ok::<Value, rmcp::ServiceError>(serde_json::from_str(contents["text"].as_str().unwrap()).unwrap())
    };
    assert_eq!(read("teof://task/QUEUE-001").unwrap()["claim"]["agent_id"], "codex-1");
    assert_eq!(read(&format!("teof://plan/{plan}")).unwrap()["plan"]["plan_id"], json!(plan));
    assert!(read("teof://board").unwrap().is_object());
    for uri in ["teof://task/NOPE-1", "teof://plan/nope", "teof://task/../x", "file:///etc/passwd", ""] {
        assert!(read(uri).unwrap_err().to_string().contains("error: "), "{uri}");
    }
    let templates = client.wait(service.list_all_resource_templates()).unwrap();
    assert_eq!(templates.len(), 2);

    let text = |name: &str, arguments: Value| {
        let Value::Object(arguments) = arguments else { panic!() };
        let request = GetPromptRequestParams::new(name).with_arguments(arguments);
        let got = client.wait(service.get_prompt(request))?;
        Ok::<_, rmcp::ServiceError>(got.messages[0].content.as_text().unwrap().text.clone())
    };
    let conductor = text("conductor", json!({"diff_limit": "120"})).unwrap();
    assert!(conductor.contains("> id: QUEUE-002") && conductor.contains("- Diff limit: 120 lines"), "{conductor}");
    let work = text("work", json!({"task": "QUEUE-002"})).unwrap();
    assert!(work.contains("the seat codex-1") && work.contains("Call claim for QUEUE-002"), "{work}");
    for (name, arguments) in [("work", json!({"task": "x\ny"})), ("work", json!({"seat": "a"})), ("other", json!({}))] {
        assert!(text(name, arguments).is_err());
    }
}

#[test]
fn the_server_acts_as_its_seat_and_no_tool_is_an_operators() {
    let world = world();
    let client = Client::start(&world, "codex-1");
    let names: Vec<&str> = client.tools().iter().map(|tool| tool.name.as_ref()).collect();
    let all = "boot inbox status next claim event message plan_step receipt release handoff";
    assert_eq!(names, all.split(' ').collect::<Vec<_>>());
    for tool in client.tools() {
        let hints = tool.annotations.as_ref().unwrap();
        assert_eq!(hints.read_only_hint, Some(tool.name == "status"), "{}", tool.name);
        assert_eq!((hints.destructive_hint, hints.open_world_hint), (Some(false), Some(false)), "{}", tool.name);
        let schema = Value::Object(tool.input_schema.as_ref().clone());
        assert!(tool.title.is_some() && schema["additionalProperties"] == false, "{}", tool.name);
        let text = schema.to_string();
        assert!(!text.contains("$ref") && !text.contains("null"), "clients differ in what they make of it: {text}");
    }
    client.ok("boot", json!({"sync": false}));
    let lift = json!({"channel": "QUEUE-001", "type": " lift", "summary": "Go"});
    assert_eq!(client.refused("message", lift).0["code"], "trust.person");
    drop(client.end());

    // A server without a seat is not the operator, and neither is one that is told so.
    let unnamed = Client::begin(&mut world.teof(&["mcp"]), with_handshake());
    assert_eq!(unnamed.refused("event", json!({"event": "note", "summary": "x"})).0["code"], "agent.unknown");
    unnamed.ok("status", json!({}));
    let operator = Client::begin(&mut world.teof(&["mcp", "--agent", "operator"]), with_handshake());
    assert_eq!(operator.refused("event", json!({"event": "note", "summary": "x"})).0["code"], "mcp.operator");
    assert!(!world.exists("_bus/claims/QUEUE-001.json"));
}
