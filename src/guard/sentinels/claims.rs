//! Finds claims that block a task although nobody works on it, and unreadable claims.

use std::collections::HashMap;

use crate::base::{Result, Stamp, lock, text, time};
use crate::bus::log::Log;
use crate::bus::{activity, claims};
use crate::guard::Finding;
use crate::hub::{Hub, paths};
use crate::model::claim::{ClaimFile, ClaimStatus, believed_lease};

/// Active claims whose lease has ended or, without a lease, whose owner was silent longer than the
/// agent window; never while their run is alive.
pub fn stale(hub: &Hub) -> Result<Vec<Finding>> {
    let listing = claims::list(hub)?;
    let mut owners = Owners::new(hub)?;
    let mut found: Vec<Finding> = Vec::new();
    for damaged in listing.damaged {
        let hint = "fix it by hand, or restore it: teof bus restore";
        found.push(Finding::high("claim.damaged", damaged.path, text::safe(&damaged.why)).hint(hint));
    }
    for (task, claim) in listing.whole {
        if claim.status() == Some(ClaimStatus::Active)
            && let Some(why) = why_stale(hub, &claim, &mut owners)?
            && !lock::is_held(&hub.local(&paths::run_lock(&task)))?
        {
            let owner = text::clip(&text::safe(claim.agent_id().unwrap_or("nobody")), 60);
            let hint = format!("ask {owner}, or take it over: teof bus takeover {task} --reason …");
            found.push(Finding::medium("claim.stale", paths::claim(&task), format!("{owner} {why}")).hint(hint));
        }
    }
    Ok(found)
}

/// The text contains no times, so that the next scan produces the same finding.
fn why_stale(hub: &Hub, claim: &ClaimFile, owners: &mut Owners) -> Result<Option<&'static str>> {
    if let Some(end) = believed_lease(claim.lease_expires_at(), hub.now()) {
        return Ok((end < hub.now()).then_some("holds it, but the lease has ended"));
    }
    let window = hub.settings()?.claims.agent_window;
    let oldest = hub.now().minus(window);
    // A time in the future says nothing about the holder's activity.
    let horizon = hub.now().plus(time::SKEW);
    if claim.claimed_at().is_some_and(|at| at >= oldest && at <= horizon) {
        return Ok(None);
    }
    let seen = owners.last_seen(claim.agent_id().unwrap_or_default(), oldest)?;
    Ok((seen < Some(oldest)).then_some("holds it, but was silent longer than the agent window"))
}

/// When each owner was last seen, looked up once.
struct Owners<'h> {
    hub: &'h Hub,
    log: Log<'h>,
    known: HashMap<String, Option<Stamp>>,
}

impl<'h> Owners<'h> {
    fn new(hub: &'h Hub) -> Result<Self> {
        Ok(Self { hub, log: Log::read(hub)?, known: HashMap::new() })
    }

    /// The event log is fast; messages are read only for owners that are silent there.
    fn last_seen(&mut self, agent: &str, oldest: Stamp) -> Result<Option<Stamp>> {
        if let Some(seen) = self.known.get(agent) {
            return Ok(*seen);
        }
        let mut seen = self.log.seen_until(agent, self.hub.now().plus(time::SKEW))?;
        if seen < Some(oldest) {
            seen = seen.max(activity::last_seen(self.hub, agent)?);
        }
        self.known.insert(agent.to_owned(), seen);
        Ok(seen)
    }
}
