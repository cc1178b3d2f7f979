//! The seat that acts, and the task that it works on.

use std::time::Duration;

use crate::base::{Refusal, Result};
use crate::bus::claims;
use crate::guard::operator::OPERATOR;
use crate::hub::Hub;
use crate::model::claim::{ClaimFile, ClaimStatus};
use crate::ops::claims::renew;
use crate::seats::{self, editing};

/// To how long a lease is renewed while the agent works, when less than half of that is left: a tool call that takes
/// ten minutes, the longest that Claude Code lets a command run, does not outlast it.
const LEASE: Duration = Duration::from_secs(30 * 60);

/// A live claim of a seat.
pub struct Held {
    pub task: String,
    pub claim: ClaimFile,
}

impl Held {
    /// Whether its lease has ended, so that another seat may take the task.
    pub fn has_expired(&self, hub: &Hub) -> bool {
        self.claim.lease_expires_at().is_some_and(|until| until < hub.now())
    }

    /// Renews a lease that ends soon. One that has ended stays so: the agent has to claim the task again.
    pub fn renew(&self, hub: &Hub, seat: &str) -> Result<()> {
        let ends_soon = self.claim.lease_expires_at().is_some_and(|until| until < hub.now().plus(LEASE / 2));
        if ends_soon && !self.has_expired(hub) && self.claim.status() == Some(ClaimStatus::Active) {
            renew::renew(hub, &self.task, seat, Some(self.claim.epoch()), LEASE)?;
        }
        Ok(())
    }
}

/// The seat that acts in this worktree; `None` when there is none.
pub fn seat(hub: &Hub) -> Result<Option<String>> {
    match seats::resolve(hub, None) {
        Err(e) if Refusal::of(&e).is_some_and(|refusal| refusal.code == "agent.unknown") => Ok(None),
        found => Ok(Some(found?).filter(|seat| seat != OPERATOR)),
    }
}

/// The task that a seat works on in this worktree: the one that it edited for last, else the claim with the branch of
/// this worktree, else the newest one. A claim whose lease has ended comes last.
pub fn current(hub: &Hub, seat: &str) -> Result<Option<Held>> {
    // One file instead of all claims: an agent edits for the same task many times.
    let last = editing::of(hub, seat).into_iter().rev().find_map(|edit| edit.task);
    if let Some(task) = last
        && let Ok(Some(claim)) = claims::read(hub, &task)
        && is_of(&claim, seat)
    {
        let held = Held { task, claim };
        if !held.has_expired(hub) {
            return Ok(Some(held));
        }
    }
    let branch = hub.here.branch();
    let rank = |held: &Held| {
        (!held.has_expired(hub), branch.is_some() && held.claim.branch() == branch.as_deref(), held.claim.claimed_at())
    };
    Ok(all(hub, seat)?.into_iter().max_by_key(rank))
}

/// Every live claim of a seat, by task.
pub fn all(hub: &Hub, seat: &str) -> Result<Vec<Held>> {
    let live = claims::list(hub)?.whole.into_iter().filter(|(_, claim)| is_of(claim, seat));
    Ok(live.map(|(task, claim)| Held { task, claim }).collect())
}

fn is_of(claim: &ClaimFile, seat: &str) -> bool {
    claim.is_live() && claim.agent_id() == Some(seat)
}
