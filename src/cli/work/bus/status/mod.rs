//! `teof bus status`

mod audits;
mod summary;
mod text;

use std::process::ExitCode;

use crate::base::{Result, text as plain};
use crate::cli::App;
use crate::cli::support::author;
use crate::cli::support::help::MORE;
use crate::cli::support::since::since;
use crate::cli::support::window::{Window, hours, minutes};
use crate::model::event::Severity;
use crate::ops::presence::status::{self, Preset, Query};

/// Show claims, the latest events, and whether a manager is present
///
/// Use it to see who works on what. Managers are the seats with the role manager in their manifest, and those that
/// assigned a task to another seat.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof bus status                                     # everybody's claims, the latest events\n\
\x20 teof bus status --preset manager --summary          # what a manager watches, as a list\n\
\x20 teof bus status --agent codex-1 --window 48h")]
pub struct Args {
    /// support (medium and high, 6 h) or manager (high, 4 h)
    #[arg(long, value_parser = preset, value_name = "PRESET")]
    preset: Option<Preset>,
    /// Print a short list instead of tables
    #[arg(long)]
    summary: bool,
    /// Show at most N events; 0 shows all [default: 10, or 20 with a preset]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Only this seat's claims and events; repeatable [default: everybody]
    #[arg(long = "agent", value_name = "SEAT")]
    agents: Vec<String>,
    /// Everybody's claims and events (the default)
    #[arg(long, conflicts_with = "agents", help_heading = MORE)]
    all: bool,
    /// Only events of this severity; repeatable
    #[arg(long = "severity", value_parser = severity, value_name = "SEVERITY")]
    severities: Vec<Severity>,
    /// Only claims that are active or paused
    #[arg(long)]
    active_only: bool,
    /// Only events from this time on
    ///
    /// A span, a day or a time: 24h, yesterday, 2026-01-05, 08:30 or 2026-01-05T08:30:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Show events of the last N hours, or of a span; 0 shows all [default: 24, or the preset's]
    #[arg(long, visible_alias = "window-hours", value_name = "HOURS", value_parser = hours, allow_negative_numbers = true)]
    window: Option<Window>,
    /// Minutes after which a silent manager counts as absent; 0 turns it off [default: 30]
    #[arg(long, value_name = "MINUTES", value_parser = minutes, allow_negative_numbers = true)]
    manager_window: Option<Window>,
    /// Also count this seat as a manager; repeatable
    #[arg(long = "manager", value_name = "SEAT", help_heading = MORE)]
    managers: Vec<String>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub_to_read()?;
    let mut query = Query::new(args.preset);
    query.limit = args.limit.unwrap_or(query.limit);
    query.active_only |= args.active_only;
    query.since = args.since.as_deref().map(|text| since(text, hub.now())).transpose()?;
    if !args.severities.is_empty() {
        query.severities = args.severities;
    }
    if let Some(Window(window)) = args.window {
        query.window = window;
    }
    if let Some(Window(window)) = args.manager_window {
        query.manager_window = window;
    }
    author::warn_of_unknown(app, hub, &args.agents)?;
    author::warn_of_unknown(app, hub, &args.managers)?;
    query.agents = args.agents;
    query.managers = args.managers;
    let report = status::read(hub, query)?;
    app.result(&report.document(), || match args.summary {
        true => summary::render(&report, app.times()),
        false => text::render(&report, app.times()),
    });
    if !report.query.agents.is_empty() {
        app.say(format!("Only {}; everybody: teof bus status --all", plain::safe(&report.query.agents.join(", "))));
    }
    if report.damaged.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    app.say(format!(
        "{} (listed above); restore: teof bus restore",
        plain::counted(report.damaged.len(), "damaged file")
    ));
    Ok(ExitCode::FAILURE)
}

fn preset(text: &str) -> Result<Preset, String> {
    Preset::parse(text).ok_or_else(|| "it must be support or manager".to_owned())
}

pub fn severity(text: &str) -> Result<Severity, String> {
    Severity::parse(text).ok_or_else(|| "it must be low, medium or high".to_owned())
}
