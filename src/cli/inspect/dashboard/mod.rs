//! `teof dashboard …`

mod decide;
pub mod format;
pub mod receipt;
mod text;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use format::{FileFormat, Format};

use crate::base::{Refusal, Result, files};
use crate::board::Reader;
use crate::board::coordination::{Coordination, Options};
use crate::cli::App;
use crate::cli::support::author;
use crate::cli::support::help::MORE;
use crate::faces::documents::coordination::{self, Detail};
use crate::guard::operator;
use crate::hub::output::Output;

/// Show plans, claims, heartbeats, hand-offs and alerts in one place
///
/// For whoever manages: open plans with their progress, claims with the time left, plans that nobody works on,
/// claims that disagree with assignments, silent seats, uncommitted changes that a boot found, directives, and an alert
/// for each thing to look at. It reads only; `dashboard report` keeps it as a receipt.
///
/// With --json: {generated_at, alerts: [text], plans: [{plan_id, actor, status, summary, steps_total,
/// steps_completed, pending_steps, checkpoint_status, missing_receipts, missing_details}], claims: [{task_id, agent_id,
/// status, plan_id, branch, claimed_at, epoch, lease_expires_at, lease_left_seconds, hold}], claims_omitted,
/// claim_disagreements: [{task_id, about, message, claim, assignment}], unclaimed_plans, heartbeats: {managers, agents:
/// [{agent_id, last_seen, state, is_awaited}]}, heartbeat_meta: {manager_window_minutes, agent_window_minutes,
/// automation_plans}, retired, dirty_handoffs: [{agent_id, found_by, captured_at, receipt, status_preview,
/// pending_count}], manager_directives, missing_pointers, planner_queue_warnings, pruning_candidates}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof dashboard\n\
\x20 teof dashboard --format html --output dashboard.html\n\
\x20 teof dashboard report   # keep it under _report/manager/")]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    view: View,
    /// Output format [default: text; with --output: the one that its name ends with, else md]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write it to this file instead
    #[arg(long, value_name = "PATH")]
    output: Option<String>,
    /// Replace the file of --output although teof did not write it
    #[arg(long, requires = "output", help_heading = MORE)]
    force: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Report(ReportArgs),
    Clear(decide::Clear),
    Reassign(decide::Reassign),
}

/// Keep the dashboard as a receipt under _report/manager/
///
/// With --json: {path, alerts}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof dashboard report\n\
\x20 teof dashboard report --format json")]
struct ReportArgs {
    #[command(flatten)]
    view: View,
    /// md, json or html
    #[arg(long, value_enum, default_value_t = FileFormat::Md)]
    format: FileFormat,
    /// Another path under _report/manager/ or _report/agent/ [default: _report/manager/coordination-dashboard-<time>.<format>]
    #[arg(long, value_name = "PATH")]
    output: Option<String>,
    /// The seat that enters the receipt [default: this worktree's]
    #[arg(long, value_name = "SEAT")]
    agent: Option<String>,
}

/// What is shown.
#[derive(Debug, clap::Args)]
struct View {
    /// Only alerts, plans, claims and hand-offs
    #[arg(long)]
    compact: bool,
    /// Minutes without a heartbeat until a manager is stale; 0 turns the check off
    #[arg(long, value_name = "MINUTES", default_value_t = 30, help_heading = MORE)]
    manager_window: u64,
    /// Minutes without a heartbeat until an agent is stale; 0 turns the check off
    #[arg(long, value_name = "MINUTES", default_value_t = 60, help_heading = MORE)]
    agent_window: u64,
    /// How many messages of manager-report
    #[arg(long, value_name = "N", default_value_t = 10, help_heading = MORE)]
    messages: usize,
}

impl View {
    fn options(&self) -> Options {
        let window = |minutes: u64| (minutes > 0).then(|| Duration::from_secs(minutes.saturating_mul(60)));
        Options {
            manager_window: window(self.manager_window),
            agent_window: window(self.agent_window),
            messages: self.messages,
        }
    }

    fn detail(&self) -> Detail {
        if self.compact { Detail::Compact } else { Detail::Full }
    }
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        None => show(&args, app)?,
        Some(Command::Report(args)) => report(&args, app)?,
        Some(Command::Clear(args)) => decide::clear(&args, app)?,
        Some(Command::Reassign(args)) => decide::reassign(&args, app)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(args: &Args, app: &App) -> Result<()> {
    let hub = app.hub_to_read()?;
    if let Some(output) = &args.output {
        return save(args, output, app);
    }
    let found = Reader::new().coordination(hub, &args.view.options())?;
    let detail = args.view.detail();
    match args.format.and_then(Format::of_file) {
        Some(FileFormat::Json) => app.out(crate::base::json::printable(crate::base::json::pretty(&found))),
        Some(format) if !app.json() => app.out(receipt::render(&found, format, detail).trim_end()),
        _ => app.long_result(&found, || {
            let times = app.times();
            text::render(&coordination::report(&found, detail, &|at| times.at(at)))
        }),
    }
    Ok(())
}

/// Writes the file of `--output`; one in the record is a receipt.
fn save(args: &Args, output: &str, app: &App) -> Result<()> {
    let hub = app.hub()?;
    let ending = Path::new(output).extension().and_then(|ending| ending.to_str());
    let format = match (args.format, ending) {
        (Some(format), _) => format.of_file().ok_or_else(|| {
            Refusal::usage("dashboard.format", "a file is md, json or html").next("print the text: teof dashboard")
        })?,
        (None, Some("json")) => FileFormat::Json,
        (None, Some("html")) => FileFormat::Html,
        (None, _) => FileFormat::Md,
    };
    if output.starts_with("_report/") {
        return Err(Refusal::usage("dashboard.receipt", "a file in the record is a receipt")
            .next(format!("keep it as one: teof dashboard report --output {}", crate::base::text::shell_word(output)))
            .into());
    }
    let path = Path::new(output);
    Output { flag: "--output", homes: &[], force: Some(args.force), is_own: receipt::is_own }.check_anywhere(path)?;
    let found = Reader::new().coordination(hub, &args.view.options())?;
    let path = std::path::absolute(path).map_err(|e| files::io_refusal(e, "find", path))?;
    files::create_parent(&path)?;
    files::replace(&path, receipt::render(&found, format, args.view.detail()).as_bytes())?;
    told(app, output, &found);
    Ok(())
}

fn report(args: &ReportArgs, app: &App) -> Result<()> {
    operator::run::refuse("keep a dashboard")?;
    let hub = app.hub()?;
    let agent = author::seat(hub, args.agent.as_deref())?;
    let found = Reader::new().coordination(hub, &args.view.options())?;
    let place = match &args.output {
        Some(path) => receipt::Place::At(path),
        None => receipt::Place::In("_report/manager"),
    };
    let path = receipt::write(hub, &agent, &found, args.format, args.view.detail(), &place)?;
    told(app, &path, &found);
    Ok(())
}

fn told(app: &App, path: &str, found: &Coordination) {
    app.result(&json!({"path": path, "alerts": found.alerts.len()}), || {
        let alerts = crate::base::text::counted(found.alerts.len(), "alert");
        format!("Wrote {} ({alerts})", crate::base::text::safe(path))
    });
}
