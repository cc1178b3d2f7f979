//! `codex app-server`: what recorded streams of the real one come to, and what teof says to it.

use serde_json::{Value, json};
use teof::agents::{Ask, Dialog, Event, Exit, Outcome, Stream, Verdict, introduction, opening};
use teof::base::Stamp;
use teof::model::agent::{Format, Quota};

use super::{fixture, same, usage, word};

const FORMAT: Format = Format::CodexAppServer;
const ANSWER: &str = r#"{"analysis": "greet.sh is there.", "commands": [], "receipts": []}"#;
const THREAD: &str = "01a22b1a-d622-7502-a722-6d9cfdb418c3";

fn dialog(session: Option<&str>, model: Option<&str>) -> Dialog {
    Dialog {
        prompt: "Write greet.sh.".into(),
        worktree: "/w/j1".into(),
        session: session.map(str::to_owned),
        options: vec![("approvalPolicy".into(), "untrusted".into()), ("sandbox".into(), "danger-full-access".into())],
        model: model.map(str::to_owned),
    }
}

/// A whole conversation with a recording: the outcome, the events, and what was said.
struct Talked {
    outcome: Outcome,
    events: Vec<Event>,
    said: Vec<Value>,
}

impl Talked {
    fn methods(&self) -> Vec<&str> {
        self.said.iter().filter_map(|message| message["method"].as_str()).collect()
    }

    fn asks(&self) -> Vec<Ask> {
        let ask = |event: &Event| if let Event::Asks(ask) = event { Some(ask.clone()) } else { None };
        self.events.iter().filter_map(ask).collect()
    }

    /// The answers that were given.
    fn answers(&self) -> Vec<&Value> {
        self.said.iter().filter(|message| message.get("method").is_none()).collect()
    }
}

/// `note`: told as soon as an event is one of a tool that is used.
fn talk(lines: &[u8], dialog: Dialog, allowed: bool, note: Option<&str>, exit: &Exit) -> Talked {
    let mut stream = Stream::new(FORMAT, None).speaking(Some(dialog));
    let (mut said, mut events, mut told) = (opening(FORMAT).unwrap(), Vec::new(), false);
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        for event in stream.take(line) {
            if let Event::Asks(ask) = &event {
                stream.decide(ask, allowed);
            }
            if let (Event::ToolUse { .. }, Some(note), false) = (&event, note, told) {
                told = stream.steer(note);
            }
            events.push(event);
        }
        said.extend(stream.outgoing().unwrap());
    }
    let said = said.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let said = said.map(|line| serde_json::from_slice(line).unwrap()).collect();
    let now = Stamp::from_unix(1_796_019_000);
    Talked { outcome: stream.into_outcome(exit, b"", now), events, said }
}

fn recorded(name: &str) -> Talked {
    talk(&fixture(name), dialog(None, None), true, None, &Exit::Code(0))
}

fn why(outcome: &Outcome) -> &str {
    match &outcome.verdict {
        Verdict::Succeeded => "",
        Verdict::Failed { why, .. } | Verdict::RateLimited { why, .. } | Verdict::NoResult { why, .. } => why,
    }
}

/// A stream up to the start of the turn.
fn begun() -> String {
    let text = String::from_utf8(fixture("codex-app")).unwrap();
    text.lines().take_while(|line| !line.contains("item/started")).fold(String::new(), |all, line| all + line + "\n")
}

/// The end of the turn of [`begun`].
fn completed(status: &str, error: &Value) -> String {
    let turn = json!({"id": "t", "items": [], "status": status, "error": error});
    json!({"method": "turn/completed", "params": {"threadId": THREAD, "turn": turn}}).to_string() + "\n"
}

fn refusal(id: u32, message: &str) -> String {
    json!({"error": {"code": -32600, "message": message}, "id": id}).to_string() + "\n"
}

#[test]
fn a_recording_comes_to_an_answer_a_session_tools_and_usage() {
    let Talked { outcome, events, .. } = recorded("codex-app");
    assert_eq!(word(&outcome.verdict), "succeeded", "{outcome:?}");
    assert_eq!((outcome.session.as_deref(), outcome.text.as_str()), (Some(THREAD), ANSWER));
    assert_eq!((outcome.model.as_deref(), outcome.version.as_deref()), (Some("stand-in"), Some("0.171.0")));
    assert!(same(outcome.usage, usage(33399, 0, 51, None)), "{:?}", outcome.usage);
    assert_eq!(outcome.tools["command_execution"], 2, "{:?}", outcome.tools);
    let operations: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::ToolUse { operation, .. } => Some(operation.as_str()),
            _ => None,
        })
        .collect();
    assert!(operations[0].contains("pwd && ls") && operations[1].contains("greet.sh"), "{operations:?}");
    let results = events.iter().filter(|event| matches!(event, Event::ToolResult { ok: true, .. }));
    assert_eq!(results.count(), 2);
    // The same stream without anybody who talks, as it is read after a worker was killed.
    let mut alone = Stream::new(FORMAT, None);
    alone.take(&fixture("codex-app"));
    assert!(same(alone.usage(), outcome.usage) && alone.has_answered() && alone.is_final());
    assert_eq!(alone.outgoing(), None);
    let told = String::from_utf8(fixture("codex-app")).unwrap();
    assert_eq!(introduction(FORMAT, &told).as_deref(), Some("codex 0.171.0"));
}

#[test]
fn a_call_opens_a_thread_with_its_options_and_begins_a_turn() {
    let talked = talk(&fixture("codex-app"), dialog(None, Some("m-9")), true, None, &Exit::Code(0));
    assert_eq!(talked.methods(), ["initialize", "initialized", "thread/start", "turn/start"]);
    assert_eq!(talked.said[0]["params"]["clientInfo"]["name"], "teof");
    assert_eq!(talked.said[0]["params"]["capabilities"]["experimentalApi"], Value::Null);
    let wanted = json!({"approvalPolicy": "untrusted", "sandbox": "danger-full-access", "model": "m-9"});
    assert_eq!(talked.said[2]["params"], wanted, "a folder would be noted as trusted");
    let words = json!({"threadId": THREAD, "input": [{"type": "text", "text": "Write greet.sh."}]});
    assert_eq!(talked.said[3]["params"], words);
}

#[test]
fn a_continued_thread_repeats_nothing_and_counts_this_call_alone() {
    let talked = talk(&fixture("codex-app-resumed"), dialog(Some(THREAD), None), true, None, &Exit::Code(0));
    assert_eq!(talked.methods()[2], "thread/resume");
    let params = &talked.said[2]["params"];
    assert_eq!((&params["threadId"], &params["excludeTurns"]), (&json!(THREAD), &json!(true)));
    assert!(same(talked.outcome.usage, usage(34321, 0, 36, None)), "{:?}", talked.outcome.usage);
    // The first report of a turn tells what was before it, also where nothing was repeated.
    let text = String::from_utf8(fixture("codex-app-resumed")).unwrap();
    let mut lines: Vec<_> = text.split_inclusive('\n').collect();
    lines.remove(lines.iter().position(|line| line.contains("tokenUsage")).unwrap());
    let talked = talk(lines.concat().as_bytes(), dialog(Some(THREAD), None), true, None, &Exit::Code(0));
    assert!(same(talked.outcome.usage, usage(34321, 0, 36, None)), "{:?}", talked.outcome.usage);
}

#[test]
fn a_lost_thread_is_a_session_that_cannot_be_continued() {
    let lines = begun().lines().next().unwrap().to_owned() + "\n" + &refusal(1, "no rollout found for thread id x");
    let lost = talk(lines.as_bytes(), dialog(Some(THREAD), None), true, None, &Exit::Code(0));
    assert_eq!(word(&lost.outcome.verdict), "failed:set_up");
    assert_eq!(why(&lost.outcome), "it cannot continue the session: no rollout found for thread id x");
    assert_eq!(lost.methods().len(), 3, "there is no turn: {:?}", lost.said);
    let new = talk(lines.as_bytes(), dialog(None, None), true, None, &Exit::Code(0));
    assert!(why(&new.outcome).starts_with("it opens no thread"), "{:?}", new.outcome);
}

#[test]
fn what_it_asks_is_answered_once() {
    let decision = |talked: &Talked| talked.answers()[0]["result"].clone();
    for (name, allowed, answer, tool, operation) in [
        ("codex-app-declined", false, json!({"decision": "decline"}), "command_execution", "touch a.txt"),
        ("codex-app-declined", true, json!({"decision": "accept"}), "command_execution", "touch a.txt"),
        ("codex-app-patch", true, json!({"decision": "accept"}), "file_change", "/w/j1/b.txt"),
        ("codex-app-mcp", true, json!({"action": "accept", "content": {}}), "t.drop", "x"),
        ("codex-app-mcp", false, json!({"action": "decline"}), "t.drop", "x"),
    ] {
        let talked = talk(&fixture(name), dialog(None, None), allowed, None, &Exit::Code(0));
        let asks = talked.asks();
        assert_eq!((asks.len(), decision(&talked)), (1, answer), "{name}: {asks:?}");
        assert!(asks[0].tool == tool && asks[0].operation.contains(operation), "{name}: {asks:?}");
        assert_eq!(talked.answers()[0]["id"], 0);
        assert!(talked.outcome.tools.contains_key(tool), "the same name: {:?}", talked.outcome.tools);
        assert_eq!(word(&talked.outcome.verdict), "succeeded", "{name}");
    }
    let declined = recorded("codex-app-declined").events;
    assert!(declined.iter().any(|event| matches!(event, Event::ToolResult { ok: false, .. })), "{declined:?}");

    let request =
        |method: &str, params: Value| json!({"id": "r", "method": method, "params": params}).to_string() + "\n";
    let wanted = json!({"fileSystem": {"write": ["/srv"]}, "network": null});
    let ask = request("item/permissions/requestApproval", json!({"itemId": "i", "permissions": wanted}));
    let allowed = talk((begun() + &ask).as_bytes(), dialog(None, None), true, None, &Exit::Code(0));
    assert_eq!((decision(&allowed), &*allowed.asks()[0].operation), (json!({"permissions": wanted}), "/srv"));
    let refused = talk((begun() + &ask).as_bytes(), dialog(None, None), false, None, &Exit::Code(0));
    assert_eq!(decision(&refused), json!({"permissions": {}}));
    for odd in [
        request("item/tool/requestUserInput", json!({"questions": []})),
        request("mcpServer/elicitation/request", json!({"serverName": "t", "mode": "form", "message": "Your name?"})),
    ] {
        let talked = talk((begun() + &odd).as_bytes(), dialog(None, None), true, None, &Exit::Code(0));
        assert_eq!((talked.answers()[0]["error"]["code"].clone(), talked.asks().len()), (json!(-32601), 0), "{odd}");
    }
}

#[test]
fn a_message_reaches_the_turn_that_runs_and_no_other() {
    let talked = talk(&fixture("codex-app-steered"), dialog(None, None), true, Some("Use tabs"), &Exit::Code(0));
    let steer = talked.said.iter().find(|message| message["method"] == "turn/steer").unwrap();
    let thread = talked.outcome.session.clone().unwrap();
    let wanted = json!({"threadId": thread, "expectedTurnId": "01a22b1b-5d27-78f1-bfa5-058c16f18d5d",
        "input": [{"type": "text", "text": "Use tabs"}]});
    assert_eq!((&steer["id"], &steer["params"]), (&json!(100), &wanted));
    let answers = talked.events.iter().filter(|event| matches!(event, Event::Steered { .. })).collect::<Vec<_>>();
    assert_eq!(answers, [&Event::Steered { taken: true }]);
    assert_eq!(word(&talked.outcome.verdict), "succeeded");

    // One after the other, and only in a turn.
    let mut stream = Stream::new(FORMAT, None).speaking(Some(dialog(None, None)));
    assert!(!stream.steer("too early"));
    stream.take(begun().as_bytes());
    assert!(stream.steer("one") && !stream.steer("two"), "the first is not answered");
    let late = stream.take(refusal(100, "no active turn to steer").as_bytes());
    assert_eq!(late, [Event::Steered { taken: false }]);
    assert!(stream.steer("again"));
    stream.take(completed("completed", &Value::Null).as_bytes());
    assert!(!stream.steer("too late") && stream.is_final());
    assert_eq!(
        stream.take(b"{\"id\":101,\"result\":{}}\n"),
        [Event::Steered { taken: true }],
        "its answer still counts"
    );
    assert!(stream.is_final());
}

#[test]
fn a_turn_is_interrupted_when_it_is_asked_to() {
    let text = fixture("codex-app-interrupted");
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let at = lines.iter().position(|line| line.starts_with(b"{\"id\":3,")).unwrap();
    let mut stream = Stream::new(FORMAT, None).speaking(Some(dialog(None, None)));
    assert!(!stream.cancel(), "there is no turn yet");
    lines[..at].iter().for_each(|line| drop(stream.take(line)));
    stream.outgoing();
    assert!(stream.cancel() && stream.cancel() && !stream.steer("too late"));
    let said = String::from_utf8(stream.outgoing().unwrap()).unwrap();
    assert_eq!(said.matches("turn/interrupt").count(), 1, "{said}");
    assert!(said.contains("\"turnId\":\"01a22b1b-5cf9-70a3-bd22-9134facf02a5\""), "{said}");
    let wanted = json!({"fileSystem": {"write": ["/srv"]}, "network": null});
    let params = json!({"itemId": "i", "permissions": wanted});
    let ask = json!({"id": "r", "method": "item/permissions/requestApproval", "params": params}).to_string() + "\n";
    for event in stream.take(ask.as_bytes()) {
        if let Event::Asks(ask) = event {
            stream.decide(&ask, true);
        }
    }
    let answer: Value = serde_json::from_slice(&stream.outgoing().unwrap()).unwrap();
    assert_eq!(answer["result"], json!({"permissions": {}}), "a turn that is to end is allowed nothing more");
    lines[at..].iter().for_each(|line| drop(stream.take(line)));
    assert!(stream.is_final() && !stream.cancel());
    let done = stream.into_outcome(&Exit::Stopped, b"", Stamp::from_unix(0));
    assert_eq!(word(&done.verdict), "failed:stopped");
}

#[test]
fn limits_are_reported_before_and_when_they_are_reached() {
    let of = |window: &str, used, until| Quota { window: window.into(), used, until: Stamp::from_unix(until) };
    let quotas = recorded("codex-app-quota").outcome.quotas;
    assert_eq!(quotas, [of("five_hour", 93, 1_796_026_800), of("seven_day", 41, 1_796_519_600)]);
    let reached = recorded("codex-app-limit").outcome;
    assert_eq!(word(&reached.verdict), format!("limited:{}", Stamp::from_unix(1_796_026_800)), "{reached:?}");
    assert!(why(&reached).contains("hit your usage limit"), "{reached:?}");
    assert_eq!(reached.quotas[0], of("five_hour", 100, 1_796_026_800));
    let spans = |minutes: Option<u32>, id: &str| {
        let limits = json!({"limitId": id, "primary":
            {"usedPercent": 7, "windowDurationMins": minutes, "resetsAt": 1_796_026_800}});
        let line = json!({"method": "account/rateLimits/updated", "params": {"rateLimits": limits}}).to_string() + "\n";
        match &Stream::new(FORMAT, None).take(line.as_bytes())[..] {
            [Event::Quota(quota)] => quota.describe(),
            other => panic!("{other:?}"),
        }
    };
    for (minutes, id, shown) in [
        (Some(300), "codex", "7 % of its 5-hour limit"),
        (Some(43_200), "codex", "7 % of its 30-day limit"),
        (Some(120), "codex", "7 % of its 2-hour limit"),
        (None, "codex", "7 % of its account limit"),
        (Some(300), "codex_small", "7 % of its codex small five hour limit"),
    ] {
        assert_eq!(spans(minutes, id), shown);
    }
}

#[test]
fn every_other_end_has_its_reason() {
    let ended = |lines: String, exit: &Exit| talk(lines.as_bytes(), dialog(None, None), true, None, exit).outcome;
    let zero = Exit::Code(0);
    let failed = |message: &str, info: Value| {
        ended(begun() + &completed("failed", &json!({"message": message, "codexErrorInfo": info})), &zero)
    };
    for (message, info, verdict) in [
        (
            "You’ve hit your usage limit. Try again at 8:20 AM.",
            json!("usageLimitExceeded"),
            "limited:2026-11-30T08:20:00Z",
        ),
        ("no more credits", json!("usageLimitExceeded"), "limited:?"),
        ("bad key", json!("unauthorized"), "failed:account"),
        ("x", json!({"httpConnectionFailed": {"httpStatusCode": 401}}), "failed:account"),
        ("x", json!({"httpConnectionFailed": {"httpStatusCode": null}}), "failed:service"),
        ("x", json!({"responseTooManyFailedAttempts": {"httpStatusCode": 429}}), "limited:?"),
        ("{\"error\": {\"message\": \"bad request\"}}", json!("other"), "failed:request"),
        ("oops", json!("internalServerError"), "failed:service"),
        ("oops", json!("a name of tomorrow"), "failed:other"),
        ("oops", json!([1]), "failed:other"),
        ("Quota exceeded. Check your plan and billing details.", json!("usageLimitExceeded"), "failed:billing"),
    ] {
        let done = failed(message, info);
        assert_eq!(word(&done.verdict), verdict, "{message}: {}", why(&done));
    }
    let retried = recorded("codex-app-429");
    assert_eq!(word(&retried.outcome.verdict), "limited:?");
    assert!(
        retried.outcome.warnings[1].contains("Reconnecting... 1/5: exceeded retry limit"),
        "{:?}",
        retried.outcome.warnings
    );
    // How it takes the end of its stdin says nothing.
    assert_eq!(word(&ended(begun() + &completed("completed", &Value::Null), &Exit::Code(1)).verdict), "succeeded");
    assert_eq!(word(&ended(begun() + &refusal(2, "no such model"), &zero).verdict), "failed:request");
    for exit in [Exit::Code(3), Exit::Signal(9), Exit::TimedOut("x".into())] {
        assert_eq!(word(&ended(begun(), &exit).verdict), "nothing", "{exit:?}");
    }
}

#[test]
fn a_subagent_is_shown_and_counted_but_neither_speaks_nor_ends() {
    let Talked { outcome, events, .. } = recorded("codex-app-subagent");
    assert_eq!((word(&outcome.verdict).as_str(), outcome.tools["collab_agent_tool_call"]), ("succeeded", 1));
    assert!(same(outcome.usage, usage(20349 + 7482, 0, 20 + 14, None)), "{:?}", outcome.usage);
    let own = outcome.session.unwrap();
    let text = String::from_utf8(fixture("codex-app-subagent")).unwrap();
    let others = text.lines().filter(|line| !line.contains(&own));
    let others = others.fold(begun(), |all, line| all + line + "\n") + &completed("completed", &Value::Null);
    let talked = talk(others.as_bytes(), dialog(None, None), true, None, &Exit::Code(0));
    assert_eq!(talked.outcome.text, "", "{:?}", talked.events);
    assert!(!events.is_empty());
}

#[test]
fn broken_lines_and_unknown_messages_cost_no_others() {
    let noise = "a notice\n{\"id\":\n[]\n{\"method\":\"own/thing\"}\n{\"method\":\"item/started\",\"params\":[]}\n\
                 {\"method\":\"turn/completed\"}\n{\"id\":44,\"result\":1}\n{\"method\":\"item/completed\",\"params\":{\"item\":7}}\n";
    let text = fixture("codex-app");
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let noisy: Vec<u8> = lines.flat_map(|line| [noise.as_bytes(), line].concat()).collect();
    let done = talk(&noisy, dialog(None, None), true, None, &Exit::Code(0)).outcome;
    assert_eq!((word(&done.verdict).as_str(), done.text.as_str()), ("succeeded", ANSWER));
    let long = format!("{{\"method\":\"turn/diff/updated\",\"params\":\"{}\"}}\n", "x".repeat(17 << 20));
    let done = talk(&[long.as_bytes(), &text].concat(), dialog(None, None), true, None, &Exit::Code(0)).outcome;
    assert_eq!(word(&done.verdict), "succeeded");
    assert!(done.warnings.iter().any(|warning| warning.contains("overlong")), "{:?}", done.warnings);
}

#[test]
fn its_plan_is_shown_step_by_step() {
    let plan = |now: &str| {
        let step = |what: &str| json!({"step": what, "status": if what == now { "inProgress" } else { "pending" }});
        let plan = json!([step("look"), step("write")]);
        json!({"method": "turn/plan/updated", "params": {"threadId": THREAD, "turnId": "t", "plan": plan}}).to_string()
            + "\n"
    };
    let lines = begun() + &plan("look") + &plan("look") + &plan("write");
    let events = talk(lines.as_bytes(), dialog(None, None), true, None, &Exit::Code(0)).events;
    let shown: Vec<_> = events.iter().filter(|event| matches!(event, Event::Line(_))).collect();
    assert_eq!(shown, [&Event::Line("plan 1 of 2: look".into()), &Event::Line("plan 2 of 2: write".into())]);
}
