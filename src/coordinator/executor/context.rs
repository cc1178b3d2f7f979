//! The executor's context: hub, manager's seat, workers and the record of own writes.

use super::own_writes::OwnWrites;
use super::workers::Workers;
use crate::base::Result;
use crate::coordinator::state::Job;
use crate::guard::consent;
use crate::hub::Hub;
use crate::ops::session::boot;

/// Performs the effects requested by the decision.
pub struct Executor<'a> {
    pub hub: &'a Hub,
    /// The coordinator's seat.
    pub manager: &'a str,
    pub own: &'a mut OwnWrites,
    pub workers: &'a mut Workers,
}

impl Executor<'_> {
    /// Renews the sessions of the seats of a starting job: a session that expired while the coordinator waited must
    /// not refuse the coordinator's own work.
    pub fn renew_sessions(&self, job: &Job) -> Result<()> {
        boot::renew(self.hub, self.manager)?;
        boot::renew(self.hub, &job.seat).map(drop)
    }

    /// Checks consent again; called before everything that starts work.
    pub fn permitted(&self, job: &Job) -> Result<()> {
        consent::require_job(self.hub, &job.task, job.plan.as_deref(), job.step.as_deref())
    }
}
