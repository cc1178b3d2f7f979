//! tmux servers of our own, on sockets in a private folder, without anybody's configuration: one for the programs of
//! runs of a hub, and one for its people.
//!
//! tmux expands `#{…}`, `#(command)` and dates in many of its arguments. So nothing of a task, an agent or a path
//! reaches such an argument unescaped: a window's name is an identifier, folders are passed as the client's own, and
//! programs as a list, which tmux runs without a shell.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use crate::base::lock::FileLock;
use crate::base::{Exit, Refusal, Result, digest, env, files, text};
use crate::exec::probe::{self, Answer};
use crate::exec::processes::{UnixPeer, ancestry};

const PROGRAM: &str = "tmux";
/// The first argument that selects [`run_marked`]. What follows: the program, its arguments.
pub(in crate::exec) const MARKED: &str = "__marked";
/// From this version on a new window takes variables.
const SINCE: (u32, u32) = (3, 2);
/// How long tmux may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The one session; each program has a window of it.
const SESSION: &str = "teof";
/// The window's option that holds its key.
const KEY: &str = "@teof";
/// The longest path of a socket that every system takes.
const MAX_SOCKET: usize = 100;
/// What the server and the shells that people open there see of our environment.
const PASSED: [&str; 9] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR"];

/// The server for runs, or the one for people, of one hub; it runs while it has windows.
#[derive(Clone, Debug)]
pub struct Server {
    socket: PathBuf,
    /// Whatever it starts counts as started by a worker. A program of a run can command the server of runs, and must
    /// not pass for a person that way.
    is_marked: bool,
}

/// A window of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// tmux's own name of it: `@3`.
    pub id: String,
    /// What it was opened with.
    pub key: String,
    /// The process in it.
    pub pid: i32,
}

impl Server {
    /// The server for people's terminals, whose socket is in `folder`, which is ours alone. Nothing is started yet.
    pub fn of_people(folder: &Path) -> Self {
        Self { socket: socket(folder, "people"), is_marked: false }
    }

    /// The same for the programs of runs.
    pub fn of_runs(folder: &Path) -> Self {
        Self { socket: socket(folder, "runs"), is_marked: true }
    }

    /// Refuses when there is no tmux that is new enough.
    pub fn check() -> Result<()> {
        let refuse = |what: &str, why: String| {
            let next = "install tmux 3.2 or later, or run agents without: executor = \"process\" under [worker]";
            Err(Refusal::guard("tmux.missing", what).because(text::safe(&why)).next(next).into())
        };
        match probe::probe(&[PROGRAM, "-V"].map(str::to_owned), Path::new("/"), &environment(), PATIENCE) {
            Answer::Printed(said) if version(&said).is_none_or(|found| found >= SINCE) => Ok(()),
            Answer::Printed(said) => refuse("tmux is too old", format!("it is {said}, and 3.2 is needed")),
            Answer::NotStarted(why) => refuse("cannot run tmux", why),
            Answer::Failed(_, said) => refuse("cannot run tmux", said),
            Answer::TimedOut => refuse("cannot run tmux", "it does not answer".to_owned()),
        }
    }

    /// Opens a window that runs `argv` in `folder`. `name` is shown to people; `key` finds the window again. Both are
    /// identifiers.
    pub fn open(
        &self,
        name: &str,
        key: &str,
        folder: &Path,
        env: &[(String, String)],
        argv: &[OsString],
    ) -> Result<Window> {
        self.private_folder()?;
        // Two that start the first window at once would be two sessions.
        // tmux has a lock of its own, called `<socket>.lock`.
        let lock = self.socket.with_extension("open");
        let _lock = FileLock::acquire(&lock, PATIENCE, "lock.wait", "open a window")?;
        let is_first = self.windows()?.is_empty();
        let mut command = match argv {
            // This client becomes the server.
            [own, ..] if is_first && self.is_marked => {
                let mut command = Command::new(own);
                command.args([MARKED, PROGRAM]);
                self.with_flags(command)
            }
            _ => self.client(),
        };
        command.current_dir(folder);
        match is_first {
            true => command.args(["new-session", "-d", "-s", SESSION, "-x", "160", "-y", "48"]),
            false => command.args(["new-window", "-d", "-t", &format!("{SESSION}:")]),
        };
        command.args(["-n", &plain(name), "-P", "-F", "#{window_id} #{pane_pid}"]);
        for (name, value) in env {
            command.arg("-e").arg(format!("{name}={value}"));
        }
        command.args(argv);
        command.args([";", "set-option", "-w", KEY, &plain(key)]);
        command.args([
            ";",
            "set-option",
            "-w",
            "automatic-rename",
            "off",
            ";",
            "set-option",
            "-w",
            "allow-rename",
            "off",
        ]);
        if is_first {
            command.args([";", "set-option", "-g", "status-right", " detach: Ctrl-b d "]);
            command.args([";", "set-option", "-g", "status-left-length", "20"]);
        }
        let said = self.answer(&mut command)?;
        parse(&format!("{} {key}", said.trim())).ok_or_else(|| failed(&said).into())
    }

    /// The open windows; none when no server runs.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn windows(&self) -> Result<Vec<Window>> {
        if !self.socket.exists() {
            return Ok(Vec::new());
        }
        let format = format!("#{{window_id}} #{{pane_pid}} #{{{KEY}}}");
        let mut client = self.client();
        client.args(["list-windows", "-t", SESSION, "-F", &format]);
        match probe::ask_client(&mut client, PATIENCE, None) {
            Answer::Printed(said) => Ok(said.lines().filter_map(parse).collect()),
            // There is no server, or no session.
            Answer::Failed(..) => Ok(Vec::new()),
            Answer::NotStarted(why) => Err(failed(&why).into()),
            Answer::TimedOut => Err(self.silent().into()),
        }
    }

    /// The window that was opened with this key.
    ///
    /// # Errors
    /// As [`Server::windows`].
    pub fn find(&self, key: &str) -> Result<Option<Window>> {
        Ok(self.windows()?.into_iter().find(|window| window.key == key))
    }

    /// Closes a window; what runs in it gets SIGHUP. A missing one is no error. A new server counts from `@0` again, so
    /// the name alone may by now be that of another window.
    pub fn close(&self, window: &Window) {
        let is_it = |open: &Window| (&open.id, open.pid) == (&window.id, window.pid);
        if !self.windows().is_ok_and(|open| open.iter().any(is_it)) {
            return;
        }
        let _ = self.answer(self.client().args(["kill-window", "-t", &window.id]));
    }

    /// Copies what a window shows from now on to the stdin of a program. Call it in the window.
    pub(super) fn pipe(socket: &Path, pane: &str, program: &[&str]) -> Result<()> {
        let words: Vec<String> = program.iter().map(|word| literal(&text::shell_word(word))).collect();
        let command = format!("exec {}", words.join(" "));
        let server = Self { socket: socket.to_owned(), is_marked: false };
        server.answer(server.client().args(["pipe-pane", "-t", pane, &command])).map(drop)
    }

    /// The process that is the server, if one runs: as the kernel says, not as it says.
    pub(super) fn process(&self) -> Option<i32> {
        let stream = UnixStream::connect(&self.socket).ok()?;
        UnixPeer::of(&stream).map(|server| server.pid)
    }

    /// The command line that shows a window on the terminal of whoever runs it.
    pub fn attach(&self, window: &Window) -> Vec<String> {
        let socket = self.socket.display().to_string();
        [PROGRAM, "-S", &socket, "attach-session", "-t", &format!("{SESSION}:{}", window.id)].map(str::to_owned).into()
    }

    fn client(&self) -> Command {
        self.with_flags(Command::new(PROGRAM))
    }

    fn with_flags(&self, mut command: Command) -> Command {
        command.args(["-u", "-f", "/dev/null", "-S"]).arg(&self.socket);
        command.env_clear().envs(environment()).stdin(Stdio::null());
        command
    }

    fn answer(&self, command: &mut Command) -> Result<String> {
        match probe::ask_client(command, PATIENCE, None) {
            Answer::Printed(said) => Ok(said),
            Answer::Failed(_, why) | Answer::NotStarted(why) => Err(failed(&why).into()),
            Answer::TimedOut => Err(self.silent().into()),
        }
    }

    fn silent(&self) -> Refusal {
        let socket = self.socket.display();
        Refusal::new(Exit::TimedOut, "tmux.silent", "the tmux server does not answer")
            .because(format!("the one at {socket} took more than {} seconds", PATIENCE.as_secs()))
            .next("see whether it is stopped (T): ps -C tmux -o pid,stat,args")
    }

    /// Whoever can reach the socket commands the server, so the folder is ours alone.
    fn private_folder(&self) -> Result<()> {
        let folder = self.socket.parent().unwrap_or(Path::new("/"));
        files::create_parent(folder)?;
        match std::fs::DirBuilder::new().mode(0o700).create(folder) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(files::io_refusal(e, "create", folder)),
        }
        let found = folder.symlink_metadata().map_err(|e| files::io_refusal(e, "read", folder))?;
        let is_ours = found.is_dir() && found.uid() == rustix::process::getuid().as_raw();
        if !is_ours || found.permissions().mode() & 0o077 != 0 {
            return Err(Refusal::guard("tmux.folder", format!("{} is not private", folder.display()))
                .because("whoever can write there could command the terminals of agents")
                .next(format!("move it away: mv {0} {0}.old", text::shell_word(&folder.display().to_string())))
                .into());
        }
        Ok(())
    }
}

/// The socket in a folder; elsewhere, if that path is too long for one.
fn socket(folder: &Path, name: &str) -> PathBuf {
    let socket = folder.join(name);
    if socket.as_os_str().len() <= MAX_SOCKET {
        return socket;
    }
    let hash = &digest::sha256(folder.display().to_string().as_bytes())[..12];
    PathBuf::from(format!("/tmp/teof-{}-{hash}/{name}", rustix::process::getuid().as_raw()))
}

/// The main function of a client that may become a server of runs.
pub(in crate::exec) fn run_marked(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    ancestry::mark();
    if let Some(program) = args.next() {
        let failed = Command::new(&program).args(args).exec();
        let _ = std::io::stderr().write_all(format!("{}: {failed}", program.display()).as_bytes());
    }
    ExitCode::FAILURE
}

fn environment() -> Vec<(String, String)> {
    let value = |name: &str| if name == env::PATH { env::safe_path() } else { env::var(name) };
    let mut passed: Vec<_> = PASSED.iter().filter_map(|name| Some(((*name).to_owned(), value(name)?))).collect();
    passed.push(("TERM".to_owned(), "screen-256color".to_owned()));
    passed
}

/// `3.3a` as numbers; `None` for what has none, such as a build of the newest source.
fn version(said: &str) -> Option<(u32, u32)> {
    let numbers = said.strip_prefix("tmux ")?.trim_start_matches("next-");
    let mut parts = numbers.split('.').map(|part| part.trim_end_matches(|c: char| !c.is_ascii_digit()).parse());
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

fn parse(line: &str) -> Option<Window> {
    let mut parts = line.splitn(3, ' ');
    let (id, pid) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
    Some(Window { id, pid, key: parts.next().unwrap_or_default().to_owned() })
}

/// An identifier stays as it is; in anything else, what tmux could expand or take for a flag is replaced.
fn plain(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).take(80).collect();
    name.trim_start_matches('-').to_owned()
}

/// Text that tmux expands to itself.
fn literal(text: &str) -> String {
    text.replace('#', "##").replace('%', "%%")
}

pub(super) fn failed(said: &str) -> Refusal {
    Refusal::guard("tmux.failed", "tmux did not do what it was asked")
        .because(text::clip(&text::safe(said.trim()), 300))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_be_expanded_or_taken_for_flags() {
        assert_eq!(plain("QUEUE-001.a_b-coder"), "QUEUE-001.a_b-coder");
        assert_eq!(plain("-t #(touch x);#{pid}\u{1b}%H"), "t___touch_x____pid___H");
        assert_eq!(literal("/a #(b)/%H"), "/a ##(b)/%%H");
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        for (said, found) in [("tmux 3.3a", Some((3, 3))), ("tmux next-3.10", Some((3, 10))), ("tmux master", None)] {
            assert_eq!(version(said), found, "{said}");
        }
        assert!(version("tmux 2.9").unwrap() < SINCE && version("tmux 3.10").unwrap() > SINCE);
    }

    #[test]
    fn a_long_path_gets_a_short_socket() {
        let short = Server::of_runs(Path::new("/hub/.git/teof/tmux"));
        assert_eq!(short.socket, Path::new("/hub/.git/teof/tmux/runs"));
        let long = Server::of_people(&Path::new("/hub").join("x".repeat(120)));
        assert!(long.socket.as_os_str().len() < MAX_SOCKET && long.socket.starts_with("/tmp"), "{long:?}");
    }
}
