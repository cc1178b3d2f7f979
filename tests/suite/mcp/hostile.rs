//! Whatever a client sends is answered, or passed over, and nothing is lost.

use serde_json::json;

use super::client::{Client, Lined, call};
use super::world;

#[test]
fn wrong_arguments_and_unknown_names_are_refused_with_what_is_right() {
    let world = world();
    let client = Client::start(&world, "codex-1");
    client.ok("boot", json!({"sync": false}));
    let events = world.read("_bus/events/events.jsonl");
    for (tool, arguments) in [
        ("claim", json!({})),
        ("claim", json!({"task": 7})),
        ("claim", json!({"task": "QUEUE-001", "force": true})),
        ("event", json!({"event": "note", "summary": {"a": 1}})),
        ("event", json!({"event": "note", "summary": "x", "severity": "worst"})),
        ("release", json!({"task": "QUEUE-001", "status": "active"})),
        ("receipt", json!({"paths": "one.txt"})),
        ("inbox", json!({"limit": -1})),
    ] {
        let (refused, told) = client.refused(tool, arguments.clone());
        assert_eq!(refused["code"], "mcp.arguments", "{tool} {arguments}");
        assert!(told.contains("cause: ") && told.contains(&format!("the arguments of {tool} are: ")), "{told}");
    }
    for (tool, arguments, code) in [
        ("claim", json!({"task": "NOPE-1"}), "claim.unassigned"),
        ("claim", json!({"task": "../../etc/passwd", "allow_unassigned": true}), "name.invalid"),
        ("claim", json!({"task": "--agent=codex-2", "allow_unassigned": true}), "name.invalid"),
        ("claim", json!({"task": "QUEUE-001", "lease": "for ever"}), "usage"),
        ("event", json!({"event": "note", "summary": "a\u{0}b"}), "mcp.zero_byte"),
        ("event", json!({"event": "note", "summary": "x".repeat(70_000)}), "mcp.too_long"),
        ("event", json!({"event": "status", "summary": "x", "task": "QUEUE-001"}), "claim.missing"),
        ("receipt", json!({"paths": ["--agent=codex-2"]}), "receipt.missing"),
        ("receipt", json!({"paths": []}), "usage"),
        ("plan_step", json!({"plan": "nope", "step": "S1", "note": "x"}), "plan.not_found"),
        ("handoff", json!({}), "wrap.empty"),
        ("boot", json!({"focus": "x", "sync": false, "allow_dirty": false}), ""),
    ] {
        if code.is_empty() {
            client.ok(tool, arguments);
            continue;
        }
        let (refused, told) = client.refused(tool, arguments.clone());
        assert_eq!(refused["code"], code, "{tool}: {told}");
        assert!(!refused["fix"].as_array().unwrap().is_empty(), "{tool}: {told}");
    }
    let after = world.read("_bus/events/events.jsonl");
    let added = after.strip_prefix(&events).unwrap();
    assert_eq!(added.lines().count(), 1, "the handshake: {added}");
    let unknown = client.wait(client.service().call_tool(rmcp::model::CallToolRequestParams::new("approve")));
    let unknown = unknown.unwrap_err();
    assert!(unknown.to_string().contains("no such tool: approve"), "{unknown}");
    let rmcp::ServiceError::McpError(unknown) = unknown else { panic!("{unknown}") };
    let data = unknown.data.unwrap();
    assert_eq!(data["code"], "mcp.no_tool");
    assert!(data["cause"].is_string() && data["fix"][0].is_string(), "{data}");
    let both = json!({"task": "QUEUE-001", "take_over": "it is idle", "allow_unassigned": true});
    let (refused, told) = client.refused("claim", both);
    assert_eq!(refused["code"], "mcp.arguments", "{told}");
    assert!(told.contains("do not go together") && told.contains("cause: "), "{told}");
}

#[test]
fn hostile_text_is_written_as_data_and_never_obeyed() {
    let world = world();
    let client = Client::start(&world, "codex-1");
    client.ok("boot", json!({"sync": false}));
    for text in [
        "--help",
        "$(touch planted)`touch planted`",
        "\u{1b}[2J\u{1b}]0;x\u{7}",
        "a\nb\r\n{\"id\":1}",
        "-",
        "é\u{202e}x",
    ] {
        client.ok("event", json!({"event": "note", "summary": text, "meta": {"text": text}}));
        client.ok("message", json!({"channel": "manager-report", "type": "note", "summary": text, "note": text}));
    }
    assert!(!world.exists("planted"));
    let status = client.ok("status", json!({"limit": 200}));
    assert!(status["events"].as_array().unwrap().iter().any(|one| one["summary"].as_str().unwrap().contains("touch")));
    assert_eq!(client.end(), (String::new(), Some(0)));
}

#[test]
fn lines_that_are_not_of_the_protocol_end_nothing() {
    let world = world();
    let mut client = Lined::begin(&mut world.teof(&["mcp", "--agent", "codex-1"]));
    client.initialize("2025-06-18");
    client.write("not json\n{\"jsonrpc\": \"2.0\"\n\n[]\n");
    client.write(&format!("{}\n", "x".repeat(17 << 20)));
    client.send(
        &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "status", "arguments": []}}),
    );
    client.send(&json!({"jsonrpc": "2.0", "id": 2, "method": "no/such"}));
    client.send(&call(3, "status", &json!({})));
    let mut answers = Vec::new();
    while answers.last().is_none_or(|answer: &serde_json::Value| answer["id"] != 3) {
        answers.push(client.next());
    }
    let error = |answer: &&serde_json::Value| answer["error"]["code"].is_i64();
    assert!(answers.iter().filter(error).count() >= 2, "{answers:?}");
    assert!(answers.last().unwrap()["result"]["structuredContent"].is_object());
    assert_eq!(client.end(), Some(0));

    let early = Lined::begin(&mut world.teof(&["mcp"]));
    assert_eq!(early.end(), Some(0), "a client that says nothing");
    let mut stranger = Lined::begin(&mut world.teof(&["mcp", "--json"]));
    stranger.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    assert_eq!(stranger.end(), Some(2), "a client that does not begin");
}
