//! A task's work under all its names, and the holds on it: a hold on one name applies to the others, too.
//!
//! A hold on the whole work applies to each of its steps, and a hold on a step applies to the whole, but not to
//! another step (`plans::same_work`). A task's own channel is read first; plans and requests only if it has no hold.

use std::borrow::Cow;

use serde_json::Value;

use crate::base::{Refusal, Result, lock};
use crate::bus::holds::{self, Hold};
use crate::bus::log::Log;
use crate::bus::{assignments, claims};
use crate::hub::{Hub, paths};
use crate::model::claim::ClaimFile;
use crate::model::event::EventView;
use crate::plans::SameWork;
use crate::plans::same_work::Place;

/// A task, and the other names of its work.
#[derive(Clone, Debug)]
pub struct Work<'a> {
    pub task: Cow<'a, str>,
    pub place: Option<Place>,
    known: Cow<'a, SameWork>,
}

impl<'a> Work<'a> {
    /// Built from a task and `written`, the plan in its claim or assignment. Reads only that plan, if any.
    pub fn near(hub: &Hub, task: &'a str, written: Option<&str>) -> Result<Work<'a>> {
        let known = SameWork::near(hub, task, written)?;
        Ok(Work { task: task.into(), place: known.place_of(task, written), known: Cow::Owned(known) })
    }

    /// Like [`Work::near`], from data already read.
    pub fn among(known: &'a SameWork, task: &'a str, written: Option<&str>) -> Work<'a> {
        Work { task: task.into(), place: known.place_of(task, written), known: Cow::Borrowed(known) }
    }

    /// Built from a plan's step, or from the whole plan.
    pub fn of_plan(hub: &Hub, place: Place) -> Result<Work<'static>> {
        let known = SameWork::near(hub, &place.plan, Some(&place.plan))?;
        Ok(Work { task: place.task().into(), place: Some(place), known: Cow::Owned(known) })
    }

    /// Its plan, if that exists.
    pub fn plan(&self) -> Option<&str> {
        self.place.as_ref().map(|place| place.plan.as_str()).filter(|plan| self.known.has_plan(plan))
    }

    /// Whether a name stands for a request without a plan.
    pub fn is_request(&self, name: &str) -> bool {
        self.known.is_request(name)
    }

    /// The other tasks that no other seat may hold at the same time.
    pub fn others(&self, hub: &Hub) -> Result<Vec<String>> {
        let Some(place) = &self.place else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for other in self.known.names_near(place).into_iter().filter(|other| *other != self.task) {
            let theirs = match self.known.place(&other) {
                Some(theirs) => Some(theirs),
                None => mentioned(hub, &other)?.as_deref().map(Place::mention),
            };
            if theirs.is_some_and(|theirs| theirs.overlaps(place)) {
                found.push(other);
            }
        }
        Ok(found)
    }

    /// The first hold on the work, and the task whose channel has it.
    pub fn hold(&self, hub: &Hub) -> Result<Option<(String, Hold)>> {
        if let Some(hold) = hold_on(hub, &self.task)? {
            return Ok(Some((self.task.to_string(), hold)));
        }
        for other in self.others(hub)? {
            if let Some(hold) = hold_on(hub, &other)? {
                return Ok(Some((other, hold)));
            }
        }
        Ok(None)
    }

    /// Refuses while the work is on hold; `what` is the refused action: "release".
    ///
    /// # Errors
    /// `task.on_hold` (exit 1), with the name under which it is held.
    pub fn check(&self, hub: &Hub, what: &str) -> Result<()> {
        match self.hold(hub)? {
            Some((other, hold)) => Err(holds::refusal(&self.task, &other, hold, what).into()),
            None => Ok(()),
        }
    }
}

/// Whether a hold could not be looked for because the channel lacks acknowledged lines.
pub fn is_behind(error: &anyhow::Error) -> bool {
    Refusal::of(error).is_some_and(|refusal| refusal.code == "record.behind")
}

/// The hold on a task, in a channel that has every line that was acknowledged.
fn hold_on(hub: &Hub, task: &str) -> Result<Option<Hold>> {
    hub.watermarks().check_log(&hub.root, &paths::channel(task))?;
    holds::on(hub, task)
}

/// Like [`Work::check`], for a task name.
pub fn check(hub: &Hub, task: &str, what: &str) -> Result<()> {
    match hold_on(hub, task)? {
        Some(hold) => Err(holds::refusal(task, task, hold, what).into()),
        None => Work::near(hub, task, written(hub, task)?.as_deref())?.check(hub, what),
    }
}

/// Refuses a lift by a seat that holds the work, under any of its names.
///
/// # Errors
/// `task.own_hold` (exit 1).
pub fn may_lift(hub: &Hub, task: &str, agent: &str) -> Result<()> {
    let work = Work::near(hub, task, written(hub, task)?.as_deref())?;
    for name in [vec![task.to_owned()], work.others(hub)?].concat() {
        let claim = claims::load(hub, &name)?.map(|found| found.file).filter(ClaimFile::is_live);
        let assignment = assignments::load(hub, &name)?.map(|found| found.file);
        let assigned = assignment.as_ref().and_then(|assignment| assignment.engineer());
        if claim.as_ref().and_then(ClaimFile::agent_id).or(assigned) == Some(agent) {
            return Err(holds::own_hold(task, &name, agent).into());
        }
    }
    Ok(())
}

/// The seats that hold or held a task's work under any of its names, or that it is assigned to.
pub fn workers(hub: &Hub, task: &str) -> Result<Vec<String>> {
    let work = Work::near(hub, task, written(hub, task)?.as_deref())?;
    let (mut workers, mut names) = (Vec::new(), Vec::new());
    for name in [vec![task.to_owned()], work.others(hub)?].concat() {
        let claim = claims::load(hub, &name)?.map(|found| found.file);
        let assignment = assignments::load(hub, &name)?.map(|found| found.file);
        let owner = claim.as_ref().and_then(ClaimFile::agent_id);
        let engineer = assignment.as_ref().and_then(|assignment| assignment.engineer());
        workers.extend(owner.into_iter().chain(engineer).map(str::to_owned));
        names.push(name);
    }
    workers.extend(holders(hub, &names)?);
    Ok(workers)
}

/// The seats that held one of these tasks, by the events of its claims: a takeover leaves no other trace of the holder.
fn holders(hub: &Hub, names: &[String]) -> Result<Vec<String>> {
    let is_of_claim = |line: &EventView<'_>| {
        let is_task = line.task_id.as_deref().is_some_and(|task| names.iter().any(|name| name == task));
        is_task && matches!(line.event.as_deref(), Some("claim" | "release"))
    };
    let mut found = Vec::new();
    for line in Log::read(hub)?.latest(None, 0, is_of_claim)? {
        let event: Value = serde_json::from_slice(&line)?;
        let seats = [&event["agent_id"], &event["meta"]["from"]["agent_id"]];
        found.extend(seats.into_iter().filter_map(Value::as_str).map(str::to_owned));
    }
    Ok(found)
}

/// The plan that a task's claim names, else its assignment.
fn written(hub: &Hub, task: &str) -> Result<Option<String>> {
    let claim = claims::load(hub, task)?.map(|found| found.file);
    if let Some(plan) = claim.as_ref().and_then(ClaimFile::plan_id) {
        return Ok(Some(plan.to_owned()));
    }
    let assignment = assignments::load(hub, task)?.map(|found| found.file);
    Ok(assignment.as_ref().and_then(|assignment| assignment.plan_id()).map(str::to_owned))
}

/// The plan in a task's live claim; an ended claim does not count.
fn mentioned(hub: &Hub, task: &str) -> Result<Option<String>> {
    let Some(claim) = claims::load(hub, task)?.map(|found| found.file) else { return Ok(None) };
    let has_it = claim.is_live() || lock::is_held(&hub.local(&paths::run_lock(task)))?;
    Ok(claim.plan_id().filter(|_| has_it).map(str::to_owned))
}
