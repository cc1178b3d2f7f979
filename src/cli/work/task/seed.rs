//! `teof task seed`

use std::process::ExitCode;

use crate::base::Result;
use crate::bus::claim_rules::Notes;
use crate::cli::App;
use crate::cli::support::author::TaskFlags;
use crate::cli::support::help::MORE;
use crate::cli::work::bus::claims::report;
use crate::guard::operator;
use crate::model::claim::ClaimStatus;
use crate::ops::claims::seed::{Request, seed};

/// Give a seat a task to start later: an assignment and a paused claim
///
/// Use it as a manager to hand work off before the seat starts. The seat starts with `teof bus claim`. It is refused
/// when another seat holds the task.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof task seed QUEUE-001 --engineer codex-2 --plan 2026-01-05-docs --scaffold")]
pub struct Args {
    #[command(flatten)]
    flags: TaskFlags,
    /// The seat that is to do the work
    #[arg(long, visible_alias = "to", value_name = "SEAT")]
    engineer: String,
    /// The plan that the work belongs to, by id or path
    #[arg(long)]
    plan: Option<String>,
    /// The branch for the work [default: agent/<seat>/<task>]
    #[arg(long)]
    branch: Option<String>,
    /// What the seat should know
    #[arg(long)]
    notes: Option<String>,
    /// Status of the claim: paused, or active
    #[arg(long, default_value = "paused", value_parser = status, help_heading = MORE)]
    status: ClaimStatus,
    /// Create the folder for the receipts: _report/agent/<seat>/<plan>/
    #[arg(long)]
    scaffold: bool,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let task = args.flags.task.name()?;
    operator::run::refuse("seed a task")?;
    let request = Request {
        author: args.flags.author.author(hub, Some(task))?,
        task: task.to_owned(),
        engineer: args.engineer,
        plan: args.plan,
        branch: args.branch,
        status: args.status,
        notes: Notes::from_flags(args.notes, false),
        scaffold: args.scaffold,
    };
    let repeat = args.flags.repeat.request("task seed", &request.arguments())?;
    report::show(app, &seed(hub, &request, repeat.as_ref())?, report::claim("Seeded", app.times()));
    Ok(ExitCode::SUCCESS)
}

fn status(text: &str) -> Result<ClaimStatus, String> {
    ClaimStatus::parse(text).filter(|status| status.is_live()).ok_or_else(|| "it must be paused or active".to_owned())
}
