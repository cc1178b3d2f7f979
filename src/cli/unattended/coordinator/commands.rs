//! `teof coordinator pause`, `resume`, `cancel`, `reassign`, `skip`, `stop` and `reset-breaker`: they only send a
//! command.
//!
//! People and their tools may control the coordinator; a worker and what it started may not. Seats and coding agents
//! may slow it down under their own names: only a person cancels work, answers an agent and ends a pause.

use std::process::ExitCode;

use serde_json::json;

use super::send::send;
use super::start;
use crate::base::{Refusal, Result, names, text};
use crate::cli::App;
use crate::coordinator::process;
use crate::coordinator::state::input::Command;
use crate::coordinator::state::store;
use crate::foreman::calls::notes;
use crate::guard::sentinels::watch;
use crate::guard::{moved_target, operator};
use crate::ops::claims::known;
use crate::seats;

/// Start no new jobs, or pause one job after its stage
///
/// Without a target no new job starts, and running ones go on. A job that is paused stops at the end of its stage and
/// keeps its claim; `teof coordinator resume <job>` lets it go on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof coordinator pause --note \"Release day\"")]
pub struct Pause {
    /// A job, a run, or a task [default: no new job starts]
    target: Option<String>,
    /// Why; the other seats see it
    #[arg(long)]
    note: Option<String>,
}

/// End a pause, of all or of one job, or allow a skipped task again
///
/// Without a task it ends the pause, and lifts the suspension of agents that hit a limit.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof coordinator pause && teof coordinator resume\n\
\x20 teof coordinator skip QUEUE-001 && teof coordinator resume QUEUE-001")]
pub struct Resume {
    /// A paused job, or a skipped or cancelled task [default: end the pause]
    task: Option<String>,
}

/// Stop a job after its stage, and do not choose its task again
///
/// An agent that is being called finishes that call first; --now stops it at once. `teof coordinator resume <task>`
/// allows the task again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof coordinator cancel QUEUE-006 --note \"Not wanted\"")]
pub struct Cancel {
    /// A job, a run, or a task
    target: String,
    /// Stop its worker at once, not at the end of its stage
    #[arg(long)]
    now: bool,
    /// Why; the other seats see it
    #[arg(long)]
    note: Option<String>,
}

/// Give a task to another seat
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof coordinator reassign QUEUE-006 --to codex-2")]
pub struct Reassign {
    /// A job, a run, or a task
    target: String,
    /// The new seat
    #[arg(long, value_name = "SEAT")]
    to: String,
}

/// Keep the coordinator from choosing a task
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof coordinator skip QUEUE-001 --note \"Not yet\"")]
pub struct Skip {
    /// The task
    task: String,
    /// Why; the other seats see it
    #[arg(long)]
    note: Option<String>,
}

/// Stop the coordinator when its workers have finished their stage
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof coordinator stop")]
pub struct Stop {
    /// Stop the workers at once, not at the end of their stage
    #[arg(long)]
    now: bool,
}

/// Close the circuit breaker and start jobs again
///
/// Only a person can do it, after looking at the cause. It also accepts the high-severity findings of the last
/// scan, and branches that a worker moved.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof coordinator reset-breaker --note \"Disk was full\"")]
pub struct ResetBreaker {
    /// What you did about the cause; the other seats see it
    #[arg(long)]
    note: Option<String>,
}

/// Answer the question of a job's agent
///
/// The agent continues in its own session where it can; otherwise it is called again with the question and the
/// answer.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof coordinator answer QUEUE-006 \"Round the amounts up\"")]
pub struct Answer {
    /// A job, a run, a task, or its plan
    target: String,
    /// What to tell the agent
    text: String,
}

pub fn answer(args: Answer, app: &App) -> Result<ExitCode> {
    let code = send(app, allowed_answer(args.target.clone(), &args.text)?, None)?;
    let hub = app.hub()?;
    let state = store::load(hub)?;
    let task = state.find(&args.target).map_or(args.target.as_str(), |job| job.task.as_str());
    if !app.json()
        && let Some(command) = start::command(hub, &state, task)?
    {
        app.say(format!("continue it: {command}"));
    }
    Ok(code)
}

pub fn pause(args: Pause, app: &App) -> Result<ExitCode> {
    let pause = allowed_pause()?;
    send(app, args.target.map_or(pause, |target| Command::PauseJob { target }), args.note)
}

pub fn resume(args: Resume, app: &App) -> Result<ExitCode> {
    send(app, allowed_resume(args.task)?, None)
}

pub fn cancel(args: Cancel, app: &App) -> Result<ExitCode> {
    send(app, allowed_cancel(args.target, args.now)?, args.note)
}

/// The answer to a job's question, if a person gives it, and it is not empty or too long and has no secret.
pub fn allowed_answer(target: String, answer: &str) -> Result<Command> {
    operator::require("answer an agent")?;
    if answer.trim().is_empty() {
        return Err(Refusal::usage("answer.empty", "the answer is empty")
            .next(format!("see the question: teof coordinator explain {}", text::safe(&target)))
            .into());
    }
    notes::check("answer", answer)?;
    Ok(Command::Answer { target, text: answer.to_owned() })
}

/// A pause, unless a run asks for it.
pub fn allowed_pause() -> Result<Command> {
    operator::run::refuse("pause the coordinator")?;
    Ok(Command::Pause)
}

/// The end of a task's skip or pause, unless a run or a coding agent asks for it; the end of a pause of all, if a person
/// asks for it.
pub fn allowed_resume(task: Option<String>) -> Result<Command> {
    match task {
        Some(_) => operator::recognise("resume a task")?,
        None => operator::require("resume the coordinator")?,
    };
    Ok(Command::Resume { task })
}

/// The end of a job, if a person asks for it: what an agent made and a person is to review is discarded.
pub fn allowed_cancel(target: String, now: bool) -> Result<Command> {
    operator::require("cancel work")?;
    Ok(Command::Cancel { target, now })
}

pub fn reassign(args: Reassign, app: &App) -> Result<ExitCode> {
    operator::run::refuse("reassign work")?;
    names::check_id("agent", &args.to)?;
    if !seats::pool::is_made(&args.to) {
        seats::known::require(app.hub()?, &args.to)?;
    }
    send(app, Command::Reassign { target: args.target, to: args.to }, None)
}

pub fn skip(args: Skip, app: &App) -> Result<ExitCode> {
    operator::run::refuse("skip a task")?;
    names::check_id("task", &args.task)?;
    if let Some(remark) = known::remark_unknown(app.hub()?, &args.task)? {
        app.warn(remark);
    }
    send(app, Command::Skip { task: args.task }, args.note)
}

pub fn stop(args: Stop, app: &App) -> Result<ExitCode> {
    operator::run::refuse("stop the coordinator")?;
    if process::holder(app.hub()?)?.is_none() {
        // A command that is kept would stop the next coordinator at its start.
        let text = match store::load(app.hub()?)?.live_jobs().next() {
            None => "the coordinator is not running; there is nothing to stop",
            Some(_) => {
                "the coordinator is not running; unfinished jobs continue when it starts again; to stop a worker that \
                 is still running after its current command: teof consent revoke"
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
    let mut accepted: Vec<_> = moved.iter().map(|moved| format!("accepted: {}", moved.describe())).collect();
    match watch::accept(hub)? {
        0 => {}
        found => accepted.push(format!("accepted: {} of the last scan", text::counted(found, "high-severity finding"))),
    }
    if accepted.is_empty() || store::load(hub)?.breaker.open.is_some() {
        accepted.iter().for_each(|line| app.say(line));
        return send(app, Command::ResetBreaker, args.note);
    }
    app.result(&json!({"command": null, "answered": true, "text": accepted.join("\n")}), || accepted.join("\n"));
    Ok(ExitCode::SUCCESS)
}
