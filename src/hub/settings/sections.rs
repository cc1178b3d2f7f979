//! The sections about the record, the coordinator, its workers and what guards them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::time::span;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct People {
    /// What a person shows for consent, approval and review: "" nothing, "terminal" a terminal or an operator token. Counts in ~/.config/teof/config.toml only.
    pub require: Require,
}

/// What a person has to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Require {
    #[default]
    #[serde(rename = "")]
    Nothing,
    Terminal,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Session {
    /// How old a session may be for its seat to write to the bus.
    #[serde(with = "span")]
    pub max_age: Duration,
    /// Seats that `session-boot --auto-agent` may take.
    pub pool: Vec<String>,
    /// After how long without a handshake a pool seat counts as free.
    #[serde(with = "span")]
    pub pool_stale: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lock {
    /// How long a command waits for a lock.
    #[serde(with = "span")]
    pub wait: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Claims {
    /// After how long a silent owner of a claim without a lease may be replaced.
    #[serde(with = "span")]
    pub agent_window: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Bytes after which a log is sealed and a new one begun.
    pub seal_at: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Git {
    /// What `session-boot` syncs with.
    pub remote: String,
    /// How long a fetch of `session-boot` may take.
    #[serde(with = "span")]
    pub fetch_timeout: Duration,
    /// How long a merge waits for the program that signs it.
    #[serde(with = "span")]
    pub sign_timeout: Duration,
    /// Where finished work is meant to go; empty means the hub's branch.
    pub target: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sources {
    /// Whether the coordinator takes work from the backlog.
    pub backlog: bool,
    /// Whether the coordinator takes steps of open plans.
    pub plans: bool,
    /// Whether the coordinator takes planned feature requests of the vault.
    pub vault: bool,
    /// Where planned feature requests lie.
    pub vault_folder: String,
    /// Whether the coordinator takes entries of the queue.
    pub queue: bool,
    /// Where queue entries lie.
    pub queue_folder: String,
    /// How long a file of the vault or the queue must be unchanged before it is taken: it may still be being written.
    #[serde(with = "span")]
    pub settle: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Coordinator {
    /// The seat that the coordinator acts as.
    pub manager: String,
    /// Workers at once.
    pub concurrency: usize,
    /// Explicit submissions that wait; one more is refused.
    pub queue: usize,
    /// The safety poll while there is work.
    #[serde(with = "span")]
    pub poll_min: Duration,
    /// The safety poll when idle.
    #[serde(with = "span")]
    pub poll_max: Duration,
    /// Further attempts after a process failure or a time-out.
    pub retries: u32,
    /// The wait before the first further attempt.
    #[serde(with = "span")]
    pub retry_first: Duration,
    /// The wait before every later one.
    #[serde(with = "span")]
    pub retry_later: Duration,
    /// Failures in a row that open the breaker.
    pub breaker_after: u32,
    /// Whether the coordinator commits the record.
    pub record: bool,
    /// How often at most the record is committed: while there is work, and each time that nothing is left to do.
    #[serde(with = "span")]
    pub record_every: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Worker {
    /// Where worktrees go; empty means `<repository>.worktrees` beside the repository (for a submodule, a state folder).
    pub worktrees: String,
    /// A command that prints nothing for so long is ended.
    #[serde(with = "span")]
    pub no_output: Duration,
    /// An agent that reports nothing of meaning for so long is ended, whatever else it prints.
    #[serde(with = "span")]
    pub no_event: Duration,
    /// A command that runs for so long is ended.
    #[serde(with = "span")]
    pub wall: Duration,
    /// How long an agent may still run after its final result.
    #[serde(with = "span")]
    pub after_result: Duration,
    /// How long after the end of an account's limit its agent is called again: their clocks are not ours.
    #[serde(with = "span")]
    pub after_limit: Duration,
    /// Between asking a process to end and ending it.
    #[serde(with = "span")]
    pub grace: Duration,
    /// How far ahead a running worker renews the lease of its claim.
    #[serde(with = "span")]
    pub lease: Duration,
    /// Environment variables that a worker's children inherit, besides the documented basic ones.
    pub env: Vec<String>,
    /// The most output that is kept of one command, in bytes.
    pub max_output: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guard {
    /// Lines added plus lines removed, where a step says nothing.
    pub diff_limit: u64,
    /// Commands that must pass on every result, besides the tests of its own step.
    pub tests: Vec<String>,
    /// Globs that results may touch; empty means everywhere that is not denied.
    pub allowed: Vec<String>,
    /// Globs that results may never touch, besides the built-in ones.
    pub denied: Vec<String>,
    /// Globs whose change needs a person, besides the built-in ones.
    pub protected: Vec<String>,
    /// Globs of files that tools write: they count for no diff limit. So do files that the base marks `linguist-generated`.
    pub generated: Vec<String>,
    /// The largest receipt that is collected, in bytes.
    pub receipt_max_bytes: u64,
    /// The most receipts that one run may leave.
    pub receipt_max_files: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Commands {
    /// Globs over whole command lines that may run without a person's approval of the plan.
    pub allow: Vec<String>,
    /// What a step runs that names no commands of its own; empty means that such a step is not eligible.
    pub default: Vec<String>,
}

/// What package managers write, and nobody reads line by line.
const LOCK_FILES: [&str; 20] = [
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
        Self { seal_at: 16 * MIB }
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
            poll_min: Duration::from_secs(30),
            poll_max: Duration::from_secs(5 * MINUTE),
            retries: 2,
            retry_first: Duration::from_secs(30),
            retry_later: Duration::from_secs(2 * MINUTE),
            breaker_after: 3,
            record: true,
            record_every: Duration::from_secs(10 * MINUTE),
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
