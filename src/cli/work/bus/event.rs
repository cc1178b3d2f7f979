//! `teof bus event`

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::write::{self, BatchLine, Concerns};
use crate::base::{Refusal, Result, names, text};
use crate::cli::App;
use crate::cli::support::author::{Flags, Repeat};
use crate::cli::support::help::MORE;
use crate::model::event::{AUDIT, Event, KNOWN, REVIEWER, Severity};
use crate::ops::publish::{Deciding, Entry};

/// Write an event to the log
///
/// Use it to report progress or anything others should know. These kinds need your claim of the named task:
/// status, complete, proposal, pr_opened, audit, release. With --reviewer, an audit is of another seat's task.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof bus event --event status --task QUEUE-002 --summary \"Halfway\"\n\
\x20 teof bus event --event audit --task QUEUE-003 --reviewer codex-1 --summary \"Tests cover it\"\n\
\x20 echo '{\"event\":\"note\",\"summary\":\"Seen\"}' | teof bus event --batch")]
pub struct Args {
    /// status, complete, proposal, pr_opened, audit, observation, alert, …
    #[arg(long, value_name = "KIND", required_unless_present = "batch")]
    event: Option<String>,
    /// What happened, in one sentence
    #[arg(long, required_unless_present = "batch")]
    summary: Option<String>,
    #[command(flatten)]
    concerns: Concerns,
    /// A file with evidence, relative to the repository; repeatable
    #[arg(long = "receipt", value_name = "PATH")]
    receipts: Vec<String>,
    /// low, medium or high
    #[arg(long, value_parser = severity)]
    severity: Option<Severity>,
    /// Your seat, when it reviews the task of another seat (--event audit)
    #[arg(long, value_name = "SEAT")]
    reviewer: Option<String>,
    /// More data, kept under meta, such as shift=mid; repeatable
    #[arg(long = "extra", visible_alias = "meta", value_name = "KEY=VALUE", help_heading = MORE)]
    extras: Vec<String>,
    /// The decision that the event is about: also writes its record to _report/consensus/
    #[arg(long, value_name = "ID", help_heading = MORE)]
    consensus_decision: Option<String>,
    /// More data for the record of the decision; repeatable
    #[arg(long, value_name = "KEY=VALUE", requires = "consensus_decision", help_heading = MORE)]
    consensus_meta: Vec<String>,
    /// Read events from stdin, one JSON object per line: all or none are written
    #[arg(long, conflicts_with_all = ["event", "summary", "task", "plan", "branch", "pr", "receipts", "severity", "reviewer", "extras", "consensus_decision"], help_heading = MORE)]
    batch: bool,
    #[command(flatten)]
    author: Flags,
    #[command(flatten)]
    repeat: Repeat,
}

/// A line of a batch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    event: String,
    summary: String,
    #[serde(alias = "task")]
    task_id: Option<String>,
    #[serde(alias = "plan")]
    plan_id: Option<String>,
    branch: Option<String>,
    pr: Option<String>,
    #[serde(default)]
    receipts: Vec<String>,
    severity: Option<String>,
    #[serde(default)]
    meta: Map<String, Value>,
    epoch: Option<u64>,
    agent_id: Option<String>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    if args.reviewer.is_some() && args.event.as_deref().map(str::trim) != Some(AUDIT) {
        return Err(Refusal::usage("reviewer.not_audit", "--reviewer is for audits")
            .next("add --event audit, or note the reviewer as data: --extra reviewer=<seat>")
            .into());
    }
    let flags = Flags { agent: args.author.agent.clone().or(args.reviewer.clone()), ..args.author };
    let consensus_meta = write::pairs("--consensus-meta", &args.consensus_meta)?;
    let deciding = args.consensus_decision.map(|id| Deciding { id: id.trim().to_owned(), meta: consensus_meta });
    let (author, mut entries) = write::entries(hub, &flags, args.batch, || {
        let mut meta = write::pairs("--extra", &args.extras)?;
        meta.extend(args.reviewer.map(|seat| (REVIEWER.to_owned(), Value::from(seat))));
        Ok(Line {
            event: args.event.unwrap_or_default(),
            summary: args.summary.unwrap_or_default(),
            task_id: args.concerns.task,
            plan_id: args.concerns.plan,
            branch: args.concerns.branch,
            pr: args.concerns.pr,
            receipts: args.receipts,
            severity: args.severity.map(|severity| severity.as_str().to_owned()),
            meta,
            epoch: None,
            agent_id: None,
        })
    })?;
    if let (Some(deciding), [entry]) = (deciding, entries.as_mut_slice()) {
        entry.decision = Some(deciding);
    }
    write::write(app, "bus event", &author, &entries, &args.repeat)?;
    Ok(ExitCode::SUCCESS)
}

impl BatchLine for Line {
    fn agent(&self) -> Option<&str> {
        self.agent_id.as_deref()
    }

    fn task(&self) -> Option<&str> {
        self.task_id.as_deref()
    }

    fn epoch(&self) -> Option<u64> {
        self.epoch
    }

    fn into_entry(self, author: &str, epoch: Option<u64>) -> Result<Entry> {
        write::check_meta(&self.meta)?;
        check_kind(&self.event)?;
        let severity = self.severity.as_deref().map(severity).transpose();
        let severity = severity.map_err(|why| Refusal::usage("severity.invalid", why))?;
        let event = Event {
            agent_id: author.to_owned(),
            event: self.event.trim().to_owned(),
            summary: self.summary,
            task_id: self.task_id,
            plan_id: self.plan_id,
            branch: self.branch,
            pr: self.pr,
            receipts: self.receipts,
            severity,
            meta: self.meta,
        };
        Ok(Entry::event(event, epoch))
    }
}

/// Refuses a slip of a known kind, because an event stays for ever. Other kinds are extensions.
fn check_kind(kind: &str) -> Result<()> {
    let kind = kind.trim();
    let Some(meant) = KNOWN.into_iter().find(|known| names::is_near(kind, known)).filter(|meant| *meant != kind) else {
        return Ok(());
    };
    let shown = text::clip(&text::safe(kind), 60);
    Err(Refusal::usage("event.kind", format!("no such kind of event: {shown} (did you mean {meant}?)"))
        .because(format!("an event is never changed, and {shown} is easily taken for {meant}"))
        .next(format!("write it as: --event {meant}"))
        .next("or choose a name that is less similar")
        .into())
}

fn severity(text: &str) -> Result<Severity, String> {
    Severity::parse(text.trim()).ok_or_else(|| "it must be low, medium or high".to_owned())
}
