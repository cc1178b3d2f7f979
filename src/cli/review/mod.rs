//! `teof review …`: lists and shows finished work, and records a person's decision about it.

pub(super) mod approve;
mod bulk;
pub(super) mod decide;
pub(super) mod list;
mod notify;
pub(super) mod reject;
pub(super) mod retry;
mod revert;
mod shared;
pub(super) mod show;
pub(super) mod verify;

use std::process::ExitCode;

use super::App;
use super::support::ask;
use super::support::lazy::commands;
use crate::base::{Refusal, Result, names};
use crate::guard::operator;
use crate::hub::Hub;
use crate::review::{Entry, bundles};

/// Review finished jobs: look, merge, retry or reject
///
/// Without a subcommand, goes through the results that wait, or through the jobs that are named: shows each and asks
/// what to do with it; without a terminal it lists or shows them. A job is named by its id, its run or its task, or by
/// the beginning of one of them.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:\n\
\x20 teof review j1\n\
\x20 teof review show j1 --diff\n\
\x20 teof review approve j1")]
pub struct Args {
    /// The jobs to go through [default: all that wait]
    #[arg(value_name = "JOB")]
    jobs: Vec<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

const SUBCOMMANDS: [&str; 6] = ["list", "show", "approve", "reject", "retry", "revert"];

commands! {
    enum Command {
        "list" => List(list::Args),
        "show" => Show(show::Args),
        "approve" => Approve(approve::Args),
        "reject" => Reject(reject::Args),
        "retry" => Retry(retry::Args),
        "revert" => Revert(revert::Args),
    }
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let Some(command) = args.command else { return walk(&args.jobs, app) };
    let is_by_policy = matches!(&command, Command::Approve(args) if args.is_by_policy());
    if !matches!(command, Command::List(_) | Command::Show(_)) && !is_by_policy {
        operator::require("decide about work")?;
    }
    match command {
        Command::List(args) => list::run(args, app),
        Command::Show(args) => show::run(args, app),
        Command::Approve(args) => approve::run(args, app),
        Command::Reject(args) => reject::run(args, app),
        Command::Retry(args) => retry::run(args, app),
        Command::Revert(args) => revert::run(args, app),
    }
}

/// Goes through `jobs`, or through what waits, oldest first. Without a person at a terminal, shows or lists it.
fn walk(jobs: &[String], app: &App) -> Result<ExitCode> {
    let hub = app.hub_to_read()?;
    let entries = match jobs.is_empty() {
        true => list::pending(hub)?,
        false => jobs.iter().map(|job| named(hub, job)).collect::<Result<_>>()?,
    };
    if !ask::is_possible(app) || operator::require("decide about work").is_err() {
        return match jobs {
            [] => list::run(list::Args::default(), app),
            [job] => show::run(show::Args::of(job), app),
            _ => list::print(hub, &entries, app),
        };
    }
    if entries.is_empty() {
        app.say("Nothing waits for review.");
    }
    let (many, mut sent_back) = (entries.len(), Vec::new());
    for (at, entry) in entries.into_iter().enumerate() {
        if many > 1 {
            app.say(format!("\n{} of {many}", at + 1));
        }
        match decide::ask(app, hub, &entry.bundle.job)? {
            decide::Decided::Quit => break,
            decide::Decided::SentBack => sent_back.push(entry.bundle),
            _ => {}
        }
    }
    let sent_back: Vec<_> = sent_back.iter().collect();
    retry::continued_by(hub, &sent_back)?.into_iter().for_each(|line| app.say(line));
    Ok(ExitCode::SUCCESS)
}

/// The result of a job. A name without one may be a mistyped subcommand.
fn named(hub: &Hub, job: &str) -> Result<Entry> {
    bundles::find(hub, job).map_err(|e| match names::did_you_mean(job, SUBCOMMANDS) {
        meant if meant.is_empty() => e,
        meant => Refusal::usage("command.unknown", format!("no such command: teof review {job}{meant}"))
            .next("teof review --help  # see the commands")
            .into(),
    })
}
