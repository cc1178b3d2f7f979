//! Every environment variable that teof reads or sets, in one place. `docs/commands.md` repeats them.

/// Where discovery of the hub starts, instead of the current directory; `--root` wins over it.
pub const ROOT: &str = "TEOF_ROOT";
/// The seat that acts, instead of the manifest's; `--agent` wins over it.
pub const AGENT: &str = "TEOF_AGENT";
/// Set for a worker's children: the task they work on.
pub const TASK: &str = "TEOF_TASK";
/// Set for a worker's children: the run (one attempt) they belong to.
pub const RUN: &str = "TEOF_RUN";
/// Set for the programs of a stage: its name, such as `coder`.
pub const STAGE: &str = "TEOF_STAGE";
/// Set for a worker's children: the epoch of the claim; a write that shows an old one is refused.
pub const CLAIM_EPOCH: &str = "TEOF_CLAIM_EPOCH";
/// Set for a worker's children: the folder from which receipts are collected.
pub const RECEIPTS_DIR: &str = "TEOF_RECEIPTS_DIR";
/// Seconds that a session stays fresh (the playbook's name); `session.max_age` is the setting.
pub const SESSION_MAX_AGE: &str = "TEOF_SESSION_MAX_AGE";
/// Set for a worker's children: the socket over which the worker performs their writes.
pub const BROKER: &str = "TEOF_BROKER";
/// Set for a worker but not for its children: its run. Identifies the worker to the coordinator.
pub const WORKER: &str = "TEOF_WORKER";
/// Set for the programs in a worktree: its number, unique in the repository while the worktree exists.
pub const SLOT: &str = "TEOF_SLOT";
/// Set for the programs in a worktree: the first of its ports.
pub const PORT_BASE: &str = "TEOF_PORT_BASE";
/// Set for the programs of a terminal session: its id.
pub const SESSION: &str = "TEOF_SESSION";
/// An operator token: recognises a person where there is no terminal.
pub const OPERATOR_TOKEN: &str = "TEOF_OPERATOR_TOKEN";
/// A fixed time, for teof's own tests: a debug build honours it in a repository with a test's marker.
pub const NOW: &str = "TEOF_NOW";
/// What to log on stderr: error, warn, info, debug or trace.
pub const LOG: &str = "TEOF_LOG";
/// The pager for long output on a terminal; `cat` turns it off.
pub const PAGER: &str = "TEOF_PAGER";
/// The terminal's kind; `dumb` cannot redraw.
pub const TERM: &str = "TERM";
/// Where a shell looks for programs.
pub const PATH: &str = "PATH";
/// Where machine-local run data goes.
pub const XDG_STATE_HOME: &str = "XDG_STATE_HOME";
/// Where sockets of the person's programs go.
pub const XDG_RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";
/// Where temporary files go.
pub const TMPDIR: &str = "TMPDIR";
/// Where the person's own data is: completions and manual pages.
pub const XDG_DATA_HOME: &str = "XDG_DATA_HOME";
/// The socket of a service manager (systemd), which is told that the service is ready.
pub const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
/// How often the service manager wants a sign of life, in microseconds, and from which process.
pub const WATCHDOG_USEC: &str = "WATCHDOG_USEC";
pub const WATCHDOG_PID: &str = "WATCHDOG_PID";
/// The person's home folder.
pub const HOME: &str = "HOME";
/// The person's shell.
pub const SHELL: &str = "SHELL";
/// The folders of agent programs.
pub const CLAUDE_CONFIG_DIR: &str = "CLAUDE_CONFIG_DIR";
pub const CODEX_HOME: &str = "CODEX_HOME";
/// Where the person's own settings are.
pub const XDG_CONFIG_HOME: &str = "XDG_CONFIG_HOME";

/// Where traces go, as OpenTelemetry defines it: the base address, or the whole address for traces alone; headers
/// (`name=value`, with commas); the service's name; `true` turns it off.
pub const OTEL_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
pub const OTEL_TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
pub const OTEL_HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
pub const OTEL_SERVICE: &str = "OTEL_SERVICE_NAME";
pub const OTEL_DISABLED: &str = "OTEL_SDK_DISABLED";
/// Set for agents when traces are sent: the span that their own traces join.
pub const TRACEPARENT: &str = "TRACEPARENT";

/// teof's own variables that are not settings. ([`SESSION_MAX_AGE`] is one.)
pub const NOT_SETTINGS: [&str; 16] = [
    ROOT,
    AGENT,
    TASK,
    RUN,
    CLAIM_EPOCH,
    RECEIPTS_DIR,
    STAGE,
    BROKER,
    WORKER,
    SLOT,
    PORT_BASE,
    SESSION,
    OPERATOR_TOKEN,
    NOW,
    LOG,
    PAGER,
];

/// A variable's value; unset, empty and not-UTF-8 are all `None`.
#[allow(clippy::disallowed_methods)] // The one reader of the environment.
pub fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `PATH` for programs that run in a folder which is not ours to trust: without relative and empty entries,
/// which would find programs in that folder. `None` when nothing is left of it.
pub fn safe_path() -> Option<String> {
    let path = var(PATH)?;
    let kept: Vec<_> = path.split(':').filter(|entry| entry.starts_with('/')).collect();
    (!kept.is_empty()).then(|| kept.join(":"))
}

/// Every variable whose name starts with `prefix`, sorted by name.
#[allow(clippy::disallowed_methods)]
pub fn vars_with_prefix(prefix: &str) -> Vec<(String, String)> {
    let mut found: Vec<_> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with(prefix))
        .collect();
    found.sort();
    found
}

/// The account of this process according to the system, independent of the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub home: std::path::PathBuf,
}

/// This process's account; `None` when `/etc/passwd` does not list it.
pub fn account() -> Option<Account> {
    account_of(rustix::process::getuid().as_raw())
}

/// The account with this number; `None` when `/etc/passwd` does not list it.
///
/// The file is read without the C library, which cannot ask the system's name services from a static binary.
pub fn account_of(id: u32) -> Option<Account> {
    let users = std::fs::read("/etc/passwd").ok()?;
    of_user(&String::from_utf8_lossy(&users), id)
}

fn of_user(users: &str, id: u32) -> Option<Account> {
    users.lines().find_map(|line| {
        // passwd(5): name:password:UID:GID:comment:home:shell
        let fields: Vec<&str> = line.split(':').collect();
        let found = fields.get(2)?.parse() == Ok(id);
        found.then(|| Some(Account { name: fields[0].to_owned(), home: fields.get(5)?.into() }))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_number() {
        let users = "root:x:0:0:root:/root:/bin/bash\nodd\nann:x:1000:1000:Ann,,,:/home/ann:/bin/zsh\n";
        assert_eq!(of_user(users, 1000), Some(Account { name: "ann".into(), home: "/home/ann".into() }));
        assert_eq!(of_user(users, 7), None);
    }
}
