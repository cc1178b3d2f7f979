//! `teof review revert`

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use serde_json::json;

use super::shared;
use crate::base::{Refusal, Result, text};
use crate::cli::App;
use crate::cli::support::ask;
use crate::cli::support::help::MORE;
use crate::cli::work::plan::approve::in_full;
use crate::review::undo::rollback::{self, Done, Rollback};

/// Revert a merged job and reopen its step
///
/// Makes a commit that undoes the merge, as carefully as the merge was made. The step waits until you retry
/// the job (`teof review retry j1`); with --redo it is done again at once. Refused when later work depends on it.
///
/// --rollback also runs the step's rollback commands afterwards, in a worktree of the target. They are shown
/// and confirmed first; with --yes they must be approved as they are (`teof plan approve`). A receipt records
/// the results; exit code 1 when one fails.
///
/// With --json: {short, decision, rollback: {receipt, passed, why} or null}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof review revert QUEUE-005 --note \"Breaks the build\"")]
pub struct Args {
    /// A job: j1, its run or its task
    job: String,
    /// Why
    #[arg(long)]
    note: Option<String>,
    /// Also run the rollback commands of its step
    #[arg(long)]
    rollback: bool,
    /// Do not ask before the rollback commands
    #[arg(long, requires = "rollback", help_heading = MORE)]
    yes: bool,
    /// Do the work again at once, with the note
    #[arg(long)]
    redo: bool,
    /// Your name [default: git's user.name]
    #[arg(long, value_name = "NAME", help_heading = MORE)]
    by: Option<String>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let entry = shared::entry(hub, &args.job)?;
    let input = crate::review::ReviewInput { redo: args.redo, ..shared::input(app, args.by, args.note)? };
    let rollback = match args.rollback {
        true => Some(confirmed(app, rollback::of(hub, &entry.bundle)?, args.yes)?),
        false => None,
    };
    let progress = shared::progress(app, &format!("Reverting {}", args.job));
    let decision = shared::when_free(app, || crate::review::revert(hub, &entry, &input, &progress))?;
    let roll_back = |rollback: Rollback| shared::when_free(app, || rollback.run(hub, &entry, &input, &progress));
    let done = rollback.map(roll_back).transpose();
    drop(progress);
    // The target has moved, whatever came of the rollback.
    super::notify::notify_coordinator(app, &decision)?;
    super::notify::commit_record(app)?;
    let done = done?;
    if let Some(Done { receipt, passed: false, why }) = &done {
        return Err(Refusal::guard(
            "rollback.failed",
            format!("{} is reverted, and its rollback failed", decision.task_id),
        )
        .because(why.clone().unwrap_or_default())
        .next(format!("see what ran: cat {}", text::shell_word(receipt)))
        .next(format!("fix the cause, then run it again: teof review revert {} --rollback", decision.short()))
        .into());
    }
    app.result(&json!({"short": decision.short(), "decision": decision, "rollback": done}), || {
        let commit = decision.merge_commit.as_deref().unwrap_or_default();
        let (job, target) = (shared::name(&entry), text::safe(&decision.target_branch));
        let next = match args.redo {
            true => "It is done again when the coordinator runs: teof run".to_owned(),
            false => format!("to do it again: teof review retry {} --note \"...\"", decision.short()),
        };
        format!("Reverted {job} on {target}: {}\n{next}", commit.get(..12).unwrap_or(commit))
            + &done.as_ref().map_or_else(String::new, |done| format!("\nRolled back; receipt {}", done.receipt))
    });
    Ok(ExitCode::SUCCESS)
}

/// The commands, once a person said yes to exactly these.
fn confirmed(app: &App, rollback: Rollback, yes: bool) -> Result<Rollback> {
    if yes {
        rollback.require_approval(app.hub()?)?;
        return Ok(rollback);
    }
    if !std::io::stdin().is_terminal() {
        return Err(Refusal::usage("rollback.unconfirmed", "the rollback commands are not confirmed")
            .because("stdin is not a terminal, so teof cannot ask")
            .next("run it at a terminal, or add --yes if the commands are approved")
            .into());
    }
    let _ = writeln!(std::io::stderr(), "These commands will run:");
    for command in &rollback.commands {
        let _ = writeln!(std::io::stderr(), "  $ {}", in_full(command));
    }
    match ask::yes("Run them after the revert?", false)? {
        true => Ok(rollback),
        false => Err(Refusal::guard("rollback.declined", "nothing was reverted")
            .because("the rollback commands were not confirmed")
            .into()),
    }
}
