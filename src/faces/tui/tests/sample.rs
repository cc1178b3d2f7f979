//! A made-up board for the tests of the screen.

use std::sync::Arc;
use std::time::Duration;

use super::super::state::{Input, State};
use super::super::update::update;
use crate::base::Stamp;
use crate::board::Snapshot;
use crate::board::claims::Claim;
use crate::board::events::EventLine;
use crate::board::history::History;
use crate::board::jobs::Job;
use crate::board::problems::{Problem, Severity};
use crate::board::review::Reviewable;
use crate::board::runtime::{Breaker, Budget, Consent, Runtime, Spent};
use crate::coordinator::state::Totals;

pub fn now() -> Stamp {
    Stamp::parse("2026-01-05T12:00:00Z").unwrap()
}

fn ago(seconds: u64) -> Stamp {
    now().minus(Duration::from_secs(seconds))
}

/// A state that shows [`board`] on a screen of this size.
pub fn state(columns: u16, rows: u16) -> State {
    let mut state = State::new("billing".into(), now(), (columns, rows));
    update(&mut state, Input::Board(Arc::new(board())));
    state
}

/// Three problems; jobs that run, hang, and ask; two results, one of which is safe; a claim and an event.
pub fn board() -> Snapshot {
    let stuck = Job { last_at: Some(ago(840)), last_tool: Some("Bash make".into()), ..running("j8") };
    let question = Some("Which date format?".to_owned());
    let asking = Job { question, phase: "question", label: "needs answer", elapsed_seconds: None, ..running("j5") };
    Snapshot {
        generated_at: now(),
        revision: 1,
        problems: vec![
            problem(Severity::High, "coordinator.stuck", "the coordinator is stuck", None),
            problem(Severity::Medium, "job.quiet", "j8 has done nothing for 14 min", Some("j8")),
            problem(Severity::Low, "review.waiting", "2 jobs wait for your review", None),
        ],
        runtime: runtime(),
        jobs: vec![asking, running("j7"), stuck, over("j4", "blocked"), over("j3", "done")],
        review: Arc::new(vec![result("j1", true), result("j2", false)]),
        claims: Arc::new(vec![claim()]),
        unusable: Arc::default(),
        plans: Arc::default(),
        seats: Vec::new(),
        worktrees: Arc::default(),
        history: Arc::new(History::default()),
        events: Arc::new(vec![event("e1", "the earlier one"), event("e2", "the later one")]),
    }
}

fn problem(severity: Severity, kind: &'static str, what: &str, about: Option<&str>) -> Problem {
    let command = about.map(|about| format!("teof logs {about}"));
    let (what, about) = (what.to_owned(), about.map(str::to_owned));
    Problem { severity, kind, what, command, about, since: Some(ago(840)) }
}

pub fn running(short: &str) -> Job {
    Job {
        id: format!("job-{short}"),
        short: short.to_owned(),
        run: format!("job-{short}.1"),
        task: format!("task-{short}"),
        plan: None,
        step: None,
        title: format!("Title of {short}"),
        source: "submission".into(),
        seat: "worker-1".into(),
        phase: "running",
        label: "running",
        is_over: false,
        is_superseded: false,
        is_unmerged: false,
        is_held: false,
        dismissed: None,
        since: Some(ago(725)),
        until: None,
        chosen_at: ago(730),
        elapsed_seconds: Some(725),
        stage: Some("coder".into()),
        round: Some(2),
        stage_since: Some(ago(60)),
        has_agents: true,
        agent: Some("claude".into()),
        last_tool: Some("Edit src/a.rs".into()),
        last_line: None,
        last_at: Some(ago(3)),
        tokens: 45_200,
        cost_usd: Some(0.42),
        uncounted: Spent::default(),
        passes: 1,
        max_passes: 3,
        failures: 0,
        reason: None,
        question: None,
        last_output: None,
        pull_request: None,
        bundle: None,
        commit: None,
        order: None,
        log: "x.log".into(),
        next: None,
        paused_by: None,
        tools: Default::default(),
        errors: Default::default(),
        noticed: Vec::new(),
        takes_notes: false,
    }
}

fn over(short: &str, phase: &'static str) -> Job {
    Job { phase, label: phase, is_over: true, elapsed_seconds: None, ..running(short) }
}

pub fn result(short: &str, is_passing: bool) -> Reviewable {
    Reviewable {
        job: format!("job-{short}"),
        short: short.to_owned(),
        run: format!("job-{short}.1"),
        task: format!("task-{short}"),
        plan: None,
        step: None,
        title: format!("Title of {short}"),
        seat: "worker-1".into(),
        since: ago(300),
        branch: "b".into(),
        target: "main".into(),
        commit: "0123456789abcdef".into(),
        is_passing,
        tests_passed: 2,
        tests: 2,
        files: 1,
        added: 12,
        removed: 1,
        high_findings: usize::from(!is_passing),
        other_findings: 0,
        finding: (!is_passing).then(|| "the wait has no limit".to_owned()),
        passes: 1,
        tokens: 1000,
        cost_usd: Some(0.62),
        seconds: 60.0,
        bundle: "bundle.json".into(),
        altered: None,
    }
}

fn claim() -> Claim {
    Claim {
        task: "task-j7".into(),
        seat: Some("worker-1".into()),
        status: "active".into(),
        is_live: true,
        plan: None,
        branch: None,
        claimed_at: None,
        lease_expires_at: Some(now().plus(Duration::from_secs(1800))),
        epoch: 1,
        notes: None,
        assigned_to: Some("worker-2".into()),
        hold: None,
        editing: None,
    }
}

fn event(id: &str, summary: &str) -> EventLine {
    EventLine {
        id: Some(id.into()),
        at: Some(ago(10)),
        seat: "worker-1".into(),
        event: "status".into(),
        task: Some("task-j7".into()),
        plan: None,
        severity: None,
        summary: summary.into(),
    }
}

fn runtime() -> Runtime {
    Runtime {
        running: true,
        stopping: false,
        holder: None,
        stuck: None,
        failing: Vec::new(),
        paused: None,
        breaker: Breaker { failures_in_a_row: 0, open_since: None, reason: None, job: None },
        nothing_is_chosen: Vec::new(),
        obstacle: None,
        no_item_is_taken: None,
        uncommitted: None,
        record_behind: None,
        unread_commands: 0,
        queued: Vec::new(),
        skipped: Vec::new(),
        suspended: Vec::new(),
        quotas: Vec::new(),
        conflicts: Vec::new(),
        merge_policy: None,
        consent: Consent {
            given: true,
            why: None,
            by: None,
            at: None,
            jobs_allowed: None,
            jobs_started: 0,
            jobs_left: None,
            only: None,
            may_merge: true,
        },
        spent_today: Spent { tokens: 429_104, cost_usd: Some(3.46) },
        spent_running: Spent::default(),
        spent: Spent::default(),
        budget: Budget { day_cost: 20.0, ..Budget::default() },
        totals: Totals::default(),
        slots: 3,
    }
}
