//! Recordings of the real programs, where somebody has them: the environment variable `TEOF_AGENT_CORPUS`
//! names a folder of `<agent>/<case>.ndjson`, beside each its stderr, and `INDEX.tsv` with how each ended.
//! Without the variable the test does nothing: recordings are no part of the project.

use std::path::Path;

use teof::agents::Exit;
use teof::base::Stamp;
use teof::model::agent::{Format, Usage};

use super::{outcome, same, usage, word};

/// What a person who reads a recording would say: agent, case, verdict, input tokens, output tokens, dollars, answer.
type Expected = (&'static str, &'static str, &'static str, u64, u64, Option<f64>, &'static str);

const DONE: &str = "All done: hello.txt is there.";
const BEGUN: &str = "I will write the file.";

#[rustfmt::skip]
const EXPECTED: &[Expected] = &[
    ("claude", "ok", "succeeded", 38346, 51, Some(0.154404), DONE),
    ("claude", "ok-commit", "succeeded", 38384, 51, Some(0.154556), DONE),
    ("claude", "error400", "failed:request", 0, 0, Some(0.0), ""),
    ("claude", "error401", "failed:account", 0, 0, None, ""),
    ("claude", "error500-exhaust", "failed:service", 0, 0, Some(0.0), ""),
    ("claude", "rate429-once", "succeeded", 38371, 51, Some(0.154504), DONE),
    ("claude", "rate429-exhaust", "limited:?", 0, 0, Some(0.0), ""),
    ("claude", "cut-once", "succeeded", 38361, 51, Some(0.154464), DONE),
    ("claude", "hang", "nothing", 0, 0, None, ""),
    ("claude", "resume", "succeeded", 38356, 51, Some(0.154444), DONE),
    ("claude", "resume.step2", "succeeded", 12915, 17, Some(0.052), "I resumed."),
    ("claude", "claude-bg-task", "succeeded", 38627, 51, Some(0.155528), "The background task ended."),
    ("claude", "claude-session-limit", "limited:2026-11-21T02:59:40Z", 12612, 17, Some(0.025394), BEGUN),
    ("claude", "claude-approval", "succeeded", 38263, 51, Some(0.154072), DONE),
    ("codex", "ok", "succeeded", 42191, 51, None, DONE),
    ("codex", "ok-commit", "succeeded", 42230, 51, None, DONE),
    ("codex", "error400", "failed:request", 0, 0, None, ""),
    ("codex", "error401", "failed:account", 0, 0, None, ""),
    ("codex", "rate429", "limited:?", 0, 0, None, ""),
    ("codex", "rate429-once", "succeeded", 42215, 51, None, DONE),
    ("codex", "cut", "failed:service", 0, 0, None, ""),
    ("codex", "hang", "nothing", 0, 0, None, ""),
    ("codex", "resume", "succeeded", 42200, 51, None, DONE),
    ("codex", "resume.step2", "succeeded", 14301, 17, None, "I resumed."),
    ("codex", "codex-usage-limit", "limited:2026-11-21T02:57:00Z", 0, 0, None, BEGUN),
    ("codex", "codex-sandbox", "succeeded", 43083, 51, None, "done"),
    ("gemini", "ok", "succeeded", 37365, 68, None, DONE),
    ("gemini", "ok-commit", "succeeded", 37419, 68, None, DONE),
    ("gemini", "error400", "failed:request", 899, 17, None, ""),
    ("gemini", "error401", "failed:account", 899, 17, None, ""),
    ("gemini", "rate429-exhaust", "limited:?", 904, 17, None, ""),
    ("gemini", "cut", "failed:service", 895, 17, None, "This sentence will never be finished bec"),
    ("gemini", "hang", "nothing", 0, 0, None, ""),
    ("gemini", "resume", "succeeded", 37384, 68, None, DONE),
    ("gemini", "resume.step2", "succeeded", 13724, 34, None, "I resumed."),
    ("gemini", "gemini-quota", "limited:2026-11-21T03:00:01Z", 12930, 34, None, BEGUN),
    ("opencode", "ok", "succeeded", 23409, 51, Some(0.023511), DONE),
    ("opencode", "ok-commit", "succeeded", 23444, 51, Some(0.023546), DONE),
    ("opencode", "error400", "failed:request", 0, 0, None, ""),
    ("opencode", "rate429", "limited:?", 0, 0, None, ""),
    ("opencode", "rate429-once", "succeeded", 23429, 51, Some(0.023531), DONE),
    ("opencode", "cut", "failed:service", 0, 0, None, ""),
    ("opencode", "hang", "nothing", 0, 0, None, ""),
    ("opencode", "resume", "succeeded", 23417, 51, Some(0.023519), DONE),
    ("opencode", "resume.step2", "succeeded", 7905, 17, Some(0.007939), "I resumed."),
    ("opencode", "opencode-reject", "failed:rejected", 7725, 17, Some(0.007759), BEGUN),
    ("qwen", "ok", "succeeded", 59262, 51, None, DONE),
    ("qwen", "error400", "failed:request", 0, 0, None, "[API Error: 400 mock bad request]"),
    ("qwen", "rate429-exhaust", "limited:?", 0, 0, None, ""),
    ("qwen", "cut", "failed:service", 0, 0, None, "This sentence"),
    ("qwen", "resume", "succeeded", 59280, 51, None, DONE),
    ("qwen", "resume.step2", "succeeded", 31343, 34, None, "I resumed."),
];

#[test]
fn every_recording_in_the_folder_that_teof_agent_corpus_names_is_read_as_a_person_would() {
    let Some(folder) = std::env::var_os("TEOF_AGENT_CORPUS") else { return };
    let folder = Path::new(&folder);
    let index = std::fs::read_to_string(folder.join("INDEX.tsv")).unwrap();
    let (mut wrong, mut cases) = (Vec::new(), 0);
    for line in index.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [agent, case, exit, ..] = columns[..] else { panic!("{line}") };
        let expected = EXPECTED.iter().find(|row| (row.0, row.1) == (agent, case));
        let Some(expected) = expected else {
            wrong.push(format!("{agent}/{case}: nobody said what is expected"));
            continue;
        };
        cases += 1;
        for size in [7, 1 << 20] {
            wrong.extend(check(folder, expected, exit.parse().unwrap(), size));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(cases, EXPECTED.len(), "every expectation has its recording");
}

fn check(folder: &Path, expected: &Expected, exit: i32, size: usize) -> Option<String> {
    let (agent, case, verdict, input, output, cost, answer) = *expected;
    let read = |ending: &str| std::fs::read(folder.join(agent).join(format!("{case}.{ending}"))).unwrap_or_default();
    let (stdout, stderr) = (read("ndjson"), read("stderr"));
    let exit = if exit < 0 { Exit::Signal(-exit) } else { Exit::Code(exit) };
    // A run that goes on with a session is charged for itself alone.
    let earlier = case.strip_suffix(".step2").map(|first| {
        let first = EXPECTED.iter().find(|row| (row.0, row.1) == (agent, first)).unwrap();
        usage(first.3, 0, first.4, first.5)
    });
    let now = Stamp::parse("2026-11-21T02:00:00Z").unwrap();
    let done = outcome(format(agent), &stdout, size, earlier, &exit, &String::from_utf8_lossy(&stderr), now);
    let wanted: Usage = usage(input, 0, output, cost);
    let mut wrong = Vec::new();
    if word(&done.verdict) != verdict {
        wrong.push(format!("{:?}, not {verdict}", done.verdict));
    }
    if !same(done.usage, wanted) {
        wrong.push(format!("{:?}, not {wanted:?}", done.usage));
    }
    if if answer.is_empty() { !done.text.is_empty() } else { !done.text.starts_with(answer) } {
        wrong.push(format!("{:?}, not {answer:?}", done.text));
    }
    if done.session != session(&stdout) {
        wrong.push(format!("{:?}, not {:?}", done.session, session(&stdout)));
    }
    (!wrong.is_empty()).then(|| format!("{agent}/{case}: {}", wrong.join("; ")))
}

fn format(agent: &str) -> Format {
    match agent {
        "codex" => Format::Codex,
        "gemini" => Format::Gemini,
        "opencode" => Format::Opencode,
        _ => Format::Claude,
    }
}

/// The first thing that looks like a session's id.
fn session(stdout: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stdout);
    ["\"session_id\":\"", "\"thread_id\":\"", "\"sessionID\":\""]
        .into_iter()
        .find_map(|key| Some(text.split_once(key)?.1.split_once('"')?.0.to_owned()))
}
