//! `teof plan step …`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::base::{Refusal, Result};
use crate::cli::App;
use crate::hub::Act;
use crate::model::plan::Status;
use crate::plans::edit::{self, StepChange};
use crate::plans::store;

#[derive(Debug, Subcommand)]
pub enum Command {
    Add(Add),
    Set(Set),
}

/// Add a queued step at the end.
///
/// With --json: {plan_id, path, step_id}.
#[derive(Debug, clap::Args)]
pub struct Add {
    /// The plan's id or path
    plan: String,
    /// What the step does
    #[arg(long, alias = "desc", value_name = "TEXT")]
    title: String,
    /// Its id [default: the next free S<number>]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
}

/// Set the status or the notes of a step.
///
/// With --json: {plan_id, path, step_id, status}.
#[derive(Debug, clap::Args)]
pub struct Set {
    /// The plan's id or path
    plan: String,
    /// The step's id
    step: String,
    /// queued, in_progress, blocked or done
    #[arg(long, value_parser = super::status::parse)]
    status: Option<Status>,
    /// Replaces the step's notes
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

pub fn run(command: Command, app: &App) -> Result<ExitCode> {
    match command {
        Command::Add(args) => add(args, app),
        Command::Set(args) => set(args, app),
    }
}

fn add(args: Add, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let path = store::locate(hub, &args.plan)?;
    let mut writer = hub.lock("plan step add")?;
    let mut act = Act::new(format!("plan step add {}", store::id_of(&path)));
    let id = edit::add_step(&writer, &mut act, &path, args.id.as_deref(), &args.title, &args.note)?;
    writer.perform(act)?;
    let document = json!({"plan_id": store::id_of(&path), "path": path, "step_id": id});
    app.result(&document, || format!("added step {id} to {}", store::id_of(&path)));
    Ok(ExitCode::SUCCESS)
}

fn set(args: Set, app: &App) -> Result<ExitCode> {
    if args.status.is_none() && args.note.is_none() {
        return Err(Refusal::usage("plan.nothing", "nothing to set").next("give --status, --note, or both").into());
    }
    let hub = app.hub()?;
    let path = store::locate(hub, &args.plan)?;
    let mut writer = hub.lock("plan step set")?;
    let mut act = Act::new(format!("plan step set {} {}", store::id_of(&path), args.step));
    let change = StepChange { status: args.status, notes: args.note, ..StepChange::default() };
    edit::set_step(&writer, &mut act, &path, &args.step, &change)?;
    writer.perform(act)?;
    let now = store::find(hub, &path)?;
    let status = now.plan.step(&args.step).and_then(|step| step.status()).map(Status::as_str);
    let document = json!({"plan_id": now.id(), "path": path, "step_id": args.step, "status": status});
    app.result(&document, || format!("step {} of {} is {}", args.step, now.id(), status.unwrap_or("?")));
    Ok(ExitCode::SUCCESS)
}
