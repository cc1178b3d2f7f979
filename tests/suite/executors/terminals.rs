//! Windows of tmux, with the real one.

use std::process::Command;
use std::time::Duration;

use teof::exec::tmux::{Server, Terminal, Tmux, Window, ended, open_terminal};
use teof::exec::{Control, Executor, Report, Spec, TimedOut, Verdict};

use super::{Place, read, supervisor};
use crate::harness::{skip, until};

fn tmux(place: &Place) -> Option<Tmux> {
    if let Err(e) = Server::check() {
        skip("a window of tmux", e);
        return None;
    }
    Some(Tmux { server: Server::of_people(&place.path("tmux")), task: "QUEUE-1".into() })
}

/// Has tmux do something with a window.
fn ask(server: &Server, window: &Window, command: &[&str]) -> String {
    let attach = server.attach(window);
    let done = Command::new("tmux")
        .args(&attach[1..3])
        .args([command[0], "-t", &window.id])
        .args(&command[1..])
        .output()
        .unwrap();
    assert!(done.status.success(), "{command:?}: {done:?}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn run(tmux: &Tmux, spec: Spec) -> Report {
    tmux.run(&supervisor(), spec, "coder-1", &mut || Control::Continue).unwrap()
}

#[test]
fn a_program_in_a_window_is_supervised_and_nothing_of_it_is_left() {
    let place = Place::new();
    let Some(tmux) = tmux(&place) else { return };
    Server::check().unwrap();
    let done = run(&tmux, place.spec("a", "cat; pwd; echo \"$API_KEY $TEOF_RUN\"; echo talk >&2; exit 7"));
    assert_eq!(done.verdict, Verdict::Exited(7), "{done:?}");
    let here = place.dir.path().display();
    assert_eq!(read(&done.output.path), format!("the prompt\n{here}\nsk-secret run-1\n"));
    assert_eq!(read(&done.errors.as_ref().unwrap().path), "talk\n");
    assert!(done.ended.is_empty(), "{:?}", done.ended);

    assert_eq!(run(&tmux, place.spec("b", "kill -KILL $$")).verdict, Verdict::Signalled(9));
    let missing = Spec { argv: vec!["/no/such-agent".into()], ..place.spec("c", "") };
    let Verdict::NotStarted(why) = run(&tmux, missing).verdict else { panic!("it started") };
    assert!(why.starts_with("/no/such-agent: "), "{why}");

    let mut late = place.spec("d", "setsid sleep 600 & echo begun; sleep 600");
    late.clocks.wall = Some(Duration::from_millis(800));
    let late = run(&tmux, late);
    assert_eq!((late.verdict, read(&late.output.path).as_str()), (Verdict::TimedOut(TimedOut::Wall), "begun\n"));
    assert!(place.nothing_is_left());
    assert!(tmux.server.windows().unwrap().is_empty(), "{:?}", tmux.server.windows().unwrap());
    let left: Vec<_> = std::fs::read_dir(place.dir.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("window")), "{left:?}");
}

#[test]
fn a_window_shows_the_output_under_the_tasks_name_and_closing_it_ends_the_program() {
    let place = Place::new();
    let Some(tmux) = tmux(&place) else { return };
    let server = tmux.server.clone();
    let (mut window, mut shown) = (None, String::new());
    // What a terminal would act on is shown as text.
    let mut spec = place.spec("a", "printf 'working\\033[2J\\n'; exec sleep 600");
    spec.clocks.wall = Some(Duration::from_secs(120));
    // Asked between what the program prints, which nobody passes on while this waits.
    let mut close = || {
        let window = window.get_or_insert_with(|| server.windows().unwrap().remove(0));
        if !shown.contains("working") {
            assert!(server.attach(window).ends_with(&[format!("teof:{}", window.id)]));
            shown = ask(&server, window, &["capture-pane", "-p"]);
            if shown.contains("working") {
                server.close(window);
            }
        }
        Control::Continue
    };
    let closed = tmux.run(&supervisor(), spec, "coder-1", &mut close).unwrap();
    assert_eq!(closed.verdict, Verdict::Signalled(1), "{closed:?}");
    assert!(shown.contains("working\\") || shown.contains("working\u{fffd}") || shown.contains("[2J"), "{shown}");
    assert!(place.nothing_is_left());
}

/// What shows the window knows by that name that somebody writes, and waits for it however long nothing is printed.
#[test]
fn a_window_has_its_name_before_the_program_prints_anything() {
    let place = Place::new();
    let Some(tmux) = tmux(&place) else { return };
    let server = tmux.server.clone();
    let mut spec = place.spec("a", "until [ -e go ]; do sleep 0.01; done; exit 3");
    spec.clocks.wall = Some(Duration::from_secs(120));
    let go = place.path("go");
    let mut window = None;
    let mut look = || {
        let window = window.get_or_insert_with(|| server.windows().unwrap().remove(0));
        if ask(&server, window, &["capture-pane", "-p"]).starts_with("QUEUE-1-coder-1") {
            std::fs::write(&go, "").unwrap();
        }
        Control::Continue
    };
    let done = tmux.run(&supervisor(), spec, "coder-1", &mut look).unwrap();
    assert_eq!((done.verdict, done.output.bytes), (Verdict::Exited(3), 0));
}

#[test]
fn only_the_window_itself_is_closed_and_none_that_has_its_number_now() {
    let place = Place::new();
    let Some(tmux) = tmux(&place) else { return };
    let open = || {
        let argv = ["sleep", "600"].map(Into::into);
        tmux.server.open("QUEUE-1", "run-1", place.dir.path(), &[], &argv).unwrap()
    };
    let first = open();
    tmux.server.close(&first);
    until("the server ends with its last window", || tmux.server.windows().unwrap().is_empty());
    let second = open();
    assert_eq!(second.id, first.id);
    tmux.server.close(&first);
    assert_eq!(tmux.server.windows().unwrap(), std::slice::from_ref(&second));
    tmux.server.close(&second);
    until("it is closed", || tmux.server.windows().unwrap().is_empty());
}

#[test]
fn a_window_that_shows_nothing_more_holds_no_program_up() {
    let place = Place::new();
    let Some(tmux) = tmux(&place) else { return };
    let server = tmux.server.clone();
    let mut stopped = None;
    // More than a pipe holds.
    let spec = place.spec("a", "until [ -e go ]; do sleep 0.01; done; head -c 1000000 /dev/zero; exit 3");
    let go = place.path("go");
    let mut stop = || {
        if stopped.is_none() {
            let window = server.windows().unwrap().remove(0);
            signal("-STOP", &window);
            stopped = Some(window);
            std::fs::write(&go, "").unwrap();
        }
        Control::Continue
    };
    let done = tmux.run(&supervisor(), spec, "coder-1", &mut stop).unwrap();
    signal("-CONT", &stopped.unwrap());
    assert_eq!((done.verdict, done.output.bytes), (Verdict::Exited(3), 1_000_000));
    until("its window closes", || tmux.server.windows().unwrap().is_empty());
}

fn signal(signal: &str, window: &Window) {
    let pid = window.pid.to_string();
    Command::new("kill").args([signal, pid.as_str()]).status().unwrap();
}

#[test]
fn a_persons_terminal_outlives_its_starter_is_logged_and_tells_how_it_ended() {
    let place = Place::new();
    let Some(tmux) = tmux(&place) else { return };
    let folder = place.path("session #(touch hacked) %H");
    std::fs::create_dir(&folder).unwrap();
    let terminal = Terminal {
        argv: Spec::shell("test -t 0 && test -t 1 && echo \"typed: $(head -n 1)\"; exit 5"),
        cwd: folder.clone(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        marks: place.marks.clone(),
        name: "QUEUE-1;#(touch hacked)-dispatch".into(),
        key: "session-1".into(),
        log: folder.join("terminal #(touch hacked) %H.log"),
        max_log: 1 << 20,
        launcher: env!("CARGO_BIN_EXE_teof").into(),
    };
    let window = open_terminal(&tmux.server, &terminal, &folder).unwrap();
    assert_eq!(tmux.server.find("session-1").unwrap(), Some(window.clone()));
    ask(&tmux.server, &window, &["send-keys", "-l", "hello\n"]);
    until("it has ended", || ended(&folder).is_some());
    assert_eq!(ended(&folder).unwrap().exit_code(), Some(5));
    until("its window is closed", || tmux.server.windows().unwrap().is_empty());
    let log = read(&terminal.log);
    assert!(log.contains("typed: hello"), "{log:?}");
    assert!(!folder.join("hacked").exists() && !place.path("hacked").exists());
}

#[test]
fn the_log_of_a_persons_terminal_has_a_limit_and_keeps_the_end() {
    let place = Place::new();
    let Some(tmux) = tmux(&place) else { return };
    let folder = place.path("session");
    std::fs::create_dir(&folder).unwrap();
    let terminal = Terminal {
        argv: Spec::shell("seq 100000"),
        cwd: folder.clone(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        marks: place.marks.clone(),
        name: "QUEUE-1-dispatch".into(),
        key: "session-1".into(),
        log: folder.join("terminal.log"),
        max_log: 50_000,
        launcher: env!("CARGO_BIN_EXE_teof").into(),
    };
    open_terminal(&tmux.server, &terminal, &folder).unwrap();
    until("it has ended", || ended(&folder).is_some());
    let log = read(&terminal.log);
    assert!(log.contains("99999\r\n100000\r\n") && log.contains("exit code 0"), "{log}");
    assert!(log.len() <= 50_000, "{}", log.len());
}
