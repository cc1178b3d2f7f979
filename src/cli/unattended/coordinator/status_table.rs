//! The table of jobs that `teof coordinator status` shows: a row each, also for queued submissions and skipped tasks.

use std::collections::HashMap;

use super::last_output;
use super::start::Start;
use crate::base::text;
use crate::board::jobs::UNMERGED;
use crate::board::{self, Snapshot};
use crate::cli::support::terminal::{Cell, Column, Meaning, Table, Times};
use crate::coordinator::state::{Ending, Job, Phase, State};

/// How many queued submissions have a row.
pub(super) const QUEUED: usize = 20;
/// The longest command line in the column of stages, in characters.
const MAX_STAGE: usize = 16;

/// What the rows are made of.
pub(super) struct Listing<'a> {
    pub board: &'a Snapshot,
    pub state: &'a State,
    /// The titles of queued tasks.
    pub titles: &'a HashMap<String, String>,
    /// What starts work that is queued or waits; `None` while a coordinator runs.
    pub start: Option<Start>,
    pub times: Times,
    /// A job that needs a person has its reason under it.
    pub has_notes: bool,
}

impl Listing<'_> {
    /// What works first, then what waits for a person, is queued, or is over.
    pub(super) fn table<'a>(&self, jobs: impl Iterator<Item = &'a Job>) -> Table {
        let Listing { board, state, times, .. } = *self;
        let mut table = Table::new([
            Column::word("JOB"),
            Column::word("STATE"),
            Column::word("STAGE").optional(),
            Column::text("TITLE"),
            Column::word("SINCE").optional(),
            Column::word("NEXT").or_below(),
            Column::word("SEAT").optional(),
            // Cut, the ids of several tasks of one day look the same.
            Column::word("TASK").optional(),
        ]);
        let mut jobs: Vec<_> = jobs.collect();
        jobs.sort_by_key(|job| rank(job));
        let (over, live): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.is_over());
        let add = |table: &mut Table, job: &Job| {
            let step = job.step.as_deref().filter(|step| !job.task.ends_with(step));
            let task = format!("{} {}", job.task, step.unwrap_or_default());
            let known = board.job(&job.id);
            let is_unmerged = known.is_some_and(|job| job.is_unmerged);
            table.row([
                job.short().into(),
                match is_unmerged {
                    true => Cell::painted(Meaning::Attention, UNMERGED),
                    false => phase_cell(job, known.and_then(|job| job.dismissed)),
                },
                known.and_then(stage).unwrap_or_default().into(),
                (&job.title).into(),
                since(job, times).into(),
                known
                    .filter(|_| is_unmerged)
                    .and_then(|job| job.next.clone())
                    .unwrap_or_else(|| next(job, self.start))
                    .into(),
                (&job.seat).into(),
                task.trim_end().into(),
            ]);
            if self.has_notes {
                match known.and_then(|job| job.reason.as_ref().filter(|_| job.is_held)) {
                    Some(why) => table.note(why.clone()),
                    None => last_output::in_brief(job).into_iter().for_each(|line| table.note(line)),
                }
            }
        };
        live.iter().for_each(|job| add(&mut table, job));
        // These have no job yet; what they are called by is their task, which a narrow screen has no column for.
        let waiting = |state: &str, title: &str, next: &str, task: &str| {
            let title = if title == task { task.to_owned() } else { format!("{task}: {title}") };
            ["".into(), state.into(), "".into(), title.into(), "".into(), next.into(), "".into(), "".into()]
        };
        let taken = live.iter().filter(|job| job.takes_a_slot()).count();
        let is_full = board.runtime.running && taken >= board.runtime.slots;
        for one in state.submissions.iter().take(QUEUED) {
            let start = self.start.map(|start| start.of_task(&one.task)).unwrap_or_default();
            let next = if is_full { "waits for a free slot" } else { &start };
            table.row(waiting("queued", self.titles.get(&one.task).unwrap_or(&one.task), next, &one.task));
        }
        // A cancelled job has a row of its own.
        for task in state.skips.keys().filter(|task| !over.iter().chain(&live).any(|job| job.is_called(task))) {
            let title = state.find(task).map_or(task, |job| &job.title);
            let next = format!("teof coordinator resume {}", text::shell_word(task));
            table.row(waiting("skipped", title, &next, task));
        }
        over.into_iter().for_each(|job| add(&mut table, job));
        table
    }
}

/// The place of a job in the list.
fn rank(job: &Job) -> u8 {
    match &job.phase {
        Phase::Waiting { .. } | Phase::Held => 2,
        Phase::Question { .. } | Phase::Review { .. } => 1,
        _ => 0,
    }
}

/// The stage of a running job: `coder`, `coder 2` in its second round, or the command that it runs.
pub(super) fn stage(job: &board::jobs::Job) -> Option<String> {
    Some(match (job.stage.as_deref()?, job.round) {
        ("commands", _) => text::clip(job.last_line.as_deref().unwrap_or("commands"), MAX_STAGE),
        (role, Some(round)) if round > 1 => format!("{role} {round}"),
        (role, _) => role.to_owned(),
    })
}

/// The command that a person needs next. `start`: what continues a job that waits; none while a coordinator does that.
fn next(job: &Job, start: Option<Start>) -> String {
    match (&job.phase, job.pull_request) {
        (Phase::Review { .. }, None) => format!("teof review {}", job.short()),
        (Phase::Review { .. }, Some(number)) => format!("teof review {}  # pull request {number}", job.short()),
        (Phase::Held | Phase::Waiting { .. }, _) => start.map(|start| start.of_task(&job.task)).unwrap_or_default(),
        (Phase::Over { ending: Ending::Done, .. }, _) => String::new(),
        (Phase::Over { .. } | Phase::Question { .. }, _) => format!("teof logs {}", job.short()),
        _ => String::new(),
    }
}

/// `dismissed`: how a person did so while it was blocked.
fn phase_cell(job: &Job, dismissed: Option<&'static str>) -> Cell {
    let meaning = match &job.phase {
        _ if dismissed.is_some() => Meaning::Quiet,
        Phase::Question { .. } | Phase::Review { .. } => Meaning::Attention,
        Phase::Waiting { .. } | Phase::Held => Meaning::Quiet,
        Phase::Over { ending: Ending::Done, .. } => Meaning::Good,
        Phase::Over { ending: Ending::Reverted, .. } => Meaning::Quiet,
        Phase::Over { .. } => Meaning::Bad,
        _ => Meaning::Active,
    };
    Cell::painted(meaning, dismissed.unwrap_or(job.label()))
}

fn since(job: &Job, times: Times) -> String {
    match &job.phase {
        Phase::Running { since } => times.lasting(*since),
        Phase::Waiting { until } => format!("at {}", times.at(*until)),
        Phase::Review { since } | Phase::Question { since } => times.ago(*since),
        _ => String::new(),
    }
}
