//! The five lines that an operator wants every time: what runs, what waits for them, what is blocked, what it cost
//! today, and whether more may start.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::text;
use crate::board::Snapshot;
use crate::board::jobs::Job;
use crate::board::runtime::Runtime;
use crate::cli::support::terminal::{Meaning, Times, paint};
use crate::coordinator::state::Totals;

/// How many jobs one line names.
const NAMED: usize = 4;
/// The longest title or reason in a line, in characters.
const WORDS: usize = 60;

/// The lines. `unknown`: results that wait, of jobs that the coordinator's state does not know, by their short ids.
/// `workers`: how many go on without a coordinator.
pub fn lines(board: &Snapshot, unknown: &[String], workers: usize, times: Times) -> Vec<String> {
    let line = |label: &str, meaning: Option<Meaning>, said: String| {
        let said = text::safe(&said);
        let said = meaning.map_or(said.clone(), |meaning| paint(meaning, said));
        format!("{}  {said}", paint(Meaning::Heading, format!("{label:<11}")))
    };
    let of_phase = |phase: &'static str| board.live_jobs().filter(move |job| job.phase == phase);
    let running: Vec<&Job> = board.live_jobs().filter(|job| job.is_running()).collect();
    let waits = waits(&shorts(&mut of_phase("question")), &reviews(board, unknown));
    let blocked: Vec<&Job> = blocked(board).collect();
    let (coordinator, is_well) = coordinator(&board.runtime, workers);
    vec![
        line("Running", (!running.is_empty()).then_some(Meaning::Active), listed(&running, |job| now(job, times))),
        line("For you", (waits != NOTHING).then_some(Meaning::Attention), waits),
        line("Blocked", (!blocked.is_empty()).then_some(Meaning::Bad), listed(&blocked, |job| why(job))),
        line("Today", None, today(&board.runtime)),
        line("Coordinator", (!is_well).then_some(Meaning::Attention), coordinator),
    ]
}

/// The same for programs: `{running, questions, reviews, blocked, tokens_today, cost_usd_today, jobs_left}`; the first
/// four are lists of short ids, and `jobs_left` is null where any number may start.
pub fn document(board: &Snapshot, unknown: &[String]) -> Document {
    let of_phase = |phase: &'static str| board.live_jobs().filter(move |job| job.phase == phase);
    Document {
        running: shorts(&mut of_phase("running")),
        questions: shorts(&mut of_phase("question")),
        reviews: reviews(board, unknown),
        blocked: shorts(&mut blocked(board)),
        tokens_today: board.runtime.spent_today.tokens,
        cost_usd_today: board.runtime.spent_today.cost_usd,
        jobs_left: board.runtime.consent.jobs_left,
    }
}

/// The lines as data; jobs by their short ids.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Document {
    running: Vec<String>,
    questions: Vec<String>,
    reviews: Vec<String>,
    blocked: Vec<String>,
    tokens_today: u64,
    cost_usd_today: Option<f64>,
    /// How many jobs may still start; null: any number.
    jobs_left: Option<u64>,
}

const NOTHING: &str = "nothing";

/// Also results of which only the merge is left.
fn reviews(board: &Snapshot, unknown: &[String]) -> Vec<String> {
    let mut known = shorts(&mut board.jobs.iter().filter(|job| job.needs_review()));
    known.extend_from_slice(unknown);
    known
}

fn shorts(jobs: &mut dyn Iterator<Item = &Job>) -> Vec<String> {
    jobs.map(|job| job.short.clone()).collect()
}

fn blocked(board: &Snapshot) -> impl Iterator<Item = &Job> {
    board.jobs.iter().filter(|job| job.is_blocked())
}

fn listed<T>(jobs: &[T], describe: impl Fn(&T) -> String) -> String {
    if jobs.is_empty() {
        return NOTHING.to_owned();
    }
    let mut said: Vec<String> = jobs.iter().take(NAMED).map(describe).collect();
    let more = jobs.len().saturating_sub(NAMED);
    said.extend((more > 0).then(|| format!("and {more} more")));
    said.join(", ")
}

/// `j4 coder 2 for 3 min`.
fn now(job: &Job, times: Times) -> String {
    let round = job.round.filter(|round| *round > 1).map(|round| format!(" {round}")).unwrap_or_default();
    let stage = job.stage.as_ref().map(|stage| format!(" {stage}{round}")).unwrap_or_default();
    let since = job.since.map(|since| format!(" ({})", times.lasting(since))).unwrap_or_default();
    format!("{}{stage}{since}", job.short)
}

fn why(job: &Job) -> String {
    match &job.reason {
        Some(reason) => format!("{} ({})", job.short, text::clip(reason, WORDS)),
        None => job.short.clone(),
    }
}

fn waits(questions: &[String], reviews: &[String]) -> String {
    let kinds = [(questions, "question"), (reviews, "review")];
    let said = kinds
        .into_iter()
        .filter(|(jobs, _)| !jobs.is_empty())
        .map(|(jobs, what)| format!("{}: {}", text::counted(jobs.len(), what), listed(jobs, String::clone)));
    let said: Vec<String> = said.collect();
    if said.is_empty() { NOTHING.to_owned() } else { said.join("; ") }
}

fn today(runtime: &Runtime) -> String {
    let (spent, budget) = (runtime.spent_today, runtime.budget);
    let mut said = Vec::new();
    if let Some(cost) = spent.cost_usd {
        let of = if budget.day_cost > 0.0 { format!(" of ${:.2}", budget.day_cost) } else { String::new() };
        said.push(format!("${cost:.2}{of}"));
    }
    let of = if budget.day_tokens > 0 { format!(" of {}", budget.day_tokens) } else { String::new() };
    said.push(match of.is_empty() {
        true => text::counted(spent.tokens, "token"),
        false => format!("{}{of} tokens", spent.tokens),
    });
    said.join(", ")
}

/// And whether jobs can start.
fn coordinator(runtime: &Runtime, workers: usize) -> (String, bool) {
    let consent = &runtime.consent;
    let process = match &runtime.holder {
        Some(holder) if runtime.stuck.is_some() => format!("stuck ({holder})"),
        Some(holder) => format!(
            "{} ({})",
            if runtime.stopping { "stopping" } else { "running" },
            holder.split(':').next().unwrap_or(holder)
        ),
        None if workers == 1 => "not running, and 1 worker goes on without it (start it: teof run)".to_owned(),
        None if workers > 1 => format!("not running, and {workers} workers go on without it (start it: teof run)"),
        // `teof run` would start nothing.
        None if consent.only.is_some() => "not running".to_owned(),
        None => "not running (start it: teof run)".to_owned(),
    };
    let obstacle = runtime.no_job_starts();
    let allowed = match (&consent.only, &consent.why, consent.jobs_left, consent.jobs_allowed) {
        (Some(only), ..) => {
            format!("consent covers {only}; nothing else may start (allow it: teof consent grant --max-jobs 10)")
        }
        (None, Some(_), ..) => "no job may start (see: teof consent show)".to_owned(),
        (None, None, Some(left), Some(allowed)) => format!("{left} of {} left", text::counted(allowed, "job")),
        _ => "any number of jobs may start".to_owned(),
    };
    let is_well = runtime.stuck.is_none() && consent.why.is_none() && obstacle.is_none();
    (format!("{process}; {}", obstacle.unwrap_or(allowed)), is_well)
}

/// How all jobs ended, each counted once: `All jobs that ended so far: 5 done, 1 blocked, 2 rejected`. What became of
/// one later is known only while it is remembered.
pub fn ended(board: &Snapshot) -> String {
    let Totals { done, blocked, blocked_then_done, .. } = board.runtime.totals;
    let mut others: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut taken_back, mut dismissed) = (0, 0);
    for job in &board.jobs {
        let now = match (job.phase, job.dismissed) {
            ("blocked" | "reverted", _) if job.is_superseded => "retried",
            ("blocked", Some(how)) => how,
            ("reverted" | "cancelled" | "dropped", _) => job.phase,
            _ => continue,
        };
        taken_back += u64::from(job.phase == "reverted");
        dismissed += u64::from(job.phase == "blocked");
        *others.entry(now).or_default() += 1;
    }
    // One that was merged after it had been blocked is done.
    let blocked = blocked.saturating_sub(blocked_then_done + dismissed);
    let counts = [("done", done.saturating_sub(taken_back)), ("blocked", blocked)].into_iter().chain(others);
    let counts: Vec<_> = counts.map(|(how, n)| format!("{n} {how}")).collect();
    format!("All jobs that ended so far: {}", counts.join(", "))
}
