//! What each trap in the streams comes to. The streams are invented, one per trap.

use proptest::prelude::*;
use teof::agents::{Event, Exit, Outcome, Stream, Verdict};
use teof::base::Stamp;
use teof::model::agent::{Format, Usage};

use super::{fixture, outcome, same, usage, word};

const FORMATS: [Format; 7] = [
    Format::Claude,
    Format::Codex,
    Format::Gemini,
    Format::Opencode,
    Format::Acp,
    Format::CodexAppServer,
    Format::Text,
];

fn now() -> Stamp {
    Stamp::parse("2026-01-05T10:00:00Z").unwrap()
}

fn of(name: &str, earlier: Option<Usage>, exit: &Exit, stderr: &str) -> Outcome {
    let format = match name.split('-').next().unwrap() {
        "codex" => Format::Codex,
        "gemini" => Format::Gemini,
        "opencode" => Format::Opencode,
        _ => Format::Claude,
    };
    outcome(format, &fixture(name), 64 << 10, earlier, exit, stderr, now())
}

fn ended(name: &str, code: i32) -> Outcome {
    of(name, None, &Exit::Code(code), "")
}

fn why(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Succeeded => "",
        Verdict::Failed { why, .. } | Verdict::RateLimited { why, .. } | Verdict::NoResult { why, .. } => why,
    }
}

#[test]
fn a_plain_answer_is_kept_whole() {
    let said = format!("{{\"first\": \"{}\"}}", "word\n".repeat(100_000));
    let done = outcome(Format::Text, said.as_bytes(), 64 << 10, None, &Exit::Code(0), "", now());
    assert!(done.text == said, "{} bytes of {}", done.text.len(), said.len());
}

#[test]
fn who_goes_on_after_a_refused_limit_is_not_ended_by_it() {
    let refused = r#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1767700000}}"#;
    let goes_on = r#"{"type":"assistant","message":{"content":[{"type":"text","text":"With another model."}]}}"#;
    let of = |lines: &[&str]| {
        let stream = lines.join("\n") + "\n";
        outcome(Format::Claude, stream.as_bytes(), 64 << 10, None, &Exit::Code(1), "", now()).verdict
    };
    assert!(matches!(of(&[goes_on, refused]), Verdict::RateLimited { .. }));
    assert!(matches!(of(&[refused, goes_on]), Verdict::NoResult { .. }));
}

#[test]
fn an_account_refusal_overrides_unknown_texts() {
    let failed = |resets: u64, said: &str| {
        let stream = format!(
            "{{\"type\":\"rate_limit_event\",\"rate_limit_info\":{{\"status\":\"rejected\",\"resetsAt\":{resets}}}}}\n\
             {{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\"result\":{said:?}}}\n"
        );
        let done = outcome(Format::Claude, stream.as_bytes(), 64 << 10, None, &Exit::Code(1), "", now());
        match done.verdict {
            Verdict::RateLimited { until, .. } => until.unwrap().since(now()).as_secs(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(failed(now().plus(std::time::Duration::from_secs(3600)).unix().cast_unsigned(), "Out of usage"), 3600);
    assert_eq!(failed(99_999_999_999, "limit reached"), 40 * 24 * 3600);
}

#[test]
fn costs_add_up_to_a_number_that_can_be_told() {
    let most = usage(0, 0, 0, Some(f64::MAX));
    assert_eq!(most.plus(most).cost_usd, Some(1e6));
}

#[test]
fn a_success_has_its_answer_its_session_and_its_costs() {
    let done = ended("claude-done", 0);
    assert_eq!(done.verdict, Verdict::Succeeded);
    assert_eq!((done.session.as_deref(), done.model.as_deref()), (Some("5e55-1"), Some("m-large")));
    assert_eq!(done.text, "The parser is mended.");
    assert!(same(done.usage, usage(105, 70, 40, Some(0.25))), "{:?}", done.usage);
    assert_eq!(done.tools["Bash"], 1);
    assert!(!done.rate_limit.unwrap().rejected, "a warning is no refusal");

    let done = ended("codex-done", 0);
    assert_eq!((word(&done.verdict).as_str(), done.session.as_deref()), ("succeeded", Some("th-1")));
    assert_eq!(done.text, "There is a rule now.");
    assert!(same(done.usage, usage(500, 200, 50, None)));
    let tools: Vec<_> = done.tools.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(tools, [("command_execution", 2), ("docs.find", 1), ("file_change", 1)]);
    assert!(done.warnings.iter().any(|warning| warning.contains("Reconnecting")), "{:?}", done.warnings);

    let done = ended("gemini-done", 0);
    assert_eq!((word(&done.verdict).as_str(), done.model.as_deref()), ("succeeded", Some("g-large")));
    assert_eq!(done.text, "Tried it.");
    assert!(same(done.usage, usage(100, 40, 30, None)), "{:?}", done.usage);

    let done = ended("opencode-done", 0);
    assert_eq!((word(&done.verdict).as_str(), done.session.as_deref()), ("succeeded", Some("ses_1")));
    assert_eq!(done.text, "It is done,\nas asked.");
    assert!(same(done.usage, usage(122, 10, 15, Some(0.75))), "{:?}", done.usage);

    let done = ended("cursor-done", 0);
    assert_eq!((word(&done.verdict).as_str(), done.session.as_deref()), ("succeeded", Some("c0-1")));
    assert_eq!((done.tools["shell"], done.tools["edit"]), (1, 1));
}

#[test]
fn success_asks_for_a_result_that_says_so_and_exit_0() {
    assert_eq!(word(&ended("claude-success-that-failed", 1).verdict), "failed:service");
    assert_eq!(word(&ended("claude-success-that-failed", 0).verdict), "failed:service");
    let turns = ended("claude-max-turns", 1);
    assert_eq!((word(&turns.verdict).as_str(), turns.text.as_str()), ("failed:turns", "Half of it is done."));
    assert!(why(&turns.verdict).contains("maximum number of turns"), "{turns:?}");
    assert_eq!(word(&ended("claude-done", 1).verdict), "failed:other");
    assert_eq!(word(&of("claude-done", None, &Exit::Signal(9), "").verdict), "failed:other");
    assert_eq!(word(&of("claude-done", None, &Exit::Lingered, "").verdict), "succeeded");
    let clock = Exit::TimedOut("no output for 10m".to_owned());
    assert_eq!(word(&of("claude-done", None, &clock, "").verdict), "succeeded", "its answer came in time to be read");
    assert_eq!(word(&of("claude-done", None, &Exit::Stopped, "").verdict), "failed:stopped");
    assert_eq!(word(&ended("qwen-error", 1).verdict), "failed:request");
    assert_eq!(word(&ended("gemini-loop", 0).verdict), "failed:turns");
    for name in ["codex-interrupted", "opencode-cut"] {
        assert_eq!(word(&ended(name, 0).verdict), "nothing", "{name}");
    }
    let nothing = of("codex-interrupted", None, &clock, "");
    assert!(why(&nothing.verdict).contains("no output for 10m"), "{nothing:?}");
}

#[test]
fn a_tool_that_nobody_could_allow_is_a_failure_although_it_exits_0() {
    let rejected = ended("opencode-rejected", 0);
    assert_eq!(word(&rejected.verdict), "failed:rejected");
    assert!(why(&rejected.verdict).contains("write"), "{rejected:?}");
    assert_eq!(word(&ended("opencode-done-event", 0).verdict), "failed:rejected");
}

#[test]
fn the_last_result_counts_and_a_task_in_the_background_is_waited_for() {
    let text = fixture("claude-background");
    let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
    let mut stream = Stream::new(Format::Claude, None);
    let mut last_words = Vec::new();
    for line in &lines {
        stream.take(line);
        last_words.push(stream.is_final());
    }
    // After the first result a task is left; when it is over a turn follows.
    assert_eq!(last_words, [false, false, false, true, false, false, true]);
    let done = stream.into_outcome(&Exit::Code(0), b"", now());
    assert_eq!(
        (word(&done.verdict).as_str(), done.text.as_str()),
        ("succeeded", "The build failed after all; mended.")
    );
    assert!(same(done.usage, usage(150, 0, 15, Some(0.75))), "{:?}", done.usage);

    let late = Exit::TimedOut("time limit reached".to_owned());
    for (read, wanted) in [(3, "failed:stopped"), (4, "succeeded"), (5, "nothing"), (7, "succeeded")] {
        let done = outcome(Format::Claude, &lines[..read].concat(), 4096, None, &late, "", now());
        assert_eq!(word(&done.verdict), wanted, "{read} lines were read when its time was over");
    }
    let cut: Vec<u8> = lines[..6].concat();
    let cut = outcome(Format::Claude, &cut, 4096, None, &Exit::Signal(15), "", now());
    assert_eq!(word(&cut.verdict), "nothing", "the turn after the first result never ended");
}

#[test]
fn an_account_limit_is_not_a_failure() {
    assert_eq!(word(&ended("claude-limit", 1).verdict), "limited:2026-01-05T11:00:00Z");
    assert_eq!(word(&ended("claude-overage", 0).verdict), "succeeded");
    assert_eq!(word(&ended("codex-limit", 1).verdict), "limited:2026-01-05T11:05:00Z");
    assert_eq!(word(&ended("gemini-error", 0).verdict), "limited:2026-01-05T11:02:03Z");
    let hung = Exit::TimedOut("no output for 10m".to_owned());
    let waiting = "Retrying in 60s (attempt 1/10): [API Error: 429 over the account's rate limit.]\n";
    let begun = br#"{"type":"system","subtype":"init","session_id":"q","model":"m"}"#;
    let done = outcome(Format::Claude, begun, 4096, None, &hung, waiting, now());
    assert_eq!(word(&done.verdict), "limited:?", "it was waiting for its limit, in silence");
}

#[test]
fn a_session_that_counts_on_is_charged_for_this_run_only() {
    let earlier = Some(usage(100, 50, 10, None));
    let done = of("codex-done", earlier, &Exit::Code(0), "");
    assert!(same(done.usage, usage(400, 150, 40, None)), "{:?}", done.usage);
    let done = of("qwen-resumed", earlier, &Exit::Code(0), "");
    assert!(same(done.usage, usage(40, 0, 4, None)), "{:?}", done.usage);
    // Counts by model that hold the earlier runs too, and no increment: the sum of money holds them as well.
    let line = r#"{"type":"result","subtype":"success","is_error":false,"result":"x","session_id":"s","total_cost_usd":0.75,"usage":{"input_tokens":50,"output_tokens":5},"modelUsage":{"m":{"inputTokens":INPUT,"outputTokens":15,"costUSD":0.75}}}"#;
    for (input, cost) in [("150", 0.25), ("50", 0.75)] {
        let earlier = Some(usage(100, 0, 10, Some(0.5)));
        let line = line.replace("INPUT", input);
        let done = outcome(Format::Claude, line.as_bytes(), 4096, earlier, &Exit::Code(0), "", now());
        assert!(same(done.usage, usage(50, 0, 5, Some(cost))), "{:?}", done.usage);
    }
}

#[test]
fn usage_is_known_while_it_runs() {
    let text = fixture("claude-done");
    let mut stream = Stream::new(Format::Claude, None);
    let upto = text.split_inclusive(|b| *b == b'\n').take(4).collect::<Vec<_>>().concat();
    stream.take(&upto);
    assert!(same(stream.usage(), usage(100, 70, 1, None)), "one message in two lines: {:?}", stream.usage());
    assert_eq!((stream.session(), stream.is_final()), (Some("5e55-1"), false));
}

#[test]
fn retries_and_warnings_are_no_signs_of_work() {
    let text = fixture("claude-success-that-failed");
    let mut stream = Stream::new(Format::Claude, None);
    let mut signs = Vec::new();
    for line in text.split_inclusive(|b| *b == b'\n') {
        stream.take(line);
        signs.push(stream.meaningful());
    }
    assert_eq!((signs[0], signs[1], signs[2]), (2, 2, 2));
    assert!(signs[3] > 2, "a result is a sign");
}

#[test]
fn failures_before_any_output_are_classified() {
    let of = |stderr: &str| word(&outcome(Format::Opencode, b"", 1, None, &Exit::Code(1), stderr, now()).verdict);
    assert_eq!(of(""), "failed:busy");
    assert_eq!(of("SQLiteError: database is locked\n"), "failed:busy");
    assert_eq!(of("it cannot be used with root/sudo privileges for security reasons\n"), "failed:set_up");
    assert_eq!(of("Not logged in · Please run /login"), "failed:account");
    let missing = Exit::NotStarted("opencode: No such file or directory".to_owned());
    assert_eq!(word(&outcome(Format::Opencode, b"", 1, None, &missing, "", now()).verdict), "failed:set_up");
    let plain = |code: i32| word(&outcome(Format::Text, b"did it\n", 1, None, &Exit::Code(code), "", now()).verdict);
    assert_eq!((plain(0).as_str(), plain(2).as_str()), ("succeeded", "failed:other"));
}

#[test]
fn what_an_agent_prints_beside_its_events_is_its_text_when_it_failed_without_a_result() {
    let said = outcome(Format::Claude, b"Not logged in\n", 64, None, &Exit::Code(1), "", now()).text;
    assert_eq!(said, "Not logged in");
}

#[test]
fn a_session_id_that_is_no_plain_name_is_not_taken() {
    let line = br#"{"type":"system","subtype":"init","session_id":"--dangerous","model":"m"}"#;
    let done = outcome(Format::Claude, line, 4096, None, &Exit::Code(1), "", now());
    assert_eq!(done.session, None);
    assert!(done.warnings[0].contains("id"), "{:?}", done.warnings);
}

/// Lines as agents print them, with things in the wrong place.
fn odd_line() -> impl Strategy<Value = Vec<u8>> {
    let value = prop::sample::select(vec![
        "null",
        "true",
        "1",
        "-1",
        "1e400",
        "\"x\"",
        "[]",
        "[1,[]]",
        "{}",
        "{\"text\":\"t\",\"type\":\"text\"}",
        "\"\\ud800\"",
        "[{\"type\":\"text\",\"text\":\"hi\"},{\"type\":\"tool_use\",\"name\":\"T\",\"input\":[]}]",
        "{\"message\":{\"message\":1}}",
    ]);
    let key = prop::sample::select(vec![
        "subtype",
        "session_id",
        "message",
        "usage",
        "item",
        "part",
        "error",
        "result",
        "stats",
        "status",
        "tool_call",
        "tasks",
        "model",
        "rate_limit_info",
        "modelUsage",
        "thread_id",
        "sessionID",
        "role",
        "content",
        "type",
    ]);
    let kind = prop::sample::select(vec![
        "system",
        "assistant",
        "user",
        "result",
        "rate_limit_event",
        "tool_call",
        "thread.started",
        "turn.started",
        "turn.completed",
        "turn.failed",
        "item.started",
        "item.completed",
        "error",
        "init",
        "message",
        "tool_use",
        "tool_result",
        "step_start",
        "step_finish",
        "text",
        "done",
        "new",
    ]);
    (kind, prop::collection::vec((key, value), 0..5)).prop_map(|(kind, fields)| {
        let fields: String = fields.iter().map(|(key, value)| format!(",\"{key}\":{value}")).collect();
        format!("{{\"type\":\"{kind}\"{fields}}}\n").into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_bytes_in_any_chunks_are_read(
        lines in prop::collection::vec(prop_oneof![3 => odd_line(), 1 => prop::collection::vec(any::<u8>(), 0..40)], 0..12),
        size in 1_usize..50,
        format in prop::sample::select(FORMATS.to_vec()),
    ) {
        let bytes = lines.concat();
        let (mut whole, mut cut) = (Stream::new(format, None), Stream::new(format, None));
        let together: Vec<Event> = whole.take(&bytes);
        let apart: Vec<Event> = bytes.chunks(size).flat_map(|chunk| cut.take(chunk)).collect();
        prop_assert_eq!(together, apart);
        let (whole, cut) = (whole.into_outcome(&Exit::Code(0), b"", now()), cut.into_outcome(&Exit::Code(0), b"", now()));
        prop_assert_eq!(whole.verdict, cut.verdict);
        prop_assert_eq!(whole.text, cut.text);
    }

    #[test]
    fn a_field_of_a_wrong_type_costs_no_other(
        key in prop::sample::select(vec!["uuid", "model", "usage", "modelUsage", "errors", "error", "tasks", "permission_denials", "total_cost_usd", "rate_limit_info"]),
        value in prop::sample::select(vec!["1", "true", "null", "\"s\"", "[[]]", "{\"a\":{}}"]),
        first in any::<bool>(),
    ) {
        let odd = format!("\"{key}\":{value}");
        let rest = r#""type":"result","subtype":"success","is_error":false,"result":"kept","session_id":"s-1""#;
        let line = if first { format!("{{{odd},{rest}}}") } else { format!("{{{rest},{odd}}}") };
        let done = outcome(Format::Claude, line.as_bytes(), 4096, None, &Exit::Code(0), "", now());
        prop_assert_eq!(word(&done.verdict), "succeeded");
        prop_assert_eq!((done.text.as_str(), done.session.as_deref()), ("kept", Some("s-1")));
    }
}

#[test]
fn silence_before_any_output_is_an_outage() {
    let began = concat!(r#"{"type":"system","subtype":"init","session_id":"s","model":"m"}"#, "\n");
    let spoke =
        concat!(r#"{"type":"assistant","message":{"role":"assistant","content":[{"type":"text","text":"x"}]}}"#, "\n");
    let hung = Exit::TimedOut("no output for too long".to_owned());
    for (stream, wanted) in [(began.to_owned(), true), (format!("{began}{spoke}"), false)] {
        let done = outcome(Format::Claude, stream.as_bytes(), 4096, None, &hung, "", now());
        assert_eq!(done.worked, !wanted);
        assert!(matches!(done.verdict, Verdict::NoResult { outage, .. } if outage == wanted), "{:?}", done.verdict);
    }
    // Killed for memory: that comes again, and is no outage of the service.
    let killed = Exit::OverLimit("out of memory".to_owned());
    let done = outcome(Format::Claude, began.as_bytes(), 4096, None, &killed, "", now());
    assert!(matches!(done.verdict, Verdict::NoResult { outage: false, .. }), "{:?}", done.verdict);
    assert!(why(&done.verdict).contains("it was killed: out of memory"), "{:?}", done.verdict);
    let aider = "Aider v0.86\nlitellm.InternalServerError: the service is overloaded\n";
    let done = outcome(Format::Text, aider.as_bytes(), 4096, None, &Exit::Code(0), "", now());
    assert!(matches!(done.verdict, Verdict::Failed { kind: teof::agents::Kind::Service, .. }), "{:?}", done.verdict);
}

#[test]
fn help_output_after_a_wrong_argument_is_not_an_outage() {
    let help =
        "Invalid --session-id: \"x\".\nUsage: qwen [options]\n  --proxy  network connection\n  -h, --help  Show help\n";
    let conclusion = Stream::new(Format::Claude, None).into_outcome(&Exit::Code(1), help.as_bytes(), now());
    let Verdict::Failed { why, kind } = conclusion.verdict else { panic!("{:?}", conclusion.verdict) };
    assert!(kind == teof::agents::Kind::SetUp && why.contains("Invalid --session-id"), "{kind:?} {why}");
}

#[test]
fn a_network_error_on_stderr_before_the_service_answered_is_an_outage() {
    let began = concat!(r#"{"type":"system","subtype":"init","session_id":"s","model":"m"}"#, "\n");
    let spoke =
        concat!(r#"{"type":"assistant","message":{"role":"assistant","content":[{"type":"text","text":"x"}]}}"#, "\n");
    for stderr in
        ["Error: connect ETIMEDOUT 160.79.104.10:443\n", "Unable to connect. Is the computer able to access the url?"]
    {
        let end = |stream: &str| {
            outcome(Format::Claude, stream.as_bytes(), 4096, None, &Exit::Code(1), stderr, now()).verdict
        };
        let silent = end("");
        assert!(matches!(silent, Verdict::Failed { kind: teof::agents::Kind::Service, .. }), "{silent:?}");
        let cut = end(began);
        assert!(matches!(cut, Verdict::NoResult { outage: true, .. }), "{cut:?}");
        // It worked; its stderr may be of anything.
        let worked = end(&format!("{began}{spoke}"));
        assert!(matches!(worked, Verdict::NoResult { outage: false, .. }), "{worked:?}");
    }
    let stderr = "cannot open the terminal";
    let end = outcome(Format::Claude, b"", 4096, None, &Exit::Code(1), stderr, now()).verdict;
    assert!(matches!(end, Verdict::Failed { kind: teof::agents::Kind::SetUp, .. }), "{end:?}");
}

#[test]
fn an_answer_that_quotes_a_failed_test_is_no_outage() {
    let quoted = "The test fails: connect ETIMEDOUT 127.0.0.1:5432, API Error: 503, You've hit your usage limit";
    let answer =
        format!(r#"{{"type":"result","subtype":"success","is_error":false,"result":"{quoted}","session_id":"s"}}"#);
    let done = outcome(Format::Claude, answer.as_bytes(), 4096, None, &Exit::Code(0), quoted, now());
    assert_eq!(done.verdict, Verdict::Succeeded);
}
