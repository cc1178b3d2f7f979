//! `teof session list`

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use serde_json::json;

use crate::base::{Result, text};
use crate::cli::App;
use crate::cli::support::help::MORE;
use crate::cli::support::terminal::{Cell, Column, Meaning, Table, Times};
use crate::coordinator::sessions;
use crate::exec;
use crate::model::run::job_name::short;
use crate::sessions::{SessionRecord, Status, scopecraft};

/// List agent sessions, the newest first (the default)
///
/// Shows every session that is not over, then the others by when they were active last.
///
/// With --json: {sessions, damaged: [{path, why}]}; `teof schema session` describes a session.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof session list\n\
\x20 teof session list --task QUEUE-001 --all")]
pub struct Args {
    /// Only sessions of this task or job
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
    /// Only sessions with this status
    #[arg(long, value_parser = PossibleValuesParser::new(Status::ALL.map(Status::as_str)))]
    status: Option<String>,
    /// List the sessions that scopecraft left in this folder (`<name>.info.json`)
    #[arg(long, value_name = "DIR", help_heading = MORE)]
    from: Option<PathBuf>,
    /// List all sessions, however old
    #[arg(long)]
    all: bool,
}

/// How many sessions that are over are listed without `--all`.
const NEWEST: usize = 20;

pub fn run(args: &Args, app: &App) -> Result<()> {
    let listing = match &args.from {
        Some(folder) => scopecraft::list(folder, &exec::started)?,
        None => sessions::all(app.hub_to_read()?)?,
    };
    for damaged in &listing.damaged {
        app.warn(format!("cannot read {}: {}", damaged.path.display(), damaged.why));
    }
    let mut shown: Vec<SessionRecord> = listing.sessions.into_iter().rev().filter(|one| args.takes(one)).collect();
    let before = shown.len();
    if !args.all {
        let mut over = 0;
        shown.retain(|one| {
            over += usize::from(one.status.is_over());
            !one.status.is_over() || over <= NEWEST
        });
    }
    app.result(&json!({ "sessions": shown, "damaged": listing.damaged }), || match shown.is_empty() {
        true => "no sessions".to_owned(),
        false => table(&shown, app.times()).show(),
    });
    if shown.len() < before {
        app.say(format!("{} more; to see them, add --all", before - shown.len()));
    }
    Ok(())
}

impl Args {
    fn takes(&self, record: &SessionRecord) -> bool {
        let is_called =
            |own: &Option<String>, name: &str| own.as_ref().is_some_and(|own| own == name || short(own) == name);
        let of_task = |name: &String| is_called(&record.task_id, name) || is_called(&record.job, name);
        let has_status = |wanted: &String| wanted == record.status.as_str();
        self.task.as_ref().is_none_or(of_task) && self.status.as_ref().is_none_or(has_status)
    }
}

/// The colour of a status.
pub(super) fn meaning(status: Status) -> Meaning {
    match status {
        Status::Starting | Status::Running => Meaning::Good,
        Status::Failed | Status::Lost => Meaning::Bad,
        Status::Done | Status::Cancelled => Meaning::Quiet,
    }
}

fn table(sessions: &[SessionRecord], times: Times) -> Table {
    let mut table = Table::new([
        Column::word("SESSION"),
        Column::word("STATUS"),
        Column::text("TASK"),
        Column::text("PROGRAM"),
        Column::word("ACTIVE"),
        Column::number("TOKENS").optional(),
        Column::text("LAST").optional(),
    ]);
    for (depth, one) in tree(sessions) {
        let tokens = one.usage.tokens();
        let last = one.reason.as_ref().or(one.last_message.as_ref()).or(one.last_tool.as_ref());
        table.row([
            format!("{}{}", "  ".repeat(depth), short(&one.id)).into(),
            Cell::painted(meaning(one.status), one.status.as_str()),
            one.task_id.as_deref().unwrap_or_default().into(),
            one.program.as_deref().unwrap_or_default().into(),
            one.last_activity.map(|at| times.ago(at)).unwrap_or_default().into(),
            if tokens > 0 { tokens.to_string() } else { String::new() }.into(),
            last.map(|last| text::clip(last, 80)).unwrap_or_default().into(),
        ]);
    }
    table
}

/// The sessions in their order, each with those that its program started below it, and how deep it is. Of sessions that
/// started each other in a circle, the first stands at the root.
fn tree(sessions: &[SessionRecord]) -> Vec<(usize, &SessionRecord)> {
    let starter = |one: &SessionRecord| {
        let id = one.started_by.as_ref()?;
        sessions.iter().position(|other| other.id == *id && other.id != one.id)
    };
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); sessions.len()];
    let mut roots = Vec::new();
    for (at, one) in sessions.iter().enumerate() {
        match starter(one) {
            Some(by) => below[by].push(at),
            None => roots.push(at),
        }
    }
    let mut rows = Vec::new();
    let mut is_shown = vec![false; sessions.len()];
    for root in roots.into_iter().chain(0..sessions.len()) {
        let mut open = vec![(0, root)];
        while let Some((depth, at)) = open.pop() {
            if std::mem::replace(&mut is_shown[at], true) {
                continue;
            }
            rows.push((depth, &sessions[at]));
            open.extend(below[at].iter().rev().map(|below| (depth + 1, *below)));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_that_started_each_other_are_listed_once() {
        let session = |id: &str, by: Option<&str>| SessionRecord {
            id: id.to_owned(),
            started_by: by.map(str::to_owned),
            ..Default::default()
        };
        let all = [
            session("a", Some("b")),
            session("b", Some("a")),
            session("c", None),
            session("d", Some("c")),
            session("e", Some("e")),
            session("f", Some("gone")),
        ];
        let rows: Vec<_> = tree(&all).into_iter().map(|(depth, one)| (depth, one.id.as_str())).collect();
        assert_eq!(rows, [(0, "c"), (1, "d"), (0, "e"), (0, "f"), (0, "a"), (1, "b")]);
    }
}
