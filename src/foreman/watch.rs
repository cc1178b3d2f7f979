//! Tells a worker whether to stop and whether it still owns the task; renews the lease.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::trust;
use super::work::Work;
use crate::base::lock::FileLock;
use crate::base::{Refusal, Result};
use crate::bus::{claim_rules, claims};
use crate::hub::{Hub, paths};
use crate::model::claim::{Claim, ClaimStatus};
use crate::ops::claims::renew::{self, Due};

/// Why a worker stops before its work is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Stopped on request, or consent was revoked: another attempt continues from here.
    Paused(String),
    /// Another seat has the task.
    Lost(String),
}

pub struct Watch<'a> {
    hub: &'a Hub,
    work: &'a Work,
    run: String,
    /// Set by SIGTERM or SIGINT: stop the running command, then the run.
    stop: &'a AtomicBool,
    unattended: bool,
    lease: Duration,
    renew_at: Option<Due>,
    lost: Option<String>,
    /// Held for the whole run. If its file is deleted, a second run of the task could start.
    lock: &'a FileLock,
}

impl<'a> Watch<'a> {
    /// Renews the lease once, so that a claim that is about to expire does not.
    pub fn start(
        hub: &'a Hub,
        work: &'a Work,
        run: &str,
        lock: &'a FileLock,
        stop: &'a AtomicBool,
        unattended: bool,
    ) -> Result<Self> {
        let lease = hub.settings()?.worker.lease;
        let mut watch = Self {
            hub,
            work,
            run: run.to_owned(),
            stop,
            unattended,
            lease,
            renew_at: Some(Due::after(Duration::ZERO, hub.now())),
            lost: None,
            lock,
        };
        watch.renew_if_due();
        Ok(watch)
    }

    /// Whether to stop the running command now. Called often.
    pub fn should_cancel(&mut self) -> bool {
        self.renew_if_due();
        self.stop.load(Ordering::Relaxed) || self.lost.is_some() || self.lock.check().is_err()
    }

    /// Why the seat lost the task, if it did.
    pub fn lost(&self) -> Option<String> {
        self.lost.clone()
    }

    /// The reason to stop here, if any. Called between commands and stages.
    pub fn check_halt(&mut self) -> Result<Option<Halt>> {
        self.renew_if_due();
        if self.stop.load(Ordering::Relaxed) {
            return Ok(Some(Halt::Paused("interrupted: a stop was requested".into())));
        }
        if let Err(e) = self.lock.check() {
            return Ok(Some(Halt::Paused(format!("{e:#}"))));
        }
        if self.hub.local(&paths::stop(&self.run)).exists() {
            return Ok(Some(Halt::Paused("interrupted after a stage: a stop was requested".into())));
        }
        if let Err(e) = own_claim(self.hub, self.work) {
            return Ok(Some(Halt::Lost(format!("{e:#}"))));
        }
        if let Some(why) = &self.lost {
            return Ok(Some(Halt::Lost(why.clone())));
        }
        Ok(self.withdrawn()?.map(Halt::Paused))
    }

    /// Why unattended work is no longer allowed, if so.
    fn withdrawn(&self) -> Result<Option<String>> {
        match self.unattended.then(|| trust::require(self.hub, &self.work.order)) {
            None | Some(Ok(())) => Ok(None),
            Some(Err(e)) => match Refusal::of(&e) {
                Some(refusal) => {
                    let why = refusal.reason.as_deref().unwrap_or("consent was revoked");
                    Ok(Some(format!("{}: {why}", refusal.message)))
                }
                None => Err(e),
            },
        }
    }

    fn renew_if_due(&mut self) {
        let now = self.hub.now();
        if self.renew_at.is_none_or(|due| !due.is_past(Instant::now(), now)) {
            return;
        }
        // Half of the lease is left at the next renewal.
        self.renew_at = Some(Due::after(self.lease / 2, now));
        match renew(self.hub, self.work, self.lease) {
            Ok(true) => {}
            Ok(false) => self.renew_at = None,
            Err(e) => match Refusal::of(&e).map(|refusal| refusal.code) {
                Some(code) if code.starts_with("claim.") => self.lost = Some(format!("{e:#}")),
                // A busy lock or a hub on another branch: meanwhile the run lock protects the claim.
                _ => {
                    tracing::debug!("cannot renew the lease: {e:#}");
                    self.renew_at = Some(Due::after((self.lease / 10).min(Duration::from_secs(10)), now));
                }
            },
        }
    }
}

/// The claim that covers the work.
///
/// # Errors
/// When the seat does not hold the task, the claim is not active, or its epoch differs.
pub fn own_claim(hub: &Hub, work: &Work) -> Result<Claim> {
    let order = &work.order;
    let found = claims::load(hub, &order.task_id)?;
    let epoch = work.fenced.then_some(order.epoch);
    claim_rules::may_write(&order.task_id, found.as_ref().map(|found| &found.file), &order.agent_id, epoch)?;
    let claim = found.map(|found| found.claim(hub)).transpose()?;
    match claim {
        Some(claim) if claim.status == ClaimStatus::Active && claim.agent_id == order.agent_id => Ok(claim),
        other => {
            let status = other.map_or("gone".to_owned(), |claim| claim.status.to_string());
            Err(Refusal::guard("claim.not_active", format!("the claim of {} is {status}", order.task_id))
                .because("a run needs an active claim")
                .next(format!("claim it: teof bus claim {} --agent {}", order.task_id, order.agent_id))
                .into())
        }
    }
}

/// Renews the lease; `false` when the claim has no lease.
fn renew(hub: &Hub, work: &Work, lease: Duration) -> Result<bool> {
    if own_claim(hub, work)?.lease_expires_at.is_none() && work.order.job.is_none() {
        return Ok(false);
    }
    let epoch = work.fenced.then_some(work.order.epoch);
    let renewed = renew::renew_any(hub, &work.order.task_id, &work.order.agent_id, epoch, lease)?;
    Ok(renewed.is_some())
}
