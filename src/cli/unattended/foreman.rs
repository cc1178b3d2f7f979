//! `teof foreman`: runs a work order, or a routine by name or description.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use serde_json::{Map, Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::base::{Exit, Refusal, Result, text};
use crate::cli::App;
use crate::cli::support::help::MORE;
use crate::foreman::preview::{self, explain};
use crate::foreman::routines::companion::{self, Routine};
use crate::foreman::{Given, Request, routines};
use crate::guard::operator;
use crate::model::run::outcome::{Outcome, Verdict};
use crate::receipts::seen::Seen;
use crate::{foreman, seats};

/// Run a work order, or a routine: status, scan, tasks, daily
///
/// The coordinator starts it for each job. Use it yourself to look at an order, or for the daily routines;
/// plain words work too.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof foreman daily\n\
\x20 teof foreman --say \"show me the tasks\"")]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Sub>,
    /// What you want, in plain words
    #[arg(long, value_name = "TEXT")]
    say: Option<String>,
    /// A routine, or plain words
    words: Vec<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Sub {
    Run(RunArgs),
}

/// Run a work order, or show what it would do
///
/// Without --execute nothing runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof foreman run \"$(ls _report/agent/manager/manifests/*.json | head -1)\"   # show what it would do")]
pub struct RunArgs {
    /// Path of the work order
    #[arg(required = true, value_name = "ORDER")]
    order: Vec<String>,
    /// Run it, in a worktree on the seat's branch
    #[arg(long)]
    execute: bool,
    /// Show the prompt of each role, or of this one
    #[arg(long, value_name = "ROLE", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["execute", "explain"])]
    show_prompt: Option<String>,
    /// Show the order's difficulty, its route, and the agent of each role
    #[arg(long, conflicts_with = "execute")]
    explain: bool,
    /// For the coordinator: check consent before every command and agent
    #[arg(long, requires = "execute", help_heading = MORE)]
    unattended: bool,
    /// Id of this run
    #[arg(long, value_name = "ID", help_heading = MORE)]
    run: Option<String>,
    /// Seat for an order of version 1
    #[arg(long, value_name = "SEAT", help_heading = MORE)]
    agent: Option<String>,
    /// Task for an order of version 1 [default: <plan>-<step>]
    #[arg(long, value_name = "TASK", help_heading = MORE)]
    task: Option<String>,
    /// Continue although the session is missing or stale; recorded
    #[arg(long, conflicts_with = "unattended", help_heading = MORE)]
    allow_stale_session: bool,
    /// Run an order that lacks a goal, acceptance, verification, risk limit, recovery or targets
    #[arg(long, conflicts_with = "unattended", help_heading = MORE)]
    accept_gaps: bool,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let words = match (args.command, args.say) {
        // "run the alignment scan" is plain words; an order is one path.
        (Some(Sub::Run(run)), _) if run.order.len() > 1 => format!("run {}", run.order.join(" ")),
        (Some(Sub::Run(run)), _) => return order(run, app),
        (None, Some(say)) => say,
        (None, None) => args.words.join(" "),
    };
    companion(&words, app)
}

fn order(args: RunArgs, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let agent = match args.agent {
        Some(agent) => Some(agent),
        None => seats::resolve(hub, None).ok(),
    };
    let given = Given { agent, task: args.task };
    let path = args.order.concat();
    if let Some(role) = args.show_prompt {
        let found = explain::show(hub, &path, &given, Some(role.as_str()).filter(|role| !role.is_empty()))?;
        app.result(&found, || found.iter().map(|one| one.prompt.as_str()).collect::<Vec<_>>().join("\n"));
        return Ok(ExitCode::SUCCESS);
    }
    if args.explain {
        let found = explain::explain(hub, &path, &given)?;
        app.result(&found, || found.describe());
        return Ok(ExitCode::SUCCESS);
    }
    if !args.execute {
        let found = preview::preview(hub, &path, &given)?;
        app.result(&found, || found.describe());
        return Ok(ExitCode::SUCCESS);
    }
    operator::run::refuse_to_start("have other work done")?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("listen for signals")?;
    }
    let request = Request {
        order: &path,
        given,
        run: args.run.as_deref(),
        unattended: args.unattended,
        allow_stale_session: args.allow_stale_session,
        accept_gaps: args.accept_gaps,
    };
    let outcome = foreman::run(hub, &request, &stop, &|line| app.say(line))?;
    app.result(&outcome, || summary(&outcome));
    Ok(ExitCode::from(code(outcome.verdict) as u8))
}

/// A paused run ends as anything does that a person's word stops: 6.
fn code(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Succeeded => Exit::Done,
        Verdict::Failed | Verdict::Blocked | Verdict::Refused => Exit::Refused,
        Verdict::Paused => Exit::Unattended,
    }
}

fn summary(outcome: &Outcome) -> String {
    let mut lines = vec![format!("{}: {}", foreman::verdict_word(outcome.verdict), outcome.reason)];
    let short = |id: &String| id.chars().take(12).collect::<String>();
    lines.extend(outcome.commit.as_ref().map(|id| format!("commit {} on {}", short(id), outcome.branch)));
    for found in &outcome.findings {
        let path = found.path.as_ref().map(|path| format!("{path}: ")).unwrap_or_default();
        lines.push(format!("{:6} {path}{}", found.severity, found.message));
        lines.extend(found.hint.as_ref().map(|hint| format!("       {hint}")));
    }
    lines.extend(outcome.receipts.iter().map(|path| format!("receipt {path}")));
    lines.iter().map(|line| text::safe(line)).collect::<Vec<_>>().join("\n")
}

fn companion(words: &str, app: &App) -> Result<ExitCode> {
    match companion::route(words) {
        Some(Routine::Help) => {
            app.out(companion::HELP);
            Ok(ExitCode::SUCCESS)
        }
        Some(Routine::Daily) => daily(app),
        Some(routine @ (Routine::Scan | Routine::Status | Routine::Tasks)) => {
            let (document, shown, code) = one(routine, app)?;
            app.result(&document, || shown);
            Ok(ExitCode::from(code as u8))
        }
        Some(Routine::Brief) => Err(Refusal::usage("foreman.no_brief", "teof does not score briefs")
            .because("the playbook's ensemble scoring is not part of teof")
            .next("see what there is: teof foreman help")
            .into()),
        None => {
            // The playbook: words that match nothing are answered with the help, and exit 2.
            if !app.json() {
                app.say(companion::HELP);
            }
            let said = text::clip(&text::safe(words), 80);
            let message =
                if said.is_empty() { "no routine is named".into() } else { format!("no routine for {said:?}") };
            Err(Refusal::usage("foreman.no_match", message)
                .next("name a routine: status, scan, tasks or daily")
                .next("to run a work order: teof foreman run <order>")
                .next("see all routines: teof foreman help")
                .into())
        }
    }
}

/// One routine: its document, its words, its exit code.
fn one(routine: Routine, app: &App) -> Result<(Value, String, Exit)> {
    let hub = app.hub_to_read()?;
    match routine {
        Routine::Scan => {
            let found = routines::scan(hub, &mut Seen::default())?;
            let code = if found.iter().any(|found| found.stops()) { Exit::Refused } else { Exit::Done };
            Ok((json!({ "findings": found }), routines::describe_findings(&found), code))
        }
        Routine::Tasks => {
            let tasks = routines::tasks(hub)?;
            Ok((json!(tasks), tasks.describe(), Exit::Done))
        }
        _ => {
            let status = routines::status(hub)?;
            Ok((json!(status), status.describe(), Exit::Done))
        }
    }
}

/// Status, scan, tasks; goes on after a failure, and exits with the greatest code (the playbook: foreman).
fn daily(app: &App) -> Result<ExitCode> {
    let mut document = Map::new();
    let mut shown = Vec::new();
    let mut code = 0;
    for (name, routine) in [("status", Routine::Status), ("scan", Routine::Scan), ("tasks", Routine::Tasks)] {
        match one(routine, app) {
            Ok((part, words, exit)) => {
                document.insert(name.into(), part);
                shown.push(format!("== {name}\n{words}"));
                code = code.max(exit as u8);
            }
            Err(e) => {
                let exit = Refusal::of(&e).map_or(Exit::Fault, |refusal| refusal.exit);
                document.insert(name.into(), json!({ "error": format!("{e:#}") }));
                shown.push(format!("== {name}\nfailed: {}", text::safe(&format!("{e:#}"))));
                code = code.max(exit as u8);
            }
        }
    }
    app.result(&document, || shown.join("\n"));
    Ok(ExitCode::from(code))
}
