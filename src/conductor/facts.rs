//! Adds bus facts to each candidate: holder, assignment, hold.
//!
//! An unreadable file marks the task as damaged, so that it never looks free.

use std::collections::{HashMap, HashSet};

use super::candidate::{Candidate, Holder, Standing, replace_open};
use crate::base::{Refusal, Result, Stamp, lock, names};
use crate::bus::{Damaged, Listing, assignments, claims};
use crate::hub::{Hub, paths};
use crate::model::assignment::AssignmentFile;
use crate::model::claim::{ClaimFile, ClaimStatus, believed_lease};
use crate::ops::claims::held;
use crate::plans::SameWork;

pub(super) struct Facts {
    claims: Listing<ClaimFile>,
    assignments: Listing<AssignmentFile>,
    /// The damaged files of both, by path.
    damaged: HashMap<String, String>,
    /// For each held plan, a task that holds part of it.
    busy: HashMap<String, String>,
    /// Tasks that a run on this machine works on.
    running: HashSet<String>,
    now: Stamp,
}

impl Facts {
    pub fn read(hub: &Hub, known: &SameWork) -> Result<Facts> {
        let (claims, assignments) = (claims::list(hub)?, assignments::list(hub)?);
        let damaged = claims.damaged.iter().chain(&assignments.damaged);
        let damaged = damaged.map(|Damaged { path, why }| (path.clone(), why.clone())).collect();
        let running = running(hub)?;
        let live = claims.whole.iter().filter(|(_, claim)| claim.is_live());
        let live = live.map(|(task, claim)| (task, claim.plan_id()));
        let mut busy = HashMap::new();
        for (task, written) in running.iter().map(|task| (task, None)).chain(live) {
            // The claim's own plan, and the task's plan according to plans and backlog.
            let plans = written.map(str::to_owned).into_iter().chain(known.place(task).map(|place| place.plan));
            plans.for_each(|plan| drop(busy.insert(plan, task.clone())));
        }
        Ok(Facts { claims, assignments, damaged, busy, running, now: hub.now() })
    }

    /// The assignments whose task is not done.
    pub fn open_assignments(&self) -> impl Iterator<Item = (&str, &AssignmentFile)> {
        let done = |task: &str| self.claims.get(task).and_then(ClaimFile::status) == Some(ClaimStatus::Done);
        let wishes = self.assignments.whole.iter().filter(move |(task, _)| !done(task));
        wishes.map(|(task, assignment)| (task.as_str(), assignment))
    }

    /// Whether the task's claim ended as done.
    pub fn is_done(&self, task: &str) -> bool {
        self.claims.get(task).and_then(ClaimFile::status) == Some(ClaimStatus::Done)
    }

    /// The seat whose claim of the task ended as done.
    pub fn finished(&self, task: &str) -> Option<&str> {
        self.claims.get(task).filter(|_| self.is_done(task)).map(|claim| claim.agent_id().unwrap_or("a seat"))
    }

    pub fn apply(&self, hub: &Hub, known: &SameWork, candidate: &mut Candidate) -> Result<()> {
        let task = &candidate.task_id;
        candidate.assigned_to = self.assignments.get(task).and_then(AssignmentFile::engineer).map(str::to_owned);
        candidate.held = self.holder(known, candidate);
        let unreadable = [paths::claim(task), paths::assignment(task)].iter().find_map(|path| self.damaged.get(path));
        let undecided = self.claims.get(task).filter(|claim| !claim.is_live() && !claim.is_terminal());
        if let Some(why) = unreadable {
            replace_open(&mut candidate.standing, Standing::Damaged(why.clone()));
        } else if let Some(claim) = undecided {
            let status = claim.status_text().unwrap_or("none");
            let why = format!("its claim has the unknown status {status}");
            replace_open(&mut candidate.standing, Standing::Damaged(why));
        } else if candidate.held.is_none() && names::is_id(task) {
            hold(hub, known, candidate)?;
        }
        Ok(())
    }

    /// The holder of the task, else of its plan: by a live claim or an active run.
    fn holder(&self, known: &SameWork, candidate: &Candidate) -> Option<Holder> {
        let by_plan = |plan: &String| self.busy.get(plan);
        let elsewhere = || {
            let of_plan = candidate.plan_id.as_ref().and_then(by_plan);
            of_plan.or_else(|| known.place(&candidate.task_id).as_ref().and_then(|place| by_plan(&place.plan)))
        };
        let task = match self.has(&candidate.task_id) {
            true => &candidate.task_id,
            false => elsewhere()?,
        };
        let claim = self.claims.get(task);
        let status = claim.and_then(ClaimFile::status).filter(|status| status.is_live());
        let until = claim.filter(|_| status.is_some()).and_then(ClaimFile::lease_expires_at);
        let is_over = believed_lease(until, self.now).is_some_and(|end| end <= self.now);
        Some(Holder {
            lease_over: is_over && status == Some(ClaimStatus::Active) && !self.running.contains(task),
            agent: claim.and_then(ClaimFile::agent_id).unwrap_or("somebody").to_owned(),
            task_id: task.clone(),
            status: status.unwrap_or(ClaimStatus::Active),
            until,
        })
    }

    fn has(&self, task: &str) -> bool {
        self.running.contains(task) || self.claims.get(task).is_some_and(ClaimFile::is_live)
    }
}

/// Checked last and only for otherwise eligible candidates, because it reads whole channels.
fn hold(hub: &Hub, known: &SameWork, candidate: &mut Candidate) -> Result<()> {
    match held::Work::among(known, &candidate.task_id, candidate.plan_id.as_deref()).hold(hub) {
        Ok(hold) => candidate.on_hold = hold.map(|(_, hold)| format!("{}: {}", hold.by, hold.summary)),
        Err(why) if Refusal::of(&why).is_some() => {
            replace_open(&mut candidate.standing, Standing::Damaged(why.to_string()));
        }
        Err(fault) => return Err(fault),
    }
    Ok(())
}

/// The tasks whose run lock is held.
fn running(hub: &Hub) -> Result<HashSet<String>> {
    let mut found = HashSet::new();
    for entry in std::fs::read_dir(hub.local("locks")).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let task = name.to_str().and_then(|name| name.strip_prefix("run-")?.strip_suffix(".lock"));
        if let Some(task) = task.filter(|task| names::is_id(task))
            && lock::is_held(&hub.local(&paths::run_lock(task)))?
        {
            found.insert(task.to_owned());
        }
    }
    Ok(found)
}
