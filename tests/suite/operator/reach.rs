//! What a run may touch: every command that changes something, called inside a run with arguments that reach beyond
//! the run's own task, seat and plan, is refused; the same on its own task works.

use std::collections::BTreeSet;

use serde_json::json;

use super::attack::Fort;

/// The command words of the table below are checked against those of `teof`; each line must be refused.
const BEYOND: &str = r#"
agent use codex-2
agent save mine
agent restore mine
agent try codex
agent setup claude --yes
agent plugin --output mine
bus claim QUEUE-002 --allow-unassigned
bus claim --task QUEUE-002 --allow-unassigned --status paused
bus claim --next
bus release QUEUE-002
bus pause QUEUE-002 --reason x
bus takeover QUEUE-002 --reason x
bus event --event complete --summary x --task QUEUE-002
bus message --task QUEUE-002 --type hold --summary x
bus message --task QUEUE-002 --type lift --summary x
bus ping --task QUEUE-002
bus ping --summary x --message-task QUEUE-002 --message-type hold
bus ping --summary x --message-task QUEUE-002 --message-type lift
bus directive --task QUEUE-002 --type lift --summary x
bus directive --task manager-report --summary x --pointer-task QUEUE-002 --pointer-type lift
bus event --event complete --summary x --plan 2026-01-06-other
bus heartbeat
manager-report
seat retire codex-2
seat revive codex-2
bus restore --accept
bus restore
conductor --max-iterations 1
coordinator run --until-idle
coordinator submit --objective mine
coordinator submit 2026-01-06-other
coordinator pause
coordinator resume
coordinator cancel QUEUE-002
coordinator answer QUEUE-002 yes
session note QUEUE-002 yes
coordinator reassign QUEUE-002 --to codex-1
coordinator skip QUEUE-002
coordinator stop
coordinator reset-breaker
do QUEUE-002 --yes
run --until-idle
approve any
approve --all-passing
foreman run _report/agent/manager/manifests/other.json --execute
consent grant
consent revoke
dashboard report
dashboard clear codex-1
dashboard reassign codex-1 --to codex-2
doctor --fix
check --fix
init
completions bash --install
operator token mine
operator revoke mine
plan new mine --summary x --priority 1 --impact-score 1
plan status 2026-01-06-other done
plan step add 2026-01-06-other --title x
plan step set 2026-01-06-other S1 --status done
plan attach 2026-01-06-other S1 --file _report/agent/codex-1/x.txt
plan approve 2026-01-06-other
plan hygiene --apply
plan checkpoint 2026-01-05-docs satisfied
trust git
receipts retire _report/agent/codex-2/x.txt --reason x
review approve any
review reject any --note x
review retry any --note x
review retry --all-blocked
review revert any
task add QUEUE-009 --title x
import beads
task assign QUEUE-002 --engineer codex-1
task seed QUEUE-002 --engineer codex-1
task sync
task pickup QUEUE-002
task pickup
service install --user
notify test
session-boot --auto-agent --no-sync
session wrap --worked x
session cancel QUEUE-001
session continue QUEUE-001 --note x
session archive QUEUE-001
session start --mode autonomous --task QUEUE-002
session start --mode dispatch --task QUEUE-002
session attach QUEUE-001
session brief QUEUE-001 --preset operator
receipts hygiene --keep
scan --history
receipts index --output receipts-index.jsonl
receipts metrics --output receipts-latency.jsonl
consensus ledger --output review.jsonl
consensus record QUEUE-002 --summary x
consensus escalate
consensus sweep
consensus weekly
web
worktree new QUEUE-002
worktree shell QUEUE-002
worktree clean --all-finished
"#;

/// Commands that change nothing, or nothing but what is their own: what a run may call freely.
const FREE: &[&str] = &[
    "agent list",
    "agent doctor",
    "hook",
    "bus commit",
    "bus directive",
    "bus inbox",
    "bus status",
    "bus watch",
    "seat list",
    "bus verify",
    "quickstart",
    "guide",
    "schema",
    "export",
    "coordinator status",
    "coordinator explain",
    "coordinator metrics",
    "session watch",
    "coordinator logs",
    "top",
    "status",
    "logs",
    "consent show",
    "operator list",
    "operator whoami",
    "man",
    "plan list",
    "plan show",
    "plan validate",
    "preflight core",
    "preflight full",
    "receipts add",
    "receipts verify",
    "verify",
    "receipts index",
    "receipts metrics",
    "receipts hygiene",
    "review list",
    "review show",
    "check",
    "report",
    "dashboard",
    "scan",
    "task list",
    "service unit",
    "service health",
    "notify list",
    "session list",
    "session show",
    "session logs",
    "seat show",
    "session brief",
    "consensus ledger",
    "consensus dashboard",
    "links list",
    "links show",
    "worktree list",
    "worktree find",
    "version",
    "mcp",
];

#[test]
fn a_run_touches_its_own_task_and_nothing_else() {
    let fort = Fort::new();
    fort.world.write("_report/agent/codex-1/x.txt", "x\n");
    let lines: Vec<_> = BEYOND.lines().filter(|line| !line.is_empty()).collect();
    let mut body = String::new();
    for (i, line) in lines.iter().enumerate() {
        // As the run calls it, and with everything cleared that says so.
        body += &format!("try own-{i} $T {line}\ntry bare-{i} $E TEOF_AGENT=codex-1 $T {line} --json\n");
    }
    let own = [
        "bus event --event status --summary x --task QUEUE-001",
        "bus event --event observation --summary x",
        "bus message --task QUEUE-001 --type status --summary x",
        "bus message --task QUEUE-002 --type question --summary x",
        "bus claim QUEUE-001 --allow-unassigned --notes half",
    ];
    for (i, line) in own.iter().enumerate() {
        body += &format!("try mine-{i} $T {line}\n");
    }
    fort.run(&fort.script(&body)).expect("an outcome");
    let ended = fort.ended();
    let wrong: Vec<_> = lines
        .iter()
        .enumerate()
        .flat_map(|(i, line)| [(format!("own-{i}"), line), (format!("bare-{i}"), line)])
        .filter(|(name, _)| ended.get(name) != Some(&6))
        .map(|(name, line)| format!("{name} teof {line}: {:?}: {}", ended.get(&name), fort.said(&name)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (i, line) in own.iter().enumerate() {
        let name = format!("mine-{i}");
        assert_eq!(ended.get(&name), Some(&0), "teof {line}: {}", fort.said(&name));
    }
    assert!(!fort.world.exists("_bus/claims/QUEUE-002.json") && !fort.world.exists("_bus/assignments/QUEUE-002.json"));
    assert_eq!(fort.world.read_json("_plans/2026-01-06-other.plan.json")["status"], json!("queued"));
}

#[test]
fn the_table_of_what_a_run_may_touch_has_every_command() {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/commands.md")).unwrap();
    let all: Vec<_> = guide.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(" teof ")).collect();
    let is_group = |name: &str| all.iter().any(|other| other.starts_with(&format!("{name} ")));
    let told = |name: &str| BEYOND.lines().any(|line| line == name || line.starts_with(&format!("{name} ")));
    let missing: BTreeSet<_> =
        all.iter().filter(|name| !is_group(name) && !FREE.contains(*name) && !told(name)).collect();
    assert!(all.len() > 50 && missing.is_empty(), "put them into BEYOND or FREE: {missing:?}");
}
