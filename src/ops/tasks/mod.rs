//! The table of all tasks and their holders: backlog, plan steps, vault, queue, assignments and claims. Changes
//! nothing.
//!
//! `conductor::select` decides which task may be started.

pub mod add;
pub mod disagreements;
pub mod hygiene;
pub mod import;
pub mod plan_edit;
pub mod reopen;
pub mod short_name;
pub mod sync;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::claims::held::{self, Work};
use crate::base::{Refusal, Result, Stamp, names};
use crate::bus::{Damaged, assignments, claims};
use crate::hub::{Hub, paths};
use crate::model::claim::{ClaimFile, ClaimStatus};
use crate::model::plan::Status;
use crate::model::priority::Priority;
use crate::model::run::job_name;
use crate::plans::requests::vault;
use crate::plans::{self, SameWork, requests};

/// A task and its state in each store.
#[derive(Clone, Debug, Default, Serialize, schemars::JsonSchema)]
pub struct Row {
    pub task_id: String,
    pub state: State,
    pub title: String,
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "String")]
    pub priority: Priority,
    /// backlog, plan, vault, queue, assignment, claim.
    pub sources: Vec<&'static str>,
    pub plan_id: Option<String>,
    pub step_id: Option<String>,
    /// The assigned seat.
    pub engineer: Option<String>,
    /// The last claim of the task, live or ended, else the live claim of its plan.
    pub claim: Option<Holder>,
    /// The hold's author and reason.
    pub on_hold: Option<String>,
}

#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Holder {
    /// Differs from the row's id when its plan is claimed under another task.
    pub task_id: String,
    pub agent_id: String,
    pub status: String,
    pub branch: Option<String>,
    pub epoch: u64,
    pub lease_expires_at: Option<Stamp>,
}

/// The state of a task; a live claim overrides its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A seat holds it.
    Active,
    Paused,
    /// No seat holds it.
    #[default]
    Open,
    /// Its source says that a seat works on it, but no live claim exists.
    Orphaned,
    Blocked,
    /// An operator took it out of the coordinator's choice.
    Skipped,
    Done,
}

impl State {
    pub const ALL: [State; 7] =
        [Self::Active, Self::Paused, Self::Open, Self::Orphaned, Self::Blocked, Self::Skipped, Self::Done];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Open => "open",
            Self::Orphaned => "orphaned",
            Self::Blocked => "blocked",
            Self::Skipped => "skipped",
            Self::Done => "done",
        }
    }
}

/// The table, ordered by state, priority and name; and the unreadable files.
#[derive(Clone, Debug, Default, Serialize, schemars::JsonSchema)]
pub struct Table {
    pub tasks: Vec<Row>,
    pub damaged: Vec<Damaged>,
}

/// Reads the table. A damaged file only loses its own tasks and is reported.
pub fn table(hub: &Hub) -> Result<Table> {
    let mut reading = TableBuilder::default();
    reading.sources(hub)?;
    reading.assignments(hub)?;
    reading.claims(hub)?;
    let known = SameWork::read(hub)?;
    reading.plans_under_claim(&known);
    reading.work_in_hand();
    let mut tasks: Vec<_> = reading.rows.into_values().collect();
    for row in &mut tasks {
        if row.state != State::Done && names::is_id(&row.task_id) {
            row.on_hold = match Work::among(&known, &row.task_id, row.plan_id.as_deref()).hold(hub) {
                Ok(hold) => hold.map(|(_, hold)| format!("{}: {}", hold.by, hold.summary)),
                // A hold may be among the lines that the channel lacks.
                Err(e) if held::is_behind(&e) => Refusal::of(&e).and_then(|refusal| refusal.reason.clone()),
                // An unreadable claim is reported as damaged.
                Err(e) if Refusal::of(&e).is_some() => None,
                Err(fault) => return Err(fault),
            };
        }
    }
    tasks.sort_by(|a, b| (a.state, a.priority, &a.task_id).cmp(&(b.state, b.priority, &b.task_id)));
    Ok(Table { tasks, damaged: reading.damaged })
}

#[derive(Default)]
struct TableBuilder {
    rows: BTreeMap<String, Row>,
    plans: BTreeMap<String, PlanFacts>,
    damaged: Vec<Damaged>,
}

/// What rows of a plan's work need to know of it.
struct PlanFacts {
    title: String,
    priority: Priority,
    is_done: bool,
    /// It, or its next step, is blocked.
    is_blocked: bool,
    /// Made from an entry of the vault or the queue.
    is_of_request: bool,
}

impl TableBuilder {
    fn row(&mut self, task: &str, source: &'static str) -> &mut Row {
        let row =
            self.rows.entry(task.to_owned()).or_insert_with(|| Row { task_id: task.to_owned(), ..Row::default() });
        if !row.sources.contains(&source) {
            row.sources.push(source);
        }
        row
    }

    fn sources(&mut self, hub: &Hub) -> Result<()> {
        self.backlog(hub)?;
        self.plans(hub)?;
        self.requests(hub)
    }

    fn backlog(&mut self, hub: &Hub) -> Result<()> {
        let Some(backlog) = self.or_damaged(paths::BACKLOG, plans::backlog::read(hub))? else { return Ok(()) };
        for item in backlog.items() {
            let Some(id) = item.id() else { continue };
            let row = self.row(id, "backlog");
            row.title = item.title().unwrap_or_default().to_owned();
            row.priority = item.priority();
            row.plan_id = item.plan().map(str::to_owned);
            row.state = match item.raw.get("status").and_then(|status| status.as_str()) {
                Some("pending" | "queued") => State::Open,
                Some("in_progress") => State::Orphaned,
                Some("done") => State::Done,
                _ => State::Blocked,
            };
        }
        Ok(())
    }

    /// Adds the open steps of open plans.
    fn plans(&mut self, hub: &Hub) -> Result<()> {
        for (path, found) in plans::all(hub) {
            let Some(file) = self.or_damaged(&path, found)? else { continue };
            let is_done = file.plan.status() == Some(Status::Done);
            let is_blocked = file.plan.status() == Some(Status::Blocked);
            let title = file.plan.summary().unwrap_or_default().to_owned();
            let is_of_request =
                file.plan.links().iter().any(|(kind, _)| matches!(*kind, vault::LINK | requests::QUEUE));
            let stands = file.plan.current_step().is_some_and(|step| step.status() == Some(Status::Blocked));
            let facts = PlanFacts {
                title,
                priority: file.plan.priority(),
                is_done,
                is_blocked: is_blocked || stands,
                is_of_request,
            };
            self.plans.insert(file.id().to_owned(), facts);
            if is_done {
                continue;
            }
            for step in file.plan.steps() {
                let (Some(id), false) = (step.id(), step.status() == Some(Status::Done)) else { continue };
                let row = self.row(&file.plan.task_of(file.id(), id), "plan");
                row.title = step.title().unwrap_or_default().to_owned();
                row.priority = file.plan.priority();
                row.plan_id = Some(file.id().to_owned());
                row.step_id = Some(id.to_owned());
                row.state = match step.status() {
                    _ if is_blocked => State::Blocked,
                    Some(Status::Queued) => State::Open,
                    Some(Status::InProgress) => State::Orphaned,
                    _ => State::Blocked,
                };
            }
        }
        Ok(())
    }

    /// Adds the planned requests of the vault and the entries of the queue.
    fn requests(&mut self, hub: &Hub) -> Result<()> {
        let planned = self.or_damaged(paths::SETTINGS, vault::planned(hub))?.unwrap_or_default();
        let queued = requests::list(hub, requests::QUEUE, &hub.settings()?.sources.queue_folder)?;
        let queued = queued.into_iter().map(|entry| ("queue", entry));
        for (source, entry) in planned.into_iter().map(|entry| ("vault", entry)).chain(queued) {
            match entry.request {
                Ok(wanted) => {
                    let row = self.row(&entry.task, source);
                    if row.title.is_empty() {
                        (row.title, row.priority) = (wanted.title, wanted.priority);
                    }
                }
                Err(why) => self.damaged.push(Damaged { path: entry.link.to, why }),
            }
        }
        Ok(())
    }

    fn assignments(&mut self, hub: &Hub) -> Result<()> {
        let listing = assignments::list(hub)?;
        self.damaged.extend(listing.damaged);
        for (task, assignment) in listing.whole {
            let row = self.row(&task, "assignment");
            row.engineer = assignment.engineer().map(str::to_owned);
            row.plan_id = row.plan_id.take().or_else(|| assignment.plan_id().map(str::to_owned));
            if row.title.is_empty() {
                row.title = assignment.note().unwrap_or_default().to_owned();
            }
        }
        Ok(())
    }

    fn claims(&mut self, hub: &Hub) -> Result<()> {
        let listing = claims::list(hub)?;
        self.damaged.extend(listing.damaged);
        for (task, claim) in listing.whole {
            let row = self.row(&task, "claim");
            let only = row.sources.iter().all(|source| matches!(*source, "claim" | "assignment" | "queue"));
            row.state = match claim.status() {
                Some(ClaimStatus::Active) => State::Active,
                Some(ClaimStatus::Paused) => State::Paused,
                // An ended claim counts only without another source.
                Some(ClaimStatus::Done) if only => State::Done,
                None if only && !claim.is_terminal() => State::Blocked,
                _ => row.state,
            };
            row.plan_id = row.plan_id.take().or_else(|| claim.plan_id().map(str::to_owned));
            if row.title.is_empty() {
                row.title = claim.notes().unwrap_or_default().to_owned();
            }
            row.claim = Some(holder(&task, &claim));
        }
        Ok(())
    }

    /// One running step per plan: while a plan is claimed under one task, its other tasks are not free.
    fn plans_under_claim(&mut self, known: &SameWork) {
        for row in self.rows.values_mut().filter(|row| row.plan_id.is_none()) {
            row.plan_id = known.place(&row.task_id).map(|place| place.plan).filter(|plan| known.has_plan(plan));
        }
        // A request without a plan has several names, too.
        let work = |row: &Row| row.plan_id.clone().or_else(|| known.place(&row.task_id).map(|place| place.plan));
        let live = self.rows.values().filter(|row| matches!(row.state, State::Active | State::Paused));
        let busy: BTreeMap<String, (State, Holder)> =
            live.filter_map(|row| Some((work(row)?, (row.state, row.claim.clone()?)))).collect();
        for row in self.rows.values_mut().filter(|row| matches!(row.state, State::Open | State::Orphaned)) {
            if let Some((state, holder)) = work(row).and_then(|work| busy.get(&work)) {
                row.state = *state;
                row.claim = Some(holder.clone());
            }
        }
    }

    /// Work that no source lists under this name any more: its plan has its title and priority, and says whether it is
    /// done. A plan whose steps are listed stands for its entry of the queue.
    fn work_in_hand(&mut self) {
        let is_listed = |row: &Row| row.sources.iter().any(|source| matches!(*source, "backlog" | "plan" | "vault"));
        let listed: BTreeSet<String> =
            self.rows.values().filter(|row| is_listed(row)).filter_map(|row| row.plan_id.clone()).collect();
        let is_held = |row: &Row| matches!(row.state, State::Active | State::Paused);
        let is_same = |row: &Row| row.plan_id.as_ref().is_some_and(|plan| listed.contains(plan));
        self.rows.retain(|task, row| {
            let holds = row.claim.as_ref().is_some_and(|claim| claim.task_id == *task) && is_held(row);
            !row.sources.contains(&"queue") || is_listed(row) || holds || row.state == State::Done || !is_same(row)
        });
        for row in self.rows.values_mut().filter(|row| !is_listed(row)) {
            let Some(plan) = row.plan_id.as_ref().and_then(|plan| self.plans.get(plan)) else { continue };
            // The coordinator's note on an assignment names its job, which is no title.
            let is_job = row.title.strip_prefix("job ").is_some_and(job_name::is_id);
            if plan.is_of_request || is_job || row.title.is_empty() {
                (row.title, row.priority) = (plan.title.clone(), plan.priority);
            }
            if !is_held(row) {
                row.state = match plan {
                    PlanFacts { is_done: true, .. } => State::Done,
                    PlanFacts { is_blocked: true, .. } if row.state == State::Open => State::Blocked,
                    _ => row.state,
                };
            }
        }
    }

    /// A refusal to read a file is a damaged file; a fault stays one.
    fn or_damaged<T>(&mut self, path: &str, found: Result<T>) -> Result<Option<T>> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(e) if Refusal::of(&e).is_some() => {
                self.damaged.push(Damaged { path: path.to_owned(), why: e.to_string() });
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }
}

fn holder(task: &str, claim: &ClaimFile) -> Holder {
    Holder {
        task_id: task.to_owned(),
        agent_id: claim.agent_id().unwrap_or("somebody").to_owned(),
        status: claim.status_text().unwrap_or("none").to_owned(),
        branch: claim.branch().map(str::to_owned),
        epoch: claim.epoch(),
        lease_expires_at: claim.lease_expires_at(),
    }
}

fn as_text<S: serde::Serializer>(priority: &Priority, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(priority)
}
