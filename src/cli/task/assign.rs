//! `teof task assign`

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::base::{Result, text};
use crate::cli::App;
use crate::cli::author::{Flags, Task, span};
use crate::cli::bus::report;
use crate::guard::claim::Author;
use crate::ops::assign::{Assigned, Request, assign};

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
    // The playbook's --manager names the author; a seat of another name must be said so on purpose.
    let flags = Flags { agent: args.manager.or(args.author.agent), ..args.author };
    let author: Author = flags.author(hub, None)?;
    let request = Request {
        plan: args.plan,
        branch: args.branch,
        note: args.note,
        claim: !args.no_auto_claim,
        lease: args.lease,
        scaffold: args.scaffold,
        ..Request::new(author, task, args.engineer)
    };
    let done = assign(hub, &request)?;
    for remark in &done.remarks {
        app.say(format!("note: {}", text::safe(remark)));
    }
    app.result(&document(&done), || words(&done));
    Ok(ExitCode::SUCCESS)
}

/// `{assignment: {…}, event, claim?, remarks}`; `claim` as `bus claim` prints it.
fn document(done: &Assigned) -> Value {
    let assignment: Map<_, _> = done.assignment.fields().into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    let claim = done.claim.as_ref().map(report::document);
    json!({"assignment": assignment, "event": done.event, "claim": claim, "remarks": done.remarks})
}

fn words(done: &Assigned) -> String {
    let assignment = &done.assignment;
    let claimed = match &done.claim {
        Some(claim) => format!(", claimed on {} (epoch {})", claim.claim.branch, claim.claim.epoch),
        None => String::new(),
    };
    text::safe(&format!("assigned {} to {}{claimed}", assignment.task_id, assignment.engineer))
}
