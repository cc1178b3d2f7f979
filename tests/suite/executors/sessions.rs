//! `teof session start --mode dispatch`, `attach` and `cancel`: terminals of people, with the real tmux.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;
use teof::exec::ProcessTree;
use teof::exec::tmux::Server;

use crate::harness::work::{SEAT, TASK};
use crate::harness::{World, skip, until};

/// An agent that talks in a terminal.
const TALK: &str =
    "#!/bin/sh\ntest -t 0 || exit 9\necho \"first: $1\"; read line\necho \"heard $line as $TEOF_AGENT\"\n";

fn has_tmux() -> bool {
    Server::check().inspect_err(|e| skip("a terminal of a person", e)).is_ok()
}

fn world() -> World {
    let world = World::with_work(&[]);
    let talk = world.folder().join("talk");
    fs::write(&talk, TALK).unwrap();
    fs::set_permissions(&talk, fs::Permissions::from_mode(0o755)).unwrap();
    world.write("teof.toml", &format!("[agents.talk]\ncommand = [\"{}\"]\n", talk.display()));
    fs::write(world.folder().join("prompt.md"), "Say #(touch hacked) hello").unwrap();
    world
}

fn dispatch(task: &str, more: &[&str]) -> Vec<String> {
    let start = ["session", "start", "--mode", "dispatch", "--task", task];
    start.iter().chain(more).map(|part| (*part).to_owned()).collect()
}

fn run(world: &World, args: &[String]) -> crate::harness::Ran {
    world.run(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

fn show(world: &World, session: &str) -> Value {
    world.json(&["session", "show", session])
}

#[test]
fn an_interactive_agent_works_in_the_tasks_worktree_and_its_end_is_recorded() {
    if !has_tmux() {
        return;
    }
    let world = world();
    let prompt = world.folder().join("prompt.md").display().to_string();
    let args = dispatch(TASK, &["--program", "talk", "--prompt-file", &prompt, "--agent", SEAT, "--json"]);
    let started: Value = serde_json::from_str(&run(&world, &args).expect(0).stdout).unwrap();
    let (id, worktree) = (started["session"].as_str().unwrap(), started["worktree"].as_str().unwrap());
    // The branch of its claim, and never the hub's checkout.
    assert_eq!(started["branch"], format!("agent/{SEAT}/docs"));
    assert_ne!(worktree, world.repo.display().to_string());
    let record = show(&world, TASK);
    assert_eq!(
        (record["id"].as_str(), record["mode"].as_str(), record["status"].as_str()),
        (Some(id), Some("dispatch"), Some("running"))
    );
    assert_eq!(
        (record["environment"]["executor"].as_str(), record["worktree"].as_str()),
        (Some("tmux"), Some(worktree))
    );
    let window = Server::of_people(&world.repo.join(".git/teof/tmux")).find(id).unwrap();
    let attach = world.ok(&["session", "attach", TASK]);
    let socket = world.repo.join(".git/teof/tmux/people").display().to_string();
    assert_eq!(attach.trim(), format!("tmux -S {socket} attach-session -t teof:{}", window.id));
    let name = Command::new("tmux").args(["-S", &socket, "list-windows", "-F", "#{window_name}"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&name.stdout).trim(), format!("{TASK}-dispatch"));
    let typed = Command::new("tmux").args(["-S", &socket, "send-keys", "-t", &window.id, "-l", "hello\n"]).status();
    assert!(typed.unwrap().success());
    until("it has ended", || show(&world, id)["status"] == "done");
    assert_eq!(show(&world, id)["exit_code"], 0);
    let log = fs::read_to_string(record["log"].as_str().unwrap()).unwrap();
    assert!(
        log.contains("first: Say #(touch hacked) hello") && log.contains(&format!("heard hello as {SEAT}")),
        "{log}"
    );
    let over = world.run(&["session", "attach", id]).expect(1);
    assert!(over.stderr.contains("its terminal is closed"), "{}", over.stderr);
}

#[test]
fn a_persons_shell_is_started_under_a_claim_and_cancelled_with_all_that_it_runs() {
    if !has_tmux() {
        return;
    }
    let world = world();
    let started = run(&world, &dispatch("QUEUE-002", &["--agent", "operator"])).expect(0);
    assert!(started.stderr.contains("teof session attach QUEUE-002"), "{}", started.stderr);
    assert_eq!(world.read_json("_bus/claims/QUEUE-002.json")["agent_id"], "operator");
    let id = show(&world, "QUEUE-002")["id"].as_str().unwrap().to_owned();
    let server = Server::of_people(&world.repo.join(".git/teof/tmux"));
    let (socket, window) = (world.repo.join(".git/teof/tmux/people"), server.find(&id).unwrap());
    let ready = world.folder().join("ready");
    let line = format!("setsid sleep 600 & touch {}\n", ready.display());
    let typed = Command::new("tmux").arg("-S").arg(&socket).args(["send-keys", "-t", &window.id, "-l", &line]).status();
    assert!(typed.unwrap().success());
    until("the shell works", || ready.exists());
    let second = run(&world, &dispatch("QUEUE-002", &["--agent", "operator"])).expect(3);
    assert!(second.stderr.contains("has a terminal already"), "{}", second.stderr);
    world.ok(&["session", "cancel", "QUEUE-002", "--note", "enough"]);
    let record = show(&world, &id);
    assert_eq!(record["status"], "cancelled");
    assert!(record["reason"].as_str().unwrap().ends_with(": enough"), "{record}");
    let marks = vec![("TEOF_SESSION".to_owned(), id)];
    assert!(ProcessTree { marks, ..ProcessTree::default() }.living().is_empty());
    assert!(server.windows().is_empty());
}

#[test]
fn a_terminal_is_refused_where_the_claim_the_seat_or_the_flags_say_so() {
    if !has_tmux() {
        return;
    }
    let world = world();
    world.write("AGENT_MANIFEST.codex-2.json", "{\"agent_id\": \"codex-2\", \"desired_roles\": [\"engineer\"]}");
    let now = teof::base::Clock::Machine.now();
    world.write("_report/session/codex-2/manager-report-tail.txt", &format!("# captured_at={now}\n"));
    let prompt = world.folder().join("prompt.md").display().to_string();
    for (args, code, why) in [
        (dispatch(TASK, &["--agent", "codex-2"]), 3, SEAT),
        (dispatch(TASK, &["--agent", SEAT, "--prompt-file", &prompt]), 2, "a shell takes no prompt"),
        (dispatch("QUEUE-002", &["--agent", "operator", "--program", "talk"]), 2, "an agent needs a seat"),
        (dispatch(TASK, &["--agent", SEAT, "--program", "tlak"]), 4, "did you mean talk"),
        (
            dispatch(TASK, &["--agent", SEAT, "--prompt-file", &prompt, "--test", "true"]),
            2,
            "belong to --mode autonomous",
        ),
    ] {
        let ran = run(&world, &args).expect(code);
        assert!(ran.stderr.contains(why), "{args:?}: {}", ran.stderr);
    }
    assert!(!world.exists("_bus/claims/QUEUE-002.json"), "nothing is claimed for what is refused");
    assert!(Server::of_people(&world.repo.join(".git/teof/tmux")).windows().is_empty());
}
