//! The next call continues what an unfinished call left, whatever stopped it.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use teof::foreman::calls::notes;

use super::{Fixture, assert_verdict, finding};
use crate::harness::agents::{APPROVE, DONE, Fake};
use crate::harness::until;

const HALF: &str = "say 'half of it'; echo half >> src/code.txt; use_tokens 70";
const OVERLOADED: &str = r#"result success true 'API Error: 529 {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'; exit 1"#;

fn on_branch(fixture: &Fixture) -> String {
    fixture.show("agent/codex-1/docs:src/code.txt")
}

/// The arguments of a call without the line's end.
fn args(fake: &Fake, call: u32) -> String {
    fake.args(call).trim().to_owned()
}

#[test]
fn work_in_progress_survives_limits_and_outages() {
    let ends = [
        ("limit", format!("{HALF}\nlimit 4102444800"), "paused"),
        ("outage", format!("{HALF}\n{OVERLOADED}"), "paused"),
        ("a broken stream", format!("{HALF}\necho 'Connection error.' >&2; exit 1"), "failed"),
        ("its own end", format!("{HALF}\nkill -9 $$"), "failed"),
    ];
    for (what, script, verdict) in ends {
        let fixture = Fixture::new();
        fixture.coder.on(1, &script);
        let first = fixture.run("run-1");
        assert_verdict(&first, verdict);
        assert_eq!(first["suspended"]["outage"], if what == "outage" { json!(true) } else { Value::Null }, "{what}");
        let outcome = fixture.run("run-2");
        assert_verdict(&outcome, "succeeded");
        assert_eq!(on_branch(&fixture), "one\ntwo\nhalf\nthree", "{what}: the work goes on as it was");
        let session = args(&fixture.coder, 1).replace("--session-id", "--resume");
        assert_eq!(args(&fixture.coder, 2), session, "{what}: in the agent's own session");
        let prompt = fixture.coder.prompt(2);
        assert!(
            prompt.starts_with("# Do one piece of work\n\n## Continue your work") && !prompt.contains("## The goal"),
            "{prompt}"
        );
        assert!(prompt.contains("## Guardrails"), "{prompt}");
    }
}

#[test]
fn a_call_that_ran_out_of_time_goes_on_in_its_own_session() {
    let fixture = Fixture::new().with("guardrails.wall", json!("6s"));
    fixture.coder.on(1, &format!("{HALF}\nexec sleep 1000"));
    assert_verdict(&fixture.run("run-1"), "succeeded");
    assert_eq!(on_branch(&fixture), "one\ntwo\nhalf\nthree", "in the worktree as it was");
    assert_eq!(args(&fixture.coder, 2), args(&fixture.coder, 1).replace("--session-id", "--resume"));
    assert!(
        fixture.coder.prompt(2).starts_with("# Do one piece of work\n\n## Continue your work"),
        "{}",
        fixture.coder.prompt(2)
    );
}

#[test]
fn a_job_whose_text_agent_always_reads_like_an_outage_becomes_a_persons() {
    let fixture = Fixture::new().with("roles.coder", json!({"agent": "plain"}));
    let program = Value::from(fixture.coder.program().display().to_string());
    let folder = Value::from(format!("{}/", fixture.coder.program().parent().unwrap().display()));
    fixture.settings(&format!("[agents.plain]\ncommand = [{program}]\nformat = \"text\"\nwrite = [{folder}]\n"));
    let words = "503 Service Unavailable, says the test";
    for call in 1..=16 {
        fixture.coder.on(call, &format!("echo '{words}' >&2; exit 1"));
    }
    // Another failure in between: not in a row.
    fixture.coder.on(2, "echo 'it does not compile' >&2; exit 1");
    for call in 1..=14 {
        let outcome = fixture.run(&format!("run-{call}"));
        assert_verdict(&outcome, if call == 2 { "failed" } else { "paused" });
        assert_eq!(outcome["suspended"]["outage"] == true, call != 2, "{outcome:#}");
    }
    let outcome = fixture.run("run-15");
    assert_verdict(&outcome, "failed");
    assert!(outcome["suspended"].is_null() && outcome["reason"].as_str().unwrap().contains(words), "{outcome:#}");
    assert_eq!(outcome["needs_person"], true, "no attempt is used: {outcome:#}");
    assert_verdict(&fixture.run("run-16"), "paused");
}

#[test]
fn an_agent_without_sessions_finds_its_work_and_reads_what_it_is() {
    let fixture = Fixture::new().with("roles.coder", json!({"agent": "plain"}));
    let program = Value::from(fixture.coder.program().display().to_string());
    let folder = Value::from(format!("{}/", fixture.coder.program().parent().unwrap().display()));
    fixture.settings(&format!("[agents.plain]\ncommand = [{program}]\nformat = \"claude\"\nwrite = [{folder}]\n"));
    fixture.coder.on(1, &format!("echo new > src/new.txt\n{HALF}\nlimit 4102444800"));
    let first = fixture.run("run-1");
    assert_verdict(&first, "paused");
    let reason = first["suspended"]["reason"].as_str().unwrap();
    assert!(!first["reason"].as_str().unwrap().contains("21"), "a reason names no time: {reason}");
    assert_verdict(&fixture.run("run-2"), "succeeded");
    assert_eq!(on_branch(&fixture), "one\ntwo\nhalf\nthree");
    assert_eq!(fixture.show("agent/codex-1/docs:src/new.txt"), "new");
    let prompt = fixture.coder.prompt(2);
    assert!(prompt.starts_with("# Do one piece of work\n\n## Work in progress"), "{prompt}");
    assert!(prompt.contains("> src/code.txt\n> src/new.txt\n") && prompt.contains("## The goal"), "{prompt}");
}

#[test]
fn a_killed_workers_call_is_counted_from_its_stream_and_gone_on_with() {
    let fixture = Fixture::new();
    fixture.coder.on(1, &format!("{HALF}\nexec sleep 1000"));
    let order = fixture.write_order();
    let mut worker = fixture.world.spawn(&["foreman", "run", &order, "--execute", "--run", "run-1"]);
    until("the coder begins", || heard(&fixture));
    worker.kill().unwrap();
    worker.wait().unwrap();
    let session = |id: &str| fixture.world.json(&["session", "show", id]);
    assert_eq!(session("run-1-coder-1-1")["status"], "lost");
    let note = notes::add(&hub(&fixture), "job-1", "ada", "spell it THREE").unwrap();
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "succeeded");
    assert_eq!(on_branch(&fixture), "one\ntwo\nhalf\nthree");
    // 70 of the killed call; 110 of the coder's and of the reviewer's.
    let usage = &outcome["usage"];
    assert_eq!(usage["input_tokens"].as_u64().unwrap() + usage["output_tokens"].as_u64().unwrap(), 290, "{usage}");
    assert!(fixture.coder.prompt(2).contains("> spell it THREE"));
    assert_eq!(session("run-1-coder-1-2")["parent_id"], "run-1-coder-1-1");
    assert_eq!(notes::given(&note), None, "with the job its notes are gone");
}

#[test]
fn a_killed_workers_stream_that_cannot_be_read_counts_nothing_and_stops_no_attempt() {
    for (is_readable, tokens) in [(true, 290), (false, 220)] {
        let fixture = Fixture::new();
        fixture.coder.on(1, &format!("{HALF}\nexec sleep 1000"));
        let order = fixture.write_order();
        let mut worker = fixture.world.spawn(&["foreman", "run", &order, "--execute", "--run", "run-1"]);
        until("the coder begins", || heard(&fixture));
        worker.kill().unwrap();
        worker.wait().unwrap();
        let stream = stream(&fixture).unwrap();
        if is_readable {
            // More than is read at once; the kernel keeps no zeros of it.
            fs::File::options().write(true).open(&stream).unwrap().set_len(260 << 20).unwrap();
        } else {
            fs::rename(&stream, stream.with_extension("moved")).unwrap();
            std::os::unix::fs::symlink("stream.moved", &stream).unwrap();
        }
        let outcome = fixture.run("run-1");
        assert_verdict(&outcome, "succeeded");
        let usage = &outcome["usage"];
        assert_eq!(
            usage["input_tokens"].as_u64().unwrap() + usage["output_tokens"].as_u64().unwrap(),
            tokens,
            "{usage}"
        );
    }
}

/// Whether the worker has heard what the coder used.
fn heard(fixture: &Fixture) -> bool {
    stream(fixture).is_some_and(|path| fs::read_to_string(path).unwrap().contains("input_tokens"))
}

/// The raw output of the coder's first call.
fn stream(fixture: &Fixture) -> Option<PathBuf> {
    let projects = fs::read_dir(fixture.world.folder().join("state/teof/projects")).into_iter().flatten().flatten();
    projects.map(|project| project.path().join("sessions/run-1-coder-1-1/stream.log")).find(|path| path.exists())
}

fn hub(fixture: &Fixture) -> teof::hub::Hub {
    teof::hub::Hub::find(Some(&fixture.world.repo), teof::base::Clock::Machine).unwrap()
}

#[test]
fn a_session_that_cannot_be_continued_costs_nothing_but_the_session() {
    let fixture = Fixture::new();
    fixture.coder.on(1, &format!("{HALF}\nlimit 4102444800"));
    fixture.coder.on(2, "result error_during_execution true 'No conversation found with session ID'; exit 1");
    assert_verdict(&fixture.run("run-1"), "paused");
    assert_verdict(&fixture.run("run-2"), "succeeded");
    assert_eq!(fixture.coder.calls(), 3);
    assert!(
        args(&fixture.coder, 3).starts_with("--session-id=")
            && fixture.coder.prompt(3).starts_with("# Do one piece of work\n\n## Work in progress")
    );
    assert_eq!(on_branch(&fixture), "one\ntwo\nhalf\nthree");
}

#[test]
fn an_agents_own_limit_of_turns_is_continued_a_few_times() {
    let turns = "result error_max_turns true 'Reached maximum number of turns'; exit 1";
    let fixture = Fixture::new();
    fixture.coder.on(1, &format!("{HALF}\n{turns}")).on(2, turns);
    assert_verdict(&fixture.run("run-1"), "succeeded");
    assert_eq!((fixture.coder.calls(), on_branch(&fixture).as_str()), (3, "one\ntwo\nhalf\nthree"));
    assert!(args(&fixture.coder, 3).starts_with("--resume="));

    let fixture = Fixture::new();
    fs::write(fixture.coder.file("default"), turns).unwrap();
    let outcome = fixture.run("run-1");
    assert_eq!((outcome["needs_person"].as_bool(), fixture.coder.calls()), (Some(true), 4), "{outcome:#}");
}

#[test]
fn failures_that_need_a_person_are_not_retried() {
    for (said, word) in [
        ("API Error: 400 Your credit balance is too low to access the API", "pay for"),
        ("429 You exceeded your current quota (insufficient_quota)", "pay for"),
        ("API Error: 404 model: claude-9 not_found_error", "model"),
        ("API Error: 400 bad request", "a retry without a change fails again"),
        ("API Error: 401 invalid x-api-key", "agent doctor"),
    ] {
        let fixture = Fixture::new();
        fs::write(fixture.coder.file("default"), format!("result success true '{said}'; exit 1")).unwrap();
        let outcome = fixture.run("run-1");
        assert_verdict(&outcome, "failed");
        assert_eq!((outcome["needs_person"].as_bool(), fixture.coder.calls()), (Some(true), 1), "{outcome:#}");
        assert!(outcome["reason"].as_str().unwrap().to_lowercase().contains(word), "{outcome:#}");
    }
}

#[test]
fn the_remaining_budget_is_passed_to_the_agent() {
    let fixture = Fixture::new().with("budget", json!({"cost": 0.5})).with("roles.coder", json!({"agent": "frugal"}));
    let program = Value::from(fixture.coder.program().display().to_string());
    let folder = Value::from(format!("{}/", fixture.coder.program().parent().unwrap().display()));
    fixture.settings(&format!(
        "[agents.frugal]\ncommand = [{program}]\nformat = \"claude\"\nwrite = [{folder}]\nbudget_args = [\"--max-budget-usd={{budget}}\"]\n"
    ));
    fixture.coder.on(1, &format!("echo tree >> src/code.txt\n{DONE}"));
    fs::write(fixture.judge.file("default"), APPROVE).unwrap();
    assert_verdict(&fixture.run("run-1"), "succeeded");
    assert_eq!(args(&fixture.coder, 1), "--max-budget-usd=0.50");
    assert_eq!(args(&fixture.coder, 2), "--max-budget-usd=0.49");
}

#[test]
fn what_people_said_and_the_stage_stand_in_every_prompt_of_a_job() {
    let said = json!([{"code": "review.retry", "severity": "high", "message": "mind the tests"}]);
    let fixture =
        Fixture::new().with("stages", json!(["planner", "coder", "reviewer"])).with("said_before", said.clone());
    notes::add(&hub(&fixture), "job-1", "ada", "spell it THREE").unwrap();
    // An answer that cannot be read, no change, a failed test, and a call that ends early.
    fixture.coder.on(1, "answer 'first the tests'").on(2, DONE).on(3, DONE);
    fixture.coder.on(4, &format!("echo four >> src/code.txt\n{DONE}")).on(5, "say 'I begin'\nexit 1");
    fixture.judge.on(1, "answer 'hm'");
    assert_verdict(&fixture.run("run-1"), "failed");
    let outcome = fixture.run("run-2");
    assert_verdict(&outcome, "succeeded");
    let rework = json!({"nth": 1, "passes_used": 0, "carry": outcome["commit"], "findings": said});
    let fixture = fixture.with("rework", rework);
    fixture.coder.on(7, &format!("echo five >> src/code.txt\n{DONE}"));
    assert_verdict(&fixture.run("run-3"), "succeeded");
    assert_eq!((fixture.coder.calls(), fixture.judge.calls()), (7, 3));
    let called = (1..=7).map(|n| (&fixture.coder, n)).chain((1..=3).map(|n| (&fixture.judge, n)));
    let mut stages = Vec::new();
    for (agent, n) in called {
        let prompt = agent.prompt(n);
        for words in ["\n> spell it THREE\n", "\n> - mind the tests\n"] {
            assert_eq!(prompt.matches(words).count(), 1, "{} {n}: {prompt}", agent.name);
        }
        let environment = fs::read_to_string(agent.file(&format!("{n}.env"))).unwrap();
        let stage = environment.lines().find_map(|line| line.strip_prefix("TEOF_STAGE=")).unwrap().to_owned();
        let title = match &*stage {
            "planner" => "# Plan one piece of work\n\n",
            "coder" => "# Do one piece of work\n\n",
            _ => "# Review one piece of work\n\n",
        };
        assert!(prompt.starts_with(title) && prompt.matches(title).count() == 1, "{} {n}: {prompt}", agent.name);
        stages.push(stage);
    }
    assert_eq!(stages, [&["planner"; 2][..], &["coder"; 5], &["reviewer"; 3]].concat());
}

#[test]
fn an_agent_of_plain_text_needs_no_json_and_a_stream_read_as_text_is_named() {
    let agent = |fixture: &Fixture, name: &str, of: &Fake| {
        let (program, folder) = (of.program(), of.program().parent().unwrap().display().to_string());
        fixture.settings(&format!(
            "[agents.{name}]\ncommand = [{program:?}]\nformat = \"text\"\nwrite = [\"{folder}/\"]\n"
        ));
    };
    let fixture =
        Fixture::new().with("stages", json!(["planner", "coder"])).with("roles.coder", json!({"agent": "plain"}));
    let plain = Fake::new(&fixture.world.folder(), "plain-text", "");
    fs::write(
        plain.program(),
        "#!/bin/sh\ncat > /dev/null\n[ $TEOF_STAGE = planner ] || echo three >> src/code.txt\necho did it\n",
    )
    .unwrap();
    agent(&fixture, "plain", &plain);
    let fixture = fixture.with("roles.planner", json!({"agent": "plain"}));
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "succeeded");
    assert!(finding(&outcome, "answer.unreadable").is_none(), "{outcome:#}");

    let fixture = Fixture::new().with("roles.reviewer", json!({"agent": "odd"}));
    agent(&fixture, "odd", &fixture.judge);
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "failed");
    let reason = outcome["reason"].as_str().unwrap();
    assert!(reason.contains("looks like claude's stream: set format = \"claude\" in [agents.odd]"), "{reason}");
}
