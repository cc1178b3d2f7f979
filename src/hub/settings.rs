//! Settings: flags > `TEOF_*` > `teof.toml` > `$XDG_CONFIG_HOME/teof/config.toml` > the defaults here.
//!
//! An environment variable is named after section and key: `TEOF_COORDINATOR_CONCURRENCY=2`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::paths;
use crate::base::{Refusal, Result, env, files, time::span};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub session: Session,
    pub lock: Lock,
    pub claims: Claims,
    pub log: Log,
    pub git: Git,
    pub sources: Sources,
    pub coordinator: Coordinator,
    pub worker: Worker,
    pub guard: Guard,
    pub commands: Commands,
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
    /// How often, while busy.
    #[serde(with = "span")]
    pub record_every: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Worker {
    /// Where worktrees go; empty means `<repository>.worktrees` beside the repository.
    pub worktrees: String,
    /// A command that prints nothing for so long is ended.
    #[serde(with = "span")]
    pub no_output: Duration,
    /// A command that runs for so long is ended.
    #[serde(with = "span")]
    pub wall: Duration,
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
    /// Commands that must pass on every result, where a step says nothing.
    pub tests: Vec<String>,
    /// Globs that results may touch; empty means everywhere that is not denied.
    pub allowed: Vec<String>,
    /// Globs that results may never touch, besides the built-in ones.
    pub denied: Vec<String>,
    /// Globs whose change needs a person, besides the built-in ones.
    pub protected: Vec<String>,
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
        Self { remote: "origin".into(), target: String::new() }
    }
}

impl Default for Sources {
    fn default() -> Self {
        Self { backlog: true, plans: true }
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
            receipt_max_bytes: MIB,
            receipt_max_files: 64,
        }
    }
}

/// Reads all layers. A file that is not there is an empty layer; a key that we do not know is refused.
pub(super) fn load(root: &Path) -> Result<Settings> {
    let mut layers = Vec::new();
    for path in [user_file(), Some(root.join(paths::SETTINGS))].into_iter().flatten() {
        if let Some(table) = read_table(&path)? {
            layers.push((path.display().to_string(), table));
        }
    }
    let from_env = environment()?;
    if !from_env.is_empty() {
        layers.push(("the TEOF_* environment".to_owned(), from_env));
    }
    let mut merged = Table::new();
    layers.iter().for_each(|(_, table)| merge(&mut merged, table.clone()));
    match merged.try_into() {
        Ok(settings) => Ok(settings),
        // Something is wrong in one of them: say in which.
        Err(e) => {
            layers.iter().try_for_each(|(whence, table)| check(whence, table))?;
            Err(e.into())
        }
    }
}

/// The person's own settings file.
pub fn user_file() -> Option<PathBuf> {
    let folder = env::var(env::XDG_CONFIG_HOME)
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var("HOME")?).join(".config")))?;
    Some(folder.join("teof/config.toml"))
}

fn read_table(path: &Path) -> Result<Option<Table>> {
    let Some(bytes) = files::read(path, files::MAX_DOCUMENT)? else { return Ok(None) };
    let text = String::from_utf8(bytes).map_err(|_| invalid(&path.display().to_string(), "it is not UTF-8"))?;
    text.parse().map(Some).map_err(|e: toml::de::Error| invalid(&path.display().to_string(), &e.to_string()).into())
}

fn check(whence: &str, table: &Table) -> Result<()> {
    match table.clone().try_into::<Settings>() {
        Ok(_) => Ok(()),
        Err(e) => Err(invalid(whence, &e.to_string()).into()),
    }
}

fn invalid(whence: &str, why: &str) -> Refusal {
    Refusal::usage("settings.invalid", format!("{whence} holds settings that cannot be used"))
        .because(why.trim())
        .next("all settings and their defaults: teof doctor --settings")
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// `TEOF_<SECTION>_<KEY>` for every known key, read as the type that the default has.
fn environment() -> Result<Table> {
    let mut found = Table::new();
    // Most processes have none, and the table of defaults takes longer than all the rest.
    let mut set = env::vars_with_prefix("TEOF_");
    set.retain(|(_, text)| !text.is_empty());
    if set.is_empty() {
        return Ok(found);
    }
    for (section, keys) in Table::try_from(Settings::default())? {
        let Some(keys) = keys.as_table() else { continue };
        for (key, default) in keys {
            let name = format!("TEOF_{}_{}", section.to_uppercase(), key.to_uppercase());
            let Some((_, text)) = set.iter().find(|(known, _)| *known == name) else { continue };
            let value = match default {
                Value::String(_) => Value::String(text.clone()),
                Value::Array(_) => {
                    Value::Array(text.split(',').map(|item| Value::String(item.trim().into())).collect())
                }
                _ => format!("v = {text}")
                    .parse::<Table>()
                    .ok()
                    .and_then(|mut table| table.remove("v"))
                    .ok_or_else(|| invalid(&name, &format!("{text:?} is not a {}", default.type_str())))?,
            };
            let keys = found.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(keys) = keys {
                keys.insert(key.clone(), value);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_wins_over_the_defaults_and_unknown_keys_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("teof.toml");
        std::fs::write(&file, "[lock]\nwait = \"9s\"\n").unwrap();
        let settings = load(dir.path()).unwrap();
        assert_eq!(settings.lock.wait, Duration::from_secs(9));
        assert_eq!(settings.coordinator, Coordinator::default());
        for (text, why) in [
            ("[lock]\nwhait = 1", "whait"),
            ("[lock]\nwait = \"soon\"", "soon"),
            ("[lock", "TOML"),
            ("[coordinator]\nconcurrency = -1", "-1"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = load(dir.path()).unwrap_err();
            assert!(Refusal::of(&error).unwrap().reason.as_ref().unwrap().contains(why), "{text}: {error:?}");
        }
    }
}
