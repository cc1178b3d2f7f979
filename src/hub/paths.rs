//! Paths: relative to the hub's root, and machine-local under `<common dir>/teof/`.

/// The folders that teof owns in the tree. They never count as a dirty tree, and a worker's branch
/// never changes them.
pub const OWNED: [&str; 3] = ["_bus", "_plans", "_report"];

/// The branch of a record that has its own worktree.
pub const RECORD_BRANCH: &str = "teof/record";

pub const CLAIMS: &str = "_bus/claims";
pub const ASSIGNMENTS: &str = "_bus/assignments";
pub const MESSAGES: &str = "_bus/messages";
pub const EVENTS_FOLDER: &str = "_bus/events";
/// The current log; sealed logs are next to it as `events-<first ts>.jsonl`.
pub const EVENTS: &str = "_bus/events/events.jsonl";
/// Prefix of sealed logs.
pub const SEALED: &str = "_bus/events/events-";
pub const PLANS: &str = "_plans";
pub const BACKLOG: &str = "_plans/next-development.todo.json";
pub const LEDGER: &str = "_report/receipts.jsonl";
/// The log of approvals and rejections.
pub const MEMORY: &str = "memory/log.jsonl";
pub const CONSENT: &str = "docs/automation/autonomy-consent.json";
/// Where the playbook's tools kept a list of tasks; kept up to date where it exists.
pub const TASKS: &str = "agents/tasks/tasks.json";
/// The files outside the owned folders that are part of the record: teof edits them as work goes on.
pub const OWNED_FILES: [&str; 3] = [MEMORY, CONSENT, TASKS];
pub const SETTINGS: &str = "teof.toml";
/// Machine-local: what a person granted and approved here.
pub const TRUST: &str = "trust.json";

/// Whether a path (relative, `/`-separated) is in a folder that teof owns.
pub fn is_owned(relative: &str) -> bool {
    OWNED
        .iter()
        .any(|folder| relative.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Whether a path is part of the record: in a folder that teof owns, or an owned file, or the approvals folder
/// itself: a file there would block it.
pub fn is_record(relative: &str) -> bool {
    let in_its_place = MEMORY.split_once('/').is_some_and(|(folder, _)| relative == folder);
    let is_file = |file: &str| relative.strip_prefix(file).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    is_owned(relative) || in_its_place || OWNED_FILES.into_iter().any(is_file)
}

/// Whether a path is a sealed part of the event log.
pub fn is_sealed(relative: &str) -> bool {
    relative.starts_with(SEALED) && relative.ends_with(".jsonl")
}

pub fn claim(task: &str) -> String {
    format!("{CLAIMS}/{task}.json")
}

pub fn assignment(task: &str) -> String {
    format!("{ASSIGNMENTS}/{task}.json")
}

pub fn channel(channel: &str) -> String {
    format!("{MESSAGES}/{channel}.jsonl")
}

/// The folder of a seat's receipts.
pub fn agent(agent: &str) -> String {
    format!("_report/agent/{agent}")
}

/// The folder of a seat's session files.
pub fn session(agent: &str) -> String {
    format!("_report/session/{agent}")
}

/// Everything directly in teof's machine-local folder; [`super::Hub::local`] asserts it in tests.
const MACHINE_LOCAL: [&str; 32] = [
    "alerts",
    "aside",
    "cache",
    "coordinator",
    "durable.gitconfig",
    "editing",
    "evidence",
    "half-made",
    "hub",
    "intents",
    "live",
    "locks",
    "marks",
    "moved-targets.json",
    "notes",
    "removed",
    "requests",
    "review",
    "runs",
    "said",
    "scan-accepted.json",
    "seats",
    "setup-cache",
    "setups",
    "stages",
    "state",
    "surroundings",
    "test-clock",
    "tmux",
    "torn",
    "trust.json",
    "",
];

/// Whether this name is used in teof's machine-local folder.
pub fn is_machine_local(name: &str) -> bool {
    MACHINE_LOCAL.contains(&name) || crate::base::files::is_temporary(name)
}

/// Machine-local: the run lock of a task, held by its worker until it ends.
pub fn run_lock(task: &str) -> String {
    format!("locks/run-{task}.lock")
}

/// Machine-local: held by the hub's coordinator while it runs.
pub const COORDINATOR_LOCK: &str = "locks/coordinator.lock";

/// Machine-local: the outcome, which a worker writes last.
pub fn outcome(run: &str) -> String {
    format!("runs/{run}.json")
}

/// Machine-local: what a run does at this moment, while it lasts.
pub fn live(run: &str) -> String {
    format!("live/{run}.json")
}

/// Machine-local: while it exists, the run stops at the end of its stage.
pub fn stop(run: &str) -> String {
    format!("runs/{run}.stop")
}

#[cfg(test)]
mod tests {
    use super::MACHINE_LOCAL;

    #[test]
    fn every_machine_local_name_is_documented() {
        let page = include_str!("../../docs/files.md");
        let (_, local) = page.split_once("## Outside the tree").unwrap();
        let named = |name: &str| ["/", "`", "/<"].iter().any(|end| local.contains(&format!("`{name}{end}")));
        let missing: Vec<&str> = MACHINE_LOCAL.into_iter().filter(|name| !name.is_empty() && !named(name)).collect();
        assert_eq!(missing, ["test-clock"], "only teof's tests need that one");
    }
}
