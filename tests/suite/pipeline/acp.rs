//! Agents that speak the Agent Client Protocol, through whole runs: sessions, permissions, questions, stops and ends.

use serde_json::{Value, json};
use teof::foreman::calls::notes;
use teof::foreman::results::question;

use super::{Fixture, assert_verdict, finding};
use crate::harness::agents::{DONE, REJECT};
use crate::harness::until;

/// A fixture whose coder speaks it.
fn fixture(settings: &str) -> Fixture {
    let fixture = Fixture::new();
    fixture.coder.speaks_acp();
    fixture.settings(settings);
    fixture
}

fn methods(heard: &[Value]) -> Vec<&str> {
    heard.iter().filter_map(|message| message["method"].as_str()).collect()
}

/// The answers to its questions for permission.
fn permissions(heard: &[Value]) -> Vec<&str> {
    let outcomes = heard.iter().filter(|message| message["id"] == 7).map(|message| &message["result"]["outcome"]);
    outcomes.map(|outcome| outcome["optionId"].as_str().unwrap_or("none")).collect()
}

#[test]
fn a_coder_is_given_its_prompt_and_goes_on_in_its_session() {
    let fixture = fixture("");
    fixture.judge.on(1, REJECT);
    fixture
        .coder
        .on(1, &format!("use_tool Bash 'ls'\nsay looking\nprintf 'one\\ntwo\\nthree\\n' > src/code.txt\n{DONE}"));
    fixture.coder.on(2, &format!("echo more >> src/code.txt\n{DONE}\ncat > \"$here/rest\"; exit 1"));
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "succeeded");
    let (first, second) = (fixture.coder.heard(1), fixture.coder.heard(2));
    assert_eq!(methods(&first), ["initialize", "session/new", "session/prompt"]);
    assert_eq!(first[1]["params"]["cwd"], fixture.worktree().display().to_string());
    let prompt = first[2]["params"]["prompt"][0]["text"].as_str().unwrap();
    assert!(prompt.starts_with("# Do one piece of work"), "{prompt}");
    assert_eq!(methods(&second), ["initialize", "session/resume", "session/prompt"]);
    assert_eq!(second[1]["params"]["sessionId"], "fake-1");
    assert_eq!(std::fs::read_to_string(fixture.coder.file("rest")).unwrap(), "", "its stdin ends after its answer");
    let envelope = fixture.world.read_json(outcome["envelope"].as_str().unwrap());
    let coder = &envelope["stages"][0];
    assert_eq!((&coder["session"], &coder["usage"]["input_tokens"]), (&json!("fake-1"), &json!(100)));
    assert_eq!(coder["calls"][0]["tools"], json!({"Bash": 1}));
    let sessions = fixture.world.json(&["session", "list", "--all"])["sessions"].clone();
    let record = sessions.as_array().unwrap().iter().find(|one| one["id"] == "run-1-coder-1-1").unwrap();
    assert_eq!((&record["status"], &record["agent_session"]), (&json!("done"), &json!("fake-1")));
    let said = fixture.world.ok(&["session", "logs", "run-1-coder-1-1"]);
    assert!(said.contains("Bash ls\n") && said.contains("looking\n"), "{said}");
}

#[test]
fn a_session_that_is_gone_is_replaced_by_a_new_one() {
    let fixture = fixture("");
    fixture.judge.on(1, REJECT);
    let gone = r#"case $line in *session/resume*) send '"id":1,"error":{"code":-32603,"message":"no such session"}'; exit 0 ;; *) send '"id":1,"result":{"sessionId":"'$session'"}' ;; esac"#;
    std::fs::write(fixture.coder.file("session"), gone).unwrap();
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "succeeded");
    assert_eq!(methods(&fixture.coder.heard(2))[1], "session/resume");
    assert_eq!(methods(&fixture.coder.heard(3))[1], "session/new");
}

#[test]
fn what_it_asks_is_allowed_unless_a_rule_notices_it() {
    let fixture = fixture("[[monitor]]\nname = \"rewrite-history\"\naction = \"record\"\n");
    let deeds = ["cargo test", "git push --force", "git rebase main", "cd x && sudo make install"];
    let asks: String = deeds.map(|deed| format!("ask '{deed}'\n")).concat();
    fixture.coder.on(1, &format!("{asks}echo three >> src/code.txt\n{DONE}"));
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "succeeded");
    assert_eq!(permissions(&fixture.coder.heard(1)), ["once", "no", "once", "no"]);
    assert_eq!(finding(&outcome, "monitor.noticed").unwrap()["severity"], "medium");
    let said = fixture.world.ok(&["session", "logs", "run-1-coder-1-1"]);
    assert!(said.contains("git push --force"), "{said}");
}

#[test]
fn a_person_decides_where_a_rule_pauses_and_the_agent_goes_on_with_the_answer() {
    for (answer, given) in [("yes, this once", "once"), ("no: deploy on Monday", "no")] {
        let fixture = fixture("[[monitor]]\nname = \"deploy\"\npattern = 'terraform\\s+apply'\naction = \"pause\"\n");
        let ask = "ask 'terraform apply'";
        fixture.coder.on(1, &format!("{ask}\nhear\nstops cancelled"));
        fixture.coder.on(2, &format!("{ask}\necho three >> src/code.txt\n{DONE}"));
        let outcome = fixture.run("run-1");
        assert_verdict(&outcome, "paused");
        let asked = outcome["question"].as_str().unwrap();
        assert!(asked.contains("terraform apply") && asked.contains("Answer yes or no"), "{asked}");
        let first = fixture.coder.heard(1);
        assert_eq!(permissions(&first), ["no"], "nothing happens before the answer");
        assert_eq!(methods(&first).last(), Some(&"session/cancel"));
        // What the coordinator sends as the answer of a person.
        notes::add(&fixture.world.hub(), "job-1", "operator", &question::answer_prompt(asked, answer)).unwrap();
        assert_verdict(&fixture.run("run-2"), "succeeded");
        let second = fixture.coder.heard(2);
        assert_eq!((methods(&second)[1], permissions(&second)), ("session/resume", vec![given]), "{answer}");
        assert!(fixture.coder.prompt(2).contains(answer), "the agent reads why");
    }
}

/// What became of a run whose coder a person cancels once it works.
fn cancelled_while_it_works(fixture: &Fixture) -> Value {
    let order = fixture.write_order();
    let mut worker = fixture.world.spawn(&["foreman", "run", &order, "--execute", "--run", "run-1"]);
    until("the coder works", || fixture.coder.file("works").exists());
    fixture.world.json(&["session", "cancel", "run-1-coder-1-1"]);
    worker.wait().unwrap();
    fixture.outcome("run-1").unwrap()
}

#[test]
fn a_person_who_ends_the_session_lets_it_end_its_turn() {
    let fixture = fixture("");
    fixture.coder.on(1, "echo half >> src/code.txt\nuse_tool Bash 'make test'\ntouch \"$here/works\"\nhear\nstops cancelled\ntouch \"$here/wound-down\"");
    assert_verdict(&cancelled_while_it_works(&fixture), "failed");
    assert_eq!(methods(&fixture.coder.heard(1)).last(), Some(&"session/cancel"));
    assert_verdict(&fixture.run("run-2"), "succeeded");
    assert_eq!(methods(&fixture.coder.heard(2))[1], "session/resume", "its session is not lost");
}

#[test]
fn an_agent_that_takes_no_cancellation_is_killed() {
    let fixture = fixture("");
    fixture.coder.on(1, "use_tool Bash 'make test'\ntouch \"$here/works\"\nexec sleep 1000");
    assert_verdict(&cancelled_while_it_works(&fixture), "failed");
}

#[test]
fn a_rule_that_stops_stops_at_once() {
    let fixture = fixture("[[monitor]]\nname = \"sudo\"\naction = \"cancel\"\n");
    fixture.coder.on(1, "echo half >> src/code.txt\nask 'sudo make install'\nexec sleep 1000");
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "blocked");
    assert!(finding(&outcome, "monitor.stopped").is_some(), "{outcome}");
    assert_eq!(fixture.show("refs/teof/parked/run-1:src/code.txt"), "one\ntwo\nhalf");
}

#[test]
fn one_that_is_not_logged_in_needs_a_person() {
    let fixture = fixture("");
    let refused = r#"send '"id":1,"error":{"code":-32000,"message":"Authentication required"}'; exit 0"#;
    std::fs::write(fixture.coder.file("session"), refused).unwrap();
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "failed");
    let reason = outcome["reason"].as_str().unwrap();
    for part in ["it is not logged in", "it offers Log in", "teof agent doctor fake"] {
        assert!(reason.contains(part), "{reason}");
    }
    assert_eq!((&outcome["needs_person"], fixture.coder.calls()), (&json!(true), 1));
}

#[test]
fn one_that_breaks_in_the_middle_fails_with_its_last_words_and_goes_on() {
    let fixture = fixture("");
    fixture
        .coder
        .on(1, "echo half >> src/code.txt\nprintf '{\"jsonrpc\":\\nnoise\\n'\necho 'out of cheese' >&2\nexit 3");
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "failed");
    let reason = outcome["reason"].as_str().unwrap();
    assert!(reason.contains("exit code 3") && reason.contains("out of cheese"), "{reason}");
    assert_verdict(&fixture.run("run-2"), "succeeded");
    assert_eq!(methods(&fixture.coder.heard(2))[1], "session/resume");
    let silent = self::fixture("").with("guardrails.no_output", json!("1s"));
    silent.coder.on(1, "exec sleep 1000");
    let outcome = silent.run("run-1");
    assert!(outcome["reason"].as_str().unwrap().contains("no output"), "{outcome}");
}
