//! `teof task list`

use std::collections::BTreeMap;
use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::{Result, text};
use crate::bus::Damaged;
use crate::cli::App;
use crate::cli::support::author;
use crate::cli::support::terminal::{Cell, Column, Meaning, Table, Times};
use crate::coordinator::state::store;
use crate::coordinator::state::{Job, Last};
use crate::model::run::job_name::is_called;
use crate::ops::tasks::{self, Row, State};

/// List tasks, with who holds each
///
/// Tasks come from the backlog, plans, the vault, the queue, assignments and claims.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof task list\n\
\x20 teof task list --all --agent codex-1")]
pub struct Args {
    /// Only tasks assigned to or claimed by this seat; repeatable
    #[arg(long, value_name = "SEAT")]
    agent: Vec<String>,
    /// Only tasks in this state; repeatable
    #[arg(long, value_name = "STATE", value_parser = state)]
    status: Vec<State>,
    /// Also show done tasks
    #[arg(long)]
    all: bool,
    /// Show at most N tasks; 0 shows all
    #[arg(long, default_value_t = 0, value_name = "N")]
    limit: usize,
}

/// What `teof task list --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Document<'a> {
    tasks: Vec<&'a Row>,
    /// How many there are without `--limit`.
    total: usize,
    damaged: &'a [Damaged],
    /// What the last run of blocked tasks said.
    blocked: BTreeMap<&'a str, &'a Last>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub_to_read()?;
    author::warn_of_unknown(app, hub, &args.agent)?;
    let mut table = tasks::table(hub)?;
    let state = store::load(hub)?;
    // Reopened by a person who queued it again; its coordinator takes it next.
    let queued = |row: &Row| state.submissions.iter().any(|one| one.is_called(&row.task_id));
    let skipped = |row: &Row| {
        let (plan, step) = (row.plan_id.as_deref(), row.step_id.as_deref());
        state.skips.keys().any(|name| is_called(name, &row.task_id, plan, step))
    };
    for row in table.tasks.iter_mut().filter(|row| matches!(row.state, State::Open | State::Orphaned)) {
        row.state = match row.state {
            _ if skipped(row) => State::Skipped,
            State::Orphaned if queued(row) => State::Open,
            other => other,
        };
    }
    // The table is ordered by state.
    table.tasks.sort_by_key(|row| row.state);
    let mut rows: Vec<&Row> = table.tasks.iter().filter(|row| args.shows(row)).collect();
    let total = rows.len();
    if args.limit > 0 {
        rows.truncate(args.limit);
    }
    for damaged in &table.damaged {
        app.warn(format!("{}: {}", damaged.path, damaged.why));
    }
    // Why a job of theirs was blocked, where one is remembered.
    let blocked = rows.iter().filter(|row| row.state == State::Blocked);
    let job = |row: &&Row| state.jobs.iter().rev().find(|job| job.is_called(&row.task_id));
    let blocked: BTreeMap<&str, (&Job, &Last)> = blocked
        .filter_map(|row| job(row).and_then(|job| Some((row.task_id.as_str(), (job, job.last.as_ref()?)))))
        .collect();
    let lasts = blocked.iter().map(|(task, (_, last))| (*task, *last)).collect();
    let document = Document { tasks: rows, total, damaged: &table.damaged, blocked: lasts };
    app.result(&document, || render(&document.tasks, total, &blocked, app.times()));
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn shows(&self, row: &Row) -> bool {
        let holder = row.claim.as_ref().map(|claim| &claim.agent_id);
        let whose = self.agent.is_empty()
            || self.agent.iter().any(|agent| Some(agent) == row.engineer.as_ref() || Some(agent) == holder);
        let state = match self.status.is_empty() {
            true => self.all || row.state != State::Done,
            false => self.status.contains(&row.state),
        };
        whose && state
    }
}

fn render(rows: &[&Row], total: usize, blocked: &BTreeMap<&str, (&Job, &Last)>, times: Times) -> String {
    if rows.is_empty() {
        return "No tasks.".to_owned();
    }
    let mut table = Table::new([
        Column::word("STATE"),
        Column::word("PRIORITY").optional(),
        // Cut, it could not be pasted.
        Column::word("TASK"),
        Column::text("WHO").optional(),
        Column::text("TITLE"),
    ]);
    for row in rows {
        let meaning = match row.state {
            State::Blocked => Some(Meaning::Bad),
            State::Active => Some(Meaning::Active),
            State::Done => Some(Meaning::Good),
            _ => None,
        };
        let state =
            meaning.map_or_else(|| row.state.as_str().into(), |meaning| Cell::painted(meaning, row.state.as_str()));
        table.row([
            state,
            row.priority.word().into(),
            (&row.task_id).into(),
            who(row, times).into(),
            (&row.title).into(),
        ]);
        if let Some((job, last)) = blocked.get(row.task_id.as_str()) {
            table.note(text::safe(&format!("{}; more: teof logs {}", text::clip(&last.reason, 200), job.short())));
        }
    }
    let more = if rows.len() < total { format!("\nand {} more", total - rows.len()) } else { String::new() };
    format!("{}{more}", table.show())
}

/// The holder of a live claim with its lease; else the seat that is wished for.
fn who(row: &Row, times: Times) -> String {
    let mut who = match (&row.claim, row.state) {
        (Some(claim), State::Active | State::Paused) if claim.task_id != row.task_id => {
            format!("{} under {}", claim.agent_id, claim.task_id)
        }
        (Some(claim), State::Active | State::Paused) => match claim.lease_expires_at {
            Some(at) => format!("{} until {}", claim.agent_id, times.at(at)),
            None => claim.agent_id.clone(),
        },
        (_, State::Done) => row.claim.as_ref().map(|claim| claim.agent_id.clone()).unwrap_or_default(),
        _ => row.engineer.as_ref().map(|engineer| format!("for {engineer}")).unwrap_or_default(),
    };
    if row.on_hold.is_some() {
        who = format!("{who} (on hold)").trim_start().to_owned();
    }
    who
}

fn state(text: &str) -> Result<State, String> {
    State::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
        let all: Vec<_> = State::ALL.iter().map(|state| state.as_str()).collect();
        format!("it must be one of: {}", all.join(", "))
    })
}
