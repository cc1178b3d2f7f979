//! `teof manager-report`

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::base::{Result, text};
use crate::cli::App;
use crate::cli::support::author::Flags;
use crate::cli::support::help::MORE;
use crate::cli::support::output;
use crate::cli::support::terminal::{Meaning, paint};
use crate::cli::work::bus::write::{check_meta, pairs};
use crate::guard::operator;
use crate::hub::output::Output;
use crate::ops::presence::report::content::ManagerReport;
use crate::ops::presence::report::write::{FOLDER, Request, TITLE, Written, write};

/// Write the manager's report: claims, plans, hand-offs, alerts
///
/// Use it in a sweep, with a heartbeat that shows other seats that a manager is present. The report is a receipt under
/// _report/manager/.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof manager-report\n\
\x20 teof manager-report --log-heartbeat --heartbeat-shift mid")]
pub struct Args {
    /// Also send a heartbeat, with the report as its receipt
    #[arg(long)]
    log_heartbeat: bool,
    /// The shift of the heartbeat: the same as --heartbeat-meta shift=LABEL
    #[arg(long, value_name = "LABEL", requires = "log_heartbeat")]
    heartbeat_shift: Option<String>,
    /// More data for the heartbeat, such as cadence=daily; repeatable
    #[arg(long, value_name = "KEY=VALUE", requires = "log_heartbeat")]
    heartbeat_meta: Vec<String>,
    /// Text of the heartbeat
    #[arg(long, value_name = "TEXT", default_value = "Manager report generated", help_heading = MORE)]
    heartbeat_summary: String,
    /// Report as this seat [default: your own]
    #[arg(long, value_name = "SEAT", conflicts_with = "agent", help_heading = MORE)]
    manager: Option<String>,
    /// Write to this file instead, which the next report may replace
    #[arg(long, value_name = "PATH")]
    output: Option<String>,
    #[command(flatten)]
    author: Flags,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    operator::run::refuse("write the manager's report")?;
    let hub = app.hub()?;
    let mut meta = pairs("--heartbeat-meta", &args.heartbeat_meta)?;
    meta.extend(args.heartbeat_shift.map(|shift| ("shift".to_owned(), Value::from(shift))));
    check_meta(&meta)?;
    let place =
        Output { flag: "--output", homes: &[FOLDER], force: None, is_own: |bytes| bytes.starts_with(TITLE.as_bytes()) };
    let output = args.output.as_deref().map(|given| output::checked(hub, &place, given)).transpose()?;
    let flags = Flags { agent: args.manager.or(args.author.agent.clone()), ..args.author };
    let heartbeat = args.log_heartbeat.then_some((args.heartbeat_summary, meta));
    let written = write(hub, &Request { author: flags.author(hub, None)?, output, heartbeat })?;
    for remark in &written.remarks {
        app.warn(remark);
    }
    app.result(&document(&written), || render(&written));
    Ok(ExitCode::SUCCESS)
}

fn document(written: &Written) -> Value {
    let mut document = json!(written.report);
    document["path"] = json!(written.path);
    document["event"] = json!(written.event);
    document
}

fn render(written: &Written) -> String {
    let report = &written.report;
    let mut lines = vec![format!("Wrote {}", text::safe(&written.path))];
    let wrong = problems(report);
    if wrong.is_empty() {
        lines.push(paint(Meaning::Good, "nothing needs a manager"));
    }
    lines.extend(wrong.into_iter().map(|line| paint(Meaning::Attention, line)));
    let (claims, plans) =
        (text::counted(report.claims.len(), "active claim"), text::counted(report.plans.len(), "open plan"));
    lines.push(format!("{claims}, {plans}"));
    lines.join("\n")
}

/// What needs a manager, one line a kind.
fn problems(report: &ManagerReport) -> Vec<String> {
    let heartbeat = report.heartbeat.get("alerts").and_then(Value::as_array).map_or(0, Vec::len);
    let counts = [
        (heartbeat, "heartbeat alert", ""),
        (report.stale_claims.len(), "stale claim", ""),
        (report.unclaimed.len(), "assignment", " without a claim"),
        (report.disagreements.len(), "claim", " other than assigned"),
        (report.handoffs.len(), "dirty hand-off", ""),
        (report.alerts.len(), "recent alert", ""),
        (report.plan_issues.len(), "plan", " with validation issues"),
        (report.damaged.len(), "unreadable file", ""),
    ];
    let counts = counts.into_iter().filter(|(count, ..)| *count > 0);
    counts.map(|(count, noun, rest)| format!("{}{rest}", text::counted(count, noun))).collect()
}
