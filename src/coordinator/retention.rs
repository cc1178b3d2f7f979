//! Worktree retention: determines the state of each worktree's job and removes worktrees of finished jobs.
//!
//! Reads the coordinator's state; decides nothing about jobs.

use super::state::{Job, Phase, State};
use crate::base::{Result, Stamp, lock};
use crate::hub::worktrees::clean::{self, Cleaned, Retention};
use crate::hub::worktrees::{Owner, WorktreeStatus};
use crate::hub::{Hub, paths};
use crate::model::run::job_name::short;
use crate::model::run::outcome::Verdict;

/// The state of a worktree's job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// A run of its task is alive.
    Running,
    /// It continues later.
    Waiting,
    /// It waits for a person's review.
    Review,
    /// Its job is over.
    Finished,
    /// Left to people, with work that a commit cannot include.
    Kept,
    Hub,
    NotOurs,
}

impl Standing {
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Running => "running",
            Standing::Waiting => "waiting",
            Standing::Review => "review",
            Standing::Finished => "finished",
            Standing::Kept => "kept",
            Standing::Hub => "hub",
            Standing::NotOurs => "other",
        }
    }
}

pub fn standing(hub: &Hub, state: &State, seen: &WorktreeStatus) -> Standing {
    match seen.owner {
        Owner::Hub => return Standing::Hub,
        Owner::Others => return Standing::NotOurs,
        Owner::Kept => return Standing::Kept,
        Owner::Ours => {}
    }
    let alive = |task: &String| lock::is_held(&hub.local(&paths::run_lock(task))).unwrap_or(false);
    match over_since(state, seen) {
        Some(_) => Standing::Finished,
        None if seen.task.as_ref().is_some_and(alive) => Standing::Running,
        None if job_of(state, seen).is_some_and(|job| matches!(job.phase, Phase::Review { .. })) => Standing::Review,
        None => Standing::Waiting,
    }
}

/// The coordinator's job of a worktree, by its name or its rework's name.
fn job_of<'a>(state: &'a State, seen: &WorktreeStatus) -> Option<&'a Job> {
    let name = seen.job.as_deref()?;
    let reworked = name.rsplit_once("-r").filter(|(_, nth)| nth.bytes().all(|c| c.is_ascii_digit()));
    state.job(name).or_else(|| state.job(reworked?.0))
}

/// Since when the job of a worktree is over; `None` while it is not, or when unknown.
pub fn over_since(state: &State, seen: &WorktreeStatus) -> Option<Stamp> {
    if let Some(job) = job_of(state, seen) {
        return match &job.phase {
            Phase::Over { at, .. } => Some(*at),
            _ => None,
        };
    }
    let outcome = seen.outcome()?;
    // A job that the coordinator no longer stores is over; a run started by hand is over when it ended.
    let ended = matches!(outcome.verdict, Verdict::Succeeded | Verdict::Blocked | Verdict::Refused);
    (outcome.job.is_some() || ended).then_some(outcome.finished_at)
}

/// Removes finished worktrees that the settings do not keep, without waiting for locks; returns messages. Also while
/// others work: a queue that is never empty would fill the disk.
pub fn retire(hub: &Hub, state: &State) -> Vec<String> {
    let retired = || -> Result<Cleaned> {
        let retention = Retention::of(hub)?;
        let over = |seen: &WorktreeStatus| over_since(state, seen);
        match clean::is_due(hub, retention, &over)? {
            true => clean::clean_if_free(hub, retention, &over),
            false => Ok(Cleaned::default()),
        }
    };
    match retired() {
        Ok(cleaned) => cleaned
            .removed
            .into_iter()
            .map(|gone| format!("worktree of {} removed: {}", short(&gone.job), gone.path.display()))
            .collect(),
        Err(e) => vec![format!("cannot remove finished worktrees: {e:#}")],
    }
}
