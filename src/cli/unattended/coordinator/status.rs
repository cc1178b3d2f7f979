//! `teof coordinator status`

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::start::{self, Start};
use super::status_table::{Listing, QUEUED, stage};
use super::{headlines, last_output};
use crate::base::{Result, Stamp, json, lock, text};
use crate::board::jobs::UNMERGED;
use crate::board::runtime::failing::Failing;
use crate::board::runtime::{Conflict, Consent, Quota};
use crate::board::{Parts, Reader, Snapshot};
use crate::cli::App;
use crate::cli::support::terminal::live;
use crate::cli::support::terminal::{Meaning, Times, paint};
use crate::cli::work::plan;
use crate::coordinator::inbox;
use crate::coordinator::state::submission::Submission;
use crate::coordinator::state::{Breaker, Ending, Job, Phase, Spent, State, Suspension, Totals, Word};
use crate::hub::settings::Engine;
use crate::hub::watch::Watch;
use crate::hub::{Hub, paths};
use crate::model::run::job_name::short;
use crate::plans;
use crate::review::bundles;
use crate::review::policy::MergePolicy;

/// How many of the last done jobs may have a plan to close.
const RECENT: usize = 10;

/// Show what runs, what waits for you, and what is blocked
///
/// Five lines first: what runs, what waits for you, what is blocked, what today cost, and whether more jobs may start.
/// Then every job. To drop a queued one: `teof coordinator cancel TASK`; to dismiss a blocked one: `teof review reject
/// JOB`.
///
/// With --json: {summary: {running, questions, reviews, blocked, tokens_today, cost_usd_today, jobs_left}, consent,
/// running, stopping, holder, frozen, failing: [{why, failures, jobs}], paused, breaker, jobs, finished: [{id, short,
/// task, plan, step, title, seat, phase, state, stage, run, last, live: {stage, round, stage_since, agent, last_tool,
/// last_line, last_at, tokens, cost_usd}, ...}], submissions, skipped, suspended, quotas, conflicts: [{jobs, is_certain,
/// paths, more, text, command}], merge_policy, spent, unread_commands, nothing_is_chosen, no_item_is_taken, totals}. The
/// lists of `summary` are short ids; `live` is null unless the job runs. Keys are added, never renamed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof coordinator status\n\
\x20 teof coordinator status --watch   # until Ctrl-C")]
pub struct Args {
    /// Show the last N finished jobs
    #[arg(long, default_value_t = 10)]
    limit: usize,
    /// Show it again whenever something changes, until Ctrl-C
    #[arg(long, short)]
    watch: bool,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub_to_read()?;
    let mut reader = Reader::new();
    if !args.watch {
        let overview = Overview::read(hub, &mut reader)?;
        app.result(&overview.document(args.limit), || overview.text(&args, app));
        return Ok(ExitCode::SUCCESS);
    }
    let folders = [hub.local(""), hub.local(inbox::FOLDER), hub.local("coordinator"), hub.local("live")];
    let mut text = || {
        let overview = Overview::read(hub, &mut reader)?;
        Ok(match app.json() {
            true => json::printable(json::compact(&overview.document(args.limit))),
            false => overview.text(&args, app),
        })
    };
    live::show(&Watch::on(folders.iter().map(PathBuf::as_path)), app.json(), &mut text, &|text| app.out(text))?;
    Ok(ExitCode::SUCCESS)
}

/// Everything that is shown, read once.
struct Overview {
    /// What documents hold of jobs.
    state: Arc<State>,
    board: Snapshot,
    /// How many workers go on without a coordinator.
    workers: usize,
    /// Results that wait, of jobs that the state does not know: it was lost, or nobody submitted them.
    unknown: Vec<String>,
    /// The titles of queued tasks.
    titles: HashMap<String, String>,
    /// What starts work that is queued or waits; `None` while a coordinator runs.
    start: Option<Start>,
    /// How plans are closed of which all steps are done.
    to_close: Vec<String>,
}

/// What `teof status --json` prints. Keys are added, never renamed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Document<'a> {
    summary: headlines::Document,
    consent: &'a Consent,
    /// A coordinator runs.
    running: bool,
    /// It stops after the current stages.
    stopping: bool,
    holder: Option<&'a str>,
    /// Why a coordinator that holds its lock does nothing.
    frozen: Option<&'a str>,
    /// Why actions keep failing, which are retried.
    failing: &'a [Failing],
    paused: Option<&'a Word>,
    breaker: &'a Breaker,
    jobs: Vec<JobDocument<'a>>,
    /// The last ones, and all that are blocked.
    finished: Vec<JobDocument<'a>>,
    submissions: &'a VecDeque<Submission>,
    skipped: &'a BTreeMap<String, Word>,
    suspended: &'a BTreeMap<String, Suspension>,
    /// What agents said of their accounts' limits.
    quotas: &'a [Quota],
    /// Unfinished jobs whose work conflicts, or may.
    conflicts: &'a [Conflict],
    /// What is merged without a person.
    merge_policy: Option<&'a MergePolicy>,
    spent: &'a Spent,
    unread_commands: usize,
    /// Why no new job starts.
    nothing_is_chosen: &'a [String],
    /// Why no item of the backlog starts.
    no_item_is_taken: Option<&'a str>,
    totals: &'a Totals,
}

#[derive(Debug, Serialize, JsonSchema)]
struct JobDocument<'a> {
    #[serde(flatten)]
    job: last_output::Document<'a>,
    /// While it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    /// What its worker publishes; null unless it runs.
    live: Option<Published<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Published<'a> {
    stage: Option<&'a str>,
    round: Option<u32>,
    stage_since: Option<Stamp>,
    agent: Option<&'a str>,
    last_tool: Option<&'a str>,
    last_line: Option<&'a str>,
    last_at: Option<Stamp>,
    tokens: u64,
    cost_usd: Option<f64>,
}

impl Overview {
    fn read(hub: &Hub, reader: &mut Reader) -> Result<Overview> {
        let board = reader.read(hub, Parts::JOBS)?;
        let state = reader.state();
        let works = |job: &&Job| lock::is_held(&hub.local(&paths::run_lock(&job.task))).unwrap_or(false);
        let workers = if board.runtime.running { 0 } else { state.live_jobs().filter(works).count() };
        let title = |one: &Submission| {
            let plan = plans::find(hub, one.plan.as_deref()?).ok()?;
            Some((one.task.clone(), plan.plan.summary()?.to_owned()))
        };
        let queued = || state.submissions.iter().take(QUEUED);
        let waits = |job: &Job| matches!(job.phase, Phase::Held | Phase::Waiting { .. });
        let titles = queued().filter_map(title).collect();
        let start = match board.runtime.running || (state.submissions.is_empty() && !state.live_jobs().any(waits)) {
            true => None,
            false => start::without_coordinator(hub, &state).ok(),
        };
        let done = state.jobs.iter().rev().filter(|job| matches!(job.phase, Phase::Over { ending: Ending::Done, .. }));
        let plans: BTreeSet<&str> = done.take(RECENT).filter_map(|job| job.plan.as_deref()).collect();
        let to_close = plans.into_iter().filter_map(|plan| {
            let found = plans::find(hub, plan).ok()?;
            Some(format!("{}: {}", text::safe(found.id()), plan::shared::to_close(&found)?))
        });
        let to_close = to_close.collect();
        let unknown = bundles::undecided(hub, |job| state.job(job).is_some() || state.may_have_forgotten(job))?;
        let unknown = unknown.iter().map(|entry| entry.bundle.short().into_owned()).collect();
        Ok(Overview { workers, unknown, titles, start, to_close, state, board })
    }

    /// The last `limit` finished jobs and all that wait for a person; and how many are left out.
    fn finished(&self, limit: usize) -> (Vec<&Job>, usize) {
        let is_counted = |job: &&Job| job.is_over() && !self.state.is_superseded(job);
        let over: Vec<_> = self.state.jobs.iter().filter(is_counted).collect();
        let (all, first) = (over.len(), over.len().saturating_sub(limit));
        let waits = |job: &Job| self.board.job(&job.id).is_some_and(|job| job.is_blocked() || job.is_unmerged);
        let shown = over.into_iter().enumerate().filter(|(at, job)| *at >= first || waits(job));
        let shown: Vec<_> = shown.map(|(_, job)| job).collect();
        let left_out = all - shown.len();
        (shown, left_out)
    }

    fn document(&self, limit: usize) -> Document<'_> {
        let (state, runtime) = (&self.state, &self.board.runtime);
        Document {
            summary: headlines::document(&self.board, &self.unknown),
            consent: &runtime.consent,
            running: runtime.running,
            stopping: runtime.stopping,
            holder: runtime.holder.as_deref(),
            frozen: runtime.stuck.as_ref().map(|stuck| stuck.why.as_str()),
            failing: &runtime.failing,
            paused: state.paused.as_ref(),
            breaker: &state.breaker,
            jobs: state.live_jobs().map(|job| self.job(job)).collect(),
            finished: self.finished(limit).0.into_iter().map(|job| self.job(job)).collect(),
            submissions: &state.submissions,
            skipped: &state.skips,
            suspended: &state.suspended,
            quotas: &runtime.quotas,
            conflicts: &runtime.conflicts,
            merge_policy: runtime.merge_policy.as_ref(),
            spent: &state.spent,
            unread_commands: runtime.unread_commands,
            nothing_is_chosen: &runtime.nothing_is_chosen,
            no_item_is_taken: runtime.no_item_is_taken.as_deref(),
            totals: &state.totals,
        }
    }

    /// A job as it is saved, with what its worker publishes.
    fn job<'a>(&'a self, job: &'a Job) -> JobDocument<'a> {
        let live = self.board.job(&job.id).filter(|job| job.is_running());
        let published = live.map(|job| Published {
            stage: job.stage.as_deref(),
            round: job.round,
            stage_since: job.stage_since,
            agent: job.agent.as_deref(),
            last_tool: job.last_tool.as_deref(),
            last_line: job.last_line.as_deref(),
            last_at: job.last_at,
            tokens: job.tokens,
            cost_usd: job.cost_usd,
        });
        let mut document = last_output::document(job);
        if self.board.job(&job.id).is_some_and(|job| job.is_unmerged) {
            document.state = UNMERGED;
        }
        JobDocument { job: document, stage: live.and_then(stage), live: published }
    }

    fn text(&self, args: &Args, app: &App) -> String {
        let (state, runtime, times) = (&self.state, &self.board.runtime, app.times());
        let mut lines = headlines::lines(&self.board, &self.unknown, self.workers, times);
        if let Some(stuck) = &runtime.stuck {
            lines.push(attention(&format!("The coordinator is stuck: {}", stuck.why)));
            lines.push(format!("  {}", text::safe(&stuck.fix)));
        }
        for one in &runtime.failing {
            lines.push(attention(&format!("The coordinator {}", one.describe())));
            lines.push("  see what is wrong: teof doctor".to_owned());
        }
        if let Some(why) = &runtime.uncommitted {
            lines.extend([attention(&format!("Problem: {why}")), "  commit it: teof bus commit".to_owned()]);
        }
        lines.extend(obstacles(state, runtime.unread_commands, times));
        lines.extend(runtime.quotas.iter().flat_map(|one| quota(one, times)));
        for one in &runtime.conflicts {
            lines.extend([attention(&one.text), format!("  {}", one.command)]);
        }
        lines.extend(runtime.merge_policy.iter().map(|policy| text::safe(&policy.headline())));
        lines.extend(runtime.nothing_is_chosen.iter().map(|why| attention(&format!("No new job starts: {why}"))));
        if !runtime.nothing_is_chosen.is_empty() {
            lines.push("  when it is fixed, or to accept it: teof coordinator reset-breaker".to_owned());
        }
        lines.extend(runtime.no_item_is_taken.iter().map(|why| attention(&format!("No backlog item starts: {why}"))));
        // On the whole screen there is a line for each job.
        let (finished, left_out) = self.finished(args.limit);
        let all = finished.len() + left_out;
        let listing = Listing {
            board: &self.board,
            state,
            titles: &self.titles,
            start: self.start,
            times,
            has_notes: !args.watch,
        };
        let jobs = listing.table(state.live_jobs().chain(finished));
        if !jobs.is_empty() {
            lines.extend([String::new(), jobs.show(), String::new()]);
        }
        let unlisted = state.submissions.len().saturating_sub(QUEUED);
        if unlisted > 0 {
            lines.push(format!("{} not shown", text::counted(unlisted, "more queued task")));
        }
        if left_out > 0 {
            let more = text::counted(left_out, "older finished job");
            lines.push(format!("{more} not shown; to see all: teof status --limit {all}"));
        }
        lines.extend(self.to_close.iter().cloned());
        lines.push(headlines::ended(&self.board));
        times.in_text(&lines.join("\n")).into_owned()
    }
}

fn attention(line: &str) -> String {
    paint(Meaning::Attention, text::safe(line))
}

/// What keeps work from being chosen, and what a person can do about it.
fn obstacles(state: &State, unread: usize, times: Times) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(trip) = &state.breaker.open {
        let why = format!(
            "No new job starts: the breaker opened at {}: {} (job {})",
            times.at(trip.at),
            trip.reason,
            short(&trip.job)
        );
        lines.push(attention(&why));
        lines.push("  after fixing the cause: teof coordinator reset-breaker".to_owned());
    }
    if let Some(word) = &state.paused {
        let note = word.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
        lines.push(attention(&format!("Paused by {} since {}{note}", word.by, times.at(word.at))));
        lines.push("  resume: teof coordinator resume".to_owned());
    }
    for (agent, suspension) in &state.suspended {
        let until = times.at(suspension.until);
        lines.push(attention(&format!("{agent} is not called until {until}: {}", suspension.reason)));
        lines.extend(Engine::is_program(agent).then(|| "  see what is wrong: teof doctor".to_owned()));
    }
    if unread > 0 {
        let wait = if unread == 1 { "waits" } else { "wait" };
        lines.push(format!("{} {wait} for the coordinator", text::counted(unread, "command")));
    }
    lines
}

/// An agent's limit that is more than half used.
fn quota(one: &Quota, times: Times) -> Vec<String> {
    let line = format!("{}: {} until {}", one.agent, one.text, times.at(one.until));
    match one.holds_back {
        true => vec![
            attention(&format!("{line}; less urgent work waits")),
            "  start it now: teof coordinator resume".to_owned(),
        ],
        false if one.used >= 50 => vec![text::safe(&line)],
        false => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_of_an_engine_points_to_doctor() {
        let until = Stamp::from_unix(1_800_000_000);
        let told = |agent: &str| {
            let suspension = Suspension { until, reason: "its service does not answer".into() };
            let state = State { suspended: [(agent.to_owned(), suspension)].into(), ..State::new() };
            obstacles(&state, 0, Times::new(until, true)).join("\n")
        };
        assert!(told("docker").ends_with("teof doctor") && told("podman").ends_with("teof doctor"));
        assert!(!told("claude").contains("teof doctor"));
    }
}
