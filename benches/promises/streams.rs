//! Reading agents' streams: how fast each format's lines become events, against finding the newlines alone.

use std::hint::black_box;
use std::io::BufRead;

use teof::agents::{Exit, Stream, Verdict};
use teof::base::Stamp;
use teof::model::agent::Format;

use crate::measure::{median, time};

/// So much is printed, in chunks as pipes give them.
const BYTES: usize = 128 << 20;
const CHUNK: usize = 64 << 10;
/// MB/s, on one core.
const TARGET: f64 = 200.0;

pub fn streams() {
    let formats = [
        ("claude", Format::Claude, claude as fn(usize) -> String, CLAUDE_END),
        (
            "codex",
            Format::Codex,
            codex,
            "{\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}\n",
        ),
        (
            "gemini",
            Format::Gemini,
            gemini,
            "{\"type\":\"result\",\"status\":\"success\",\"stats\":{\"total_tokens\":1}}\n",
        ),
        ("opencode", Format::Opencode, opencode, OPENCODE_END),
        ("text", Format::Text, |n| format!("step {n}: compiled {} files without a word\n", n % 97), "done\n"),
    ];
    for (name, format, round, end) in formats {
        let mut bytes = Vec::with_capacity(BYTES + CHUNK);
        for n in 0.. {
            if bytes.len() >= BYTES {
                break;
            }
            bytes.extend_from_slice(round(n).as_bytes());
        }
        bytes.extend_from_slice(end.as_bytes());
        let (mut ours, mut baseline) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            ours.push(time(|| read(format, &bytes)));
            baseline.push(time(|| lines(&bytes)));
        }
        let (ours, baseline) = (median(ours), median(baseline));
        let rate = |took: std::time::Duration| bytes.len() as f64 / 1e6 / took.as_secs_f64();
        let verdict = if rate(ours) >= TARGET { "met" } else { "MISSED" };
        println!(
            "{name:<34} {:>9.1} ms   {:.0} MB   {:.0} MB/s (target {TARGET}) {verdict}; newlines alone {:.0} MB/s",
            ours.as_secs_f64() * 1e3,
            bytes.len() as f64 / 1e6,
            rate(ours),
            rate(baseline)
        );
    }
}

fn read(format: Format, bytes: &[u8]) {
    let mut stream = Stream::new(format, None);
    for chunk in bytes.chunks(CHUNK) {
        black_box(stream.take(chunk));
    }
    let done = stream.into_outcome(&Exit::Code(0), b"", Stamp::from_unix(1_800_000_000));
    assert_eq!(done.verdict, Verdict::Succeeded);
}

fn lines(bytes: &[u8]) {
    let (mut rest, mut count) = (bytes, 0_usize);
    while let Ok(1..) = rest.skip_until(b'\n') {
        count += 1;
    }
    black_box(count);
}

/// Source text as tools print it, with the escapes that JSON makes of it.
fn listing(n: usize) -> String {
    (0..40).map(|line| format!("    let value_{line} = parse(\\\"input {n}\\\", {line})?;\\n")).collect()
}

const CLAUDE_END: &str =
    "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"done\",\"session_id\":\"s\"}\n";
const OPENCODE_END: &str = "{\"type\":\"step_finish\",\"sessionID\":\"s\",\"part\":{\"reason\":\"stop\"}}\n";

fn claude(n: usize) -> String {
    let usage = "\"usage\":{\"input_tokens\":12670,\"output_tokens\":1,\"cache_creation_input_tokens\":20,\"cache_read_input_tokens\":900}";
    let rest = format!(
        "\"parent_tool_use_id\":null,\"session_id\":\"s\",\"uuid\":\"u-{n}\",\"timestamp\":\"2026-01-05T10:00:00Z\""
    );
    let message = |content: &str| {
        format!(
            "{{\"type\":\"assistant\",\"message\":{{\"id\":\"m{n}\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[{content}],{usage}}},{rest}}}\n"
        )
    };
    let text = listing(n);
    [
        message("{\"type\":\"text\",\"text\":\"Now I look at the next file, which has \\\"quotes\\\" in it.\"}"),
        message(&format!("{{\"type\":\"tool_use\",\"id\":\"t{n}\",\"name\":\"Read\",\"input\":{{\"file_path\":\"/tree/src/file_{n}.rs\"}}}}")),
        format!(
            "{{\"type\":\"user\",\"message\":{{\"role\":\"user\",\"content\":[{{\"tool_use_id\":\"t{n}\",\"type\":\"tool_result\",\"content\":\"{text}\"}}]}},{rest},\"tool_use_result\":{{\"type\":\"text\",\"file\":{{\"content\":\"{text}\",\"numLines\":40}}}}}}\n"
        ),
    ]
    .concat()
}

fn codex(n: usize) -> String {
    let text = listing(n);
    format!(
        "{{\"type\":\"item.completed\",\"item\":{{\"id\":\"a{n}\",\"type\":\"agent_message\",\"text\":\"I look at file {n}.\"}}}}\n\
         {{\"type\":\"item.started\",\"item\":{{\"id\":\"c{n}\",\"type\":\"command_execution\",\"command\":\"cat {n}\",\"aggregated_output\":\"\",\"exit_code\":null,\"status\":\"in_progress\"}}}}\n\
         {{\"type\":\"item.completed\",\"item\":{{\"id\":\"c{n}\",\"type\":\"command_execution\",\"command\":\"cat {n}\",\"aggregated_output\":\"{text}\",\"exit_code\":0,\"status\":\"completed\"}}}}\n"
    )
}

fn gemini(n: usize) -> String {
    let text = listing(n);
    format!(
        "{{\"type\":\"message\",\"timestamp\":\"2026-01-05T10:00:00.000Z\",\"role\":\"assistant\",\"content\":\"I look at file {n}.\",\"delta\":true}}\n\
         {{\"type\":\"tool_use\",\"timestamp\":\"2026-01-05T10:00:00.000Z\",\"tool_name\":\"read_file\",\"tool_id\":\"t{n}\",\"parameters\":{{\"file_path\":\"{n}.rs\"}}}}\n\
         {{\"type\":\"tool_result\",\"timestamp\":\"2026-01-05T10:00:00.000Z\",\"tool_id\":\"t{n}\",\"status\":\"success\",\"output\":\"{text}\"}}\n"
    )
}

fn opencode(n: usize) -> String {
    let text = listing(n);
    format!(
        "{{\"type\":\"step_start\",\"timestamp\":1795226076694,\"sessionID\":\"s\",\"part\":{{\"id\":\"p{n}\",\"type\":\"step-start\"}}}}\n\
         {{\"type\":\"tool_use\",\"timestamp\":1795226076695,\"sessionID\":\"s\",\"part\":{{\"type\":\"tool\",\"tool\":\"read\",\"callID\":\"c{n}\",\"state\":{{\"status\":\"completed\",\"input\":{{\"filePath\":\"{n}.rs\"}},\"output\":\"{text}\",\"metadata\":{{\"preview\":\"{text}\",\"truncated\":false}},\"title\":\"{n}.rs\"}}}}}}\n\
         {{\"type\":\"step_finish\",\"timestamp\":1795226076895,\"sessionID\":\"s\",\"part\":{{\"reason\":\"tool-calls\",\"type\":\"step-finish\",\"tokens\":{{\"input\":7719,\"output\":17,\"reasoning\":0,\"cache\":{{\"write\":0,\"read\":0}}}},\"cost\":0.007753}}}}\n"
    )
}
