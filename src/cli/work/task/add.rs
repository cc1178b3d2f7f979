//! `teof task add`

use std::process::ExitCode;

use crate::base::Result;
use crate::cli::App;
use crate::cli::support::author::TaskFlags;
use crate::cli::support::help::MORE;
use crate::cli::work::bus::claims::report;
use crate::guard::operator;
use crate::model::backlog::NewItem;
use crate::model::priority::Priority;
use crate::ops::tasks::add;
use crate::plans::requests::queue::axis;
use crate::plans::validate::LAYERS;

/// Add a task to the backlog
///
/// Use it to write down work that anyone may take.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof task add QUEUE-009 --title \"Document the parser\"\n\
\x20 teof task add QUEUE-010 --title \"Fix the clock\" --priority high")]
pub struct Args {
    #[command(flatten)]
    flags: TaskFlags,
    /// What to do
    #[arg(long)]
    title: String,
    /// The plan for it
    #[arg(long)]
    plan: Option<String>,
    /// Notes
    #[arg(long)]
    notes: Option<String>,
    /// critical, high, medium, low, or a number (1 is the most urgent)
    #[arg(long, value_parser = priority)]
    priority: Option<String>,
    /// L0 to L6
    #[arg(long, value_parser = LAYERS, help_heading = MORE)]
    layer: Option<String>,
    /// 1 to 10
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10), help_heading = MORE)]
    systemic_scale: Option<u64>,
    /// S1 to S10; repeatable
    #[arg(long = "systemic-target", value_name = "S#", value_parser = target, help_heading = MORE)]
    systemic_targets: Vec<String>,
    /// Where the task comes from
    #[arg(long, help_heading = MORE)]
    source: Option<String>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    operator::run::refuse("add work")?;
    let hub = app.hub()?;
    let author = args.flags.author.author(hub, None)?;
    let item = NewItem {
        id: args.flags.task.name()?.to_owned(),
        title: args.title,
        plan: args.plan,
        notes: args.notes,
        priority: args.priority,
        layer: args.layer,
        systemic_scale: args.systemic_scale,
        systemic_targets: args.systemic_targets,
        source: args.source,
    };
    let fields = (&item.title, &item.plan, &item.notes, &item.priority, &item.layer, &item.source);
    let lists = (&item.systemic_scale, &item.systemic_targets);
    let repeat = args.flags.repeat.request("task add", &(&author.agent, &item.id, fields, lists))?;
    let answer = add::add(hub, &author, &item, repeat.as_ref())?;
    report::show(app, &answer, |document| {
        format!("added {} to the backlog", document["task_id"].as_str().unwrap_or(""))
    });
    Ok(ExitCode::SUCCESS)
}

/// For clap: an axis.
fn target(text: &str) -> Result<String, String> {
    axis(text).map(|_| text.to_owned()).ok_or_else(|| "it must be S1 to S10".to_owned())
}

/// An unknown priority counts as medium in files; on the command line it is refused.
fn priority(text: &str) -> Result<String, String> {
    match Priority::named(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("it must be critical, high, medium, low or a number".to_owned()),
    }
}
