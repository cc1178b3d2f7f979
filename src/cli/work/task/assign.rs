//! `teof task assign`

use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use crate::base::Result;
use crate::cli::App;
use crate::cli::support::author::{Flags, TaskFlags, span};
use crate::cli::support::help::MORE;
use crate::cli::work::bus::claims::report;
use crate::guard::claim::Author;
use crate::guard::operator;
use crate::ops::claims::assign::{Request, assign};

/// Assign a task to a seat and claim it for that seat
///
/// Use it as a manager.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof task assign QUEUE-001 --engineer codex-2\n\
\x20 teof task assign QUEUE-001 --engineer codex-2 --no-auto-claim")]
pub struct Args {
    #[command(flatten)]
    flags: TaskFlags,
    /// The seat that gets the task
    #[arg(long, visible_alias = "to", value_name = "SEAT")]
    engineer: String,
    /// Assign as this seat [default: your own]
    #[arg(long, value_name = "SEAT", help_heading = MORE)]
    manager: Option<String>,
    /// The plan that the work belongs to, by id or path
    #[arg(long)]
    plan: Option<String>,
    /// The branch for the work
    #[arg(long)]
    branch: Option<String>,
    /// A note for the engineer
    #[arg(long)]
    note: Option<String>,
    /// Assign only; the engineer claims it
    #[arg(long)]
    no_auto_claim: bool,
    /// Claim the task for the engineer (the default)
    #[arg(long, conflicts_with = "no_auto_claim", help_heading = MORE)]
    auto_claim: bool,
    /// Lease of the engineer's claim, such as 4h
    #[arg(long, value_name = "DURATION", value_parser = span, conflicts_with = "no_auto_claim")]
    lease: Option<Duration>,
    /// Create the folder for the receipts
    #[arg(long, help_heading = MORE)]
    scaffold: bool,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let task = args.flags.task.name()?;
    operator::run::refuse("assign work")?;
    // The playbook's --manager names the author; a seat of another name must be said so on purpose.
    let flags = Flags { agent: args.manager.or(args.flags.author.agent.clone()), ..args.flags.author.clone() };
    let author: Author = flags.author(hub, Some(task))?;
    let request = Request {
        plan: args.plan,
        branch: args.branch,
        note: args.note,
        claim: !args.no_auto_claim,
        lease: args.lease,
        scaffold: args.scaffold,
        ..Request::new(author, task, args.engineer)
    };
    let repeat = args.flags.repeat.request("task assign", &request.arguments())?;
    report::show(app, &assign(hub, &request, repeat.as_ref())?, render);
    Ok(ExitCode::SUCCESS)
}

fn render(document: &Value) -> String {
    let (assignment, claim) = (&document["assignment"], &document["claim"]["claim"]);
    let part = |of: &Value, key: &str| of[key].as_str().unwrap_or_default().to_owned();
    let claimed = match claim.is_null() {
        true => String::new(),
        false => format!(", claimed on {} (epoch {})", part(claim, "branch"), claim["epoch"]),
    };
    format!("assigned {} to {}{claimed}", part(assignment, "task_id"), part(assignment, "engineer"))
}
