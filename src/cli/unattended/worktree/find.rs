//! `teof worktree find`

use std::process::ExitCode;

use serde_json::json;

use super::row::{self, Row};
use crate::base::{Refusal, Result, names, text};
use crate::cli::App;
use crate::coordinator::retention::Standing;
use crate::hub::Hub;
use crate::hub::worktrees::is_task_branch;

/// Print the path of a task's worktree
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 cd \"$(teof worktree find QUEUE-004)\"")]
pub struct Args {
    /// The task, else the end of a branch name (`feature/auth-05A` for `implement-auth-05A`)
    task: String,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let task = names::check_id("task", &args.task)?;
    let rows = row::rows(app.hub_to_read()?)?;
    let (found, by) = of_task(&rows, task, &|row| row.seen.branch_ends_like(task))?;
    let Some(row) = found else {
        return Err(Refusal::not_found("worktree.missing", format!("{task} has no worktree{}", meant(task, &rows)))
            .because("no job made one for it, and no branch name ends like the task")
            .next("see all worktrees: teof worktree list")
            .next(format!("or make one: teof worktree new {task}"))
            .into());
    };
    app.result(&json!({ "found_by": by, "worktree": row }), || text::safe(&row.path));
    Ok(ExitCode::SUCCESS)
}

/// The worktree to work in for a task instead of one with the branch `wanted`, if there is one. Never the main one or
/// the hub's, and none whose branch belongs to another seat.
///
/// # Errors
/// `worktree.ambiguous`.
pub fn existing(hub: &Hub, task: &str, wanted: &str) -> Result<Option<Row>> {
    let mut rows = row::rows(hub)?;
    rows.retain(|row| row.state != Standing::Hub && row.seen.git_dir != hub.common_dir);
    let has_wanted = rows.iter().any(|row| row.branch.as_deref() == Some(wanted));
    let suits = |row: &Row| !has_wanted && row.branch.as_deref().is_some_and(|branch| is_task_branch(branch, task));
    Ok(of_task(&rows, task, &suits)?.0.cloned())
}

/// The worktree of a task, and by what it was found; `suits` tells it by its branch.
fn of_task<'r>(rows: &'r [Row], task: &str, suits: &dyn Fn(&Row) -> bool) -> Result<(Option<&'r Row>, &'static str)> {
    let there = || rows.iter().filter(|row| row.exists);
    let mut own: Vec<&Row> = there().filter(|row| row.task.as_deref() == Some(task) || row.is_of_job(task)).collect();
    let is_live = |row: &&Row| matches!(row.state, Standing::Running | Standing::Waiting | Standing::Review);
    if own.iter().any(is_live) {
        own.retain(is_live);
    }
    let (found, by) = match own.is_empty() {
        false => (own, "task"),
        true => (there().filter(|row| row.task.is_none() && suits(row)).collect(), "branch"),
    };
    match found.as_slice() {
        [] => Ok((None, by)),
        [row] => Ok((Some(row), by)),
        many => Err(Refusal::guard("worktree.ambiguous", format!("{} worktrees are for {task}", many.len()))
            .because(many.iter().map(|row| text::safe(&row.path)).collect::<Vec<_>>().join(", "))
            .next("see which is which: teof worktree list")
            .into()),
    }
}

fn meant(task: &str, rows: &[Row]) -> String {
    let there = rows.iter().filter(|row| row.exists);
    names::did_you_mean(task, there.filter_map(|row| row.task.as_deref()))
}
