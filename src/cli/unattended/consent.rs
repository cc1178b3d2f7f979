//! `teof consent …`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::base::{Refusal, Result, text};
use crate::cli::App;
use crate::cli::support::ask;
use crate::cli::support::help::MORE;
use crate::cli::support::terminal::Times;
use crate::coordinator::inbox::{self, Letter};
use crate::coordinator::process;
use crate::coordinator::state::input;
use crate::coordinator::state::{Word, store};
use crate::guard::consent::{self, Standing};
use crate::guard::operator;
use crate::guard::trust::commands;
use crate::hub::paths;
use crate::ops::consent::{Changes, DEFAULT_JOBS, grant, revoke};
use crate::review::policy::MergePolicy;

/// Show, grant or revoke consent for unattended runs
///
/// Nothing starts unattended without consent. It is in docs/automation/autonomy-consent.json, and counts only
/// on the machine where a person granted it, while that file and the granted settings stay as they were.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof consent show\n\
\x20 teof consent grant --max-jobs 20   # allow 20 jobs\n\
\x20 teof consent revoke")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what is allowed, and whether it counts here
    #[command(after_help = "Examples:\n\
\x20 teof consent show")]
    Show,
    Grant(Box<Grant>),
    Revoke(Revoke),
}

/// Allow jobs to run unattended on this machine
///
/// Read teof.toml first: its [commands] allow lists the commands that may run without further approval. Flags
/// that you leave out keep their value; `--continuous false` turns one off.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof consent grant --max-jobs 20   # allow 20 jobs\n\
\x20 teof consent grant --continuous          # without a limit")]
struct Grant {
    /// Allow any number of jobs
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    continuous: Option<bool>,
    /// How many jobs may start from now on [default: as before, else 10]
    #[arg(long, value_name = "N", alias = "max-iterations")]
    max_jobs: Option<u64>,
    /// Stop after a cycle that ran nothing
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = MORE)]
    require_execute: Option<bool>,
    /// Let the coordinator push work for pull requests, and merge what `[review] auto` allows
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = MORE)]
    allow_apply: Option<bool>,
    /// Start nothing while a feed needs attention
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = MORE)]
    halt_on_attention_feeds: Option<bool>,
    /// Start nothing while the CI summary reports a failure
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = MORE)]
    halt_on_ci_failure: Option<bool>,
    /// Your name [default: git's user.name]
    #[arg(long, value_name = "NAME", help_heading = MORE)]
    by: Option<String>,
}

/// Revoke consent; running work stops at its next step
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof consent revoke\n\
\x20 teof consent revoke --now   # stop the workers at once")]
struct Revoke {
    /// Also stop the running coordinator and its workers at once
    #[arg(long)]
    now: bool,
    /// Your name [default: git's user.name]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::Show => show(app),
        Command::Grant(args) => run_grant(*args, app),
        Command::Revoke(args) => run_revoke(args, app),
    }
}

fn show(app: &App) -> Result<ExitCode> {
    print(app, &consent::standing(app.hub()?)?)
}

fn run_grant(args: Grant, app: &App) -> Result<ExitCode> {
    operator::require("grant consent")?;
    let mut changes = Changes {
        continuous: args.continuous,
        max_iterations: args.max_jobs,
        require_execute: args.require_execute,
        allow_apply: args.allow_apply,
        halt_on_attention_feeds: args.halt_on_attention_feeds,
        halt_on_ci_failure: args.halt_on_ci_failure,
        only: None,
    };
    let by = operator::name(app.hub()?, args.by.as_deref())?;
    if changes.continuous.is_none() && changes.max_iterations.is_none() {
        ask_jobs(app, &mut changes)?;
    }
    print(app, &grant(app.hub()?, &by, &changes)?)
}

/// Asks a person at a terminal how many jobs may start; Enter takes what the file says, else 10.
fn ask_jobs(app: &App, changes: &mut Changes) -> Result<()> {
    let (default, whence) = match consent::standing(app.hub()?)?.written {
        Some(written) if written.continuous => ("unlimited".to_owned(), "as before"),
        Some(written) if written.max_iterations > 0 => (written.max_iterations.to_string(), "as before"),
        _ => (DEFAULT_JOBS.to_string(), "the default"),
    };
    if !ask::is_possible(app) {
        if !app.json() {
            app.say(format!("Jobs that may start: {default}, {whence}; to set it: teof consent grant --max-jobs N"));
        }
        return Ok(());
    }
    loop {
        let question = format!("How many jobs may start (a number, or unlimited)? [{default}]:");
        let Some(line) = ask::line(&question)? else {
            return Err(Refusal::guard("consent.declined", "nothing was granted")
                .because("the input ended")
                .next("give the number: teof consent grant --max-jobs 10")
                .into());
        };
        let answer = Some(line.as_str()).filter(|line| !line.is_empty()).unwrap_or(&default);
        match answer.parse() {
            Ok(jobs) if jobs > 0 => changes.max_iterations = Some(jobs),
            _ if "unlimited".starts_with(&answer.to_lowercase()) => changes.continuous = Some(true),
            _ => {
                ask::hint("Type a number such as 10, or unlimited.");
                continue;
            }
        }
        return Ok(());
    }
}

fn run_revoke(args: Revoke, app: &App) -> Result<ExitCode> {
    operator::require("revoke consent")?;
    let by = match &args.by {
        Some(by) => operator::name(app.hub()?, Some(by))?,
        None => operator::name_of_git(app.hub()?),
    };
    let hub = app.hub()?;
    let revoked = revoke(hub, &by)?;
    let stopping = args.now && process::holder(hub)?.is_some();
    if stopping {
        let recognised = operator::seen();
        let note = Some("consent was revoked".to_owned());
        let word = Word { by: by.clone(), at: app.now(), recognised, note };
        inbox::post(hub, &Letter { word, command: input::Command::Stop { now: true } })?;
    }
    let document = json!({"counts": false, "by": by, "file_left": revoked.file_left, "stopping": stopping});
    app.result(&document, || {
        let mut lines = vec![format!("revoked by {}: no job may run unattended on this machine", text::safe(&by))];
        lines.push(match stopping {
            true => "the coordinator and its workers are stopping now".to_owned(),
            false => "commands that are running continue; to stop them too: teof coordinator stop --now".into(),
        });
        lines.join("\n")
    });
    match revoked.file_left {
        None => Ok(ExitCode::SUCCESS),
        Some(why) => {
            Err(Refusal::guard("consent.record", format!("{} still grants it, which does not count", paths::CONSENT))
                .because(why)
                .next("fix that, then revoke it in the record too: teof consent revoke")
                .into())
        }
    }
}

/// `{counts, doubt?, reason?, written?, grant?, trusted_commands, merges_without_a_person, merge_policy?}`
fn print(app: &App, standing: &Standing) -> Result<ExitCode> {
    let allow = commands::trusted(app.hub()?)?.allow_list().to_vec();
    let auto = MergePolicy::of(&app.hub()?.settings()?.review, standing);
    let document = json!({
        "counts": standing.doubt.is_none() && standing.consent.auto_enabled,
        "doubt": standing.doubt.as_ref().map(|doubt| doubt.code()),
        "reason": standing.doubt.as_ref().map(|doubt| doubt.reason()),
        "written": standing.written,
        "grant": standing.grant,
        "trusted_commands": allow,
        "merges_without_a_person": auto.as_ref().is_some_and(|policy| policy.in_force),
        "merge_policy": auto,
    });
    let state = store::load(app.hub()?)?;
    let is_counted = standing.grant.as_ref().map(|grant| grant.at) == state.grant.as_ref().map(|grant| grant.at);
    let started = if is_counted { state.chosen_since_grant() } else { 0 };
    app.result(&document, || render(standing, &allow, started, auto.as_ref(), app.times()));
    Ok(ExitCode::SUCCESS)
}

fn render(standing: &Standing, allow: &[String], started: u64, auto: Option<&MergePolicy>, times: Times) -> String {
    let mut lines = Vec::new();
    match (&standing.doubt, &standing.grant) {
        (Some(doubt), _) => lines.push(format!("no consent: {}", text::safe(&doubt.reason()))),
        (None, Some(grant)) if standing.consent.auto_enabled => {
            lines.push(format!("granted by {}, {}", text::safe(&grant.by), times.ago(grant.at)));
            lines.extend(grant.only.iter().map(|only| format!("  {}", text::safe(&only.describe()))));
        }
        _ => lines.push(format!("no consent: {} says auto_enabled false", paths::CONSENT)),
    }
    if standing.doubt.is_none() && standing.consent.auto_enabled {
        lines.extend(rules(standing, started, auto).into_iter().map(|rule| format!("  {rule}")));
    }
    if allow.is_empty() {
        lines.push("  commands: only those of plans that a person approved (teof plan approve)".to_owned());
    } else {
        lines.push("  commands: those of approved plans, and without approval those that match".to_owned());
        lines.extend(allow.iter().map(|pattern| format!("    {}", text::safe(pattern))));
    }
    lines.join("\n")
}

/// What may happen, a sentence each. `started`: the jobs since the grant.
fn rules(standing: &Standing, started: u64, auto: Option<&MergePolicy>) -> Vec<String> {
    let consent = &standing.consent;
    let most = consent.max_iterations;
    let mut rules = vec![match most.saturating_sub(started) {
        _ if consent.continuous => "any number of jobs may start (continuous)".to_owned(),
        0 if most > 0 => match most {
            1 => "its one job has started; allow more: teof consent grant --max-jobs 10".to_owned(),
            _ => format!("all {most} allowed jobs have started; allow more: teof consent grant --max-jobs 10"),
        },
        0 => "no job may start yet; allow some: teof consent grant --max-jobs 10".to_owned(),
        left if standing.only().is_some() => format!("{} may start", text::counted(left, "job")),
        left => format!("{} may start", text::counted(left, "more job")),
    }];
    rules.push(match auto {
        Some(auto) if auto.in_force => format!("agents may work; {}", auto.rule),
        _ => "agents may work; nothing is merged or pushed before a person approves it".to_owned(),
    });
    let idle = auto.and_then(|auto| auto.why_not.as_ref());
    rules.extend(idle.map(|why| format!("[review] auto in teof.toml is not in force: {why}")));
    let stops = [
        (consent.require_execute, "after a job that ran neither a command nor an agent"),
        (consent.halt_on_attention_feeds, "while the backlog's prerequisites are unmet"),
        (consent.halt_on_ci_failure, "while CI fails"),
    ];
    let stops: Vec<_> = stops.iter().filter(|(is_set, _)| *is_set).map(|(_, what)| *what).collect();
    if !stops.is_empty() {
        rules.push(format!("new jobs wait: {}", stops.join("; ")));
    }
    rules
}
