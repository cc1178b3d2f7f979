//! Reasons that stop work despite consent: high-severity findings of the last scan, a target that a worker moved, the
//! backlog's prerequisites, and a hold on a job.

use crate::base::{Refusal, Result, text};
use crate::coordinator::state::{Job, Phase};
use crate::guard::moved_target;
use crate::guard::prerequisites::{self, Declared};
use crate::guard::sentinels::{self, watch};
use crate::hub::Hub;
use crate::model::backlog::ItemStatus;
use crate::ops::claims::held;

/// The reasons why no new job is chosen, for people; empty without obstacles.
pub fn of_choice(hub: &Hub) -> Result<Vec<String>> {
    let moved = moved_target::standing(hub)?;
    let mut reasons: Vec<_> = moved.iter().map(moved_target::Moved::describe).collect();
    // Those are also findings of the scan, and are reported separately.
    let found: Vec<_> =
        watch::pausing(hub)?.into_iter().filter(|found| found.code != moved_target::SCAN_CODE).collect();
    if let Some(first) = found.first() {
        let path = first.path.as_deref().map(|path| format!("{path}: ")).unwrap_or_default();
        let more = if found.len() > 1 { format!(" (and {} more)", found.len() - 1) } else { String::new() };
        let first = text::clip(&text::safe(&format!("{path}{}", first.message)), 200);
        reasons.push(format!("the last scan found a high-severity problem: {first}{more}; see all: teof scan"));
    }
    Ok(reasons)
}

/// Scans again when the last scan stops new jobs, so that people need not scan after a fix. Saved only if the result
/// changed, so that the coordinator does not wake itself.
pub fn refresh(hub: &Hub) -> Result<()> {
    if watch::pausing(hub)?.is_empty() {
        return Ok(());
    }
    let prefixes = watch::PREFIXES.map(str::to_owned);
    let (state, found) = (watch::state(&hub.root, &prefixes), sentinels::scan(hub)?);
    match watch::last(hub).is_some_and(|last| last.findings == found) {
        true => Ok(()),
        false => watch::remember(hub, &prefixes, state, &found),
    }
}

/// Why no pending backlog item is started: unmet prerequisites.
pub fn of_backlog(hub: &Hub) -> Result<Option<String>> {
    let declared = match Declared::read(hub) {
        Ok(declared) => declared,
        Err(e) if Refusal::of(&e).is_some() => None,
        Err(fault) => return Err(fault),
    };
    let waits =
        |declared: &Declared| declared.backlog.items().iter().any(|item| item.status() == Some(ItemStatus::Pending));
    match declared.filter(waits) {
        Some(declared) => Ok(prerequisites::check(hub, Some(&declared))?.failure()),
        None => Ok(None),
    }
}

/// Why a job does not go on: somebody put its task on hold, or may have, because the channel lacks lines. `None` for a
/// job that works, asks or is over.
pub fn of_job(hub: &Hub, job: &Job) -> Option<String> {
    let works = matches!(job.phase, Phase::Ordering | Phase::Spawning | Phase::Running { .. });
    if works || job.asks() || job.is_over() {
        return None;
    }
    hold(hub, job).ok()?
}

/// The hold on a job's task, as people read it. A task counts as held while its channel lacks lines, which may hold it.
///
/// # Errors
/// When the record cannot be read for another reason.
pub fn hold(hub: &Hub, job: &Job) -> Result<Option<String>> {
    match held::Work::near(hub, &job.task, job.plan.as_deref())?.hold(hub) {
        Ok(hold) => Ok(hold.map(|(_, hold)| format!("on hold: {}: {}", hold.by, hold.summary))),
        Err(e) if held::is_behind(&e) => {
            Ok(Some(format!("it may be on hold: {e:#}; restore the record: teof bus restore")))
        }
        Err(e) => Err(e),
    }
}
