//! The Agent Client Protocol: what recorded streams of real agents come to, and what teof says to them.

use serde_json::{Value, json};
use teof::agents::{Ask, Dialog, Event, Exit, Outcome, Stream, Verdict, opening};
use teof::base::Stamp;
use teof::model::agent::{Format, Usage};

use super::{fixture, same, usage, word};

const ANSWER: &str = r#"{"analysis": "greet.sh is there.", "commands": [], "receipts": []}"#;

fn dialog(session: Option<&str>, model: Option<&str>) -> Dialog {
    Dialog {
        prompt: "Write greet.sh.".into(),
        worktree: "/w/j1".into(),
        session: session.map(str::to_owned),
        options: vec![("mode".into(), "default".into())],
        model: model.map(str::to_owned),
    }
}

/// A whole conversation with a recording: the outcome, the events, and what was said, method by method.
struct Talked {
    outcome: Outcome,
    events: Vec<Event>,
    said: Vec<Value>,
}

fn talk(lines: &[u8], dialog: Dialog, earlier: Option<Usage>, allowed: bool, exit: &Exit) -> Talked {
    let mut stream = Stream::new(Format::Acp, earlier).speaking(Some(dialog));
    let (mut said, mut events) = (opening(Format::Acp).unwrap(), Vec::new());
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        for event in stream.take(line) {
            if let Event::Asks(ask) = &event {
                stream.decide(ask, allowed);
            }
            events.push(event);
        }
        said.extend(stream.outgoing().unwrap());
    }
    let said = said.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let said = said.map(|line| serde_json::from_slice(line).unwrap()).collect();
    let now = Stamp::parse("2026-01-05T10:00:00Z").unwrap();
    Talked { outcome: stream.into_outcome(exit, b"", now), events, said }
}

fn recorded(name: &str) -> Talked {
    talk(&fixture(name), dialog(None, None), None, true, &Exit::Code(0))
}

/// The methods that were called, and the answers that were given.
fn methods(talked: &Talked) -> Vec<String> {
    let word = |message: &Value| match (&message["method"], &message["result"]["outcome"]) {
        (Value::String(method), _) => method.clone(),
        (_, Value::Object(outcome)) => outcome.get("optionId").unwrap_or(&outcome["outcome"]).as_str().unwrap().into(),
        _ => format!("error {}", message["error"]["code"]),
    };
    talked.said.iter().map(word).collect()
}

/// An answer to one of our requests.
fn answer(id: u32, result: Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string() + "\n"
}

fn refusal(id: u32, code: i32, message: &str, details: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message, "data": {"details": details}}})
        .to_string()
        + "\n"
}

fn open() -> String {
    let can = json!({"protocolVersion": 1, "agentCapabilities": {}, "authMethods": [{"id": "k", "name": "API key"}]});
    answer(0, can) + &answer(1, json!({"sessionId": "s-1"}))
}

fn why(outcome: &Outcome) -> &str {
    match &outcome.verdict {
        Verdict::Succeeded => "",
        Verdict::Failed { why, .. } | Verdict::RateLimited { why, .. } | Verdict::NoResult { why, .. } => why,
    }
}

#[test]
fn recordings_of_nine_agents_come_to_an_answer_a_session_tools_and_usage() {
    for (name, session, tools, used) in [
        ("acp-claude", "b314ab76-51b8-4865-9604-d3b002592701", ["Bash", "Write"], usage(35916, 0, 68, Some(0.149152))),
        (
            "acp-codex",
            "01a22987-c91d-7683-83a3-97608fcb9943",
            ["exec_command", "exec_command"],
            usage(33359, 0, 51, None),
        ),
        ("acp-gemini", "4747d469-cb29-48b4-b626-a83e9e014b8e", ["execute", "edit"], usage(38154, 0, 73, None)),
        ("acp-opencode", "ses_dd67a98aeffenVzYamTnf4qsy1", ["execute", "edit"], usage(7848, 0, 17, None)),
        ("acp-copilot", "b8b69983-55ed-46dc-b134-a9dcedce9af1", ["execute", "execute"], usage(30895, 0, 72, None)),
        ("acp-droid", "012c3c3f-bb3f-43b6-bba4-45d20fabd780", ["execute", "execute"], usage(0, 0, 0, None)),
        ("acp-kimi", "session_d1b72966-2166-4196-8223-8a05f8bf9ea5", ["execute", "edit"], usage(0, 0, 0, None)),
        ("acp-vibe", "6355433d-e1cb-3091-e6d7-90ca5257bc44", ["bash", "bash"], usage(28023, 0, 53, None)),
        ("acp-qwen", "0d6e71f6-04cb-49cb-b245-4ccf9820581c", ["run_shell_command", "write_file"], usage(0, 0, 0, None)),
    ] {
        let Talked { outcome, events, .. } = recorded(name);
        assert_eq!(word(&outcome.verdict), "succeeded", "{name}: {outcome:?}");
        assert_eq!((outcome.session.as_deref(), outcome.text.trim()), (Some(session), ANSWER), "{name}");
        let used = if name == "acp-qwen" { Usage { cost_usd: None, ..outcome.usage } } else { used };
        // These report none.
        let counts = used.tokens() > 100 || ["acp-droid", "acp-kimi"].contains(&name);
        assert!(same(outcome.usage, used) && counts, "{name}: {:?}", outcome.usage);
        let calls: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::ToolUse { name, operation, .. } => Some((name.as_str(), operation.as_str())),
                _ => None,
            })
            .collect();
        assert_eq!([calls[0].0, calls[1].0], tools, "{name}: {calls:?}");
        assert!(calls.len() == 2 && calls[0].1.contains("pwd && ls"), "{name}: {calls:?}");
        assert!(calls[1].1.contains("greet.sh"), "{name}: {calls:?}");
        let results = events.iter().filter(|event| matches!(event, Event::ToolResult { ok: true, .. }));
        assert_eq!(results.count(), 2, "{name}");
        // The same stream without anybody who talks, as it is read after a worker was killed.
        let mut alone = Stream::new(Format::Acp, None);
        alone.take(&fixture(name));
        assert!(same(alone.usage(), outcome.usage) && alone.has_answered() && alone.is_final(), "{name}");
    }
}

#[test]
fn a_call_opens_a_session_chooses_its_options_and_gives_the_prompt() {
    let talked = recorded("acp-claude");
    assert_eq!(methods(&talked)[..3], ["initialize", "session/new", "session/set_config_option"]);
    assert_eq!(talked.said[0]["params"]["clientCapabilities"]["fs"]["writeTextFile"], false, "no files are offered");
    assert_eq!(talked.said[1]["params"], json!({"cwd": "/w/j1", "mcpServers": []}));
    let chosen = &talked.said[2]["params"];
    assert_eq!((&chosen["configId"], &chosen["value"]), (&json!("mode"), &json!("default")));

    // The agent offers neither: the mode is left, the model is needed.
    let lines = open() + &answer(3, json!({"stopReason": "end_turn"}));
    let talked = talk(lines.as_bytes(), dialog(None, None), None, true, &Exit::Code(0));
    assert_eq!(methods(&talked), ["initialize", "session/new", "session/prompt"]);
    assert_eq!(talked.said[2]["params"]["prompt"], json!([{"type": "text", "text": "Write greet.sh."}]));
    assert!(talked.outcome.warnings[0].contains("mode"), "{:?}", talked.outcome.warnings);
    let talked = talk(lines.as_bytes(), dialog(None, Some("m-9")), None, true, &Exit::Code(0));
    let first = talked.events.iter().find_map(|event| match event {
        Event::Result { ok: false, error, .. } => error.clone(),
        _ => None,
    });
    assert!(first.unwrap().contains("m-9"), "{:?}", talked.events);

    let models = json!([{"id": "llm", "name": "Model", "category": "model", "type": "select", "currentValue": "a",
        "options": [{"value": "a", "name": "A"}, {"value": "m-9", "name": "B"}]}]);
    let opened = answer(0, json!({"protocolVersion": 1}))
        + &answer(1, json!({"sessionId": "s-1", "configOptions": models}))
        + &answer(100, json!({"configOptions": models}))
        + &answer(3, json!({"stopReason": "end_turn"}));
    let talked = talk(opened.as_bytes(), dialog(None, Some("m-9")), None, true, &Exit::Code(0));
    assert_eq!(methods(&talked)[2..], ["session/set_config_option", "session/prompt"]);
    assert_eq!(talked.said[2]["params"]["configId"], "llm");
    assert_eq!((word(&talked.outcome.verdict).as_str(), talked.outcome.model.as_deref()), ("succeeded", Some("m-9")));
}

#[test]
fn a_continued_session_repeats_nothing_and_counts_this_call_alone() {
    let id = "b314ab76-51b8-4865-9604-d3b002592701";
    let earlier = usage(35916, 0, 68, Some(0.149152));
    let talked = talk(&fixture("acp-claude-loaded"), dialog(Some(id), None), Some(earlier), true, &Exit::Code(0));
    assert_eq!(methods(&talked)[1], "session/resume", "the history is not asked for where it need not be");
    assert_eq!(talked.said[1]["params"]["sessionId"], id);
    assert_eq!(talked.outcome.session.as_deref(), Some(id));
    assert!(same(talked.outcome.usage, usage(36756, 0, 57, Some(0.152292))), "{:?}", talked.outcome.usage);
    assert_eq!(talked.outcome.tools["Bash"], 2, "the calls of the first turn are not counted again");
    assert!(!talked.outcome.tools.contains_key("Write"));

    let load = answer(0, json!({"protocolVersion": 1, "agentCapabilities": {"loadSession": true}}));
    let talked = talk(load.as_bytes(), dialog(Some(id), None), None, true, &Exit::Code(0));
    assert_eq!(methods(&talked), ["initialize", "session/load"]);
    let none = answer(0, json!({"protocolVersion": 1}));
    let talked = talk(none.as_bytes(), dialog(Some(id), None), None, true, &Exit::Code(0));
    assert_eq!((methods(&talked).len(), word(&talked.outcome.verdict).as_str()), (1, "failed:set_up"));
    assert!(why(&talked.outcome).contains("cannot continue a session"));
}

#[test]
fn permissions_are_answered_once_and_files_are_not_offered() {
    let said = methods(&recorded("acp-opencode"));
    assert_eq!(said, ["initialize", "session/new", "session/prompt", "once", "once", "error -32601"]);
    let refused = talk(&fixture("acp-opencode"), dialog(None, None), None, false, &Exit::Code(0));
    assert_eq!(methods(&refused)[3..5], ["reject", "reject"]);
    let asks = recorded("acp-gemini").events.into_iter().find_map(|event| match event {
        Event::Asks(ask) => Some((ask.tool, ask.operation)),
        _ => None,
    });
    assert_eq!(asks, Some(("execute".into(), "pwd && ls".into())), "its title is all that it says");
    for (name, tool, does) in [("acp-kimi", "execute", "pwd && ls"), ("acp-vibe", "bash", "cat > greet.sh")] {
        let asks = recorded(name).events.into_iter().find_map(|event| match event {
            Event::Asks(ask) => Some((ask.tool, ask.operation)),
            _ => None,
        });
        let (asked, operation) = asks.unwrap();
        assert!(asked == tool && operation.contains(does), "{name}: {operation:?}, said before it asked");
    }
    let update = |update: Value| {
        let mut whole = json!({"toolCallId": "t", "content": [{"type": "content", "content": update["content"]}]});
        for key in ["sessionUpdate", "status", "title", "kind"] {
            whole[key] = update[key].clone();
        }
        let params = json!({"sessionId": "s-1", "update": whole});
        json!({"jsonrpc": "2.0", "method": "session/update", "params": params}).to_string() + "\n"
    };
    let piece = |kind: &str, status: &str, text: &str| {
        let content = json!({"type": "text", "text": text});
        update(json!({"sessionUpdate": kind, "status": status, "title": "Bash", "kind": "execute", "content": content}))
    };
    let in_pieces = open()
        + &piece("tool_call", "pending", "{\"comm")
        + &piece("tool_call_update", "in_progress", "{\"command\": \"rm -rf")
        + &piece("tool_call_update", "in_progress", "{\"command\": \"rm -rf /\"}")
        + &json!({"jsonrpc": "2.0", "id": 9, "method": "session/request_permission", "params": {"sessionId": "s-1",
            "toolCall": {"toolCallId": "t", "title": "Bash"}, "options": []}})
        .to_string()
        + "\n";
    let told: Vec<_> = talk(in_pieces.as_bytes(), dialog(None, None), None, true, &Exit::Code(0))
        .events
        .into_iter()
        .filter_map(|event| match event {
            Event::Asks(Ask { operation, .. }) | Event::ToolUse { operation, .. } => Some(operation),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["rm -rf /", "rm -rf /"], "its arguments are shown piece by piece");
    let odd = open()
        + "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"session/request_permission\",\"params\":{}}\n"
        + &json!({"jsonrpc": "2.0", "id": 9, "method": "session/request_permission", "params": {"sessionId": "s-1",
            "toolCall": {"toolCallId": "t"}, "options": []}})
        .to_string()
        + "\n";
    let talked = talk(odd.as_bytes(), dialog(None, None), None, true, &Exit::Code(0));
    assert_eq!(methods(&talked)[3..], ["error -32602", "cancelled"], "an answer that it does not offer is none");
}

#[test]
fn a_turn_is_cancelled_when_it_is_asked_to() {
    let text = fixture("acp-opencode-cancelled");
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let mut stream = Stream::new(Format::Acp, None).speaking(Some(dialog(None, None)));
    assert!(!stream.cancel(), "there is no turn yet");
    for line in &lines[..4] {
        stream.take(line);
    }
    stream.outgoing();
    assert!(stream.cancel() && stream.cancel());
    let said = String::from_utf8(stream.outgoing().unwrap()).unwrap();
    assert_eq!(said.matches("session/cancel").count(), 1, "{said}");
    lines[4..].iter().for_each(|line| drop(stream.take(line)));
    assert!(stream.is_final() && !stream.cancel());
    let done = stream.into_outcome(&Exit::Stopped, b"", Stamp::from_unix(0));
    assert_eq!(word(&done.verdict), "failed:stopped");
}

#[test]
fn every_other_end_has_its_reason() {
    let ended = |lines: String, exit: &Exit| talk(lines.as_bytes(), dialog(None, None), None, true, exit).outcome;
    let zero = Exit::Code(0);
    let stopped = |reason: &str| ended(open() + &answer(3, json!({"stopReason": reason})), &zero);
    for (reason, verdict) in
        [("max_tokens", "failed:turns"), ("max_turn_requests", "failed:turns"), ("refusal", "failed:other")]
    {
        assert_eq!(word(&stopped(reason).verdict), verdict, "{reason}");
    }
    // How it takes the end of its stdin says nothing.
    let done = ended(open() + &answer(3, json!({"stopReason": "end_turn"})), &Exit::Code(1));
    assert_eq!(word(&done.verdict), "succeeded");
    let killed = ended(open() + &answer(3, json!({"stopReason": "end_turn"})), &Exit::Signal(9));
    assert_eq!(word(&killed.verdict), "failed:other");
    let logged_out = ended(
        answer(0, json!({"protocolVersion": 1, "authMethods": [{"id": "k", "name": "API key"}]}))
            + &refusal(1, -32000, "Authentication required", ""),
        &zero,
    );
    assert_eq!(word(&logged_out.verdict), "failed:account");
    assert_eq!(why(&logged_out), "it is not logged in: Authentication required: it offers API key");
    for (message, details, verdict) in [
        ("Internal error", "429 Too Many Requests", "limited:?"),
        ("Internal error", "fetch failed: ECONNREFUSED 127.0.0.1:443", "failed:service"),
        ("Internal error", "401 Unauthorized", "failed:account"),
        ("Internal error", "Credit balance is too low", "failed:billing"),
        ("Session not found: s-1", "", "failed:other"),
        ("Internal error: invalid api key", "", "failed:account"),
        ("Internal error: API Error: 400 bad request", "", "failed:request"),
        ("Internal error", "", "failed:other"),
    ] {
        let done = ended(open() + &refusal(3, -32603, message, details), &zero);
        assert_eq!(word(&done.verdict), verdict, "{message} {details}: {}", why(&done));
    }
    // gemini passes the status of its service on.
    let status = ended(open() + &refusal(3, 500, "{\"error\":{\"message\":\"oops\"}}", ""), &zero);
    assert_eq!((word(&status.verdict).as_str(), why(&status)), ("failed:service", "oops"));
    let newer = ended(answer(0, json!({"protocolVersion": 2})), &zero);
    assert!(why(&newer).contains("version 2 of the protocol"), "{newer:?}");
    for (lines, exit) in
        [(open(), Exit::Code(3)), (open(), Exit::Signal(11)), (String::new(), Exit::TimedOut("x".into()))]
    {
        assert_eq!(word(&ended(lines, &exit).verdict), "nothing", "{exit:?}");
    }
}

#[test]
fn a_failure_that_is_told_as_an_answer_is_a_failure() {
    let text = |said: &str| {
        let chunk = json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": said}});
        json!({"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": "s-1", "update": chunk}})
            .to_string()
            + "\n"
    };
    let status = |status: &str| {
        let info =
            json!({"sessionUpdate": "session_info_update", "_meta": {"codex": {"threadStatus": {"type": status}}}});
        json!({"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": "s-1", "update": info}})
            .to_string()
            + "\n"
    };
    let end = answer(3, json!({"stopReason": "end_turn", "usage": null}));
    let used = json!({"totalTokens": 3, "inputTokens": 2, "outputTokens": 1});
    let counted = answer(3, json!({"stopReason": "end_turn", "usage": used}));
    for (lines, verdict) in [
        // As codex-acp 2.6.0 and copilot 1.0.102 do.
        (
            status("systemError") + &text("exceeded retry limit, last status: 429 Too Many Requests\n\n") + &end,
            "limited:?",
        ),
        (
            status("systemError") + &text("{\"error\": {\"message\": \"bad request\", \"code\": 400}}") + &end,
            "failed:request",
        ),
        (status("systemError") + &status("active") + &text("done") + &end, "succeeded"),
        (text("Info: Retrying...") + &text("Error: Authentication failed (HTTP 401).") + &end, "failed:account"),
        (text("Error: is a word") + &counted, "succeeded"),
        (text("done") + &end, "succeeded"),
    ] {
        let done = talk((open() + &lines).as_bytes(), dialog(None, None), None, true, &Exit::Code(0)).outcome;
        assert_eq!(word(&done.verdict), verdict, "{lines}");
    }
}

#[test]
fn broken_lines_and_unknown_messages_cost_no_others() {
    let noise = "a notice\n{\"jsonrpc\":\n[]\n{\"jsonrpc\":\"2.0\",\"method\":\"_own/thing\"}\n{\"id\":3}\n{\"id\":44,\"result\":1}\n";
    let text = fixture("acp-claude");
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    // An answer without a result ends no turn before there is one.
    let noisy: Vec<u8> = lines.flat_map(|line| [noise.replace("{\"id\":3}\n", "").as_bytes(), line].concat()).collect();
    let done = talk(&noisy, dialog(None, None), None, true, &Exit::Code(0)).outcome;
    assert_eq!((word(&done.verdict).as_str(), done.text.as_str()), ("succeeded", ANSWER));
    let long =
        format!("{{\"jsonrpc\":\"2.0\",\"method\":\"session/update\",\"params\":\"{}\"}}\n", "x".repeat(17 << 20));
    let done = talk(&[long.as_bytes(), &text].concat(), dialog(None, None), None, true, &Exit::Code(0)).outcome;
    assert_eq!(word(&done.verdict), "succeeded");
    assert!(done.warnings.iter().any(|warning| warning.contains("overlong")), "{:?}", done.warnings);
}

#[test]
fn a_plan_is_shown_step_by_step() {
    let plan = |now: &str| {
        let entry = |what: &str| {
            json!({"content": what, "priority": "medium",
            "status": if what == now { "in_progress" } else { "pending" }})
        };
        json!({"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": "s-1", "update":
            {"sessionUpdate": "plan", "entries": [entry("look"), entry("write")]}}})
        .to_string()
            + "\n"
    };
    let lines = open() + &plan("look") + &plan("look") + &plan("write");
    let events = talk(lines.as_bytes(), dialog(None, None), None, true, &Exit::Code(0)).events;
    let shown: Vec<_> = events.iter().filter(|event| matches!(event, Event::Line(_))).collect();
    assert_eq!(shown, [&Event::Line("plan 1 of 2: look".into()), &Event::Line("plan 2 of 2: write".into())]);
}
