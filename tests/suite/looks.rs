//! How output looks: on a terminal it is coloured, cut to its width, paged and redrawn; elsewhere it is plain and
//! whole.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::Child;

use serde_json::Value;

use crate::harness::agents::DONE;
use crate::harness::{World, until};
use crate::results::Site;

const TEOF: &str = env!("CARGO_BIN_EXE_teof");

/// What `line` prints at a terminal of 80 columns and 24 rows.
fn shown(world: &World, line: &str) -> String {
    let teof = format!("stty cols 80 rows 24; export TERM=xterm; teof() {{ {TEOF} \"$@\"; }}; {line}");
    world.at_a_terminal(&teof, "").expect(0).stdout.replace('\r', "")
}

/// The columns that a line takes, without its colours.
fn width(line: &str) -> usize {
    anstream::adapter::strip_str(line).to_string().chars().count()
}

#[test]
fn lists_fit_a_terminal_and_are_whole_elsewhere() {
    let world = Site::appending("").world;
    let name = "document-every-option-of-the-parser-and-give-an-example-of-each-one-of-them";
    world.ok(&["plan", "new", name, "--summary", "Document the parser"]);
    world.write("teof.toml", "[commands]\ndefault = [\"true\"]\n");
    world.ok(&["coordinator", "submit", "--objective", "Append two lines", "--test", "true"]);
    let lists = "teof task list; teof plan list; teof bus status; teof status; teof agent list; teof worktree list";
    let terminal = shown(&world, lists);
    assert!(terminal.contains("\x1b[1mPLAN\x1b[0m") && terminal.contains('…'), "{terminal}");
    assert!(terminal.lines().all(|line| width(line) <= 80), "{terminal}");
    assert!(terminal.lines().any(|line| line.contains("queued  append-two-lines: Append two lines")), "{terminal}");
    assert!(!shown(&world, &format!("export NO_COLOR=1; {lists}")).contains('\x1b'));
    let piped = world.ok(&["plan", "list"]);
    assert!(piped.contains(name) && !piped.contains('\x1b'), "{piped}");
    let forced = world.teof(&["plan", "list"]).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(String::from_utf8_lossy(&forced.stdout).contains("\x1b[1mPLAN"), "{forced:?}");
}

#[test]
fn long_output_goes_to_the_persons_pager() {
    let world = World::new();
    world.ok(&["plan", "new", "small", "--summary", "Small"]);
    let paged = shown(&world, "export TEOF_PAGER='sed s/^/paged:/'; teof doctor --settings; teof plan list");
    assert!(paged.contains("paged:coordinator."), "{paged}");
    assert!(!paged.contains("paged:PLAN") && paged.contains("-small"), "what fits needs no pager: {paged}");
    assert!(!shown(&world, "export TEOF_PAGER=cat; teof doctor --settings").contains("paged:"));
    // The repository's own configuration never chooses a program.
    world.git(&["config", "core.pager", "sed s/^/planted:/"]);
    assert!(!shown(&world, "export PAGER=cat; teof doctor --settings").contains("planted:"));
}

/// Sends Ctrl-C; gives back whether the program ended by itself.
fn interrupt(mut child: Child) -> bool {
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    child.wait().unwrap().signal().is_none()
}

#[test]
fn a_watched_status_is_printed_again_when_something_changes() {
    let site = Site::appending("");
    let mut watch = site.world.spawn(&["status", "--watch", "--json"]);
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["submissions"], serde_json::json!([]));
    site.world.ok(&["coordinator", "pause", "--note", "lunch"]);
    let shows_it = |said: &Value| said["unread_commands"] == 1 || said["paused"]["note"] == "lunch";
    assert!((0..9).any(|_| shows_it(&next())), "the pause is not shown");
    assert!(interrupt(watch), "Ctrl-C ends it");
    // Stopped as soon as it can be told to: it shows everything once all the same.
    let handles_term = "SigCgt:.*[4567cdef]...$";
    let watch = |flags: &str| {
        let line = format!(
            "{TEOF} status --watch {flags} & p=$!; until grep -q '{handles_term}' /proc/$p/status; do :; done; kill -TERM $p; wait $p"
        );
        shown(&site.world, &line)
    };
    let screen = watch("");
    assert!(screen.contains("\x1b[?1049h") && screen.contains("Ctrl-C to leave"), "{screen:?}");
    assert!(screen.contains("\x1b[?1049l"), "the screen is as before: {screen:?}");
    let document = watch("--json");
    assert!(serde_json::from_str::<Value>(&document).is_ok(), "documents are whole: {document:?}");
    // A reader who has seen enough ends it.
    let mut watch = site.world.spawn(&["status", "--watch"]);
    assert!(BufReader::new(watch.stdout.take().unwrap()).lines().next().is_some());
    site.world.ok(&["coordinator", "resume"]);
    assert_eq!(watch.wait().unwrap().code(), Some(1));
}

#[test]
fn a_followed_log_tells_what_the_agent_does_until_the_job_waits() {
    let site = Site::appending("");
    let gate = site.coder.file("gate");
    site.coder
        .on(1, &format!("say 'Reads the parser'; while [ ! -e {} ]; do sleep 0.05; done\n{DONE}", gate.display()));
    site.submit("Append two");
    let mut coordinator = site.world.spawn(&["coordinator", "run", "--until-idle"]);
    until("the agent is called", || site.coder.calls() == 1);
    let mut logs = site.world.spawn(&["logs", "j1", "--follow"]);
    let mut lines = BufReader::new(logs.stdout.take().unwrap()).lines().map(Result::unwrap);
    let raw = lines.find_map(|line| Some(line.trim().strip_prefix("raw output: ")?.to_owned())).unwrap();
    assert!(lines.any(|line| line.contains("coder: Reads the parser")), "while it works");
    std::fs::write(gate, "").unwrap();
    assert!(lines.any(|line| line.starts_with("blocked: ") || line.starts_with("succeeded: ")), "to the end");
    assert!(logs.wait().unwrap().success() && coordinator.wait().is_ok());
    assert!(std::fs::read_to_string(raw).unwrap().contains("Reads the parser"));
}
