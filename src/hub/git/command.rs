//! Runs the system's git as a child process, for operations that need the person's credentials, worktrees and
//! commits.
//!
//! Bus commands never use it. Location variables are removed from the environment; hooks, fsmonitor and housekeeping
//! are off; writes are synced; nothing prompts. Programs named in the repository's configuration do not run, unless a
//! caller states that a person trusts them.

use std::io::{ErrorKind, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::Context;

use super::errors;
use super::programs::{self, Config, Setting};
use crate::base::{Refusal, Result, env, text};
use crate::hub::{Worktree, rule_files};

/// Variables that would point git elsewhere or change what it reads.
const LOCATION: [&str; 24] = [
    // Not a location: in a run, git's trace records what the worker's own git did.
    "GIT_TRACE2_EVENT",
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
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_ATTR_SOURCE",
    "GIT_GRAFT_FILE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
];

/// Makes a program that calls git find the repository by its folder only, regardless of the environment, and never
/// find other programs in that folder.
pub fn forget_location(command: &mut Command) {
    for name in LOCATION {
        command.env_remove(name);
    }
    match env::safe_path() {
        Some(path) => command.env(env::PATH, path),
        None => command.env_remove(env::PATH),
    };
}

/// Code of the refusal after a signal killed git; such an operation is retried.
pub const KILLED: &str = "git.killed";

/// How to call git in one place.
#[derive(Clone, Debug)]
pub struct Git {
    worktree: PathBuf,
    git_dir: Option<PathBuf>,
    index: Option<PathBuf>,
    /// Settings that win over the configuration.
    settings: Vec<(String, String)>,
    /// Whether programs that the repository's configuration names may run.
    trusting: bool,
}

/// For every call to `git status`: git stays out of submodules, because there it would run the filters that a
/// submodule's own configuration names. A submodule at another commit is still seen. A setting is not enough: a
/// submodule's own `ignore` wins over it.
pub const OUTSIDE_SUBMODULES: &str = "--ignore-submodules=dirty";

/// For every call: what git would run, or look into, beside what it was asked for is off; and so are settings of a
/// person that change what it answers. The ignore rules of a person stay.
const FIXED: [(&str, &str); 19] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("submodule.recurse", "false"),
    ("status.submoduleSummary", "false"),
    ("log.showSignature", "false"),
    ("status.showUntrackedFiles", "normal"),
    ("status.relativePaths", "false"),
    ("diff.ignoreSubmodules", "dirty"),
    ("merge.autoStash", "false"),
    ("core.quotePath", "false"),
    ("core.safecrlf", "false"),
    ("color.ui", "false"),
    ("column.ui", "never"),
    // Remotes that are command lines.
    ("protocol.ext.allow", "never"),
    ("protocol.fd.allow", "never"),
    ("core.pager", "cat"),
    // Objects, refs and the index are on the disk before git says that they are: else a power cut leaves a
    // branch that names a commit which is not there. Costs a sync for each of them.
    ("core.fsync", "added"),
];

impl Git {
    /// In a worktree that is ours to trust (the hub, the person's own). Not for `init` and `clone` where a
    /// repository is already.
    pub fn at(worktree: &Path) -> Self {
        Self { worktree: worktree.to_owned(), git_dir: None, index: None, settings: Vec::new(), trusting: false }
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

    /// With a setting that wins over the configuration.
    #[must_use]
    pub fn with_setting(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Allows the programs named in the repository's configuration, for callers that checked that a person trusts
    /// them.
    #[must_use]
    pub fn trusting(mut self) -> Self {
        self.trusting = true;
        self
    }

    /// The command, ready to be given arguments; stdin is null.
    pub fn command(&self) -> Command {
        let mut command = Command::new("git");
        self.prepare(&mut command);
        command.args(FIXED.iter().flat_map(|(key, value)| ["-c".to_owned(), format!("{key}={value}")]));
        match self.overrides() {
            Ok(settings) => set(&mut command, settings.iter().chain(&self.settings)),
            // Run nothing while the configured programs are unknown.
            Err(e) => {
                tracing::warn!("the repository's configuration cannot be read: {e:#}");
                command.env("GIT_DIR", self.worktree.join("configuration-unreadable"));
            }
        }
        command
    }

    /// Makes another program that calls git (such as `gh`) use the same settings.
    ///
    /// # Errors
    /// When the configuration cannot be read.
    pub fn guard(&self, command: &mut Command) -> Result<()> {
        forget_location(command);
        let fixed = FIXED.map(|(key, value)| (key.to_owned(), value.to_owned()));
        set(command, fixed.iter().chain(&self.overrides()?).chain(&self.settings));
        Ok(())
    }

    fn overrides(&self) -> Result<Vec<(String, String)>> {
        if self.trusting { Ok(Vec::new()) } else { self.read_config(programs::overrides) }
    }

    /// The programs that the configuration of this repository and worktree names.
    ///
    /// # Errors
    /// When git cannot read the configuration.
    pub fn programs(&self) -> Result<Vec<Setting>> {
        self.read_config(programs::named)
    }

    /// All settings of the configuration of this repository and worktree.
    ///
    /// # Errors
    /// When git cannot read the configuration.
    pub fn own_settings(&self) -> Result<Vec<Setting>> {
        self.read_config(programs::own)
    }

    fn read_config<T>(&self, read: impl FnOnce(&Config<'_>) -> Result<T>) -> Result<T> {
        read(&Config { files: self.config_files(), list: &|| self.listed_config() })
    }

    /// Every setting with its scope, as git sees them here: `scope NUL key LF value NUL`.
    fn listed_config(&self) -> Result<String> {
        let mut command = Command::new("git");
        self.prepare(&mut command);
        let output = command.args(["config", "--show-scope", "--list", "-z"]).output().context("start git config")?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(failed("config", &output)),
        }
    }

    /// The files that hold the repository's own configuration.
    fn config_files(&self) -> Vec<PathBuf> {
        let git_dir = match &self.git_dir {
            Some(git_dir) => git_dir.clone(),
            // A bare repository is called in its git directory.
            None => Worktree::at(&self.worktree).map_or_else(|| self.worktree.clone(), |found| found.git_dir),
        };
        let common = match std::fs::read_to_string(git_dir.join("commondir")) {
            Ok(link) => git_dir.join(link.trim()),
            Err(_) => git_dir.clone(),
        };
        vec![common.join("config"), git_dir.join("config.worktree")]
    }

    fn prepare(&self, command: &mut Command) {
        forget_location(command);
        command
            .current_dir(&self.worktree)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_EDITOR", "true")
            .env("GIT_PAGER", "cat")
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        if let Some(git_dir) = &self.git_dir {
            command.env("GIT_DIR", git_dir);
        }
        // Named, because `core.worktree` may name another folder. A bare repository has none.
        if self.git_dir.is_some() || self.worktree.join(".git").exists() {
            command.env("GIT_WORK_TREE", &self.worktree);
        }
        if let Some(index) = &self.index {
            command.env("GIT_INDEX_FILE", index);
        }
    }

    /// Runs git and returns its output, whatever its exit code.
    ///
    /// # Errors
    /// When git cannot start, would block on a FIFO in place of its rule files, or was killed (`git.killed`).
    pub fn output(&self, args: &[&str]) -> Result<Output> {
        rule_files::check_worktree(&self.worktree)?;
        let what = args.first().unwrap_or(&"");
        let output = self.command().args(args).output();
        check_killed(what, output.map_err(|e| not_started(e, what))?)
    }

    /// Runs git and returns its stdout without the final newline.
    ///
    /// # Errors
    /// When git cannot be started or fails; the message carries the end of its stderr.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        answer(args.first().unwrap_or(&""), &self.output(args)?)
    }

    /// Like [`Git::run`], but returns bytes: names need not be UTF-8.
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

    /// Like [`Git::run`], with input on stdin.
    pub fn feed(&self, args: &[&str], input: &[u8]) -> Result<String> {
        answer(args.first().unwrap_or(&""), &self.feed_output(args, input)?)
    }

    /// Like [`Git::output`], with input on stdin.
    pub fn feed_output(&self, args: &[&str], input: &[u8]) -> Result<Output> {
        rule_files::check_worktree(&self.worktree)?;
        let what = args.first().unwrap_or(&"");
        let mut child = self
            .command()
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| not_started(e, what))?;
        // Git reads all input before it answers. If it ends early it closes the pipe; its exit code has the reason.
        if let Some(mut stdin) = child.stdin.take() {
            let _ = stdin.write_all(input);
        }
        check_killed(what, child.wait_with_output().with_context(|| format!("wait for git {what}"))?)
    }

    /// Whether git exits 0; for questions.
    pub fn succeeds(&self, args: &[&str]) -> Result<bool> {
        Ok(self.output(args)?.status.success())
    }
}

/// Passes settings in the environment, where a key may contain any character.
fn set<'a>(command: &mut Command, settings: impl Iterator<Item = &'a (String, String)>) {
    let mut count = 0;
    for (key, value) in settings {
        command.env(format!("GIT_CONFIG_KEY_{count}"), key).env(format!("GIT_CONFIG_VALUE_{count}"), value);
        count += 1;
    }
    if count > 0 {
        command.env("GIT_CONFIG_COUNT", count.to_string());
    }
}

fn answer(what: &str, output: &Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned());
    }
    Err(failed(what, output))
}

/// Refuses the output of a git that a signal killed.
///
/// # Errors
/// `git.killed`.
pub fn check_killed(what: &str, output: Output) -> Result<Output> {
    let Some(signal) = output.status.signal() else { return Ok(output) };
    Err(Refusal::guard(KILLED, format!("git {what} was killed"))
        .because(format!("by signal {signal}"))
        .next("run the same command again; it first removes what git left unfinished")
        .into())
}

fn not_started(error: std::io::Error, what: &str) -> anyhow::Error {
    match error.kind() {
        // Either the program or its working folder is missing.
        ErrorKind::NotFound | ErrorKind::PermissionDenied => {
            Refusal::guard("git.missing", format!("cannot start git {what}"))
                .because(format!("{error}: git is not installed, or its folder cannot be opened"))
                .next("check that git is installed: git --version")
                .into()
        }
        _ => anyhow::Error::new(error).context(format!("start git {what}")),
    }
}

/// The error for a failed git.
pub fn failed(what: &str, output: &Output) -> anyhow::Error {
    let said = complaint(output);
    if said.contains("dubious ownership") {
        return errors::distrusted(&said).into();
    }
    let refuse =
        |code, next: &str| Refusal::guard(code, format!("git {what} failed")).because(&*said).next(next).into();
    if said.contains("No space left on device") || said.contains("Disk quota exceeded") {
        return refuse("disk.full", "free some disk space and try again; no branch was changed");
    }
    if said.contains("Read-only file system") || said.contains("insufficient permission for adding an object") {
        return refuse("disk.read_only", "check the owner and mode of the git directory; no branch was changed");
    }
    if said.contains("Unable to create '") && said.contains(".lock': File exists") {
        let why = said.lines().find(|line| line.contains(".lock': File exists")).unwrap_or(&said);
        return Refusal::guard("git.locked", format!("git {what} failed: a lock file is in its way"))
            .because(why)
            .next("wait until that git command has ended; one that a dead command left: teof doctor --fix")
            .into();
    }
    // The arguments are fixed and work elsewhere, so the cause is in the repository or its settings.
    refuse("git.failed", "check whether git works here: git status")
}

/// The end of git's stderr, escaped, without its advice to remove lock files by hand.
pub fn complaint(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.split("Another git process seems to be running").next().unwrap_or_default();
    text::clip(&text::safe_block(said.trim()), 2000)
}
