//! Tells a worker while it works whether to stop, and whether the task is still its own; renews the lease.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::commands::trust;
use super::work::Work;
use crate::base::lock::FileLock;
use crate::base::{Refusal, Result};
use crate::bus::{claim_rules, claims};
use crate::hub::{Hub, Transaction, paths};
use crate::model::claim::{Claim, ClaimStatus};

/// Why a worker stops before its work is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Asked to, or consent was taken back: another attempt goes on from here.
    Paused(String),
    /// The task is somebody else's now.
    Lost(String),
}

pub struct Watch<'a> {
    hub: &'a Hub,
    work: &'a Work,
    run: String,
    /// Set by SIGTERM or SIGINT: end what runs, and stop.
    stop: &'a AtomicBool,
    unattended: bool,
    lease: Duration,
    renew_at: Option<Instant>,
    lost: Option<String>,
    /// Held for life; whoever deletes its file lets another run of the task start beside this one.
    lock: &'a FileLock,
}

impl<'a> Watch<'a> {
    /// Renews the lease once, so that a claim that is about to expire is seen to be alive.
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
            renew_at: Some(Instant::now()),
            lost: None,
            lock,
        };
        watch.renew_if_due();
        Ok(watch)
    }

    /// Whether to stop the running command now; called often while one runs.
    pub fn should_cancel(&mut self) -> bool {
        self.renew_if_due();
        self.stop.load(Ordering::Relaxed) || self.lost.is_some() || self.lock.check().is_err()
    }

    /// Why the task is not the seat's any more, if that was seen.
    pub fn lost(&self) -> Option<String> {
        self.lost.clone()
    }

    /// Why to stop here, if there is a reason; called between commands and between stages.
    pub fn check_halt(&mut self) -> Result<Option<Halt>> {
        self.renew_if_due();
        if self.stop.load(Ordering::Relaxed) {
            return Ok(Some(Halt::Paused("asked to stop".into())));
        }
        if let Err(e) = self.lock.check() {
            return Ok(Some(Halt::Paused(format!("{e:#}"))));
        }
        if self.hub.local(&paths::stop(&self.run)).exists() {
            return Ok(Some(Halt::Paused("asked to stop at the next stage".into())));
        }
        if let Err(e) = own_claim(self.hub, self.work) {
            return Ok(Some(Halt::Lost(format!("{e:#}"))));
        }
        if let Some(why) = &self.lost {
            return Ok(Some(Halt::Lost(why.clone())));
        }
        Ok(self.withdrawn()?.map(Halt::Paused))
    }

    /// Why unattended work is not allowed any more, if it is not.
    fn withdrawn(&self) -> Result<Option<String>> {
        match self.unattended.then(|| trust::require(self.hub, &self.work.order)) {
            None | Some(Ok(())) => Ok(None),
            Some(Err(e)) => match Refusal::of(&e) {
                Some(refusal) => {
                    let why = refusal.reason.as_deref().unwrap_or("consent was taken back");
                    Ok(Some(format!("{}: {why}", refusal.message)))
                }
                None => Err(e),
            },
        }
    }

    fn renew_if_due(&mut self) {
        if self.renew_at.is_none_or(|at| Instant::now() < at) {
            return;
        }
        // Half of the lease is left when the next renewal comes.
        self.renew_at = Some(Instant::now() + self.lease / 2);
        match renew(self.hub, self.work, self.lease) {
            Ok(true) => {}
            Ok(false) => self.renew_at = None,
            Err(e) => match Refusal::of(&e).map(|refusal| refusal.code) {
                Some(code) if code.starts_with("claim.") => self.lost = Some(format!("{e:#}")),
                // A lock that is not free, a hub that is off its branch: the run lock protects the claim meanwhile.
                _ => {
                    tracing::debug!("the lease was not renewed: {e:#}");
                    self.renew_at = Some(Instant::now() + (self.lease / 10).min(Duration::from_secs(10)));
                }
            },
        }
    }
}

/// The claim under which the work is done.
///
/// # Errors
/// When nobody or somebody else holds the task, the claim is not active, or its epoch is another.
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
                .because("work is done under an active claim only")
                .next(format!("claim it: teof bus claim {} --agent {}", order.task_id, order.agent_id))
                .into())
        }
    }
}

/// Renews the lease; `false` when the claim has none and no machine keeps it.
fn renew(hub: &Hub, work: &Work, lease: Duration) -> Result<bool> {
    if own_claim(hub, work)?.lease_expires_at.is_none() && work.order.job.is_none() {
        return Ok(false);
    }
    let mut writer = hub.lock("renew a lease")?;
    let found = claims::load(hub, &work.order.task_id)?;
    let Some(found) = found else { return Ok(false) };
    let claim = found.claim(hub)?;
    let epoch = if work.fenced { work.order.epoch } else { claim.epoch };
    let renewed = claim_rules::renew(&claim, &work.order.agent_id, epoch, lease, hub.now())?;
    let mut transaction = Transaction::new(format!("renew the lease of {}", claim.task_id));
    claims::stage(&mut transaction, Some(&found), &renewed)?;
    if !transaction.is_empty() {
        writer.commit(transaction)?;
    }
    Ok(true)
}
