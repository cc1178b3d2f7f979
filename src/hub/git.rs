//! The system's git, as a child process: for what needs the person's credentials, worktrees and commits.
//!
//! Bus commands never come here. Location variables are removed from the environment, hooks, fsmonitor and
//! housekeeping are off, what is written is synced, and nothing may prompt.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::Context;

use crate::base::{Refusal, Result, env, text};

/// Variables that would point git somewhere else, or change what it reads.
const LOCATION: [&str; 16] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_EXTERNAL_DIFF",
];

/// Has a program that calls git find the repository by its folder alone, whatever our environment says, and
/// other programs never in that folder.
pub fn forget_location(command: &mut Command) {
    for name in LOCATION {
        command.env_remove(name);
    }
    match env::safe_path() {
        Some(path) => command.env(env::PATH, path),
        None => command.env_remove(env::PATH),
    };
}

/// Objects, refs and the index are on the disk before git says that they are: else a power cut leaves a
/// branch that names a commit which is not there. Costs a sync for each of them.
const DURABLE: &str = "core.fsync=added";

/// How to call git in one place.
#[derive(Clone, Debug)]
pub struct Git {
    worktree: PathBuf,
    git_dir: Option<PathBuf>,
    index: Option<PathBuf>,
    /// Settings that win over the configuration, `key=value`.
    overrides: Vec<String>,
}

impl Git {
    /// In a worktree that is ours to trust (the hub, the person's own).
    pub fn at(worktree: &Path) -> Self {
        Self { worktree: worktree.to_owned(), git_dir: None, index: None, overrides: Vec::new() }
    }

    /// In a worker's worktree: the git directory is named, so that a `.git` replaced there means nothing.
    pub fn named(worktree: &Path, git_dir: &Path) -> Self {
        Self { git_dir: Some(git_dir.to_owned()), ..Self::at(worktree) }
    }

    /// With an index of its own, so that what somebody has staged stays as it is.
    #[must_use]
    pub fn with_index(mut self, index: &Path) -> Self {
        self.index = Some(index.to_owned());
        self
    }

    /// Without the content filters that the repository's own configuration names: whoever can write
    /// there (a worker's program can) would otherwise have git run what it likes.
    #[must_use]
    pub fn without_own_filters(mut self, common_dir: &Path, git_dir: &Path) -> Self {
        for file in [common_dir.join("config"), git_dir.join("config.worktree")] {
            let Ok(config) = git2::Config::open(&file) else { continue };
            let Ok(mut entries) = config.entries(Some("^filter\\..*")) else { continue };
            while let Some(Ok(entry)) = entries.next() {
                let name = entry.name().unwrap_or_default();
                if let Some((filter, _)) = name.rsplit_once('.') {
                    self.overrides.extend(
                        ["clean=", "smudge=", "process=", "required=false"].map(|key| format!("{filter}.{key}")),
                    );
                }
            }
        }
        self.overrides.sort();
        self.overrides.dedup();
        self
    }

    /// The command, ready to be given arguments; stdin is null.
    pub fn command(&self) -> Command {
        let mut command = Command::new("git");
        forget_location(&mut command);
        command
            .current_dir(&self.worktree)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_EDITOR", "true")
            .env("LC_ALL", "C")
            .args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0"])
            .args(["-c", "maintenance.auto=false", "-c", DURABLE])
            .args(self.overrides.iter().flat_map(|setting| ["-c", setting]))
            .stdin(Stdio::null());
        if let Some(git_dir) = &self.git_dir {
            command.env("GIT_DIR", git_dir).env("GIT_WORK_TREE", &self.worktree);
        }
        if let Some(index) = &self.index {
            command.env("GIT_INDEX_FILE", index);
        }
        command
    }

    /// Runs git and gives back what it printed, whatever its exit code.
    pub fn output(&self, args: &[&str]) -> Result<Output> {
        self.command().args(args).output().with_context(|| format!("start git {}", args.first().unwrap_or(&"")))
    }

    /// Runs git and gives back its stdout without the final newline.
    ///
    /// # Errors
    /// When git cannot be started or fails; the message carries the end of its stderr.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        answer(args.first().unwrap_or(&""), &self.output(args)?)
    }

    /// Like [`Git::run`], as it was printed: names need not be text.
    ///
    /// # Errors
    /// As [`Git::run`].
    pub fn bytes(&self, args: &[&str]) -> Result<Vec<u8>> {
        let output = self.output(args)?;
        match output.status.success() {
            true => Ok(output.stdout),
            false => Err(failed(args.first().unwrap_or(&""), &output)),
        }
    }

    /// Like [`Git::run`], with something to read on stdin.
    pub fn feed(&self, args: &[&str], input: &[u8]) -> Result<String> {
        answer(args.first().unwrap_or(&""), &self.feed_output(args, input)?)
    }

    /// Like [`Git::output`], with something to read on stdin.
    pub fn feed_output(&self, args: &[&str], input: &[u8]) -> Result<Output> {
        let what = args.first().unwrap_or(&"");
        let mut child = self
            .command()
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start git {what}"))?;
        // Git reads all of it before it answers; one that ends early closes the pipe, and its exit code tells why.
        if let Some(mut stdin) = child.stdin.take() {
            let _ = stdin.write_all(input);
        }
        child.wait_with_output().with_context(|| format!("wait for git {what}"))
    }

    /// Whether git exits 0; for questions.
    pub fn succeeds(&self, args: &[&str]) -> Result<bool> {
        Ok(self.output(args)?.status.success())
    }
}

fn answer(what: &str, output: &Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned());
    }
    Err(failed(what, output))
}

/// What a failed git is told as: a full or read-only disk as a refusal, everything else as a fault.
pub fn failed(what: &str, output: &Output) -> anyhow::Error {
    let said = complaint(output);
    let refuse =
        |code, next: &str| Refusal::guard(code, format!("git {what} failed")).because(&*said).next(next).into();
    if said.contains("No space left on device") || said.contains("Disk quota exceeded") {
        return refuse("disk.full", "free some room and try again; no branch was changed");
    }
    if said.contains("Read-only file system") || said.contains("insufficient permission for adding an object") {
        return refuse("disk.read_only", "check the owner and mode of the git directory; no branch was changed");
    }
    anyhow::anyhow!("git {what} failed ({}): {said}", output.status)
}

/// The end of what git said on stderr, safe to show.
pub fn complaint(output: &Output) -> String {
    text::clip(&text::safe_block(String::from_utf8_lossy(&output.stderr).trim()), 2000)
}
