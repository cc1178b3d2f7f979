//! `teof bus status`

use std::process::ExitCode;
use std::time::Duration;

use super::status_text::render;
use crate::base::{Refusal, Result, text};
use crate::cli::App;
use crate::cli::support::author;
use crate::cli::support::help::MORE;
use crate::cli::support::since::since;
use crate::model::event::Severity;
use crate::ops::status::{self, Preset, Query};

/// Show claims, the latest events, and whether a manager is present
///
/// Use it to see who works on what.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof bus status                                     # everybody's claims, the latest events\n\
\x20 teof bus status --preset manager                    # what a manager watches\n\
\x20 teof bus status --agent codex-1 --window-hours 48")]
pub struct Args {
    /// support (medium and high, 6 h) or manager (high, 4 h)
    #[arg(long, value_parser = preset, value_name = "PRESET")]
    preset: Option<Preset>,
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
    /// Show events of the last N hours; 0 shows all [default: 24, or the preset's]
    #[arg(long, value_name = "HOURS", value_parser = number, allow_negative_numbers = true)]
    window_hours: Option<f64>,
    /// Minutes after which a silent manager counts as absent; 0 turns it off [default: 30]
    #[arg(long, value_name = "MINUTES", value_parser = number, allow_negative_numbers = true, help_heading = MORE)]
    manager_window: Option<f64>,
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
    if let Some(hours) = args.window_hours {
        query.window = span(hours, 3600.0)?;
    }
    if let Some(minutes) = args.manager_window {
        query.manager_window = span(minutes, 60.0)?;
    }
    author::warn_of_unknown(app, hub, &args.agents)?;
    query.agents = args.agents;
    let report = status::read(hub, query)?;
    app.result(&report.document(), || render(&report, app.times()));
    if !report.query.agents.is_empty() {
        app.say(format!("Only {}; everybody: teof bus status --all", text::safe(&report.query.agents.join(", "))));
    }
    if report.damaged.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    app.say(format!(
        "{} (listed above); restore: teof bus restore",
        text::counted(report.damaged.len(), "damaged file")
    ));
    Ok(ExitCode::FAILURE)
}

fn preset(text: &str) -> Result<Preset, String> {
    Preset::parse(text).ok_or_else(|| "it must be support or manager".to_owned())
}

pub fn severity(text: &str) -> Result<Severity, String> {
    Severity::parse(text).ok_or_else(|| "it must be low, medium or high".to_owned())
}

/// For clap: a number that is not negative.
pub fn number(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "it must be a number, 0 or more".to_owned())
}

/// A number of units as a window; `None` for 0.
pub fn span(number: f64, seconds: f64) -> Result<Option<Duration>> {
    if number == 0.0 {
        return Ok(None);
    }
    let span = Duration::try_from_secs_f64(number * seconds);
    span.map(Some).map_err(|_| Refusal::usage("span.invalid", format!("the window {number} is too large")).into())
}
