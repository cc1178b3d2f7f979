//! Gives each test its own repository, a cleared environment and, where it wants, a fixed clock.
#![allow(dead_code)] // Not every test uses every helper.

pub mod agents;
pub mod temp;
mod wait;
pub mod work;

pub use wait::{until, until_or};

use std::fmt::Display;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// A temporary folder with a git repository (`repo/`), a home and a state folder.
pub struct World {
    folder: tempfile::TempDir,
    /// The repository: the hub, unless a test makes it otherwise.
    pub repo: PathBuf,
    /// What [`World::teof`] sets as the fixed time, if anything.
    pub now: Option<String>,
}

impl World {
    /// A repository on branch `main` with one commit and the record's folders.
    pub fn new() -> World {
        World::bare_of_teof().with_record()
    }

    /// The same on disk, where the sandbox keeps programs from writing.
    pub fn on_disk() -> World {
        World::bare_in(temp::on_disk()).with_record()
    }

    fn with_record(self) -> World {
        for folder in ["_bus/claims", "_bus/events", "_bus/messages", "_bus/assignments", "_plans", "_report"] {
            fs::create_dir_all(self.repo.join(folder)).unwrap();
        }
        self
    }

    /// A repository on branch `main` with one commit and nothing of teof.
    pub fn bare_of_teof() -> World {
        World::bare_in(temp::folder())
    }

    fn bare_in(folder: tempfile::TempDir) -> World {
        let repo = folder.path().canonicalize().unwrap().join("repo");
        fs::create_dir_all(folder.path().join("home")).unwrap();
        fs::create_dir(&repo).unwrap();
        let world = World { folder, repo, now: None };
        world.git(&["init", "-q", "-b", "main"]);
        fs::write(world.repo.join("README.md"), "# A repository\n").unwrap();
        world.git(&["add", "."]);
        world.git(&["commit", "-qm", "Begin"]);
        world
    }

    pub fn folder(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    /// `teof` with arguments, in the repository, with a cleared environment.
    pub fn teof(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_teof"));
        self.clear(&mut command);
        command.args(args).current_dir(&self.repo);
        if let Some(now) = &self.now {
            let root = args.iter().position(|arg| *arg == "--root").and_then(|at| args.get(at + 1));
            self.allow_test_clock(root.map_or(self.repo.as_path(), Path::new));
            command.env("TEOF_NOW", now);
        }
        command
    }

    /// The folder of the repository's agent sessions, once there was one.
    pub fn sessions(&self) -> PathBuf {
        let projects = fs::read_dir(self.folder().join("state/teof/projects")).into_iter().flatten().flatten();
        let all = projects.map(|project| project.path().join("sessions"));
        all.into_iter().find(|folder| folder.is_dir()).expect("no session was started")
    }

    /// Runs `teof` to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.teof(args).stdin(Stdio::null()).output().unwrap(), args)
    }

    /// Runs `teof`, which must succeed; gives back its stdout.
    pub fn ok(&self, args: &[&str]) -> String {
        self.run(args).expect(0).stdout
    }

    /// Runs `teof … --json`, which must succeed; gives back the document.
    pub fn json(&self, args: &[&str]) -> Value {
        let args = [args, &["--json"]].concat();
        let ran = self.run(&args).expect(0);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{args:?} printed no JSON ({e}): {}", ran.stdout))
    }

    /// Runs `teof … --json`, which must fail; gives back the error document.
    pub fn refused(&self, args: &[&str]) -> Value {
        let args = [args, &["--json"]].concat();
        let ran = self.run(&args);
        assert_ne!(ran.code, 0, "{args:?} succeeded: {}", ran.stdout);
        let document: Value = serde_json::from_str(&ran.stderr)
            .unwrap_or_else(|e| panic!("{args:?} gave no JSON error ({e}): {}", ran.stderr));
        document["error"].clone()
    }

    /// Does what a refusal says, in a shell that finds this `teof`: what stands after its first colon.
    #[track_caller]
    pub fn follow(&self, next: &str) -> String {
        let (_, line) = next.split_once(": ").unwrap_or_else(|| panic!("no command in {next:?}"));
        self.shell(line).expect(0).stdout
    }

    /// Runs a command line in a shell that finds this `teof`, in the repository.
    pub fn shell(&self, line: &str) -> Ran {
        let teof = Path::new(env!("CARGO_BIN_EXE_teof"));
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("sh");
        self.clear(&mut command);
        command.env("PATH", format!("{}:{path}", teof.parent().unwrap().display()));
        if let Some(now) = &self.now {
            self.allow_test_clock(&self.repo);
            command.env("TEOF_NOW", now);
        }
        let output = command.args(["-c", line]).current_dir(&self.repo).stdin(Stdio::null()).output().unwrap();
        Ran::of(output, &["(in a shell)", line])
    }

    /// Marks a repository as a test's: teof takes a fixed time there.
    fn allow_test_clock(&self, folder: &Path) {
        let dot_git = folder.join(".git");
        let common_dir = match fs::read_to_string(&dot_git) {
            // A linked worktree, or a submodule.
            Ok(link) => {
                let git_dir = link.trim().trim_start_matches("gitdir: ");
                folder.join(git_dir.split_once("/worktrees/").map_or(git_dir, |(common_dir, _)| common_dir))
            }
            Err(_) if dot_git.is_dir() => dot_git,
            Err(_) if folder.join("HEAD").is_file() => folder.to_owned(),
            Err(_) => return,
        };
        fs::create_dir_all(common_dir.join("teof")).unwrap();
        fs::write(common_dir.join("teof/test-clock"), "").unwrap();
    }

    /// Runs a shell line at a terminal of its own, on which somebody types a line of `typed` at each question. The
    /// input ends with them. Everything is on stdout.
    pub fn at_a_terminal(&self, line: &str, typed: &str) -> Ran {
        self.terminal(line, typed, false)
    }

    /// As [`World::at_a_terminal`], where somebody could still type more: the input does not end.
    pub fn staying_at_a_terminal(&self, line: &str, typed: &str) -> Ran {
        self.terminal(line, typed, true)
    }

    fn terminal(&self, line: &str, typed: &str, stays: bool) -> Ran {
        // util-linux's script gives its command a terminal.
        let mut command = Command::new("script");
        self.clear(&mut command);
        command.args(["-qec", line, "/dev/null"]).current_dir(&self.repo);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut keyboard = child.stdin.take().filter(|_| stays || !typed.is_empty());
        let mut screen = child.stdout.take().unwrap();
        let (mut answers, mut seen) = (typed.split_inclusive('\n'), Vec::new());
        let mut part = [0; 4096];
        loop {
            // A question is the last thing that is printed, without a newline. What is typed earlier is discarded.
            if [&b": "[..], b"] ", b"? "].iter().any(|end| seen.ends_with(end)) {
                match (answers.next(), &mut keyboard) {
                    (Some(answer), Some(keyboard)) => keyboard.write_all(answer.as_bytes()).unwrap(),
                    (None, Some(_)) if stays => {}
                    _ => keyboard = None,
                }
            }
            match screen.read(&mut part).unwrap() {
                0 => break,
                read => seen.extend(&part[..read]),
            }
        }
        let mut output = child.wait_with_output().unwrap();
        output.stdout = seen;
        Ran::of(output, &["(at a terminal)", line])
    }

    /// Starts `teof` in the background.
    pub fn spawn(&self, args: &[&str]) -> Child {
        self.teof(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs git in the repository; it must succeed.
    pub fn git(&self, args: &[&str]) -> String {
        self.git_in(&self.repo, args)
    }

    pub fn git_in(&self, folder: &Path, args: &[&str]) -> String {
        let mut command = Command::new("git");
        self.clear(&mut command);
        let output = command.args(args).current_dir(folder).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?}: {stderr}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// A file of the repository; panics when it is not there.
    pub fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.repo.join(relative)).unwrap_or_else(|e| panic!("{relative}: {e}"))
    }

    /// A file of the repository as JSON.
    pub fn read_json(&self, relative: &str) -> Value {
        serde_json::from_str(&self.read(relative)).unwrap_or_else(|e| panic!("{relative}: {e}"))
    }

    /// The lines of a log, as JSON.
    pub fn lines(&self, relative: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.repo.join(relative)).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{relative}: {e}: {line}")))
            .collect()
    }

    pub fn write(&self, relative: &str, text: &str) {
        let path = self.repo.join(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn exists(&self, relative: &str) -> bool {
        self.repo.join(relative).exists()
    }

    /// Clears the environment down to what programs need, and gives git an identity.
    ///
    /// Where a coding agent runs the suite, a token stands for the person who started it.
    pub fn clear(&self, command: &mut Command) {
        static AGENT: std::sync::LazyLock<bool> =
            std::sync::LazyLock::new(|| teof::guard::operator::agent_at_work().is_some());
        // A debug build looks for tokens in a test's state folder, which holds this marker.
        let state = self.folder.path().join("state/teof");
        fs::create_dir_all(&state).unwrap();
        fs::write(state.join("test-tokens"), "").unwrap();
        if *AGENT && !state.join("operator-tokens.json").exists() {
            fs::write(state.join("operator-tokens.json"), operator_tokens()).unwrap();
        }
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path().join("home"))
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .env("XDG_CONFIG_HOME", self.folder.path().join("config"))
            .env("XDG_DATA_HOME", self.folder.path().join("data"))
            .env("SHELL", "/bin/bash")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "Tester")
            .env("GIT_AUTHOR_EMAIL", "tester@example.invalid")
            .env("GIT_COMMITTER_NAME", "Tester")
            .env("GIT_COMMITTER_EMAIL", "tester@example.invalid")
            .env("LC_ALL", "C.UTF-8");
        if *AGENT {
            command.env("TEOF_OPERATOR_TOKEN", TOKEN);
        }
    }
}

/// The secret of the token that [`operator_tokens`] holds.
pub const TOKEN: &str = "teof_op_of-a-test";

/// The file of a person who has one token.
pub fn operator_tokens() -> String {
    let sha256 = teof::base::digest::sha256(TOKEN.as_bytes());
    format!(r#"[{{"name": "test", "at": "2026-01-05T10:00:00Z", "sha256": "{sha256}"}}]"#)
}

/// Says that a test, or a part of one, is skipped on this machine. Cargo hides what a passing test prints with macros;
/// this is shown.
pub fn skip(what: &str, why: impl Display) {
    let _ = std::io::stderr().write_all(format!("skipped: {what}: {why}\n").as_bytes());
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    pub args: String,
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(output: Output, args: &[&str]) -> Ran {
        Ran {
            args: args.join(" "),
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "teof {}\nstdout: {}\nstderr: {}", self.args, self.stdout, self.stderr);
        self
    }
}
