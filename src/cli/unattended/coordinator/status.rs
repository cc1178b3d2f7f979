//! `teof coordinator status`

use std::process::ExitCode;

use serde_json::json;

use super::last_output;
use crate::base::{Result, Stamp, text};
use crate::cli::App;
use crate::coordinator::executor::publish::phase;
use crate::coordinator::inbox;
use crate::coordinator::process;
use crate::coordinator::state::store;
use crate::coordinator::state::{Job, Phase, State};
use crate::coordinator::step::pauses;
use crate::model::run::job_name::short;

/// Show what runs, what waits, and whether the breaker is open
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof coordinator status")]
pub struct Args {
    /// Show the last N finished jobs
    #[arg(long, default_value_t = 10)]
    limit: usize,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub_to_read()?;
    let state = store::load(hub)?;
    let holder = process::holder(hub)?;
    let frozen = process::frozen(hub)?;
    let letters = inbox::read(hub)?.len();
    let over: Vec<_> = state.jobs.iter().filter(|job| job.is_over()).collect();
    let over = &over[over.len().saturating_sub(args.limit)..];
    let live: Vec<_> = state.live_jobs().collect();
    let documents = |jobs: &[&Job]| jobs.iter().map(|job| last_output::document(job)).collect::<Vec<_>>();
    let (choice, backlog) = (pauses::of_choice(hub)?, pauses::of_backlog(hub)?);
    let document = json!({
        "running": holder.is_some(),
        "holder": holder,
        "frozen": frozen.as_ref().map(|(why, _)| why),
        "paused": state.paused,
        "breaker": state.breaker,
        "jobs": documents(&live),
        "finished": documents(over),
        "submissions": state.submissions,
        "skipped": state.skips,
        "suspended": state.suspended,
        "spent": state.spent,
        "unread_commands": letters,
        "nothing_is_chosen": choice,
        "no_item_is_taken": backlog,
        "totals": state.totals,
    });
    app.result(&document, || {
        let mut lines = vec![match &holder {
            Some(holder) => format!("running ({holder})"),
            None => "not running; start it: teof coordinator run".to_owned(),
        }];
        if let Some((why, next)) = &frozen {
            lines.push(format!("it is stuck: {why}\n  {next}"));
        }
        lines.extend(obstacles(&state, letters));
        lines.extend(choice.iter().map(|why| format!("no new job starts: {why}")));
        if !choice.is_empty() {
            lines.push("  when it is fixed, or to accept it: teof coordinator reset-breaker".to_owned());
        }
        lines.extend(backlog.iter().map(|why| format!("no backlog item starts: {why}")));
        for job in live.iter().chain(over) {
            lines.push(job_line(job, app.now()));
            lines.extend(last_output::output(job, "  "));
        }
        lines.extend(state.submissions.iter().map(|s| format!("queued     {} (by {})", s.task, s.word.by)));
        lines.extend(state.skips.iter().map(|(task, word)| format!("skipped    {task} (by {})", word.by)));
        lines.extend(spent(&state, app.now()));
        let totals = &state.totals;
        lines.push(format!("done {}, blocked {}, retries {}", totals.done, totals.blocked, totals.retries));
        lines.iter().map(|line| text::safe(line)).collect::<Vec<_>>().join("\n")
    });
    Ok(ExitCode::SUCCESS)
}

/// What keeps work from being chosen, and what a person can do about it.
fn obstacles(state: &State, letters: usize) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(trip) = &state.breaker.open {
        lines.push(format!("the breaker is open since {}: {} (job {})", trip.at, trip.reason, short(&trip.job)));
        lines.push("  when the reason is gone: teof coordinator reset-breaker".to_owned());
    }
    if let Some(word) = &state.paused {
        let note = word.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
        lines.push(format!("paused by {} since {}{note}; resume: teof coordinator resume", word.by, word.at));
    }
    for (agent, suspension) in &state.suspended {
        lines.push(format!("{agent} is not called until {}: {}", suspension.until, suspension.reason));
    }
    if letters > 0 {
        lines.push(match letters {
            1 => "1 command waits for the coordinator".to_owned(),
            _ => format!("{letters} commands wait for the coordinator"),
        });
    }
    lines
}

/// What agents used today, when they used anything.
fn spent(state: &State, now: Stamp) -> Option<String> {
    let today = state.spent.today;
    let cost = today.cost_usd.map(|cost| format!(", ${cost:.2}")).unwrap_or_default();
    let is_news = state.spent.day == now.date() && today != Default::default();
    is_news.then(|| format!("used today: {} tokens{cost}", today.tokens()))
}

fn job_line(job: &Job, now: Stamp) -> String {
    let step = job.step.as_deref().map(|step| format!(" {step}")).unwrap_or_default();
    let since = match job.phase {
        Phase::Running { since } => format!(" for {}", crate::base::time::show_span(now.since(since))),
        Phase::Waiting { until } => format!(" until {until}"),
        Phase::Review { since } => {
            let number = job.pull_request.map(|number| format!(", pull request #{number}")).unwrap_or_default();
            format!(" since {since}{number}; teof review show {}", job.short())
        }
        Phase::Question { since } => format!(" since {since}"),
        _ => String::new(),
    };
    let last = job.last.as_ref().map(|last| format!(": {}", last.reason)).unwrap_or_default();
    format!("{:<10} {:<4} {}{step} ({}){since}{last}", phase(job), job.short(), job.task, job.seat)
}
