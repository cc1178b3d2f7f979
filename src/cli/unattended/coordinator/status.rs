//! `teof coordinator status`

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::last_output;
use crate::base::{Result, Stamp, json, text};
use crate::cli::App;
use crate::cli::support::terminal::live;
use crate::cli::support::terminal::{Cell, Column, Meaning, Table, Times, paint};
use crate::coordinator::executor::workers::LOGS;
use crate::coordinator::inbox;
use crate::coordinator::process;
use crate::coordinator::state::store;
use crate::coordinator::state::{Ending, Job, Phase, State};
use crate::coordinator::step::pauses;
use crate::coordinator::worker_log::{LogTail, Said, said};
use crate::hub::Hub;
use crate::hub::watch::Watch;
use crate::model::run::job_name::short;

/// The longest command line in the column of stages, in characters.
const MAX_STAGE: usize = 16;

/// Show what runs, what waits, and whether the breaker is open
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
    if !args.watch {
        let overview = Overview::read(hub)?;
        app.result(&overview.document(hub, args.limit), || overview.text(hub, &args, app));
        return Ok(ExitCode::SUCCESS);
    }
    let folders = [hub.local(""), hub.local(inbox::FOLDER), hub.local(LOGS)];
    let mut text = || {
        let overview = Overview::read(hub)?;
        Ok(match app.json() {
            true => json::printable(json::compact(&overview.document(hub, args.limit))),
            false => overview.text(hub, &args, app),
        })
    };
    live::show(&Watch::on(folders.iter().map(PathBuf::as_path)), app.json(), &mut text, &|text| app.out(text))?;
    Ok(ExitCode::SUCCESS)
}

/// Everything that is shown, read once.
struct Overview {
    state: State,
    holder: Option<String>,
    /// Why a coordinator that holds its lock does nothing, and what to do about it.
    frozen: Option<(String, String)>,
    unread: usize,
    /// Why no new job starts.
    choice: Vec<String>,
    /// Why no backlog item starts.
    backlog: Option<String>,
}

impl Overview {
    fn read(hub: &Hub) -> Result<Overview> {
        Ok(Overview {
            state: store::load(hub)?,
            holder: process::holder(hub)?,
            frozen: process::frozen(hub)?,
            unread: inbox::read(hub)?.len(),
            choice: pauses::of_choice(hub)?,
            backlog: pauses::of_backlog(hub)?,
        })
    }

    /// The last `limit` finished jobs.
    fn finished(&self, limit: usize) -> Vec<&Job> {
        let is_shown = |job: &&Job| job.is_over() && !self.state.is_superseded(job);
        let over: Vec<_> = self.state.jobs.iter().filter(is_shown).collect();
        over[over.len().saturating_sub(limit)..].to_vec()
    }

    fn document(&self, hub: &Hub, limit: usize) -> Value {
        let state = &self.state;
        let document = |job: &Job| {
            let mut document = last_output::document(job);
            stage(hub, job).into_iter().for_each(|stage| document["stage"] = json!(stage));
            document
        };
        let documents = |jobs: &mut dyn Iterator<Item = &Job>| jobs.map(document).collect::<Vec<_>>();
        json!({
            "running": self.holder.is_some(),
            "holder": self.holder,
            "frozen": self.frozen.as_ref().map(|(why, _)| why),
            "paused": state.paused,
            "breaker": state.breaker,
            "jobs": documents(&mut state.live_jobs()),
            "finished": documents(&mut self.finished(limit).into_iter()),
            "submissions": state.submissions,
            "skipped": state.skips,
            "suspended": state.suspended,
            "spent": state.spent,
            "unread_commands": self.unread,
            "nothing_is_chosen": self.choice,
            "no_item_is_taken": self.backlog,
            "totals": state.totals,
        })
    }

    fn text(&self, hub: &Hub, args: &Args, app: &App) -> String {
        let (state, times) = (&self.state, app.times());
        let mut lines = vec![match &self.holder {
            Some(holder) => format!("{} ({})", paint(Meaning::Active, "Running"), text::safe(holder)),
            None => "Not running; start it: teof run".to_owned(),
        }];
        if let Some((why, next)) = &self.frozen {
            lines.push(attention(&format!("The coordinator is stuck: {why}")));
            lines.push(format!("  {}", text::safe(next)));
        }
        lines.extend(obstacles(state, self.unread, times));
        lines.extend(self.choice.iter().map(|why| attention(&format!("No new job starts: {why}"))));
        if !self.choice.is_empty() {
            lines.push("  when it is fixed, or to accept it: teof coordinator reset-breaker".to_owned());
        }
        lines.extend(self.backlog.iter().map(|why| attention(&format!("No backlog item starts: {why}"))));
        // On the whole screen there is a line for each job.
        let shown = state.live_jobs().chain(self.finished(args.limit));
        let jobs = jobs(hub, state, shown, View { times, is_running: self.holder.is_some(), has_notes: !args.watch });
        if !jobs.is_empty() {
            lines.extend([String::new(), jobs.show(), String::new()]);
        }
        lines.extend(spent(state, app.now()));
        let totals = &state.totals;
        lines.push(format!("In all: {} done, {} blocked, {} retried", totals.done, totals.blocked, totals.retries));
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
        let why =
            format!("The breaker is open since {}: {} (job {})", times.at(trip.at), trip.reason, short(&trip.job));
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
    }
    if unread > 0 {
        let wait = if unread == 1 { "waits" } else { "wait" };
        lines.push(format!("{} {wait} for the coordinator", text::counted(unread, "command")));
    }
    lines
}

/// What agents used today, when they used anything.
fn spent(state: &State, now: Stamp) -> Option<String> {
    let today = state.spent.today;
    let cost = today.cost_usd.map(|cost| format!(", ${cost:.2}")).unwrap_or_default();
    let is_news = state.spent.day == now.date() && today != Default::default();
    is_news.then(|| format!("Used today: {}{cost}", crate::base::text::counted(today.tokens(), "token")))
}

/// How the list of jobs is shown.
#[derive(Clone, Copy)]
struct View {
    times: Times,
    /// A coordinator runs, and continues what waits.
    is_running: bool,
    /// A job that needs a person has its reason under it.
    has_notes: bool,
}

/// Jobs, queued submissions and skipped tasks, one row each: what works first, then what waits for a person, is
/// queued, or is over.
fn jobs<'a>(hub: &Hub, state: &State, jobs: impl Iterator<Item = &'a Job>, view: View) -> Table {
    let mut table = Table::new([
        Column::word("JOB"),
        Column::word("STATE"),
        Column::word("STAGE").optional(),
        Column::text("TITLE"),
        Column::word("SINCE").optional(),
        Column::word("NEXT"),
        Column::word("SEAT").optional(),
        Column::text("TASK").optional(),
    ]);
    let mut jobs: Vec<_> = jobs.collect();
    jobs.sort_by_key(|job| rank(job));
    let (over, live): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.is_over());
    let add = |table: &mut Table, job: &Job| {
        let step = job.step.as_deref().filter(|step| !job.task.ends_with(step));
        let task = format!("{} {}", job.task, step.unwrap_or_default());
        table.row([
            job.short().into(),
            phase_cell(job),
            stage(hub, job).unwrap_or_default().into(),
            (&job.title).into(),
            since(job, view.times).into(),
            next(job, view.is_running).into(),
            (&job.seat).into(),
            task.trim_end().into(),
        ]);
        if view.has_notes {
            last_output::in_brief(job).into_iter().for_each(|line| table.note(line));
        }
    };
    live.into_iter().for_each(|job| add(&mut table, job));
    let waiting = |state: &str, task: &str, by: &str| {
        let by = format!("by {by}");
        ["".into(), state.into(), "".into(), task.into(), "".into(), "".into(), "".into(), by.into()]
    };
    state.submissions.iter().for_each(|one| table.row(waiting("queued", &one.task, &one.word.by)));
    state.skips.iter().for_each(|(task, word)| table.row(waiting("skipped", task, &word.by)));
    over.into_iter().for_each(|job| add(&mut table, job));
    table
}

/// The place of a job in the list.
fn rank(job: &Job) -> u8 {
    match &job.phase {
        Phase::Waiting { .. } | Phase::Held => 2,
        Phase::Question { .. } | Phase::Review { .. } => 1,
        _ => 0,
    }
}

/// The stage of a running job, from its worker's log: `coder`, `coder 2` in its second round, `[1/2] make test`.
fn stage(hub: &Hub, job: &Job) -> Option<String> {
    if !matches!(job.phase, Phase::Running { .. }) {
        return None;
    }
    let last = |bytes| {
        let lines = LogTail::last(hub, &job.run_id(), bytes).new_lines();
        lines.iter().rev().find_map(|line| match said(line) {
            Said::Stage(stage) => Some(stage.to_owned()),
            _ => None,
        })
    };
    // The logs of agents that say much are long.
    let last = last(64 << 10).or_else(|| last(u64::MAX))?;
    Some(match last.split_once(", round ") {
        Some((role, "1")) => role.to_owned(),
        Some((role, round)) => format!("{role} {round}"),
        None => text::clip(&last, MAX_STAGE),
    })
}

/// The command that a person needs next. `is_running`: a coordinator continues what waits.
fn next(job: &Job, is_running: bool) -> String {
    match (&job.phase, job.pull_request) {
        (Phase::Review { .. }, None) => format!("teof review {}", job.short()),
        (Phase::Review { .. }, Some(number)) => format!("teof review {}  # pull request {number}", job.short()),
        (Phase::Held | Phase::Waiting { .. }, _) if !is_running => "teof run".to_owned(),
        (Phase::Over { ending: Ending::Done, .. }, _) => String::new(),
        (Phase::Over { .. } | Phase::Question { .. }, _) => format!("teof logs {}", job.short()),
        _ => String::new(),
    }
}

fn phase_cell(job: &Job) -> Cell {
    let meaning = match &job.phase {
        Phase::Question { .. } | Phase::Review { .. } => Meaning::Attention,
        Phase::Waiting { .. } | Phase::Held => Meaning::Quiet,
        Phase::Over { ending: Ending::Done, .. } => Meaning::Good,
        Phase::Over { ending: Ending::Reverted, .. } => Meaning::Quiet,
        Phase::Over { .. } => Meaning::Bad,
        _ => Meaning::Active,
    };
    Cell::painted(meaning, job.phase.label())
}

fn since(job: &Job, times: Times) -> String {
    match &job.phase {
        Phase::Running { since } => times.lasting(*since),
        Phase::Waiting { until } => format!("at {}", times.at(*until)),
        Phase::Review { since } | Phase::Question { since } => times.ago(*since),
        _ => String::new(),
    }
}
