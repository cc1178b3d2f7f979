//! `teof plan checkpoint`

use std::process::ExitCode;

use serde_json::{Map, json};

use super::shared;
use crate::base::Result;
use crate::cli::App;
use crate::cli::support::author::Flags;
use crate::guard::operator;
use crate::ops::tasks::plan_edit::{self, Edit};
use crate::plans::{edit, store};

/// Set the checkpoint of a plan: pending, satisfied or superseded
///
/// Use it when the goal of a plan is reached or no longer wanted. A satisfied checkpoint needs a receipt in the
/// plan. Only a person, or a seat with a claim of the plan, can set it.
///
/// With --json: {plan_id, path, checkpoint}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof plan checkpoint 2026-01-05-docs superseded")]
pub struct Args {
    /// The plan's id or path
    plan: String,
    status: Checkpoint,
    #[command(flatten)]
    author: Flags,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Checkpoint {
    Pending,
    Satisfied,
    Superseded,
}

impl Checkpoint {
    fn as_str(self) -> &'static str {
        match self {
            Checkpoint::Pending => "pending",
            Checkpoint::Satisfied => "satisfied",
            Checkpoint::Superseded => "superseded",
        }
    }
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    operator::run::refuse("set a plan's checkpoint")?;
    let hub = app.hub()?;
    let path = store::locate(hub, &args.plan)?;
    let status = args.status.as_str();
    let edit = Edit { command: "plan checkpoint", plan: &path, step: None, done: status == "satisfied" };
    let remarks = plan_edit::apply(hub, &shared::editor(app, &args.author)?, edit, |writer, transaction| {
        edit::set_checkpoint(writer, transaction, &path, status)?;
        let meta = Map::from_iter([("checkpoint".to_owned(), json!(status))]);
        Ok((format!("set the checkpoint to {status}"), meta))
    })?;
    remarks.iter().for_each(|remark| app.say(remark));
    let document = json!({"plan_id": store::id_of(&path), "path": path, "checkpoint": status});
    app.result(&document, || format!("the checkpoint of {} is {status}", store::id_of(&path)));
    Ok(ExitCode::SUCCESS)
}
