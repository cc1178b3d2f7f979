//! Agents that speak as `codex app-server` does, through whole runs: threads, notes into a turn, permissions, stops,
//! limits.

use std::time::Duration;

use serde_json::{Value, json};
use teof::base::Stamp;
use teof::foreman::calls::notes;
use teof::foreman::results::call_record::How;

use super::{Fixture, assert_verdict, finding};
use crate::harness::agents::{DONE, REJECT};
use crate::harness::until;

/// How long a limit is waited out beyond its end: `after_limit`, as it is without settings.
const AFTER_LIMIT: Duration = Duration::from_secs(60);

/// A fixture whose coder speaks it.
fn fixture(settings: &str) -> Fixture {
    let fixture = Fixture::new();
    fixture.coder.speaks_app_server();
    fixture.settings(settings);
    fixture
}

fn methods(heard: &[Value]) -> Vec<&str> {
    heard.iter().filter_map(|message| message["method"].as_str()).collect()
}

/// What was heard as a message for its turn.
fn steered(heard: &[Value]) -> &str {
    let steer = heard.iter().find(|message| message["method"] == "turn/steer").unwrap();
    steer["params"]["input"][0]["text"].as_str().unwrap()
}

/// What became of a run, of which `act` is done once its coder works.
fn while_it_works(fixture: &Fixture, act: impl FnOnce()) -> Value {
    let order = fixture.write_order();
    let mut worker = fixture.world.spawn(&["foreman", "run", &order, "--execute", "--run", "run-1"]);
    until("the coder works", || fixture.coder.file("works").exists());
    act();
    worker.wait().unwrap();
    fixture.outcome("run-1").unwrap()
}

#[test]
fn a_coder_works_in_a_thread_and_goes_on_in_it() {
    let fixture = fixture("");
    fixture.judge.on(1, REJECT);
    fixture
        .coder
        .on(1, &format!("use_tool ls 'ls'\nsay looking\nprintf 'one\\ntwo\\nthree\\n' > src/code.txt\n{DONE}"));
    fixture.coder.on(2, &format!("echo more >> src/code.txt\n{DONE}\ncat > \"$here/rest\"; exit 1"));
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "succeeded");
    let (first, second) = (fixture.coder.heard(1), fixture.coder.heard(2));
    assert_eq!(methods(&first), ["initialize", "initialized", "thread/start", "turn/start"]);
    let prompt = first[3]["params"]["input"][0]["text"].as_str().unwrap();
    assert!(prompt.starts_with("# Do one piece of work"), "{prompt}");
    assert_eq!(methods(&second)[2], "thread/resume");
    assert_eq!(second[2]["params"]["threadId"], "fake-1");
    assert_eq!(std::fs::read_to_string(fixture.coder.file("rest")).unwrap(), "", "its stdin ends after its turn");
    let envelope = fixture.world.read_json(outcome["envelope"].as_str().unwrap());
    let coder = &envelope["stages"][0];
    assert_eq!((&coder["session"], &coder["usage"]["input_tokens"]), (&json!("fake-1"), &json!(100)));
    assert_eq!(
        (&coder["calls"][0]["tools"], &coder["calls"][0]["version"]),
        (&json!({"command_execution": 1}), &json!("1.2"))
    );
    let said = fixture.world.ok(&["session", "logs", "run-1-coder-1-1"]);
    assert!(said.contains("command_execution ls\n") && said.contains("looking\n"), "{said}");
}

#[test]
fn a_note_reaches_the_turn_that_runs() {
    let fixture = fixture("");
    fixture.coder.on(
        1,
        &format!("use_tool ls 'ls'\ntouch \"$here/works\"\nsteered\nsteered\necho three >> src/code.txt\n{DONE}"),
    );
    let hub = fixture.world.hub();
    let outcome = while_it_works(&fixture, || {
        let first = notes::add(&hub, "job-1", "ada", "use \"tabs\"\nplease").unwrap();
        let second = notes::add(&hub, "job-1", "ada", "and no spaces").unwrap();
        until("both are given", || [&first, &second].iter().all(|note| notes::given(note) == Some(How::Session)));
    });
    assert_verdict(&outcome, "succeeded");
    let heard = fixture.coder.heard(1);
    assert!(steered(&heard).contains("> use \"tabs\"\n> please"), "{heard:?}");
    assert_eq!(methods(&heard)[4..], ["turn/steer", "turn/steer"], "in the order in which they were sent");
    assert_eq!(heard[4]["params"]["expectedTurnId"], "turn-1");
    assert_eq!(fixture.coder.calls(), 1);
}

#[test]
fn a_note_that_comes_too_late_for_the_turn_is_for_the_next_call() {
    let fixture = fixture("");
    fixture.judge.on(1, REJECT);
    let refused = r#"hear
send '"id":100,"error":{"code":-32600,"message":"no active turn to steer"}'"#;
    fixture
        .coder
        .on(1, &format!("touch \"$here/works\"\n{refused}\nprintf 'one\\ntwo\\nthree\\n' > src/code.txt\n{DONE}"));
    fixture.coder.on(2, &format!("echo more >> src/code.txt\n{DONE}"));
    let hub = fixture.world.hub();
    let mut note = None;
    let outcome = while_it_works(&fixture, || note = notes::add(&hub, "job-1", "ada", "use tabs").ok());
    assert_verdict(&outcome, "succeeded");
    assert!(steered(&fixture.coder.heard(1)).contains("use tabs"));
    assert!(!fixture.coder.prompt(1).contains("use tabs"));
    assert!(fixture.judge.prompt(1).contains("> use tabs"), "{}", fixture.judge.prompt(1));
}

#[test]
fn what_it_asks_is_allowed_unless_a_rule_notices_it() {
    let fixture = fixture("[[monitor]]\nname = \"rewrite-history\"\naction = \"record\"\n");
    let deeds = ["cargo test", "/bin/bash -lc 'git push --force'", "git rebase main", "cd x && sudo make install"];
    let asks: String = deeds.map(|deed| format!("ask \"{deed}\"\n")).concat();
    fixture.coder.on(1, &format!("{asks}echo three >> src/code.txt\n{DONE}"));
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "succeeded");
    let heard = fixture.coder.heard(1);
    let decisions: Vec<_> = heard.iter().filter_map(|message| message["result"]["decision"].as_str()).collect();
    assert_eq!(decisions, ["accept", "decline", "accept", "decline"]);
    assert_eq!(finding(&outcome, "monitor.noticed").unwrap()["severity"], "medium");
}

#[test]
fn a_person_who_ends_the_session_lets_it_end_its_turn() {
    let fixture = fixture("");
    fixture.coder.on(
        1,
        "echo half >> src/code.txt\nuse_tool make 'make test'\ntouch \"$here/works\"\ninterrupted\nexec sleep 1000",
    );
    let cancel = || drop(fixture.world.json(&["session", "cancel", "run-1-coder-1-1"]));
    assert_verdict(&while_it_works(&fixture, cancel), "failed");
    assert_eq!(methods(&fixture.coder.heard(1)).last(), Some(&"turn/interrupt"));
    assert_verdict(&fixture.run("run-2"), "succeeded");
    assert_eq!(methods(&fixture.coder.heard(2))[2], "thread/resume", "its thread is not lost");
}

#[test]
fn one_that_makes_no_progress_is_asked_to_end_its_turn_first() {
    let fixture = fixture("").with("guardrails.no_output", json!("1s"));
    fixture.coder.on(1, "use_tool make 'make test'\ninterrupted\nexec sleep 1000");
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "failed");
    assert!(outcome["reason"].as_str().unwrap().contains("no output for too long"), "{outcome}");
    assert_eq!(methods(&fixture.coder.heard(1)).last(), Some(&"turn/interrupt"));
}

#[test]
fn a_limit_suspends_until_it_ends_and_its_use_is_known() {
    let fixture = fixture("");
    fixture.coder.on(1, "quota 93\nlimit");
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "paused");
    assert!(outcome["reason"].as_str().unwrap().contains("usage limit"), "{outcome}");
    assert_eq!(outcome["quotas"]["fake"][0]["window"], "five_hour", "{outcome:#}");
    assert_eq!(outcome["quotas"]["fake"][0]["used"], 100);
    let at = |value: &Value| Stamp::parse(value.as_str().unwrap()).unwrap();
    let (suspended, ends) = (&outcome["suspended"], at(&outcome["quotas"]["fake"][0]["until"]));
    assert_eq!(suspended["agent"], "fake");
    assert_eq!(at(&suspended["until"]), ends.plus(AFTER_LIMIT), "{outcome:#}");
}

#[test]
fn a_thread_that_is_gone_is_replaced_by_a_new_one() {
    let fixture = fixture("");
    fixture.judge.on(1, REJECT);
    let gone = r#"case $line in *thread/resume*) send '"id":1,"error":{"code":-32600,"message":"no rollout found"}'; exit 0 ;; *) send '"id":1,"result":{"thread":{"id":"'$session'"}}' ;; esac"#;
    std::fs::write(fixture.coder.file("session"), gone).unwrap();
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "succeeded");
    assert_eq!(methods(&fixture.coder.heard(2))[2], "thread/resume");
    assert_eq!(methods(&fixture.coder.heard(3))[2], "thread/start");
}

#[test]
fn a_server_that_is_killed_in_its_turn_is_started_again_in_its_thread() {
    let fixture = fixture("");
    let noise = "printf '{\"method\":\\nnoise\\n'; head -c 17000000 /dev/zero | tr '\\0' 'x'; echo";
    fixture.coder.on(1, &format!("echo half >> src/code.txt\nuse_tool ls 'ls'\n{noise}\nkill -9 $$"));
    let outcome = fixture.run("run-1");
    assert_verdict(&outcome, "failed");
    assert!(outcome["reason"].as_str().unwrap().contains("signal 9"), "{outcome}");
    assert_verdict(&fixture.run("run-2"), "succeeded");
    let heard = fixture.coder.heard(2);
    assert_eq!((methods(&heard)[2], &heard[2]["params"]["threadId"]), ("thread/resume", &json!("fake-1")));
    assert!(fixture.coder.prompt(2).contains("## Continue your work"), "{}", fixture.coder.prompt(2));
}
