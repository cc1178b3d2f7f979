//! `teof plan step …`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::shared;
use crate::base::{Refusal, Result, files};
use crate::cli::App;
use crate::cli::support::author::Flags;
use crate::guard::operator;
use crate::guard::secrets;
use crate::hub::Hub;
use crate::hub::repository::clone_fidelity::{self, Need};
use crate::model::plan::Status;
use crate::ops::tasks::plan_edit::{self, Edit};
use crate::plans::edit::{self, StepChange};
use crate::plans::store;

/// Add a step to a plan, or change one
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof plan step add 2026-01-05-docs --title \"Describe the flags\"")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Add(Add),
    Set(Set),
}

/// Add a queued step at the end of a plan
///
/// A seat needs a session and a claim of the plan; a person needs neither. Refused in an unattended run.
///
/// With --json: {plan_id, path, step_id}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof plan step add 2026-01-05-docs --title \"Describe the flags\"\n\
\x20 teof plan step add 2026-01-05-docs --title \"Build\" --command make --test \"make check\"")]
pub struct Add {
    /// The plan's id or path
    plan: String,
    /// What the step does
    #[arg(long, alias = "desc", value_name = "TEXT")]
    title: String,
    /// The step's id [default: the next free S<number>]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    #[command(flatten)]
    work: Work,
    #[command(flatten)]
    author: Flags,
}

/// Change the status, the note or the commands of a step
///
/// An unattended run can change only the note of its own step; the coordinator sets the rest.
///
/// With --json: {plan_id, path, step_id, status}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof plan step set 2026-01-05-docs S1 --status in_progress\n\
\x20 teof plan step set 2026-01-05-docs S1 --note \"Waits for the parser\"")]
pub struct Set {
    /// The plan's id or path
    plan: String,
    /// The step's id
    step: String,
    /// queued, in_progress, blocked or done
    #[arg(long, value_parser = super::status::parse)]
    status: Option<Status>,
    /// New note of the step
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    work: Work,
    #[command(flatten)]
    author: Flags,
}

/// What a worker needs to do the step unattended; each replaces what the step has.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "For unattended work")]
pub struct Work {
    /// A command for `sh -c`; repeatable, run in order until one fails
    #[arg(long, value_name = "LINE")]
    command: Vec<String>,
    /// A test command that must pass on the result; repeatable
    #[arg(long, value_name = "LINE")]
    test: Vec<String>,
    /// A receipt that the run must create, relative to the repository; repeatable
    #[arg(long, value_name = "PATH")]
    expect: Vec<String>,
    /// Most lines that may be added plus removed
    #[arg(long, value_name = "LINES")]
    diff_limit: Option<u64>,
    /// Paths that may change, as a glob; repeatable [default: all that are not denied]
    #[arg(long, value_name = "GLOB")]
    allow: Vec<String>,
}

impl Work {
    /// The fields of the step that are given.
    fn fields(&self, hub: &Hub) -> Result<Map<String, Value>> {
        let lists = [
            ("commands", &self.command),
            ("tests", &self.test),
            ("expected_receipts", &self.expect),
            ("allowed", &self.allow),
        ];
        let mut fields = Map::new();
        for (field, values) in lists.into_iter().filter(|(_, values)| !values.is_empty()) {
            if values.iter().any(|value| value.trim().is_empty()) {
                return Err(Refusal::usage("plan.empty", format!("an entry of {field} is empty"))
                    .next("omit it, or pass a value")
                    .into());
            }
            fields.insert(field.into(), json!(values));
        }
        secrets::check_json("step", &json!(fields))?;
        self.expect.iter().try_for_each(|path| files::within("/".as_ref(), path).map(drop))?;
        let expected: Vec<_> = self.expect.iter().map(|path| (path.as_str(), Need::There)).collect();
        clone_fidelity::check(hub, &expected)?;
        if let Some(limit) = self.diff_limit {
            fields.insert("diff_limit".into(), json!(limit));
        }
        Ok(fields)
    }
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::Add(args) => add(args, app),
        Command::Set(args) => set(args, app),
    }
}

fn add(args: Add, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let path = store::locate(hub, &args.plan)?;
    operator::run::refuse("add steps to a plan")?;
    let fields = args.work.fields(hub)?;
    secrets::check_json("step", &json!([args.title, args.note]))?;
    let edit = Edit { command: "plan step add", plan: &path, step: None, done: false };
    let mut id = String::new();
    let remarks = plan_edit::apply(hub, &shared::editor(app, &args.author)?, edit, |writer, transaction| {
        id = edit::add_step(writer, transaction, &path, args.id.as_deref(), &args.title, &args.note, &fields)?;
        let meta = Map::from_iter([("step".to_owned(), json!(id))]);
        Ok((format!("added step {id}"), meta))
    })?;
    remarks.iter().for_each(|remark| app.say(remark));
    let document = json!({"plan_id": store::id_of(&path), "path": path, "step_id": id});
    app.result(&document, || format!("added step {id} to {}", store::id_of(&path)));
    Ok(ExitCode::SUCCESS)
}

fn set(args: Set, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let fields = args.work.fields(hub)?;
    secrets::check_json("note", &json!(args.note))?;
    if args.status.is_none() && args.note.is_none() && fields.is_empty() {
        return Err(Refusal::usage("plan.nothing", "nothing to set").next("give --status, --note, --command…").into());
    }
    let path = store::locate(hub, &args.plan)?;
    operator::run::check_step(hub, store::id_of(&path), Some(&args.step), "change another step")?;
    if args.status.is_some() || !fields.is_empty() {
        // A run reports; the coordinator sets the step, and its limits are a person's.
        operator::run::refuse("change more than the note of its step")?;
    }
    let done = args.status == Some(Status::Done);
    let set: Vec<String> = fields.keys().cloned().chain(args.note.as_ref().map(|_| "notes".to_owned())).collect();
    let edit = Edit { command: "plan step set", plan: &path, step: Some(&args.step), done };
    let remarks = plan_edit::apply(hub, &shared::editor(app, &args.author)?, edit, |writer, transaction| {
        let mut meta = Map::from_iter([("fields".to_owned(), json!(set))]);
        meta.extend(args.status.map(|status| ("status".to_owned(), json!(status.as_str()))));
        let change = StepChange { status: args.status, notes: args.note, fields, ..StepChange::default() };
        edit::set_step(writer, transaction, &path, &args.step, &change)?;
        let summary = match args.status {
            Some(status) => format!("set step {} to {status}", args.step),
            None => format!("changed {} of step {}", set.join(", "), args.step),
        };
        Ok((summary, meta))
    })?;
    remarks.iter().for_each(|remark| app.say(remark));
    let now = store::find(hub, &path)?;
    let status = now.plan.step(&args.step).and_then(|step| step.status()).map(Status::as_str);
    let document = json!({"plan_id": now.id(), "path": path, "step_id": args.step, "status": status});
    app.result(&document, || {
        let status = status.unwrap_or("?");
        match set.is_empty() {
            true => format!("step {} of {} is {status}", args.step, now.id()),
            false => format!("step {} of {}: set {} (status: {status})", args.step, now.id(), set.join(", ")),
        }
    });
    Ok(ExitCode::SUCCESS)
}
