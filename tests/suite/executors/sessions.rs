//! `teof session start --mode dispatch`, `attach` and `cancel`: terminals of people, with the real tmux.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use teof::base::lock::FileLock;
use teof::exec::ProcessTree;
use teof::exec::tmux::Server;

use crate::harness::work::{SEAT, TASK};
use crate::harness::{World, skip, until};

/// An agent that talks in a terminal.
const TALK: &str =
    "#!/bin/sh\ntest -t 0 || exit 9\necho \"first: $1\"; read line\necho \"heard $line as $TEOF_AGENT\"\n";
/// One that never looks at its terminal.
const SLEEP: &str = "#!/bin/sh\nexec sleep 600\n";

fn has_tmux() -> bool {
    Server::check().inspect_err(|e| skip("a terminal of a person", e)).is_ok()
}

fn world() -> World {
    let world = World::with_work(&[]);
    let mut settings = String::new();
    // One of them has the name of a preset, whose output is a stream of JSON where nobody watches.
    for (name, script) in [("claude", TALK), ("sleeper", SLEEP)] {
        let program = world.folder().join(name);
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        settings += &format!("[agents.{name}]\ncommand = [\"{}\"]\n", program.display());
    }
    world.write("teof.toml", &settings);
    world.write("AGENT_MANIFEST.codex-2.json", "{\"agent_id\": \"codex-2\", \"desired_roles\": [\"engineer\"]}");
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

/// The socket of the server of people's terminals.
fn socket(world: &World) -> PathBuf {
    world.repo.join(".git/teof/tmux/people")
}

fn tmux(world: &World, args: &[&str]) -> String {
    let done = Command::new("tmux").arg("-S").arg(socket(world)).args(args).output().unwrap();
    assert!(done.status.success(), "{args:?}: {done:?}");
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

/// What runs in a terminal. Those of other repositories may have the same name.
fn tree(world: &World, id: &str) -> ProcessTree {
    let root = world.repo.display().to_string();
    let marks = vec![("TEOF_SESSION".to_owned(), id.to_owned()), ("TEOF_ROOT".to_owned(), root)];
    ProcessTree { marks, ..ProcessTree::default() }
}

fn boot(world: &World, seat: &str, ago: u64) {
    let at = teof::base::Clock::Machine.now().minus(Duration::from_secs(ago));
    world.write(&format!("_report/session/{seat}/manager-report-tail.txt"), &format!("# captured_at={at}\n"));
}

#[test]
fn an_interactive_agent_works_in_the_tasks_worktree_and_its_end_is_recorded() {
    if !has_tmux() {
        return;
    }
    let world = world();
    let prompt = world.folder().join("prompt.md").display().to_string();
    let args = dispatch(TASK, &["--program", "claude", "--prompt-file", &prompt, "--agent", SEAT, "--json"]);
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
    let window = Server::of_people(&world.repo.join(".git/teof/tmux")).find(id).unwrap().unwrap();
    let attach = world.ok(&["session", "attach", TASK]);
    let socket = socket(&world).display().to_string();
    assert_eq!(attach.trim(), format!("tmux -S {socket} attach-session -t teof:{}", window.id));
    assert_eq!(tmux(&world, &["list-windows", "-F", "#{window_name}"]), format!("{TASK}-dispatch"));
    tmux(&world, &["send-keys", "-t", &window.id, "-l", "hello\n"]);
    until("it has ended", || show(&world, id)["status"] == "done");
    let log = world.ok(&["session", "logs", id]);
    assert!(
        log.contains("first: Say #(touch hacked) hello\n") && log.contains(&format!("heard hello as {SEAT}\n")),
        "{log}"
    );
    let over = world.run(&["session", "attach", id]).expect(1);
    assert!(over.stderr.contains("its terminal is closed"), "{}", over.stderr);
    assert_eq!(world.refused(&["session", "continue", id, "--note", "x"])["code"], "session.no_job");
    let ended = show(&world, id);
    assert_eq!(ended["exit_code"], 0);
    world.ok(&["session", "archive", id, "--agent", SEAT]);
    let archived = show(&world, id);
    for key in ["status", "exit_code", "ended_at", "last_activity"] {
        assert_eq!(archived[key], ended[key], "{key}");
    }
    fs::remove_file(record["log"].as_str().unwrap()).unwrap();
    assert_eq!(world.refused(&["session", "logs", id])["code"], "session.no_log");
}

#[test]
fn whoever_follows_a_log_that_is_cut_reads_nothing_twice() {
    if !has_tmux() {
        return;
    }
    let world = world();
    let prompt = world.folder().join("prompt.md").display().to_string();
    let args = dispatch(TASK, &["--program", "claude", "--prompt-file", &prompt, "--agent", SEAT, "--json"]);
    let started: Value = serde_json::from_str(&run(&world, &args).expect(0).stdout).unwrap();
    let id = started["session"].as_str().unwrap();
    let log = show(&world, id)["log"].as_str().unwrap().to_owned();
    let printed = world.folder().join("printed");
    let mut follows = world.teof(&["session", "logs", id, "-f"]);
    let mut followed = follows.stdout(fs::File::create(&printed).unwrap()).spawn().unwrap();
    // A second process that keeps the same log, as tmux starts it.
    let keep = |text: &str, limit: &str| {
        let mut keeper = Command::new(env!("CARGO_BIN_EXE_teof"));
        keeper.args(["__terminal-log", &log, limit]).stdin(std::process::Stdio::piped());
        let mut keeper = keeper.spawn().unwrap();
        std::io::Write::write_all(&mut keeper.stdin.take().unwrap(), text.as_bytes()).unwrap();
        assert!(keeper.wait().unwrap().success());
    };
    let read = || fs::read_to_string(&printed).unwrap();
    let many = |what: &str| (0..2000).map(|n| format!("{what} {n}\n")).collect::<String>();
    keep(&many("line"), "1000000");
    until("all is printed", || read().contains("line 1999\n"));
    keep("more\n", "9000");
    until("the cut is told", || read().contains("the log was cut"));
    keep("after it\n", "1000000");
    until("it goes on", || read().contains("after it\n"));
    // Longer at once than what was read so far.
    keep(&(many("first") + &many("second")), "9000");
    until("the next cut is told", || read().matches("the log was cut").count() >= 2);
    keep("the last\n", "1000000");
    until("it goes on again", || read().contains("the last\n"));
    let printed = read();
    let mut lines: Vec<_> = printed.lines().filter(|line| !line.is_empty() && !line.starts_with('…')).collect();
    let all = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(all, lines.len(), "no line twice: {printed}");
    for line in ["line 1000", "line 1999", "more"] {
        assert!(lines.contains(&line), "{line}: {printed}");
    }
    let window = Server::of_people(&world.repo.join(".git/teof/tmux")).find(id).unwrap().unwrap();
    tmux(&world, &["send-keys", "-t", &window.id, "-l", "hello\n"]);
    assert!(followed.wait().unwrap().success());
}

#[test]
fn nothing_is_claimed_for_a_program_that_no_terminal_can_start() {
    if !has_tmux() {
        return;
    }
    let world = world();
    world.write("teof.toml", "[agents.gone]\ncommand = [\"no-such-agent-program\"]\n");
    let refused = run(&world, &dispatch("QUEUE-002", &["--program", "gone", "--agent", SEAT, "--json"])).expect(1);
    assert!(refused.stderr.contains("agent.missing"), "{}", refused.stderr);
    assert!(!world.repo.join("_bus/claims/QUEUE-002.json").exists());
    assert_eq!(world.git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn a_persons_shell_is_started_under_a_claim_and_cancelled_with_all_that_it_runs() {
    if !has_tmux() {
        return;
    }
    let world = world();
    // However many start it at once, the task has one terminal.
    let start = || run(&world, &dispatch("QUEUE-002", &["--agent", "operator"]));
    let starts: Vec<_> = std::thread::scope(|scope| {
        let starts = [(); 3].map(|()| scope.spawn(start));
        starts.into_iter().map(|started| started.join().unwrap()).collect()
    });
    let (started, refused): (Vec<_>, Vec<_>) = starts.into_iter().partition(|started| started.code == 0);
    let [started] = &started[..] else { panic!("{} terminals", started.len()) };
    assert!(started.stderr.contains("teof session attach QUEUE-002"), "{}", started.stderr);
    for second in refused {
        assert!(second.code == 3 && second.stderr.contains("has a terminal already"), "{second:?}");
    }
    assert_eq!(world.read_json("_bus/claims/QUEUE-002.json")["agent_id"], "operator");
    let id = show(&world, "QUEUE-002")["id"].as_str().unwrap().to_owned();
    let server = Server::of_people(&world.repo.join(".git/teof/tmux"));
    let window = server.find(&id).unwrap().unwrap();
    let ready = world.folder().join("ready");
    tmux(&world, &["send-keys", "-t", &window.id, "-l", &format!("setsid sleep 600 & touch {}\n", ready.display())]);
    until("the shell works", || ready.exists());
    world.ok(&["session", "cancel", "QUEUE-002", "--note", "enough"]);
    let record = show(&world, &id);
    assert_eq!(record["status"], "cancelled");
    assert!(record["reason"].as_str().unwrap().ends_with(": enough"), "{record}");
    assert_eq!(tree(&world, &id).living(), []);
    assert!(server.windows().unwrap().is_empty());
}

#[test]
fn a_terminal_is_refused_where_the_claim_the_seat_or_the_flags_say_so() {
    if !has_tmux() {
        return;
    }
    let world = world();
    boot(&world, "codex-2", 0);
    let prompt = world.folder().join("prompt.md").display().to_string();
    for (args, code, why) in [
        (dispatch(TASK, &["--agent", "codex-2"]), 3, SEAT),
        (dispatch(TASK, &["--agent", SEAT, "--prompt-file", &prompt]), 2, "a shell takes no prompt"),
        (dispatch("QUEUE-002", &["--agent", "operator", "--program", "claude"]), 2, "an agent needs a seat"),
        (dispatch(TASK, &["--agent", SEAT, "--program", "cluade"]), 4, "did you mean claude"),
        (
            dispatch(TASK, &["--agent", SEAT, "--prompt-file", &prompt, "--test", "true"]),
            2,
            "belong to --mode autonomous",
        ),
        (
            ["session", "start", "--mode", "autonomous", "--task", TASK, "--allow-stale-session"]
                .map(str::to_owned)
                .into(),
            2,
            "--allow-stale-session belong to --mode dispatch",
        ),
    ] {
        let ran = run(&world, &args).expect(code);
        assert!(ran.stderr.contains(why), "{args:?}: {}", ran.stderr);
    }
    assert!(!world.exists("_bus/claims/QUEUE-002.json"), "nothing is claimed for what is refused");
    // A worker of the task would work in the same worktree.
    let lock = world.repo.join(format!(".git/teof/locks/run-{TASK}.lock"));
    let held = FileLock::try_acquire(&lock, "run").unwrap().unwrap();
    let busy = run(&world, &dispatch(TASK, &["--agent", SEAT])).expect(3);
    assert!(busy.stderr.contains(&format!("teof session note {TASK}")), "{}", busy.stderr);
    drop(held);
    // Whoever can write to the server's folder commands the terminals.
    let tmux = world.repo.join(".git/teof/tmux");
    fs::create_dir(&tmux).unwrap();
    fs::set_permissions(&tmux, fs::Permissions::from_mode(0o777)).unwrap();
    let open = run(&world, &dispatch(TASK, &["--agent", SEAT])).expect(1);
    assert!(open.stderr.contains("is not private"), "{}", open.stderr);
    let left = fs::read_dir(world.sessions()).unwrap().count();
    assert_eq!(left, 0, "nothing is left of a terminal that did not open");
    assert!(Server::of_people(&tmux).windows().unwrap().is_empty());
}

#[test]
fn a_seat_gets_a_terminal_in_its_own_worktree_and_with_a_stale_session_only_where_it_says_so() {
    if !has_tmux() {
        return;
    }
    let world = world();
    boot(&world, "codex-2", 2 * 24 * 3600);
    let other = world.json(&["worktree", "new", "QUEUE-002", "--agent", SEAT]);
    let released = json!({"agent_id": "codex-2", "branch": "agent/codex-2/QUEUE-002", "epoch": 1, "status": "released",
        "claimed_at": "2026-01-05T10:00:00Z", "task_id": "QUEUE-002"});
    world.write("_bus/claims/QUEUE-002.json", &released.to_string());
    let args = dispatch("QUEUE-002", &["--agent", "codex-2", "--program", "sleeper"]);
    let stale = run(&world, &args).expect(1);
    assert!(stale.stderr.contains("--allow-stale-session"), "{}", stale.stderr);
    let args = [args, vec!["--allow-stale-session".to_owned(), "--json".to_owned()]].concat();
    let started: Value = serde_json::from_str(&run(&world, &args).expect(0).stdout).unwrap();
    assert!(world.read("_report/agent/codex-2/session_guard/events.jsonl").contains("session_override"));
    assert_eq!(started["branch"], "agent/codex-2/QUEUE-002");
    assert_ne!(started["worktree"], other["path"], "that one is another seat's");
    world.ok(&["session", "cancel", "QUEUE-002"]);
}

#[test]
fn terminals_whose_server_was_killed_are_lost_with_all_that_runs_in_them() {
    if !has_tmux() {
        return;
    }
    let world = world();
    run(&world, &dispatch("QUEUE-002", &["--agent", "operator"])).expect(0);
    run(&world, &dispatch(TASK, &["--agent", SEAT, "--program", "sleeper"])).expect(0);
    let ids = ["QUEUE-002", TASK].map(|task| show(&world, task)["id"].as_str().unwrap().to_owned());
    for id in &ids {
        until("the program runs", || tree(&world, id).living().len() >= 2);
    }
    let server = tmux(&world, &["display-message", "-p", "#{pid}"]);
    assert!(Command::new("kill").args(["-KILL", &server]).status().unwrap().success());
    for id in &ids {
        until("nothing of it runs", || tree(&world, id).living().is_empty());
        assert_eq!(show(&world, id)["status"], "lost", "{id}");
    }
}
