//! Each call and each command of a run is a session that people can see, read and end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::{Fixture, assert_verdict};
use crate::harness::until;

/// Half of the work, said and counted, then silence.
const HALF: &str = r#"echo half >> src/code.txt
printf '{"type":"assistant","message":{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"Bash","input":{"command":"make test"}}]}}\n'
say 'half of it \u001b[31m'
use_tokens 70
exec sleep 1000"#;

fn listed(fixture: &Fixture) -> Vec<Value> {
    fixture.world.json(&["session", "list", "--all"])["sessions"].as_array().unwrap().clone()
}

#[test]
fn a_session_is_seen_while_it_runs_and_ended_alone_and_its_job_reads_why() {
    let fixture = Fixture::new();
    fixture.coder.on(1, HALF);
    let order = fixture.write_order();
    let mut worker = fixture.world.spawn(&["foreman", "run", &order, "--execute", "--run", "run-1"]);
    let mut running = Value::Null;
    until("the coder's words", || {
        let sessions = listed(&fixture);
        let coder = sessions.iter().find(|one| one["stage"] == "coder" && one["usage"]["input_tokens"] == 70);
        coder.inspect(|coder| running = (*coder).clone()).is_some()
    });
    let of = |key: &str| running[key].as_str().unwrap().to_owned();
    assert_eq!((of("id"), of("status"), of("mode")), ("run-1-coder-1-1".into(), "running".into(), "autonomous".into()));
    assert_eq!((of("task_id"), of("agent_id"), of("program")), ("QUEUE-001".into(), "codex-1".into(), "fake".into()));
    assert_eq!((&running["tools"], of("model")), (&json!({"Bash": 1}), "fake-1".into()));
    assert!(running["messages"].as_u64() >= Some(1) && running["process"]["pid"] != running["supervisor"]["pid"]);
    assert!(of("last_tool").contains("make test") && !of("last_message").contains('\u{1b}'), "{running}");
    assert_eq!(Path::new(&of("worktree")), fixture.worktree());
    for path in [Path::new(&of("log")).parent().unwrap(), Path::new(&of("log"))] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
    }
    let said = fixture.world.ok(&["session", "logs", "run-1-coder-1-1"]);
    assert!(
        said.starts_with("Bash make test\n") && said.contains("\nhalf of it ") && !said.contains('\u{1b}'),
        "{said}"
    );

    let followed = fixture.world.spawn(&["session", "logs", "QUEUE-001", "-f"]);
    let why = ["--note", "leave the parser alone"];
    let ended = fixture.world.json(&[&["session", "cancel", "run-1-coder"], &why[..]].concat());
    assert_eq!(ended["status"], "cancelled");
    assert!(ended["reason"].as_str().unwrap().ends_with(": leave the parser alone"), "{ended}");
    worker.wait().unwrap();
    let outcome = fixture.outcome("run-1").unwrap();
    assert_verdict(&outcome, "failed");
    assert!(outcome["reason"].as_str().unwrap().contains("leave the parser alone"), "{outcome}");
    let followed = followed.wait_with_output().unwrap();
    assert!(followed.status.success(), "it ends with the session");
    let again = fixture.world.refused(&["session", "cancel", "run-1-coder-1-1"]);
    assert_eq!(again["code"], "session.over");

    assert_verdict(&fixture.run("run-2"), "succeeded");
    assert!(fixture.coder.prompt(2).contains("> leave the parser alone"), "{}", fixture.coder.prompt(2));
    let sessions = listed(&fixture);
    let next = sessions.iter().find(|one| one["id"] == "run-2-coder-1-2").unwrap();
    assert_eq!((&next["status"], &next["parent_id"]), (&json!("done"), &json!("run-1-coder-1-1")));
    assert_eq!(next["agent_session"], running["agent_session"]);
    let test = sessions.iter().find(|one| one["mode"] == "process").expect("the test command");
    assert_eq!((&test["status"], &test["exit_code"]), (&json!("done"), &json!(0)));
    let active = |one: &Value| one["last_activity"].as_str().max(one["started_at"].as_str()).map(str::to_owned);
    assert!(sessions.windows(2).all(|pair| active(&pair[0]) >= active(&pair[1])), "{sessions:#?}");
}
