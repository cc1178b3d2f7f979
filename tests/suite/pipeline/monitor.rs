//! The monitor of agents' streams with real processes: what is recorded, told, paused and stopped; notes into a
//! session; agents that give no sign of life.

use serde_json::{Value, json};
use teof::exec::Support;
use teof::foreman::calls::notes;
use teof::foreman::results::call_record::How;

use super::{Fixture, assert_verdict, finding};
use crate::harness::agents::DONE;
use crate::harness::until;

/// The alerts of one kind on the bus.
fn alerts(fixture: &Fixture, kind: &str) -> Vec<String> {
    let events = fixture.world.lines("_bus/events/events.jsonl");
    let alerts = events.iter().filter(|event| event["event"] == "alert" && event["meta"]["kind"] == kind);
    alerts.map(|event| event["summary"].as_str().unwrap().to_owned()).collect()
}

/// The coder's first call in the envelope of the only run.
fn call(fixture: &Fixture, outcome: &Value) -> Value {
    let envelope = fixture.world.read_json(outcome["envelope"].as_str().unwrap());
    let stages = envelope["stages"].as_array().unwrap();
    stages.iter().find(|stage| stage["name"] == "coder").unwrap()["calls"][0].clone()
}

#[test]
fn dangerous_operations_and_errors_are_recorded_and_told_and_stop_nothing() {
    let fixture = Fixture::new();
    // Memory is writable in the sandbox.
    let outside = tempfile::tempdir().unwrap().path().canonicalize().unwrap().join("x");
    let outside = outside.display();
    let token = ["ghp_", "aB3dE5gH7jK9mN1pQ3sT5vX7zB9dF1hJ3lN5"].concat();
    fixture.coder.on(
        1,
        &format!(
            "use_tool Bash 'git push --force https://a:{token}@example.com'\nuse_tool Bash 'git push -f'\n\
             use_tool Bash 'curl https://example.com'\nfails 'sh: x: Permission denied'\nfails 'no such file'\n\
             fails 'sh: 1: cannot create {outside}: Permission denied'\n\
             echo three >> src/code.txt\n{DONE}"
        ),
    );
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "succeeded");
    let call = call(&fixture, &outcome);
    let rules: Vec<_> = call["noticed"].as_array().unwrap().iter().map(|one| one["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["force-push", "force-push", "network", "error", "error"]);
    assert_eq!(call["errors_seen"], json!({"critical": 2, "warning": 1, "info": 0}));
    assert!(!call.to_string().contains(&token), "{call}");
    let sessions = fixture.world.json(&["session", "list"])["sessions"].clone();
    let record = sessions.as_array().unwrap().iter().find(|one| one["stage"] == "coder").unwrap();
    assert_eq!((&record["noticed"], &record["errors"]), (&call["noticed"], &call["errors_seen"]));
    let shown = fixture.world.ok(&["session", "show", record["id"].as_str().unwrap()]);
    assert!(shown.contains("force-push: git push --force") && !shown.contains(&token), "{shown}");
    let told = alerts(&fixture, "agent.noticed");
    assert_eq!(told.len(), 1, "a rule alerts once a call: {told:?}");
    assert!(told[0].contains("force-push: git push --force") && !told[0].contains(&token), "{told:?}");
    assert_eq!(finding(&outcome, "monitor.noticed").unwrap()["severity"], "medium");
    let notes = outcome["findings"].as_array().unwrap().iter().filter(|found| found["severity"] == "low");
    assert_eq!(
        notes.map(|note| &note["message"]).collect::<Vec<_>>(),
        ["fake (Bash): error: sh: x: Permission denied"]
    );
    if Support::of_this_kernel().abi > 0 {
        let refused = finding(&outcome, "sandbox.refused").expect("a person hears of it before the result is merged");
        let (message, hint) = (refused["message"].as_str().unwrap(), refused["hint"].as_str().unwrap());
        assert!(message.contains(&format!("refused fake a write to {outside}")), "{refused}");
        assert!(hint.contains("under [agents.fake]") && refused["severity"] == "medium", "{refused}");
    }
    fixture.world.ok(&["bus", "verify"]);
}

#[test]
fn a_rule_can_pause_a_job_after_its_stage_until_a_person_answers() {
    let fixture = Fixture::new();
    fixture.settings("[[monitor]]\nname = \"deploy\"\npattern = 'terraform\\s+apply'\naction = \"pause\"\n");
    fixture.coder.on(1, &format!("use_tool Bash 'cd x; terraform apply'\necho three >> src/code.txt\n{DONE}"));
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "paused");
    assert!(outcome["question"].as_str().unwrap().contains("terraform apply"), "{outcome}");
    assert_eq!(fixture.stages(), ["coder1"], "the stage was finished, and no other began");
    let note = notes::add(&fixture.world.hub(), "job-1", "ada", "go on, and deploy nothing").unwrap();
    assert_verdict(&fixture.run("run-2"), "succeeded");
    assert!(fixture.judge.prompt(1).contains("> go on, and deploy nothing"), "{}", fixture.judge.prompt(1));
    assert_eq!((fixture.coder.calls(), notes::given(&note)), (1, None));
}

#[test]
fn a_rule_can_stop_an_agent_at_once_and_its_work_is_kept() {
    let fixture = Fixture::new();
    fixture.settings("[[monitor]]\nname = \"sudo\"\naction = \"cancel\"\n");
    fixture.coder.on(1, "echo half >> src/code.txt\nuse_tool Bash 'sudo make install'\nexec sleep 1000");
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "blocked");
    let found = finding(&outcome, "monitor.stopped").unwrap();
    assert!(found["message"].as_str().unwrap().contains("sudo make install"), "{found}");
    assert!(outcome["reason"].as_str().unwrap().contains("refs/teof/parked/run-1"), "{outcome}");
    let last = &outcome["last_output"];
    assert!(last["text"] == "" && last["file"].as_str().unwrap().ends_with("/stream.log"), "{last}");
    assert_eq!(call(&fixture, &outcome)["outcome"], "it was stopped, with no result");
    assert_eq!(fixture.show("refs/teof/parked/run-1:src/code.txt"), "one\ntwo\nhalf");
    assert_eq!(alerts(&fixture, "agent.noticed").len(), 1);
}

#[test]
fn a_note_reaches_an_agent_that_takes_messages_while_it_works() {
    let fixture = Fixture::new();
    fixture.coder.takes_messages();
    fixture.settings("");
    let noted = fixture.coder.file("noted");
    let script = format!(
        "use_tool Read a.txt\nIFS= read -r note; printf '%s' \"$note\" > {}\necho three >> src/code.txt\n{DONE}\ncat > {}",
        noted.display(),
        fixture.coder.file("rest").display()
    );
    fixture.coder.on(1, &script);
    let order = fixture.write_order();
    let mut worker = fixture.world.spawn(&["foreman", "run", &order, "--execute", "--run", "run-1"]);
    until("the coder works", || fixture.coder.calls() == 1);
    let note = notes::add(&fixture.world.hub(), "job-1", "ada", "use \"tabs\"\nplease").unwrap();
    until("the note is given", || notes::given(&note) == Some(How::Session));
    worker.wait().unwrap();
    let outcome = fixture.outcome("run-1").unwrap();
    assert_verdict(&outcome, "succeeded");
    let first: Value = serde_json::from_str(fixture.coder.prompt(1).trim()).unwrap();
    assert!(first["message"]["content"][0]["text"].as_str().unwrap().contains("Docs exist"), "{first}");
    let message: Value = serde_json::from_str(&std::fs::read_to_string(noted).unwrap()).unwrap();
    let said = message["message"]["content"][0]["text"].as_str().unwrap();
    assert!(said.contains("> use \"tabs\"\n> please"), "{said}");
    let rest = std::fs::read_to_string(fixture.coder.file("rest")).expect("its stdin ended after its result");
    assert_eq!(rest, "");
    let call = call(&fixture, &outcome);
    assert_eq!((&call["notes"][0]["by"], &call["notes"][0]["given"]["how"]), (&json!("ada"), &json!("session")));
}

#[test]
fn an_agent_without_a_sign_of_life_is_told_when_the_silence_ends() {
    let fixture = Fixture::new().with("guardrails.no_output", json!("1s"));
    fixture.coder.on(1, "exec sleep 1000");
    // It may be an outage, so the call is repeated later: a person hears of it now.
    assert_verdict(&fixture.run("run-1"), "paused");
    let told = alerts(&fixture, "agent.stuck");
    assert_eq!(told, ["fake is stuck: it printed nothing for 1s in the coder stage and was stopped"]);
    notes::add(&fixture.world.hub(), "job-1", "ada", "try again").unwrap();
    assert_verdict(&fixture.run("run-2"), "succeeded");
    assert!(fixture.coder.prompt(2).contains("> try again"), "a note waits for the next call");
}
