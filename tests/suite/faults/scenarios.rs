//! Every command that writes, as it is called in the [`super::lab`]; and those that write nothing.

use std::fs;
use std::path::Path;

/// How a command is called, and what a failure may leave.
pub struct Scenario {
    /// Its words; `_` is a space within a word, `%` an underscore.
    pub line: &'static str,
    pub kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All of it or nothing: a failure changed nothing, or says that it does not know.
    Whole,
    /// Several steps, each whole: after a failure the same command goes on.
    Steps,
    /// As `Steps`, with processes that run by the machine's clock.
    Runs,
}

use Kind::{Runs, Steps, Whole};

pub const SCENARIOS: &[Scenario] = &[
    scenario(Steps, "init --agent newcomer"),
    scenario(Steps, "init --dedicated"),
    scenario(Steps, "session-boot --no-sync --agent manager --allow-branch-mismatch"),
    scenario(Steps, "doctor --fix"),
    scenario(Steps, "check --fix"),
    scenario(Steps, "agent use worker-2"),
    scenario(Steps, "agent save put-away --allow-dirty --agent worker-1"),
    scenario(Steps, "agent restore kept --manifest-only"),
    scenario(Whole, "import beads --agent manager"),
    scenario(Whole, "task add Q-9 --title new --agent manager"),
    scenario(Whole, "task assign Q-1 --to worker-1 --agent manager"),
    scenario(Whole, "task pickup Q-2 --agent worker-1"),
    scenario(Whole, "task seed Q-1 --to worker-1 --agent manager --scaffold"),
    scenario(Whole, "task sync --agent manager"),
    scenario(Whole, "consensus record D-1 --summary s --agent manager"),
    scenario(Whole, "consensus escalate --agent manager"),
    scenario(Whole, "consensus sweep --agent manager"),
    scenario(Whole, "consensus weekly --agent manager"),
    scenario(Whole, "session brief T --preset operator --agent manager"),
    scenario(Whole, "session wrap --worked w --agent manager"),
    scenario(Whole, "bus claim Q-1 --agent worker-1 --allow-unassigned"),
    scenario(Whole, "bus pause T --agent worker-1 --reason r"),
    scenario(Whole, "bus takeover OLD --agent worker-1 --reason r"),
    scenario(Whole, "bus release T --agent worker-1"),
    scenario(Whole, "bus event --event observation --summary s --agent manager --request-id e1"),
    scenario(Whole, "bus message --task manager-report --type status --summary s --agent manager --request-id m1"),
    scenario(Whole, "bus ping --agent manager --request-id p1"),
    scenario(Whole, "bus heartbeat --agent manager"),
    scenario(Whole, "manager-report --log-heartbeat --agent manager"),
    scenario(Whole, "seat retire idle-1 --agent manager --request-id s1"),
    scenario(Whole, "seat revive retired-1 --agent manager --request-id s2"),
    scenario(Whole, "bus directive --task D-1 --summary s --agent manager --request-id d1"),
    scenario(Steps, "bus inbox --agent manager --mark-read"),
    scenario(Steps, "bus commit"),
    scenario(Steps, "bus restore"),
    scenario(
        Whole,
        "plan new walk --summary s --checkpoint c --priority high --impact-score 1 --layer L4 --systemic-scale 4 --allow-unclaimed --actor manager",
    ),
    scenario(Whole, "plan step add {plan} --title t --command true --test true --agent operator"),
    scenario(Whole, "plan step set {plan} S1 --note n --agent operator"),
    scenario(Steps, "plan approve {plan}"),
    scenario(Whole, "plan status {plan} in%progress --agent operator"),
    scenario(Whole, "plan checkpoint {plan} superseded --agent operator"),
    scenario(Whole, "plan attach {plan} S1 --file %report/agent/worker-1/proof.txt --agent worker-1"),
    scenario(Steps, "plan validate --output %report/planner/validate/summary-latest.json"),
    scenario(Steps, "plan hygiene --apply --agent manager"),
    scenario(Whole, "receipts hygiene --keep"),
    scenario(Whole, "receipts add %report/agent/worker-1/proof.txt --agent worker-1"),
    scenario(Whole, "receipts retire %report/agent/worker-1/gone.txt --reason r"),
    scenario(Whole, "dashboard report --agent manager"),
    scenario(Whole, "dashboard reassign worker-1 --to worker-2 --agent manager"),
    scenario(Whole, "dashboard clear worker-1 --agent manager"),
    scenario(Steps, "operator revoke old"),
    scenario(Steps, "consent grant --max-iterations 1"),
    scenario(Steps, "consent revoke"),
    scenario(Steps, "trust git"),
    scenario(Steps, "conductor --agent manager"),
    scenario(Steps, "coordinator submit --objective Do_it --test true"),
    scenario(Steps, "coordinator pause"),
    scenario(Steps, "coordinator resume"),
    scenario(Steps, "coordinator cancel Q-3"),
    scenario(Steps, "coordinator answer {asked} yes"),
    scenario(Steps, "session note {asked} Tabs,_please"),
    scenario(Steps, "coordinator reassign {asked} --to worker-2"),
    scenario(Steps, "coordinator skip Q-1"),
    scenario(Steps, "coordinator stop"),
    scenario(Steps, "coordinator reset-breaker"),
    scenario(Runs, "coordinator run --until-idle --max-jobs 1"),
    scenario(Steps, "review approve {waits}"),
    scenario(Steps, "review reject {waits} --note n"),
    scenario(Steps, "review retry {waits} --note n"),
    scenario(Steps, "review revert {merged}"),
    scenario(Steps, "scan --history"),
    scenario(Steps, "preflight core"),
    scenario(Steps, "worktree clean --all-finished"),
];

const fn scenario(kind: Kind, line: &'static str) -> Scenario {
    Scenario { line, kind }
}

/// Commands that change nothing that lasts; the driver holds them to it.
pub const READERS: &[&str] = &[
    "version",
    "guide",
    "schema claim",
    "export",
    "completions bash",
    "man",
    "check",
    "report",
    "dashboard",
    "doctor",
    "agent list",
    "agent doctor",
    "agent plugin",
    "seat list",
    "seat show worker-1",
    "task list",
    "bus status",
    "bus watch --limit 1",
    "bus verify",
    "bus restore --dry-run",
    "plan list",
    "plan show {plan}",
    "plan validate",
    "receipts verify",
    "receipts index",
    "receipts metrics",
    "operator whoami",
    "operator list",
    "consent show",
    "trust git --dry-run",
    "coordinator status",
    "coordinator explain",
    "coordinator metrics",
    "session watch --once",
    "status",
    "logs {waits}",
    "coordinator logs {waits}",
    "review list",
    "review show {waits}",
    "service unit",
    "service health",
    "notify list",
    "session list",
    "session show {waits}",
    "session logs {waits}",
    "session brief T",
    "consensus ledger",
    "consensus dashboard",
    "links list",
    "links show l",
    "worktree list",
    "worktree find T",
    "preflight full",
    "verify",
];

/// Not called here, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("agent try", "writes nothing that lasts but the output of one call; it starts a program of the settings"),
    ("agent setup", "writes files of other programs, one by one, as `completions --install` does"),
    ("hook", "boots and renews as `session-boot` does; what else it keeps is a hint; `agent_hooks.rs` breaks it"),
    ("quickstart", "makes a repository of its own, and does nothing in another one"),
    ("operator token", "asks for a terminal; `operator revoke` writes the same file in the same way"),
    ("run", "is `coordinator run` by another name"),
    ("top", "needs a terminal; its commands are those of `review` and `coordinator`"),
    ("approve", "is `review approve` by another name"),
    ("do", "submits as `coordinator submit`, grants as `consent grant`, and runs as `coordinator run` does"),
    ("mcp", "runs the commands above for its client; `mcp/` kills it and its client"),
    ("web", "serves until it is stopped; what is decided in it is `review` and `coordinator` by another way"),
    ("service install", "writes one file outside the repository, as `completions --install` does"),
    ("notify test", "writes nothing; it starts programs that the settings name"),
    ("worktree new", "runs `git worktree add`, whose faults are those of `coordinator run`"),
    ("worktree shell", "makes what `worktree new` makes, and starts a shell"),
    ("session start", "submits as `coordinator submit` does; a terminal is claimed for as `bus claim` does"),
    ("session attach", "writes nothing, and needs a terminal session; `executors/sessions.rs` has one"),
    ("session continue", "answers as `coordinator answer` and sends back as `review retry`"),
    ("session archive", "needs a session that ran; `agent_sessions.rs` archives one, in one transaction"),
    ("session cancel", "leaves one file for the worker of a live session; `pipeline/sessions.rs` ends one"),
    ("foreman run", "is what `coordinator run` starts; `foreman/kills.rs` kills it at each of its calls"),
];

#[test]
fn every_command_has_a_scenario_of_faults_or_a_reason() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md")).unwrap();
    let heads: Vec<&str> =
        page.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(" teof ")).collect();
    let is_group = |head: &&&str| heads.iter().any(|other| other.starts_with(&format!("{head} ")));
    let lines = SCENARIOS.iter().map(|scenario| scenario.line).chain(READERS.iter().copied());
    let lines: Vec<&str> = lines.chain(ELSEWHERE.iter().map(|(line, _)| *line)).collect();
    for leaf in heads.iter().filter(|head| !is_group(head)) {
        let called = lines.iter().any(|line| line == leaf || line.starts_with(&format!("{leaf} ")));
        assert!(called, "teof {leaf} has neither a scenario of faults nor a reason for having none");
    }
}
