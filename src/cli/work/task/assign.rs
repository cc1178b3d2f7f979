//! `teof task assign`

use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use crate::base::Result;
use crate::cli::App;
use crate::cli::support::author::{Flags, Task, span};
use crate::cli::work::bus::claims::report;
use crate::cli::work::bus::write::Repeat;
use crate::guard::claim::Author;
use crate::guard::operator;
use crate::ops::claims::assign::{Request, assign};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    task: Task,
    /// The seat that shall do it
    #[arg(long, visible_alias = "to", value_name = "SEAT")]
    engineer: String,
    /// Assign as this seat, instead of your own
    #[arg(long, value_name = "SEAT")]
    manager: Option<String>,
    #[command(flatten)]
    author: Flags,
    #[command(flatten)]
    repeat: Repeat,
    /// The plan that the work follows, by id or path
    #[arg(long)]
    plan: Option<String>,
    /// The branch of the work
    #[arg(long)]
    branch: Option<String>,
    /// A word to the engineer
    #[arg(long)]
    note: Option<String>,
    /// Only say who shall do it, and leave the claim to the engineer
    #[arg(long)]
    no_auto_claim: bool,
    /// Claim the task for the engineer (the default)
    #[arg(long, conflicts_with = "no_auto_claim")]
    auto_claim: bool,
    /// The lease of the engineer's claim, such as 4h
    #[arg(long, value_name = "SPAN", value_parser = span, conflicts_with = "no_auto_claim")]
    lease: Option<Duration>,
    /// Make the folder for the receipts of the work
    #[arg(long)]
    scaffold: bool,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let task = args.task.name()?;
    operator::run::refuse("assign work")?;
    // The playbook's --manager names the author; a seat of another name must be said so on purpose.
    let flags = Flags { agent: args.manager.or(args.author.agent), ..args.author };
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
    let repeat = args.repeat.request("task assign", &request.arguments())?;
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
