//! The worker hears the programs of its run in windows and in containers, too, and nobody else there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use teof::exec::tmux::Server;

use super::attack::Fort;
use crate::executors::docker::stand_in;
use crate::harness::work::UNCONFINED;
use crate::harness::{skip, until};

/// What a program of the run does, wherever it is. A write with an epoch that is not the claim's succeeds through the
/// worker alone.
const PROGRAM: &str = r#"
export TEOF_CLAIM_EPOCH=1
try event $T bus event --event status --summary mine --task QUEUE-001
try message $T bus message --task QUEUE-001 --type question --summary mine
try ping $T bus ping --summary here --message-task manager-report
try receipt bash -c 'echo proof > $TEOF_RECEIPTS_DIR/left.txt && '"$T"' receipts add $TEOF_RECEIPTS_DIR/left.txt'
printf '{"event":"note","summary":"from stdin"}\n' > $B/in
$T bus event --batch < $B/in > $B/said.batch 2>&1; echo "batch $?" >> $B/ended
try other_task $T bus event --event complete --summary x --task QUEUE-002
try decision $T consent grant
(setsid bash -c "sleep 0.1; $T bus event --event status --summary orphan --task QUEUE-001 > $B/said.orphan 2>&1; echo orphan \$? >> $B/ended" &)
for i in $(seq 600); do grep -q '^orphan' $B/ended && break; sleep 0.05; done
try abuse $SUITE --ignored --exact operator::broker::program_that_abuses_the_broker --nocapture
env | grep '^TEOF_\|^PATH=' > $B/environment
echo $TEOF_BROKER > $B/socket.part; mv $B/socket.part $B/socket
for i in $(seq 1200); do test -e $B/go && break; sleep 0.05; done
"#;

/// Runs the program where the settings say; `outside` runs while it waits.
fn run(fort: &Fort, keeps_orphans: bool, outside: impl FnOnce(&Fort) + Send) {
    let suite = std::env::current_exe().unwrap();
    let script = fort.script(&format!("SUITE={}\n{PROGRAM}", suite.display()));
    std::thread::scope(|scope| {
        let stranger = scope.spawn(|| {
            let worker_ended = fort.folder.join("worker.log");
            until("the program is done", || fort.folder.join("socket").exists() || worker_ended.exists());
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                assert!(fort.folder.join("socket").exists(), "{}", fort.text("worker.log"));
                outside(fort);
            }));
            fs::write(fort.folder.join("go"), "").unwrap();
            result.unwrap();
        });
        fort.run(&script).expect("an outcome");
        stranger.join().unwrap();
    });
    let ended = fort.ended();
    for (name, code) in [
        ("event", 0),
        ("message", 0),
        ("ping", 0),
        ("receipt", 0),
        ("batch", 0),
        // A stand-in without namespaces does not keep orphans below the first process, as a container does.
        ("orphan", if keeps_orphans { 0 } else { 6 }),
        ("abuse", 0),
        ("other_task", 6),
        ("decision", 6),
    ] {
        assert_eq!(ended.get(name), Some(&code), "{name}: {}", fort.said(name));
    }
    let events = fort.world.lines("_bus/events/events.jsonl");
    let with = |summary: &str| events.iter().filter(|event| event["summary"] == summary).collect::<Vec<_>>();
    for (summary, number) in [("mine", 1), ("orphan", usize::from(keeps_orphans))] {
        let found = with(summary);
        assert_eq!(found.len(), number, "{summary}: {events:?}");
        if number == 0 {
            continue;
        }
        assert_eq!((&found[0]["agent_id"], &found[0]["meta"]["epoch"]), (&"codex-1".into(), &3.into()), "{found:?}");
    }
    assert_eq!((with("from stdin").len(), with("stranger").len()), (1, 0), "{events:?}");
    assert_eq!(fort.world.read("_report/agent/codex-1/left.txt"), "proof\n");
    fort.world.ok(&["receipts", "verify"]);
    fort.world.ok(&["bus", "verify"]);
    // After the run there is nothing to repeat a request to.
    assert!(!Path::new(fort.text("socket").trim()).parent().unwrap().exists());
    let late = fort.folder.join("late.sh");
    fs::write(&late, as_the_program(fort, "late")).unwrap();
    Command::new("bash").arg(late).status().unwrap();
    assert_eq!(fort.ended().get("late"), Some(&6), "{}", fort.said("late"));
    assert!(fort.said("late").contains("broker.gone"), "{}", fort.said("late"));
}

/// A line of shell that has all variables of the run's programs, those that name the run and the socket included.
fn as_the_program(fort: &Fort, name: &str) -> String {
    let (folder, teof) = (fort.folder.display(), env!("CARGO_BIN_EXE_teof"));
    format!(
        "cd {hub} && env -i $(cat {folder}/environment) {teof} bus event --event note --summary stranger --json \
         > {folder}/said.{name} 2>&1 < /dev/null; echo {name} $? >> {folder}/ended",
        hub = fort.world.repo.display()
    )
}

/// Has somebody else act as the program, and sees that it is told to be a stranger.
fn is_refused(fort: &Fort, name: &str, start: impl FnOnce(&str)) {
    start(&as_the_program(fort, name));
    until("the stranger has an answer", || fort.ended().contains_key(name));
    assert_eq!(fort.ended().get(name), Some(&6), "{name}: {}", fort.said(name));
    assert!(fort.said(name).contains("broker.not_of_run"), "{name}: {}", fort.said(name));
}

fn persons_shell(fort: &Fort) {
    is_refused(fort, "shell", |line| {
        assert!(Command::new("bash").args(["-c", line]).status().unwrap().success());
    });
}

#[test]
fn programs_in_windows_write_through_their_worker_and_others_of_the_tmux_server_do_not() {
    if let Err(e) = Server::check() {
        return skip("the broker in windows of tmux", e);
    }
    let fort = Fort::with(&format!("[worker]\nexecutor = \"tmux\"\n{UNCONFINED}"));
    run(&fort, true, |fort| {
        persons_shell(fort);
        // The server is a child of the worker, and so is all that it starts: a person's window, or another job's.
        let socket = fort.world.repo.join(".git/teof/tmux/runs");
        let in_window = |line: &str| {
            let mut tmux = Command::new("tmux");
            tmux.arg("-S").arg(&socket).args(["new-window", "-d", "bash", "-c", line]).stdin(Stdio::null());
            assert!(tmux.status().unwrap().success());
        };
        is_refused(fort, "window", in_window);
        let in_server = |line: &str| {
            let mut tmux = Command::new("tmux");
            tmux.arg("-S").arg(&socket).args(["run-shell", "-b", line]).stdin(Stdio::null());
            assert!(tmux.status().unwrap().success());
        };
        is_refused(fort, "server", in_server);
    });
}

/// A fort whose programs run in containers of the stand-in, and its client.
fn contained(mode: &str) -> (Fort, PathBuf) {
    let docker = "[worker]\nexecutor = \"docker\"\n[worker.docker]\nimage = \"my-claude:authenticated\"\n";
    let mut fort = Fort::with(docker);
    let client = stand_in(&fort.world.folder().join("stand-in"));
    fs::write(client.with_file_name("state").join(mode), "").unwrap();
    fort.programs = client.parent().map(Path::to_owned);
    (fort, client)
}

fn programs_in_containers(mode: &str) {
    let (fort, client) = contained(mode);
    run(&fort, mode == "namespaces", |fort| {
        persons_shell(fort);
        // Another container, with everything that the program knows.
        is_refused(fort, "container", |line| {
            let mut other = Command::new(&client);
            other.args(["run", "--name=other", "--env=PATH=/usr/bin:/bin", "--entrypoint=bash"]);
            other.args(["my-claude:authenticated", "-c", line]).stdout(Stdio::null()).stdin(Stdio::null());
            assert!(other.status().unwrap().success());
        });
    });
    let calls = fs::read_to_string(client.with_file_name("state").join("calls")).unwrap();
    let folder = Path::new(fort.text("socket").trim()).parent().unwrap().display().to_string();
    let mount = format!("--mount=type=bind,source={folder},target={folder},readonly");
    assert!(calls.contains(&mount), "{mount}: {calls}");
}

#[test]
fn programs_in_containers_write_through_their_worker_and_other_containers_do_not() {
    programs_in_containers("plain");
}

#[test]
fn programs_in_a_pid_namespace_of_their_own_write_through_their_worker() {
    let wanted = ["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc", "true"];
    match Command::new("unshare").args(wanted).output() {
        Ok(done) if done.status.success() => programs_in_containers("namespaces"),
        other => skip("the broker across PID namespaces", format!("none can be made: {other:?}")),
    }
}

#[test]
fn containers_of_an_engine_with_another_kernel_have_no_broker() {
    let (fort, client) = contained("elsewhere");
    let script = fort.script("env > $B/environment\n");
    fort.run(&script).expect("an outcome");
    assert!(fort.text("environment").contains("TEOF_RUN=") && !fort.text("environment").contains("TEOF_BROKER="));
    let calls = fs::read_to_string(client.with_file_name("state").join("calls")).unwrap();
    assert!(calls.contains("--label=teof.run") && !calls.contains("teof-broker-"), "{calls}");
}
