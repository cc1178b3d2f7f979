//! `teof coordinator pause`, `resume`, `cancel`, `reassign`, `skip`, `stop` and `reset-breaker`: they only send a
//! command.
//!
//! People and their tools may control the coordinator; a worker and what it started may not.

use std::process::ExitCode;

use serde_json::json;

use super::send::send;
use crate::base::{Refusal, Result, names, text};
use crate::cli::App;
use crate::coordinator::process;
use crate::coordinator::state::input::Command;
use crate::coordinator::state::store;
use crate::guard::sentinels::watch;
use crate::guard::{moved_target, operator, secrets};

/// The longest answer that is taken, in characters.
const LONGEST: usize = 16_000;

#[derive(Debug, clap::Args)]
pub struct Pause {
    /// Why, for the others
    #[arg(long)]
    note: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Resume {
    /// A task that was skipped or cancelled; without one, the pause ends and agents' suspensions are lifted
    task: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Cancel {
    /// A job, a run, or a task
    target: String,
    /// End its worker at once, not at the end of its stage
    #[arg(long)]
    now: bool,
    /// Why, for the others
    #[arg(long)]
    note: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Reassign {
    /// A job, a run, or a task
    target: String,
    /// The seat that is to have it
    #[arg(long, value_name = "SEAT")]
    to: String,
}

#[derive(Debug, clap::Args)]
pub struct Skip {
    /// The task
    task: String,
    /// Why, for the others
    #[arg(long)]
    note: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Stop {
    /// End the workers at once, not at the end of their stage
    #[arg(long)]
    now: bool,
}

/// Also accepts the findings of high severity of the last scan and the branches that a worker moved: both keep new
/// work from being started until a person has looked.
#[derive(Debug, clap::Args)]
pub struct ResetBreaker {
    /// What was done about the reason, for the others
    #[arg(long)]
    note: Option<String>,
}

/// The agent goes on in its own session, where it can; else it is called anew with question and answer.
///
/// teof coordinator answer ND-1 "Round the amounts up"
#[derive(Debug, clap::Args)]
pub struct Answer {
    /// A job, a run, a task, or its plan
    target: String,
    /// What to tell the agent
    text: String,
}

pub fn answer(args: Answer, app: &App) -> Result<ExitCode> {
    operator::run::refuse("answer an agent")?;
    if args.text.trim().is_empty() {
        return Err(Refusal::usage("answer.empty", "the answer is empty")
            .next(format!("see the question: teof coordinator explain {}", text::safe(&args.target)))
            .into());
    }
    secrets::check_text("answer", &args.text)?;
    send(app, Command::Answer { target: args.target, text: text::clip(&args.text, LONGEST) }, None)
}

pub fn pause(args: Pause, app: &App) -> Result<ExitCode> {
    operator::run::refuse("pause the coordinator")?;
    send(app, Command::Pause, args.note)
}

pub fn resume(args: Resume, app: &App) -> Result<ExitCode> {
    operator::run::refuse("let the coordinator go on")?;
    send(app, Command::Resume { task: args.task }, None)
}

pub fn cancel(args: Cancel, app: &App) -> Result<ExitCode> {
    operator::run::refuse("cancel work")?;
    send(app, Command::Cancel { target: args.target, now: args.now }, args.note)
}

pub fn reassign(args: Reassign, app: &App) -> Result<ExitCode> {
    operator::run::refuse("reassign work")?;
    names::check_id("agent", &args.to)?;
    send(app, Command::Reassign { target: args.target, to: args.to }, None)
}

pub fn skip(args: Skip, app: &App) -> Result<ExitCode> {
    operator::run::refuse("have a task skipped")?;
    names::check_id("task", &args.task)?;
    send(app, Command::Skip { task: args.task }, args.note)
}

pub fn stop(args: Stop, app: &App) -> Result<ExitCode> {
    operator::run::refuse("stop the coordinator")?;
    if process::holder(app.hub()?)?.is_none() {
        // Kept for the next start, it would end that one, long after anybody meant it.
        let text = match store::load(app.hub()?)?.live_jobs().next() {
            None => "no coordinator runs here; there is nothing to stop",
            Some(_) => {
                "no coordinator runs here; what one left behind goes on with the next, and a worker stops at its next \
                 command after: teof consent revoke"
            }
        };
        app.result(&json!({"command": null, "answered": false, "text": text}), || text.to_owned());
        return Ok(ExitCode::SUCCESS);
    }
    send(app, Command::Stop { now: args.now }, None)
}

pub fn reset_breaker(args: ResetBreaker, app: &App) -> Result<ExitCode> {
    operator::require("reset the breaker")?;
    let hub = app.hub()?;
    let moved = moved_target::accept(hub)?;
    let mut accepted: Vec<_> = moved.iter().map(|moved| format!("accepted: {}", moved.words())).collect();
    match watch::accept(hub)? {
        0 => {}
        found => accepted.push(format!("accepted: {found} findings of high severity of the last scan")),
    }
    if accepted.is_empty() || store::load(hub)?.breaker.open.is_some() {
        accepted.iter().for_each(|line| app.say(line));
        return send(app, Command::ResetBreaker, args.note);
    }
    app.result(&json!({"command": null, "answered": true, "text": accepted.join("\n")}), || accepted.join("\n"));
    Ok(ExitCode::SUCCESS)
}
