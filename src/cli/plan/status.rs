//! `teof plan status`

use std::process::ExitCode;

use serde_json::json;

use crate::base::{Refusal, Result};
use crate::cli::App;
use crate::hub::Act;
use crate::model::plan::Status;
use crate::plans::{edit, store};

/// Set the status of a plan.
///
/// From queued a plan can become anything; from in_progress blocked or done; from blocked in_progress
/// or done; there is no way back from done.
///
/// With --json: {plan_id, path, status}.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its id or path
    plan: String,
    /// queued, in_progress, blocked or done
    #[arg(value_parser = parse)]
    status: Status,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let path = store::locate(hub, &args.plan)?;
    let mut writer = hub.lock("plan status")?;
    let mut act = Act::new(format!("plan status {}", store::id_of(&path)));
    edit::set_status(&writer, &mut act, &path, args.status)?;
    writer.perform(act)?;
    let document = json!({"plan_id": store::id_of(&path), "path": path, "status": args.status.as_str()});
    app.result(&document, || format!("{} is {}", store::id_of(&path), args.status));
    Ok(ExitCode::SUCCESS)
}

/// For clap: a status by its name.
pub(super) fn parse(text: &str) -> Result<Status, Refusal> {
    Status::parse(text).ok_or_else(|| Refusal::usage("plan.status", "use queued, in_progress, blocked or done"))
}
