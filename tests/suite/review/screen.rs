//! `teof top` on a terminal: a decision given there, and the terminal as it was however the screen is left.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use super::*;

/// A terminal on which a shell line runs.
struct Terminal {
    shell: Child,
    keyboard: ChildStdin,
    /// Everything that was written to it.
    screen: Arc<Mutex<String>>,
    /// How far [`Terminal::sees`] looked.
    looked: usize,
}

impl Terminal {
    fn start(world: &World, line: &str) -> Terminal {
        let mut command = Command::new("script");
        world.clear(&mut command);
        command.args(["-qec", line, "/dev/null"]).current_dir(&world.repo).env("TERM", "xterm-256color");
        let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let (mut out, seen) = (shell.stdout.take().unwrap(), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(read @ 1..) = out.read(&mut part) {
                seen.lock().unwrap().push_str(&String::from_utf8_lossy(&part[..read]));
            }
        });
        Terminal { keyboard: shell.stdin.take().unwrap(), shell, screen, looked: 0 }
    }

    /// Waits for a word; only cells that change are written, so that a space may be missing.
    fn sees(&mut self, word: &str) {
        let screen = Arc::clone(&self.screen);
        let found = || screen.lock().unwrap()[self.looked..].find(word);
        let mut at = None;
        until(&format!("{word:?} on the screen"), || {
            at = found();
            at.is_some()
        });
        self.looked += at.unwrap() + word.len();
    }

    fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }
}

#[test]
fn a_decision_on_the_screen_is_checked_and_the_terminal_is_given_back_however_it_is_left() {
    let desk = Desk::tested(&["true"]);
    let repo = &desk.world.repo;
    let refused = desk.world.refused(&["top"]);
    assert_eq!(refused["code"], "top.terminal", "{refused}");

    let top = format!("{} top", env!("CARGO_BIN_EXE_teof"));
    let modes = |name: &str| format!("stty -a > ../modes-{name}");
    let lines = [
        "stty rows 24 columns 80".to_owned(),
        modes("before"),
        format!("TEOF_AGENT=codex-1 {top}; echo left-$?"),
        modes("refused"),
        format!("{top}; echo left-$?"),
        modes("approved"),
        format!("sh -c 'echo $$ > ../pid; exec {top}'; echo left-$?"),
        modes("terminated"),
        // The shell between is killed; the screen must not go on without it.
        format!("sh -c 'echo $$ > ../parent; {top}; true'; echo left-$?"),
        "until [ -e ../gone ]; do sleep 0.05; done".to_owned(),
        modes("orphaned"),
        "echo all-done".to_owned(),
    ];
    let mut terminal = Terminal::start(&desk.world, &lines.join("; "));

    // A seat may look, and its decision is refused as on the command line.
    let before = desk.main();
    terminal.sees("passed");
    terminal.types("\tay");
    terminal.sees("Refused");
    terminal.sees("person");
    terminal.types("xq");
    terminal.sees("left-0");
    assert_eq!(desk.main(), before);

    terminal.sees("passed");
    terminal.types("\ta");
    terminal.sees("Approve");
    terminal.types("y");
    terminal.sees("merged");
    assert_ne!(desk.main(), before);
    assert_eq!(desk.memory()[0]["actor"], "Tester");
    terminal.types("q");
    terminal.sees("left-0");

    terminal.sees("EVENTS");
    let pid = fs::read_to_string(repo.join("../pid")).unwrap();
    desk.world.shell(&format!("kill -TERM {pid}"));
    terminal.sees("left-143");

    terminal.sees("EVENTS");
    let parent = fs::read_to_string(repo.join("../parent")).unwrap().trim().to_owned();
    let screen = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap().trim().to_owned();
    desk.world.shell(&format!("kill -KILL {parent}"));
    until("the screen ends with the shell that started it", || !PathBuf::from(format!("/proc/{screen}")).exists());
    fs::write(repo.join("../gone"), "").unwrap();
    terminal.sees("all-done");
    terminal.shell.wait().unwrap();

    let modes = |name: &str| fs::read_to_string(repo.join(format!("../modes-{name}"))).unwrap();
    for left in ["refused", "approved", "terminated", "orphaned"] {
        assert_eq!(modes(left), modes("before"), "{left}");
    }
    let written = terminal.screen.lock().unwrap().clone();
    let count = |sequence: &str| written.matches(sequence).count();
    assert_eq!((count("\x1b[?1049h"), count("\x1b[?1049l")), (4, 4), "each screen is left");
    assert_eq!((count("\x1b[?25l") > 0, written.rfind("\x1b[?25h") > written.rfind("\x1b[?25l")), (true, true));
}
