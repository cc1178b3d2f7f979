//! `teof session watch`

use serde_json::{Value, json};

use crate::base::{Result, json, text};
use crate::board::jobs::Job;
use crate::board::{Parts, Reader};
use crate::cli::App;
use crate::cli::support::terminal::{Cell, Column, Meaning, Table, Times, live, paint};
use crate::hub::watch::Watch;
use crate::model::run::noticed::Class;
use crate::sessions;

/// Watch what running agents do, live
///
/// Shows each running job: its stage and agent, how often the agent used tools, its errors, its last message, and what
/// a rule of the monitor noticed. In a pipe it prints again whenever something changes. Press Ctrl-C to stop.
///
/// With --json: a document per change, {jobs: [{job, short, task, stage, agent, tools, errors, noticed, last_tool,
/// last_line, last_at, takes_notes}]}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof session watch --once")]
pub struct Args {
    /// Show what they do now and stop
    #[arg(long)]
    once: bool,
}

pub fn run(args: &Args, app: &App) -> Result<()> {
    let hub = app.hub_to_read()?;
    let mut reader = Reader::new();
    let mut running = || -> Result<Vec<Job>> {
        let jobs = reader.read(hub, Parts::JOBS)?.jobs;
        Ok(jobs.into_iter().filter(Job::is_running).collect())
    };
    if args.once {
        let running = running()?;
        app.result(&document(&running), || page(&running, app.times()));
        return Ok(());
    }
    let mut text = || {
        let running = running()?;
        Ok(match app.json() {
            true => json::printable(json::compact(&document(&running))),
            false => page(&running, app.times()),
        })
    };
    let live_folder = hub.local("live");
    live::show(&Watch::on([live_folder.as_path()]), app.json(), &mut text, &|text| app.out(text))
}

fn document(jobs: &[Job]) -> Value {
    json!({"jobs": jobs.iter().map(one).collect::<Vec<_>>()})
}

fn one(job: &Job) -> Value {
    json!({
        "job": job.id, "short": job.short, "task": job.task, "stage": job.stage, "agent": job.agent,
        "tools": job.tools, "errors": job.errors, "noticed": job.noticed, "last_tool": job.last_tool,
        "last_line": job.last_line, "last_at": job.last_at, "takes_notes": job.takes_notes,
    })
}

fn page(jobs: &[Job], times: Times) -> String {
    if jobs.is_empty() {
        return "no agent works now".to_owned();
    }
    let mut table = Table::new([
        Column::word("JOB"),
        Column::word("STAGE"),
        Column::word("AGENT"),
        Column::number("TOOLS"),
        Column::number("ERRORS"),
        Column::word("ACTIVE"),
        Column::text("LAST"),
    ]);
    for job in jobs {
        let last = job.last_line.as_ref().or(job.last_tool.as_ref());
        let errors = job.errors.critical + job.errors.warning;
        let meaning = if job.errors.critical > 0 { Meaning::Attention } else { Meaning::Quiet };
        table.row([
            job.short.as_str().into(),
            job.stage.as_deref().unwrap_or("starting").into(),
            job.agent.as_deref().unwrap_or_default().into(),
            job.tools.values().sum::<u64>().to_string().into(),
            Cell::painted(meaning, errors.to_string()),
            job.last_at.map(|at| times.ago(at)).unwrap_or_default().into(),
            last.map(|last| text::clip(last, 80)).unwrap_or_default().into(),
        ]);
        if !job.tools.is_empty() {
            table.note(format!("  uses {}", text::clip(&sessions::tools_used(&job.tools), 200)));
        }
        for noticed in &job.noticed {
            let what = format!("  noticed {}", text::clip(&noticed.describe(), 200));
            table.note(if noticed.class == Class::Critical { paint(Meaning::Attention, what) } else { what });
        }
    }
    table.show()
}
