//! The settings of the record, the coordinator, its workers and the guards.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::executor::{Container, ExecutorKind};
use super::limits::Limits;
use super::sandbox::{self, Sandbox};
use crate::base::time::{Span, span};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct People {
    /// What consent, approval and review require of a person: "" nothing, "terminal" a terminal or an operator token.
    /// Only valid in ~/.config/teof/config.toml.
    pub require: Require,
}

/// What a person must show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Require {
    #[default]
    #[serde(rename = "")]
    Nothing,
    Terminal,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Session {
    /// Maximum age of a session for its seat to write to the bus.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub max_age: Duration,
    /// Seats that `session-boot --auto-agent` may use.
    pub pool: Vec<String>,
    /// Time without a handshake after which a pool seat counts as free.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub pool_stale: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Lock {
    /// How long a command waits for a lock.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub wait: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Claims {
    /// Time of silence after which the owner of a claim without a lease may be replaced.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub agent_window: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Size in bytes at which a log is sealed and a new one started.
    pub seal_at: u64,
    /// How the coordinator logs what it does: `text`, or `json` for a document a line.
    pub format: LogFormat,
    /// Where it logs to: `stderr`, `file` (`<git common dir>/teof/coordinator/coordinator.log`) or `both`.
    pub to: LogTo,
    /// Size in bytes at which that file is rotated.
    pub rotate_at: u64,
    /// How many rotated files are kept.
    pub keep: usize,
}

/// How the coordinator's log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// Where the coordinator's log goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogTo {
    #[default]
    Stderr,
    File,
    Both,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Git {
    /// Remote that `session-boot` syncs with.
    pub remote: String,
    /// Time limit for the fetch of `session-boot`.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub fetch_timeout: Duration,
    /// Time limit for signing a merge.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub sign_timeout: Duration,
    /// Branch for finished work; empty means the hub's branch.
    pub target: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sources {
    /// Whether the coordinator takes work from the backlog.
    pub backlog: bool,
    /// Whether the coordinator takes steps of open plans.
    pub plans: bool,
    /// Whether the coordinator takes planned feature requests of the vault.
    pub vault: bool,
    /// Folder of planned feature requests.
    pub vault_folder: String,
    /// Whether the coordinator takes entries of the queue.
    pub queue: bool,
    /// Folder of queue entries.
    pub queue_folder: String,
    /// How long a vault or queue file must be unchanged before it is taken, because it may still be being written.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub settle: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Coordinator {
    /// Seat of the coordinator.
    pub manager: String,
    /// Maximum number of workers at the same time.
    pub concurrency: usize,
    /// Maximum number of waiting submissions; more are refused.
    pub queue: usize,
    /// How often more urgent work may pause a running job after its stage when no worker is free; 0 means never.
    pub preemptions: u32,
    /// What happens to work whose step declares (`allowed`) paths of a running job: `warn`, `wait` until that job has
    /// finished, or `off`. Except with `off`, unfinished jobs are also merged with each other on trial.
    pub overlap: Overlap,
    /// Poll interval while there is work.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub poll_min: Duration,
    /// Poll interval when idle.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub poll_max: Duration,
    /// Retries after a process failure or a timeout.
    pub retries: u32,
    /// Wait before the first retry.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub retry_first: Duration,
    /// Wait before each later retry.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub retry_later: Duration,
    /// Consecutive failures that open the breaker.
    pub breaker_after: u32,
    /// Whether the coordinator commits the record.
    pub record: bool,
    /// Minimum time between record commits; a coordinator that is told to stop commits the record at once. Where the
    /// record has a branch of its own, it is also committed whenever a run ends and after each approval.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub record_every: Duration,
    /// How long a coordinator that is told to stop waits for the current stages; then it stops them, and they resume
    /// at the next start.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub stop_within: Duration,
    /// Free bytes on each disk that teof writes to, below which no job starts until a quarter more is free.
    pub min_free_disk: u64,
}

/// What the coordinator does about jobs that change the same files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    Off,
    #[default]
    Warn,
    Wait,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Worker {
    /// Folder for worktrees; empty means `<repository>.worktrees` next to the repository (for a submodule, a state
    /// folder).
    pub worktrees: String,
    /// A command without output for this long is stopped.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub no_output: Duration,
    /// An agent without progress for this long is stopped, whatever else it prints.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub no_event: Duration,
    /// Time limit for one command.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub wall: Duration,
    /// How long an agent may run after its final result.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub after_result: Duration,
    /// Extra wait after an account limit ends before the agent is called again, because clocks differ.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub after_limit: Duration,
    /// Wait between asking a process to stop and killing it.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub grace: Duration,
    /// How far ahead a running worker renews its claim's lease.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub lease: Duration,
    /// Environment variables that a worker's children inherit, besides the documented basic ones.
    pub env: Vec<String>,
    /// Maximum output kept of one command, in bytes.
    pub max_output: u64,
    /// How programs are started: `process`, `docker` (containers), or `tmux` (windows that a person can join).
    pub executor: ExecutorKind,
    /// How containers are made.
    pub docker: Container,
    /// What the programs of one job may use together.
    pub limits: Limits,
    /// What the programs of a worker may do.
    #[serde(deserialize_with = "sandbox::deserialize")]
    pub sandbox: Sandbox,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Guard {
    /// Default limit on changed lines (added plus removed), for steps without their own.
    pub diff_limit: u64,
    /// Commands that must pass on every result, in addition to the tests of its step.
    pub tests: Vec<String>,
    /// Globs of paths that results may change; empty means everything that is not denied.
    pub allowed: Vec<String>,
    /// Globs of paths that results must not change, in addition to the built-in ones.
    pub denied: Vec<String>,
    /// Globs of paths whose changes a person must review, in addition to the built-in ones.
    pub protected: Vec<String>,
    /// Globs of generated files, which do not count for the diff limit; nor do files marked `linguist-generated` in
    /// the base.
    pub generated: Vec<String>,
    /// Maximum size of a receipt, in bytes.
    pub receipt_max_bytes: u64,
    /// Maximum number of receipts per run.
    pub receipt_max_files: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Commands {
    /// Globs of complete command lines that may run without a person's approval of the plan.
    pub allow: Vec<String>,
    /// Commands of a step that names none; empty means that such a step is not eligible.
    pub default: Vec<String>,
}

/// Lock files of package managers.
pub(super) const LOCK_FILES: [&str; 20] = [
    "Cargo.lock",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "bun.lock",
    "bun.lockb",
    "deno.lock",
    "composer.lock",
    "Gemfile.lock",
    "poetry.lock",
    "Pipfile.lock",
    "pdm.lock",
    "uv.lock",
    "go.sum",
    "flake.lock",
    "mix.lock",
    "pubspec.lock",
    "Package.resolved",
    "gradle.lockfile",
];

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const MIB: u64 = 1024 * 1024;

impl Default for Session {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(HOUR),
            pool: ["codex-1", "codex-2", "codex-3", "codex-4"].map(str::to_owned).to_vec(),
            pool_stale: Duration::from_secs(90 * MINUTE),
        }
    }
}

impl Default for Lock {
    fn default() -> Self {
        Self { wait: Duration::from_secs(5) }
    }
}

impl Default for Claims {
    fn default() -> Self {
        Self { agent_window: Duration::from_secs(4 * HOUR) }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { seal_at: 16 * MIB, format: LogFormat::Text, to: LogTo::Stderr, rotate_at: 8 * MIB, keep: 4 }
    }
}

impl Default for Git {
    fn default() -> Self {
        Self {
            remote: "origin".into(),
            fetch_timeout: Duration::from_secs(30),
            sign_timeout: Duration::from_secs(60),
            target: String::new(),
        }
    }
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            backlog: true,
            plans: true,
            vault: true,
            vault_folder: "vault/10_features/03_planned".into(),
            queue: true,
            queue_folder: "queue".into(),
            settle: Duration::from_secs(2),
        }
    }
}

impl Default for Coordinator {
    fn default() -> Self {
        Self {
            manager: "manager".into(),
            concurrency: 3,
            queue: 10,
            preemptions: 2,
            overlap: Overlap::default(),
            poll_min: Duration::from_secs(30),
            poll_max: Duration::from_secs(5 * MINUTE),
            retries: 2,
            retry_first: Duration::from_secs(30),
            retry_later: Duration::from_secs(2 * MINUTE),
            breaker_after: 3,
            record: true,
            record_every: Duration::from_secs(10 * MINUTE),
            stop_within: Duration::from_secs(10 * MINUTE),
            min_free_disk: 256 * MIB,
        }
    }
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            worktrees: String::new(),
            no_output: Duration::from_secs(10 * MINUTE),
            no_event: Duration::from_secs(20 * MINUTE),
            after_result: Duration::from_secs(10),
            after_limit: Duration::from_secs(MINUTE),
            wall: Duration::from_secs(2 * HOUR),
            grace: Duration::from_secs(10),
            lease: Duration::from_secs(30 * MINUTE),
            env: Vec::new(),
            max_output: 64 * MIB,
            executor: ExecutorKind::default(),
            docker: Container::default(),
            limits: Limits::default(),
            sandbox: Sandbox::default(),
        }
    }
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            diff_limit: 400,
            tests: Vec::new(),
            allowed: Vec::new(),
            denied: Vec::new(),
            protected: Vec::new(),
            generated: LOCK_FILES.map(str::to_owned).to_vec(),
            receipt_max_bytes: MIB,
            receipt_max_files: 64,
        }
    }
}
