//! `teof plan checkpoint`

use std::process::ExitCode;

use serde_json::json;

use crate::base::Result;
use crate::cli::App;
use crate::hub::Act;
use crate::plans::{edit, store};

/// Say that a plan's checkpoint is met, or is no goal any more.
///
/// A satisfied checkpoint needs a receipt of the plan. The coordinator never says this: it is a
/// person's word. With --json: {plan_id, path, checkpoint}.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its id or path
    plan: String,
    status: Checkpoint,
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
    let hub = app.hub()?;
    let path = store::locate(hub, &args.plan)?;
    let status = args.status.as_str();
    let mut writer = hub.lock("plan checkpoint")?;
    let mut act = Act::new(format!("plan checkpoint {}", store::id_of(&path)));
    edit::set_checkpoint(&writer, &mut act, &path, status)?;
    writer.perform(act)?;
    let document = json!({"plan_id": store::id_of(&path), "path": path, "checkpoint": status});
    app.result(&document, || format!("the checkpoint of {} is {status}", store::id_of(&path)));
    Ok(ExitCode::SUCCESS)
}
