//! `teof plan status`

use std::process::ExitCode;

use serde_json::{Map, json};

use super::shared;
use crate::base::{Refusal, Result};
use crate::cli::App;
use crate::cli::support::author::Flags;
use crate::guard::operator;
use crate::model::plan::Status;
use crate::ops::tasks::plan_edit::{self, Edit};
use crate::plans::{edit, store};

/// Set the status of a plan
///
/// A queued plan can become anything; a plan in progress can become blocked or done; a blocked plan can become
/// in_progress or done. Done is final. A seat needs a session and a claim of the plan; a person needs neither.
///
/// With --json: {plan_id, path, status}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof plan status 2026-01-05-docs in_progress")]
pub struct Args {
    /// The plan's id or path
    plan: String,
    /// queued, in_progress, blocked or done
    #[arg(value_parser = parse)]
    status: Status,
    #[command(flatten)]
    author: Flags,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    operator::run::refuse("set a plan's status")?;
    let hub = app.hub()?;
    let path = store::locate(hub, &args.plan)?;
    let edit = Edit { command: "plan status", plan: &path, step: None, done: args.status == Status::Done };
    let remarks = plan_edit::apply(hub, &shared::editor(app, &args.author)?, edit, |writer, transaction| {
        edit::set_status(writer, transaction, &path, args.status)?;
        let meta = Map::from_iter([("status".to_owned(), json!(args.status.as_str()))]);
        Ok((format!("set the plan to {}", args.status), meta))
    })?;
    remarks.iter().for_each(|remark| app.say(remark));
    let document = json!({"plan_id": store::id_of(&path), "path": path, "status": args.status.as_str()});
    app.result(&document, || format!("{} is {}", store::id_of(&path), args.status));
    Ok(ExitCode::SUCCESS)
}

/// For clap: a status by its name.
pub(super) fn parse(text: &str) -> Result<Status, Refusal> {
    Status::parse(text).ok_or_else(|| Refusal::usage("plan.status", "it must be queued, in_progress, blocked or done"))
}
