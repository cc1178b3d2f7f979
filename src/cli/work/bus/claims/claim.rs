//! `teof bus claim`

use std::process::ExitCode;
use std::time::Duration;

use super::{offer, report};
use crate::base::Result;
use crate::bus::claim_rules::Notes;
use crate::cli::App;
use crate::cli::support::author::{Flags, Repeat, TaskFlags, span};
use crate::cli::support::help::MORE;
use crate::conductor::take;
use crate::coordinator::state::store;
use crate::guard::operator;
use crate::model::claim::ClaimStatus;
use crate::ops::claims::claim::{Request, claim};

/// Claim a task: no other seat can work on it
///
/// Use it before you start to work. The claim is a lease: it ends on its own unless you renew it by claiming
/// again. Each claim gets an epoch, a number that proves later writes are yours.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof bus claim QUEUE-007\n\
\x20 teof bus claim --next                                        # claim the best free task\n\
\x20 teof bus claim QUEUE-007 --lease 4h --notes \"Parser first\"")]
pub struct Args {
    #[command(flatten)]
    flags: TaskFlags,
    #[command(flatten)]
    terms: Terms,
    /// Status of the claim: active, paused, released or done
    #[arg(long, default_value = "active", value_parser = status, help_heading = MORE)]
    status: ClaimStatus,
    /// Remove the notes of the claim
    #[arg(long, help_heading = MORE)]
    clear_notes: bool,
    /// Claim it although it is not assigned to you; recorded
    #[arg(long, help_heading = MORE)]
    allow_unassigned: bool,
    /// Claim the best free task that is assigned to you or unassigned
    #[arg(long, conflicts_with_all = ["place", "task", "status", "branch", "allow_unassigned"])]
    next: bool,
}

/// What a claim says besides whose and what.
#[derive(Clone, Debug, clap::Args)]
pub struct Terms {
    /// The plan that the work belongs to, by id or path
    #[arg(long)]
    pub plan: Option<String>,
    /// The branch for the work [default: agent/<seat>/<task>]
    #[arg(long)]
    pub branch: Option<String>,
    /// Note on the state of the work
    #[arg(long)]
    pub notes: Option<String>,
    /// The claim's lease, such as 4h: when it ends, others may take over
    #[arg(long, value_name = "DURATION", value_parser = span)]
    pub lease: Option<Duration>,
}

impl Terms {
    pub fn put_into(&self, request: &mut Request) {
        request.plan = self.plan.clone();
        request.branch = self.branch.clone();
        request.lease = self.lease;
        request.notes = Notes::from_flags(self.notes.clone(), false);
    }
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    if args.next {
        return next(&args.flags.author, &args.terms, &args.flags.repeat, app);
    }
    let hub = app.hub()?;
    let (task, author) = args.flags.claimant(hub, "claim another task")?;
    let mut request = Request::new(author, task);
    args.terms.put_into(&mut request);
    request.notes = Notes::from_flags(args.terms.notes, args.clear_notes);
    request.status = args.status;
    request.allow_unassigned = args.allow_unassigned || request.author.agent == operator::OPERATOR;
    let repeat = args.flags.repeat.request("bus claim", &request.arguments())?;
    let answer = claim(hub, &request, repeat.as_ref());
    let answer = answer.map_err(|e| offer::instead(app, &request.author.agent, e))?;
    report::show(app, &answer, report::claim("Claimed", app.times()));
    Ok(ExitCode::SUCCESS)
}

/// Takes the best task that is free: also what `task pickup` without a task does.
pub fn next(author: &Flags, terms: &Terms, repeat: &Repeat, app: &App) -> Result<ExitCode> {
    operator::run::refuse("take other work")?;
    let hub = app.hub()?;
    let mut request = Request::new(author.claimant(hub, None)?, "");
    terms.put_into(&mut request);
    let repeat = repeat.request("bus claim --next", &request.arguments())?;
    let answer = take::next(hub, &request, store::load(hub)?.excluded(), repeat.as_ref())?;
    report::show(app, &answer, report::claim("Claimed", app.times()));
    Ok(ExitCode::SUCCESS)
}

fn status(text: &str) -> Result<ClaimStatus, String> {
    ClaimStatus::parse(text).ok_or_else(|| "it must be active, paused, released or done".to_owned())
}
