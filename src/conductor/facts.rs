//! What the bus says of each candidate: who has it, who is wished for, whether it is on hold.
//!
//! Whatever cannot be read makes the task damaged: a task never looks free because a file is broken.

use std::collections::HashMap;

use super::candidate::{Candidate, Holder, Standing};
use super::sources::replace_open;
use crate::base::{Refusal, Result, names};
use crate::bus::{Damaged, Listing, assignments, claims, holds};
use crate::hub::{Hub, paths};
use crate::model::assignment::AssignmentFile;
use crate::model::claim::{ClaimFile, ClaimStatus};

pub(super) struct Facts {
    claims: Listing<ClaimFile>,
    assignments: Listing<AssignmentFile>,
    /// The damaged files of both, by path.
    damaged: HashMap<String, String>,
    /// Plan to the task whose live claim names it.
    busy: HashMap<String, String>,
}

impl Facts {
    pub fn read(hub: &Hub) -> Result<Facts> {
        let (claims, assignments) = (claims::list(hub)?, assignments::list(hub)?);
        let damaged = claims.damaged.iter().chain(&assignments.damaged);
        let damaged = damaged.map(|Damaged { path, why }| (path.clone(), why.clone())).collect();
        let live = claims.whole.iter().filter(|(_, claim)| claim.is_live());
        let busy = live.filter_map(|(task, claim)| Some((claim.plan_id()?.to_owned(), task.clone()))).collect();
        Ok(Facts { claims, assignments, damaged, busy })
    }

    /// The assignments whose task is not done.
    pub fn wished(&self) -> impl Iterator<Item = (&str, &AssignmentFile)> {
        let done = |task: &str| self.claims.get(task).and_then(ClaimFile::status) == Some(ClaimStatus::Done);
        let wishes = self.assignments.whole.iter().filter(move |(task, _)| !done(task));
        wishes.map(|(task, assignment)| (task.as_str(), assignment))
    }

    /// Whether the task's claim ended with its work done.
    pub fn is_done(&self, task: &str) -> bool {
        self.claims.get(task).and_then(ClaimFile::status) == Some(ClaimStatus::Done)
    }

    pub fn put_on(&self, hub: &Hub, candidate: &mut Candidate) -> Result<()> {
        let task = &candidate.task_id;
        candidate.assigned_to = self.assignments.get(task).and_then(AssignmentFile::engineer).map(str::to_owned);
        candidate.held = self.holder(candidate);
        let unreadable = [paths::claim(task), paths::assignment(task)].iter().find_map(|path| self.damaged.get(path));
        let undecided = self.claims.get(task).filter(|claim| !claim.is_live() && !claim.is_terminal());
        if let Some(why) = unreadable {
            replace_open(&mut candidate.standing, Standing::Damaged(why.clone()));
        } else if let Some(claim) = undecided {
            let status = claim.status_text().unwrap_or("none");
            let why = format!("its claim has the status {status}, which is neither held nor free");
            replace_open(&mut candidate.standing, Standing::Damaged(why));
        } else if candidate.held.is_none() && names::is_id(task) {
            self.hold(hub, candidate)?;
        }
        Ok(())
    }

    /// Asked last and only of what nothing else keeps: it reads the task's whole channel.
    fn hold(&self, hub: &Hub, candidate: &mut Candidate) -> Result<()> {
        match holds::on(hub, &candidate.task_id) {
            Ok(hold) => candidate.on_hold = hold.map(|hold| format!("{}: {}", hold.by, hold.summary)),
            Err(why) if Refusal::of(&why).is_some() => {
                replace_open(&mut candidate.standing, Standing::Damaged(why.to_string()));
            }
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    /// The live claim of the task, else the one of its plan.
    fn holder(&self, candidate: &Candidate) -> Option<Holder> {
        let own = self.claims.get(&candidate.task_id).filter(|claim| claim.is_live());
        let (task, claim) = match own {
            Some(claim) => (&candidate.task_id, claim),
            None => {
                let task = self.busy.get(candidate.plan_id.as_ref()?)?;
                (task, self.claims.get(task)?)
            }
        };
        Some(Holder {
            agent: claim.agent_id().unwrap_or("somebody").to_owned(),
            task_id: task.clone(),
            status: claim.status()?,
            until: claim.lease_expires_at(),
        })
    }
}
