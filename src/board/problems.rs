//! What needs a person, the most urgent first, each with the command that helps.

use serde::Serialize;

use super::claims::{Claim, Unusable};
use super::jobs::Job;
use super::review::Reviewable;
use super::runtime::Runtime;
use crate::base::{Stamp, text};
use crate::hub::settings::Engine;
use crate::model::run::noticed::Action;

/// This part of a budget is worth a word.
const NEARLY: f64 = 0.9;
/// How many problems of one kind are listed one by one.
const EACH: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Work stands still, or may be lost.
    High,
    /// Somebody should look soon.
    Medium,
    /// Waits for a person, as it should.
    Low,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::High => "high",
            Severity::Medium => "medium",
            Severity::Low => "low",
        }
    }
}

/// Something that needs a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub severity: Severity,
    /// A stable word: `breaker.open`, `job.blocked`, …
    pub kind: &'static str,
    /// One line.
    pub what: String,
    /// The command that helps, or shows more.
    pub command: Option<String>,
    /// What it is about, where there is such a thing: a job's short id, a task, a seat.
    pub about: Option<String>,
    /// Since when, if known.
    pub since: Option<Stamp>,
}

impl Problem {
    fn new(severity: Severity, kind: &'static str, what: impl Into<String>) -> Problem {
        Problem { severity, kind, what: what.into(), command: None, about: None, since: None }
    }

    fn command(mut self, command: impl Into<String>) -> Problem {
        self.command = Some(command.into());
        self
    }

    fn about(mut self, about: &str) -> Problem {
        self.about = Some(about.to_owned());
        self
    }

    fn since(mut self, since: Option<Stamp>) -> Problem {
        self.since = since;
        self
    }
}

/// What problems are found in.
pub(super) struct Facts<'a> {
    pub now: Stamp,
    pub runtime: &'a Runtime,
    pub jobs: &'a [Job],
    pub review: &'a [Reviewable],
    pub claims: &'a [Claim],
    pub unusable: &'a [Unusable],
}

/// All problems, the gravest first; those of one severity in the order in which a person would look at them.
pub(super) fn find(facts: &Facts) -> Vec<Problem> {
    let mut found = Vec::new();
    of_runtime(facts, &mut found);
    of_jobs(facts, &mut found);
    of_review(facts, &mut found);
    of_record(facts, &mut found);
    found.sort_by_key(|problem| problem.severity);
    found
}

fn of_runtime(facts: &Facts, found: &mut Vec<Problem>) {
    use Severity::{High, Medium};
    let runtime = facts.runtime;
    if let Some(why) = &runtime.record_behind {
        let problem = Problem::new(High, "record.behind", format!("the record may be out of date: {why}"));
        found.push(problem.command("teof doctor"));
    }
    if let Some(since) = runtime.breaker.open_since {
        let why = runtime.breaker.reason.as_deref().unwrap_or_default();
        let problem = Problem::new(High, "breaker.open", format!("the breaker is open: {why}"));
        found.push(problem.command("teof coordinator reset-breaker").since(Some(since)));
    }
    if let Some(stuck) = &runtime.stuck {
        let problem = Problem::new(High, "coordinator.stuck", format!("the coordinator is stuck: {}", stuck.why));
        found.push(problem.command(fix_command(&stuck.fix)));
    }
    for one in runtime.failing.iter().take(EACH) {
        let problem = Problem::new(High, "action.failing", format!("the coordinator {}", one.describe()));
        found.push(problem.command("teof doctor"));
    }
    let waits = facts.jobs.iter().any(|job| !job.is_over && job.next.is_none()) || !runtime.queued.is_empty();
    if !runtime.running && waits {
        found.push(Problem::new(High, "coordinator.stopped", "jobs wait, and no coordinator runs").command("teof run"));
    }
    if let Some(why) = runtime.consent.why.as_ref().filter(|_| runtime.running) {
        let problem = Problem::new(High, "consent.none", format!("no job may start: {why}"));
        found.push(problem.command("teof consent grant --max-jobs 10"));
    }
    for why in &runtime.nothing_is_chosen {
        let problem = Problem::new(High, "choice.stopped", format!("no new job starts: {why}"));
        found.push(problem.command("teof scan"));
    }
    let is_told = runtime.consent.why.is_some() || !runtime.nothing_is_chosen.is_empty();
    if let Some(why) = runtime.obstacle.as_ref().filter(|_| !is_told) {
        let problem = Problem::new(Medium, "choice.waits", format!("no job starts: {}", text::clip(why, 300)));
        found.push(problem.command("teof coordinator explain"));
    }
    if let Some(why) = &runtime.uncommitted {
        found.push(Problem::new(Medium, "record.uncommitted", why.clone()).command("teof bus commit"));
    }
    if let Some(paused) = &runtime.paused {
        let problem = Problem::new(Medium, "coordinator.paused", format!("paused by {}", paused.by));
        found.push(problem.command("teof coordinator resume").since(Some(paused.at)));
    }
    if let Some(why) = &runtime.no_item_is_taken {
        let problem = Problem::new(Medium, "backlog.stopped", format!("no backlog item starts: {why}"));
        found.push(problem.command("teof consent show"));
    }
    for one in &runtime.suspended {
        let what = format!("{} is not called until {}: {}", one.agent, one.until, one.reason);
        let command = if Engine::is_program(&one.agent) { "teof doctor" } else { "teof agent doctor" };
        let problem = Problem::new(Medium, "agent.suspended", what).command(command);
        found.push(problem.about(&one.agent));
    }
    for one in runtime.quotas.iter().filter(|one| one.holds_back) {
        let what = format!("{} has used {} (until {}); less urgent work waits", one.agent, one.text, one.until);
        found.push(
            Problem::new(Severity::Low, "agent.quota", what).command("teof coordinator resume").about(&one.agent),
        );
    }
    for one in runtime.conflicts.iter().take(EACH) {
        let severity = if one.is_certain { Medium } else { Severity::Low };
        let problem = Problem::new(severity, "jobs.conflict", text::clip(&one.text, 300)).command(&one.command);
        found.push(problem.about(&one.jobs[1]));
    }
    budget(runtime, found);
}

fn budget(runtime: &Runtime, found: &mut Vec<Problem>) {
    let (spent, budget) = (runtime.spent_today, runtime.budget);
    let tokens = (budget.day_tokens > 0).then(|| spent.tokens as f64 / budget.day_tokens as f64);
    let cost = (budget.day_cost > 0.0).then(|| spent.cost_usd.unwrap_or(0.0) / budget.day_cost);
    let Some(part) = tokens.into_iter().chain(cost).reduce(f64::max).filter(|part| *part >= NEARLY) else { return };
    let (severity, what) = match part >= 1.0 {
        true => (Severity::High, "the day's budget is used up".to_owned()),
        false => (Severity::Medium, format!("{:.0} % of the day's budget is used", part * 100.0)),
    };
    found.push(Problem::new(severity, "budget.day", what).command("teof report --since 24h"));
}

fn of_jobs(facts: &Facts, found: &mut Vec<Problem>) {
    use Severity::{Low, Medium};
    for job in facts.jobs.iter().filter(|job| job.phase == "question") {
        let asked = job.question.as_deref().or(job.reason.as_deref()).unwrap_or_default();
        let last = asked.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let what = format!("{} asks: {}", job.short, text::clip(&text::safe(last), 200));
        found.push(of_job(Problem::new(Medium, "job.question", what), job));
    }
    for job in facts.jobs.iter().filter(|job| job.is_blocked()).take(EACH) {
        let why = job.reason.as_deref().unwrap_or("no reason given");
        let what = format!("{} is blocked: {}", job.short, text::clip(why, 200));
        found.push(of_job(Problem::new(Medium, "job.blocked", what), job));
    }
    for job in facts.jobs {
        if let Some(quiet) = job.stuck_seconds(facts.now) {
            let what = format!("{} has done nothing for {} min", job.short, quiet / 60);
            let problem = Problem::new(Medium, "job.quiet", what).command(format!("teof logs {}", job.short));
            found.push(problem.about(&job.short).since(job.last_at));
        }
    }
    for job in facts.jobs.iter().filter(|job| job.is_running()) {
        for noticed in job.noticed.iter().filter(|noticed| noticed.action >= Action::Notify) {
            let what = format!("{}: {}", job.short, text::clip(&noticed.describe(), 200));
            let problem = Problem::new(Medium, "agent.noticed", what).command(format!("teof logs {}", job.short));
            found.push(problem.about(&job.short).since(Some(noticed.at)));
        }
    }
    let retried = |job: &&Job| job.phase == "retry_wait" && job.failures > 0;
    for job in facts.jobs.iter().filter(retried) {
        let why = job.reason.as_deref().unwrap_or("no reason given");
        let what = format!("{} failed and is retried: {}", job.short, text::clip(why, 200));
        found.push(of_job(Problem::new(Low, "job.retry", what), job).command(format!("teof logs {}", job.short)));
    }
    for job in facts.jobs.iter().filter(|job| job.phase == "held") {
        if let Some(by) = &job.paused_by {
            let problem = Problem::new(Low, "job.paused", format!("{} was paused by {by}", job.short));
            found.push(of_job(problem, job));
            continue;
        }
        let why = job.reason.as_deref().unwrap_or("it goes on when work may start again");
        let what = format!("{} was stopped: {}", job.short, text::clip(why, 200));
        found.push(of_job(Problem::new(Low, "job.held", what), job).command("teof run"));
    }
}

fn of_job(problem: Problem, job: &Job) -> Problem {
    let problem = problem.about(&job.short).since(job.since);
    Problem { command: job.next.clone(), ..problem }
}

fn of_review(facts: &Facts, found: &mut Vec<Problem>) {
    for one in facts.review.iter().filter(|one| one.altered.is_some()) {
        let what = format!("the review bundle of {} was changed after it was written", one.short);
        let problem = Problem::new(Severity::High, "review.altered", what).command("teof receipts verify");
        found.push(problem.about(&one.short).since(Some(one.since)));
    }
    let waiting = facts.jobs.iter().filter(|job| job.needs_review()).count().max(facts.review.len());
    if waiting > 0 {
        let waits = if waiting == 1 { "waits" } else { "wait" };
        let what = format!("{} {waits} for your review", text::counted(waiting, "job"));
        let since = facts.review.first().map(|one| one.since);
        found.push(Problem::new(Severity::Low, "review.waiting", what).command("teof review").since(since));
    }
}

fn of_record(facts: &Facts, found: &mut Vec<Problem>) {
    use Severity::{High, Low, Medium};
    for one in facts.unusable.iter().take(EACH) {
        let problem = Problem::new(High, "record.unusable", format!("{}: {}", one.path, one.why));
        found.push(problem.command("teof doctor").about(&one.path));
    }
    let held = facts.claims.iter().filter(|claim| claim.is_live);
    for claim in held.clone().filter(|claim| claim.hold.is_some()).take(EACH) {
        let what = format!("{} is on hold: {}", claim.task, claim.hold.as_deref().unwrap_or_default());
        let problem = Problem::new(Low, "claim.hold", text::clip(&what, 300));
        found.push(problem.command(format!("teof bus watch --task {}", claim.task)).about(&claim.task));
    }
    let is_over = |claim: &&Claim| claim.lease_left(facts.now).is_some_and(|left| left < 0);
    for claim in held.clone().filter(is_over).take(EACH) {
        let holder = claim.seat.as_deref().unwrap_or("nobody");
        let what = format!("the lease of {holder} on {} is over; any seat may claim it", claim.task);
        let problem = Problem::new(Medium, "claim.expired", what).command(format!("teof bus claim {}", claim.task));
        found.push(problem.about(&claim.task).since(claim.lease_expires_at));
    }
    let other = |claim: &&Claim| claim.assigned_to.is_some() && claim.assigned_to != claim.seat;
    for claim in held.filter(other).take(EACH) {
        let holder = claim.seat.as_deref().unwrap_or("nobody");
        let wanted = claim.assigned_to.as_deref().unwrap_or_default();
        let what = format!("{holder} holds {}, which is assigned to {wanted}", claim.task);
        let problem = Problem::new(Medium, "claim.assignment", what);
        let command = format!("teof bus status --agent {}", text::shell_word(holder));
        found.push(problem.command(command).about(&claim.task));
    }
}

/// The command in `let it continue: kill -CONT 12`.
fn fix_command(fix: &str) -> &str {
    fix.split_once(": ").map_or(fix, |(_, command)| command)
}
