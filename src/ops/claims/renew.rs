//! Renews the lease of a claim while its holder lives: a worker's run, the client of `teof mcp`, or an agent with
//! hooks.

use std::time::{Duration, Instant};

use crate::base::{Result, Stamp};
use crate::bus::{claim_rules, claims};
use crate::hub::{Hub, Transaction};

/// Renews a seat's active claim to `lease` from now, or leaves a longer one; writes no event. Returns its epoch, or
/// `None` where there is nothing to renew: the seat has no claim of the task, or one without a lease.
///
/// # Errors
/// `claim.epoch` when `epoch` is not the claim's; when it is not active; a busy lock; an outdated record.
pub fn renew(hub: &Hub, task: &str, agent: &str, epoch: Option<u64>, lease: Duration) -> Result<Option<u64>> {
    let is_leased = |claim: &crate::model::claim::Claim| claim.agent_id == agent && claim.lease_expires_at.is_some();
    // Most claims of which only the name is known have no lease: they need no lock.
    let Some(found) = claims::load(hub, task)? else { return Ok(None) };
    if !is_leased(&found.claim(hub)?) {
        return Ok(None);
    }
    renew_any(hub, task, agent, epoch, lease)
}

/// As [`renew()`], and gives a lease to a claim that has none.
///
/// # Errors
/// As [`renew()`]; `claim.epoch` also when another seat has the task.
pub fn renew_any(hub: &Hub, task: &str, agent: &str, epoch: Option<u64>, lease: Duration) -> Result<Option<u64>> {
    let mut writer = hub.lock("renew a lease")?;
    let Some(found) = claims::load(hub, task)? else { return Ok(None) };
    let claim = found.claim(hub)?;
    let renewed = claim_rules::renew(&claim, agent, epoch.unwrap_or(claim.epoch), lease, hub.now())?;
    let mut transaction = Transaction::new(format!("renew the lease of {}", claim.task_id));
    claims::stage(&mut transaction, Some(&found), &renewed)?;
    if !transaction.is_empty() {
        writer.commit(transaction)?;
    }
    Ok(Some(claim.epoch))
}

/// When a lease is renewed: by whichever clock comes first. The monotonic one stands still while the machine sleeps,
/// and the lease does not; the wall clock may be set back, and the lease then lasts too long.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    running: Instant,
    wall: Stamp,
}

impl Due {
    pub fn after(span: Duration, now: Stamp) -> Due {
        Due { running: Instant::now() + span, wall: now.plus(span) }
    }

    pub fn is_past(self, running: Instant, wall: Stamp) -> bool {
        running >= self.running || wall >= self.wall
    }

    /// How long until then, while the machine does not sleep.
    pub fn left(self, running: Instant) -> Duration {
        self.running.saturating_duration_since(running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_renewed_right_after_the_machine_slept() {
        let (began, now) = (Instant::now(), Stamp::from_unix(1_000_000));
        let half = Duration::from_secs(900);
        let due = Due::after(half, now);
        assert!(!due.is_past(began, now.plus(half / 2)));
        assert!(due.is_past(began + Duration::from_secs(1), now.plus(8 * half)), "it slept for two hours");
        assert!(due.is_past(began + 2 * half, now.minus(8 * half)), "its clock was set back");
    }
}
