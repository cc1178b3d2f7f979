//! `teof worktree clean`

use std::process::ExitCode;

use serde_json::json;

use crate::base::{Result, text};
use crate::cli::App;
use crate::coordinator::retention;
use crate::coordinator::state::store;
use crate::foreman::commands::executor;
use crate::guard::operator;
use crate::hub::worktrees::clean::{self, Cleaned, Retention};
use crate::model::run::job_name::short;
use crate::review::target::merged_branches::{self, Branches};

/// Remove worktrees of finished jobs
///
/// Uncommitted work is saved on a ref first, and branches stay, except with --branches.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof worktree clean --dry-run\n\
\x20 teof worktree clean --all-finished\n\
\x20 teof worktree clean --all-finished --branches")]
pub struct Args {
    /// Also remove those that the settings worktrees.keep and keep_for would keep
    #[arg(long)]
    all_finished: bool,
    /// Also delete the branches of approved jobs that have no newer commits and are checked out nowhere
    #[arg(long)]
    branches: bool,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    if !args.dry_run {
        operator::run::refuse("remove worktrees")?;
        if args.branches {
            operator::require("delete branches")?;
        }
    }
    let hub = app.hub()?;
    let state = store::load(hub)?;
    let retention = if args.all_finished { Retention::NONE } else { Retention::of(hub)? };
    let cleaned = clean::clean(hub, retention, args.dry_run, &|seen| retention::over_since(&state, seen))?;
    // What is removed already is told whatever happens to the rest.
    let containers = if args.dry_run { Ok(Vec::new()) } else { executor::remove_orphans(hub) };
    let containers = or_warn(containers, "containers that are left");
    let branches = match args.branches {
        true => merged_branches::delete(hub, &cleaned.removed, args.dry_run),
        false => Ok(Branches::default()),
    };
    let branches = or_warn(branches, "branches of approved work");
    let is_whole = containers.is_some() && branches.as_ref().is_some_and(|branches| branches.kept.is_empty());
    let (containers, branches) = (containers.unwrap_or_default(), branches.unwrap_or_default());
    let document = json!({
        "dry_run": args.dry_run, "removed": cleaned.removed, "kept": cleaned.kept, "finished": cleaned.finished,
        "containers": containers, "branches": branches.deleted, "kept_branches": branches.kept,
    });
    app.result(&document, || render(&cleaned, &containers, &branches, args.dry_run));
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was found; a failure to look is a warning, and `None`.
fn or_warn<T>(found: Result<T>, what: &str) -> Option<T> {
    found.inspect_err(|e| tracing::warn!("cannot look for {what}: {e:#}")).ok()
}

fn render(cleaned: &Cleaned, containers: &[String], branches: &Branches, dry_run: bool) -> String {
    let (verb, deleted) = if dry_run { ("would remove", "would delete") } else { ("removed", "deleted") };
    let mut lines = Vec::new();
    for gone in &cleaned.removed {
        let branch = gone.branch.as_ref().map(|branch| format!("; its commits are on {branch}")).unwrap_or_default();
        let refs = gone.kept_under.iter().map(|name| format!("; kept under {name}")).collect::<String>();
        lines.push(format!("{verb} {}{branch}{refs}", gone.path.display()));
    }
    lines.extend(cleaned.finished.iter().map(|path| format!("finished removing {}", path.display())));
    lines.extend(cleaned.kept.iter().map(|kept| format!("kept {}: {}", kept.path.display(), kept.why)));
    lines.extend(containers.iter().map(|left| format!("removed {left}, whose worker is gone")));
    lines.extend(branches.deleted.iter().map(|gone| {
        let commit: String = gone.commit.chars().take(12).collect();
        let kept = gone.kept_under.as_ref().map(|name| format!(", kept under {name}")).unwrap_or_default();
        format!("{deleted} {} of {}; it was at {commit}{kept}", gone.branch, short(&gone.job))
    }));
    lines
        .extend(branches.kept.iter().map(|kept| format!("kept {} of {}: {}", kept.branch, short(&kept.job), kept.why)));
    if lines.is_empty() {
        lines.push("no worktrees".to_owned());
    }
    lines.iter().map(|line| text::safe(line)).collect::<Vec<_>>().join("\n")
}
