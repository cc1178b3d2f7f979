//! `teof import`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::base::{Result, text};
use crate::cli::App;
use crate::cli::support::author::Flags;
use crate::guard::operator;
use crate::ops::tasks::import::{self, Options, Report, Tool};

/// How many tasks of one kind are listed.
const LISTED: usize = 20;

/// Bring tasks of another tool into the backlog
///
/// Reads the tool's own files and changes nothing in them. Its ids, dependencies, priorities and statuses are kept. Run
/// it again at any time: what changed there is updated, and what you changed here stays.
///
/// A task that somebody works on there is blocked here, so that it is not done twice.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof import beads --dry-run\n\
\x20 teof import beads                          # again at any time\n\
\x20 teof import github-issues issues.json      # what gh issue list --json wrote")]
pub struct Args {
    /// The tool that the tasks are in
    #[arg(value_parser = Tool::NAMES)]
    tool: String,
    /// Its file or folder [default: where the tool keeps it, from this checkout's top]
    path: Option<PathBuf>,
    /// Show what would change, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Also import new tasks that are done there
    #[arg(long)]
    with_done: bool,
    /// Import tasks that somebody works on there as pending
    #[arg(long)]
    take_started: bool,
    #[command(flatten)]
    author: Flags,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    operator::run::refuse("import tasks")?;
    let tool = Tool::named(&args.tool).context("a tool of the list")?;
    let options = Options { tool, path: args.path, with_done: args.with_done, take_started: args.take_started };
    let (report, remarks) = match args.dry_run {
        true => import::import(app.hub_to_read()?, &options, None)?,
        false => {
            let hub = app.hub()?;
            import::import(hub, &options, Some(&args.author.author(hub, None)?))?
        }
    };
    remarks.iter().for_each(|remark| app.warn(remark));
    app.result(&report, || show(&report));
    if args.dry_run {
        app.say("Nothing was written.");
    }
    Ok(ExitCode::SUCCESS)
}

fn show(report: &Report) -> String {
    let mut lines = Vec::new();
    let changed = report.tasks.iter().filter(|task| !task.fields.is_empty() || !task.kept.is_empty());
    for task in changed.clone().take(LISTED) {
        let mut parts = Vec::new();
        if task.change == import::Change::New {
            parts.push("new".to_owned());
        } else if !task.fields.is_empty() {
            parts.push(format!("updated {}", task.fields.join(", ")));
        }
        if !task.kept.is_empty() {
            parts.push(format!("changed on both sides, kept: {}", task.kept.join(", ")));
        }
        parts.extend(task.dropped.clone());
        lines.push(format!("{} ({}): {}", task.task_id, task.foreign_id, parts.join("; ")));
    }
    let more = changed.count().saturating_sub(LISTED);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.extend(report.skipped.iter().take(LISTED).map(|one| format!("skipped {}: {}", one.id, one.why)));
    let more = report.skipped.len().saturating_sub(LISTED);
    if more > 0 {
        lines.push(format!("and {more} more skipped"));
    }
    let told = |circle: &import::Circle| {
        format!("{} does not wait for its part {}, which waits for it", circle.task_id, circle.part)
    };
    lines.extend(report.circles.iter().take(LISTED).map(told));
    let verb = if report.dry_run { "Would import" } else { "Imported" };
    let Report { read, new, updated, unchanged, .. } = report;
    let skipped = report.skipped.len();
    lines.push(format!(
        "{verb} from {}: {read} read, {new} new, {updated} updated, {unchanged} unchanged, {skipped} skipped",
        report.from.as_str()
    ));
    lines.iter().map(|line| text::safe(line)).collect::<Vec<_>>().join("\n")
}
