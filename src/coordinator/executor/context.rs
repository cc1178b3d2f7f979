//! What every effect is performed with: the hub, the manager's seat, the workers and the record of own writes.

use super::own_writes::OwnWrites;
use super::workers::Workers;
use crate::base::Result;
use crate::coordinator::state::Job;
use crate::guard::consent::{self, Actor};
use crate::hub::Hub;
use crate::ops::session::boot;

/// Performs the effects that the decision asks for.
pub struct Executor<'a> {
    pub hub: &'a Hub,
    /// The seat that the coordinator acts as.
    pub manager: &'a str,
    pub own: &'a mut OwnWrites,
    pub workers: &'a mut Workers,
}

impl Executor<'_> {
    /// The sessions of everybody in whose name work is about to start: a session that grew old while the
    /// coordinator waited is no reason to refuse what the coordinator itself starts.
    pub fn renew_sessions(&self, job: &Job) -> Result<()> {
        boot::renew(self.hub, self.manager)?;
        boot::renew(self.hub, &job.seat).map(drop)
    }

    /// Consent, asked anew before everything that begins work.
    pub fn permitted(&self) -> Result<()> {
        consent::require(self.hub, Actor::Coordinator, consent::Action::Execute)
    }
}
