//! `teof coordinator run`

use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::summary::Summary;
use crate::base::{Result, json, text};
use crate::cli::App;
use crate::cli::support::author::span;
use crate::cli::support::help::MORE;
use crate::cli::support::terminal::signals;
use crate::cli::unattended::progress::log;
use crate::cli::unattended::progress::narrate::{Form, narrate, said_before};
use crate::coordinator::process::{self, Ended, Options, Preview, Progress};
use crate::coordinator::state::store;
use crate::guard::consent::{self, Action, Actor};
use crate::guard::operator;
use crate::hub::Hub;
use crate::hub::settings::{LogFormat, LogTo};
use crate::ops::request_folders;

/// Run the coordinator: start jobs until stopped
///
/// Needs consent (`teof consent grant`). Ctrl-C lets workers finish their stage. With --until-idle or --for the exit
/// code says what is left: 0 nothing but results to review, or after --max-jobs work for the next run; 1 something is blocked, or the record cannot be
/// read or written; 5 something waits for a person or for time; 6 the breaker is open, consent is missing or
/// used up, or a high-severity finding keeps work from being chosen.
///
/// With --json: a line {type: "progress", at, job, short, run, task, step, title, seat, text, stage,
/// elapsed_seconds} for whatever happens, and a last line {type: "summary", left, why, done, merged, blocked: [{task,
/// job, short, title, reason}], rejected, reverted: [{task, job, short,
/// title}], review: [task], unmerged: [{task, job, short, title}], waiting: [{task,
/// why}], queued: [task], usage: {tokens, cost_usd}}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof coordinator run --dry-run                   # show what it would start\n\
\x20 teof coordinator run --until-idle --max-jobs 1   # one job, then stop\n\
\x20 teof coordinator run --until-idle --for 8h       # a night at most")]
pub struct Args {
    /// Stop when no work is left
    #[arg(long)]
    until_idle: bool,
    /// Show what would start and why the rest would not; start nothing
    #[arg(long, conflicts_with_all = ["until_idle", "max_jobs"])]
    dry_run: bool,
    /// Start at most N jobs, then stop
    #[arg(long, value_name = "N")]
    max_jobs: Option<u64>,
    /// Stop after this time (8h): start nothing more, and let workers finish their stage
    #[arg(long = "for", value_name = "DURATION", value_parser = span, conflicts_with = "dry_run")]
    stop_after: Option<Duration>,
    /// How many workers run at the same time [default: setting coordinator.concurrency]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    concurrency: Option<u32>,
    /// How to log: text, or a JSON document a line [default: setting log.format]
    #[arg(long, value_name = "FORMAT", value_parser = format, help_heading = MORE)]
    log_format: Option<LogFormat>,
    /// Where to log: stderr, file or both [default: setting log.to]
    #[arg(long, value_name = "WHERE", value_parser = target, help_heading = MORE)]
    log_to: Option<LogTo>,
}

fn format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("possible values: text, json".to_owned()),
    }
}

fn target(text: &str) -> Result<LogTo, String> {
    match text {
        "stderr" => Ok(LogTo::Stderr),
        "file" => Ok(LogTo::File),
        "both" => Ok(LogTo::Both),
        _ => Err("possible values: stderr, file, both".to_owned()),
    }
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    request_folders::check(hub)?.iter().for_each(|line| app.say(line));
    let options = Options {
        until_idle: args.until_idle,
        max_jobs: args.max_jobs,
        stop_after: args.stop_after,
        only: None,
        concurrency: args.concurrency.map(|n| n as usize),
        one_shot: false,
    };
    if args.dry_run {
        // The checkout may be on another branch; then this warns that its plans may differ.
        app.hub_to_read()?;
        let found = process::preview(hub, options)?;
        app.result(&found, || preview(&found));
        return Ok(ExitCode::SUCCESS);
    }
    operator::run::refuse("run a coordinator")?;
    consent::require(hub, Actor::Coordinator, Action::Execute)?;
    log::start(hub, args.log_format, args.log_to)?;
    let before = store::load(hub)?;
    let max_jobs = options.max_jobs;
    let ended = run_and_tell(app, hub, options)?;
    let summary = Summary::of(hub, ended, max_jobs, &before, &store::load(hub)?, app.times())?;
    // With --json, stderr is for an error alone.
    match app.json() {
        true => app.out(json::printable(json::compact(&summary))),
        false => {
            if log::is_for_people() {
                app.say(summary.render());
            }
            let line = || text::safe(&summary.render().replace('\n', "; "));
            log::write(|| json::printable(json::compact(&summary)), line);
        }
    }
    Ok(ExitCode::from(summary.exit() as u8))
}

/// Runs the coordinator; a thread prints what happens.
fn run_and_tell(app: &App, hub: &Hub, options: Options) -> Result<Ended> {
    let own = Hub::find(Some(&hub.root), app.clock)?;
    let form = match (app.json(), app.global.quiet) {
        (true, _) => Form::Json,
        (false, true) => Form::Silent,
        (false, false) => Form::Text,
    };
    let (sender, receiver) = mpsc::channel();
    // These signals stop the coordinator; after it ends they end this process as usual.
    let _held = signals::hold(&[SIGTERM, SIGINT, SIGHUP]);
    let before = said_before(hub);
    std::thread::scope(|scope| {
        let narrate = move || narrate(hub, form, before, &receiver);
        std::thread::Builder::new().spawn_scoped(scope, narrate).context("show the progress")?;
        // The narrator ends when the last sender is dropped, with this closure.
        process::run(own, options, &mut move |progress: &Progress| drop(sender.send(progress.clone())))
    })
}

fn preview(found: &Preview) -> String {
    let mut lines = Vec::new();
    for decision in &found.decisions {
        if let (Some(task), Some(seat)) = (&decision.task, &decision.seat) {
            lines.push(format!("Would start {task} with {seat}: {}", decision.why));
        }
    }
    if lines.is_empty() {
        lines.push("No job would start.".to_owned());
    }
    if let Some(last) = found.decisions.last() {
        lines.extend(last.skipped.iter().map(|skipped| format!("  not {}: {}", skipped.task, skipped.why)));
        if last.more > 0 {
            lines.push(format!("  and {} more", last.more));
        }
    }
    lines.extend(found.waiting.iter().map(|waits| format!("  not {}: {}", waits.task, waits.why)));
    let no_slot = found.no_slot.iter().filter(|_| found.obstacle.is_none());
    lines.extend(no_slot.map(|task| format!("  not {task}: waits until a worker is free (coordinator.concurrency)")));
    if let Some(obstacle) = &found.obstacle {
        lines.push(format!("Nothing would start: {obstacle}"));
    }
    lines.iter().map(|line| text::safe(line)).collect::<Vec<_>>().join("\n")
}
