//! Decides what the next claim is: claim, takeover, pause, release, renewal.

use std::time::Duration;

use super::epoch::fence;
use super::refusals::{held, not_live, running, with_claim};
use crate::base::{Refusal, Stamp, time};
use crate::model::claim::{self, Claim, ClaimStatus};

/// A seat's request to claim a task.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    pub task: String,
    pub agent: String,
    /// `None`: the branch of the seat's current claim, or else the default branch.
    pub branch: Option<String>,
    pub default_branch: String,
    /// `None`: the plan of the current claim.
    pub plan: Option<String>,
    pub status: ClaimStatus,
    pub notes: Notes,
    /// From now; `None` keeps a lease that has not expired.
    pub lease: Option<Duration>,
}

/// How a request changes a claim's notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notes {
    Keep,
    Clear,
    Set(String),
}

impl Notes {
    /// From `--notes` and `--clear-notes`; the first wins (the playbook: bus_claim).
    pub fn from_flags(notes: Option<String>, clear: bool) -> Notes {
        match notes {
            Some(notes) => Notes::Set(notes),
            None if clear => Notes::Clear,
            None => Notes::Keep,
        }
    }

    fn apply(&self, old: Option<&str>) -> Option<String> {
        match self {
            Notes::Keep => old.map(str::to_owned),
            Notes::Clear => None,
            Notes::Set(notes) => Some(notes.trim().to_owned()).filter(|notes| !notes.is_empty()),
        }
    }
}

/// What is known about the holder of a claim that another seat wants.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    pub now: Stamp,
    /// A process holds the run lock of the task.
    pub run_alive: bool,
    /// The holder's last event or message.
    pub owner_seen: Option<Stamp>,
    /// The agent window: how long a holder without a lease may be inactive.
    pub window: Duration,
}

/// A claim to write, and the claim that it replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub claim: Claim,
    /// The previous claim, when the owner changes.
    pub from: Option<Claim>,
}

/// Decides a claim. `ops` checks before that the task is assigned to the seat.
pub fn claim(old: Option<&Claim>, request: &ClaimRequest, facts: Facts) -> Result<Decision, Refusal> {
    match old {
        None => Ok(Decision { claim: new_claim(request, None, facts.now), from: None }),
        Some(old) if old.agent_id == request.agent => {
            Ok(Decision { claim: repeated_claim(old, request, facts.now), from: None })
        }
        Some(old) if old.status == ClaimStatus::Active => Err(held(old, facts.now)),
        Some(old) if facts.run_alive => Err(running(old)),
        Some(old) => Ok(Decision { claim: new_claim(request, Some(old), facts.now), from: Some(old.clone()) }),
    }
}

/// Decides a takeover: `request.agent` gets the task if its holder may be replaced.
pub fn take_over(old: &Claim, request: &ClaimRequest, facts: Facts) -> Result<Decision, Refusal> {
    if old.agent_id == request.agent {
        return Err(Refusal::usage("claim.own", format!("you already hold {}", old.task_id))
            .next(format!("renew or resume it: teof bus claim {}", old.task_id)));
    }
    if old.status.is_live() {
        replaceable(old, facts)?;
    }
    Ok(Decision { claim: new_claim(request, Some(old), facts.now), from: Some(old.clone()) })
}

/// Decides a pause by `agent`: of its own claim, or of one whose holder may be replaced. The holder stays the
/// same, but a pause by another seat raises the epoch.
pub fn pause(old: &Claim, agent: &str, reason: &str, facts: Facts) -> Result<Decision, Refusal> {
    if !old.status.is_live() {
        return Err(not_live(old));
    }
    let mut claim = Claim {
        status: ClaimStatus::Paused,
        notes: Some(reason.to_owned()),
        released_at: None,
        lease_expires_at: None,
        ..old.clone()
    };
    if old.agent_id == agent {
        return Ok(Decision { claim, from: None });
    }
    replaceable(old, facts)?;
    claim.epoch = raised(old);
    Ok(Decision { claim, from: Some(old.clone()) })
}

/// Decides a release by its holder. `status` may be done, released or paused. A claim that has ended can be set to
/// done or released, but not to paused.
pub fn release(old: &Claim, agent: &str, status: ClaimStatus, notes: &Notes, now: Stamp) -> Result<Claim, Refusal> {
    if old.agent_id != agent && old.status.is_live() {
        return Err(held(old, now));
    }
    if old.agent_id != agent || (status.is_live() && !old.status.is_live()) {
        return Err(not_live(old));
    }
    Ok(Claim {
        status,
        released_at: Some(now),
        lease_expires_at: None,
        notes: notes.apply(old.notes.as_deref()),
        ..old.clone()
    })
}

/// Decides a longer lease for an active claim; `epoch` must be the claim's.
pub fn renew(old: &Claim, agent: &str, epoch: u64, lease: Duration, now: Stamp) -> Result<Claim, Refusal> {
    fence(old, agent, epoch)?;
    if old.status != ClaimStatus::Active {
        return Err(not_live(old));
    }
    // A renewal never makes a lease shorter.
    let until = now.plus(lease).max(old.lease_expires_at.unwrap_or(now));
    Ok(Claim { lease_expires_at: Some(until), ..old.clone() })
}

/// Whether the holder of a live claim may be replaced: its lease has expired or, without one, the holder has been
/// inactive longer than the agent window. Never while its run is alive.
fn replaceable(claim: &Claim, facts: Facts) -> Result<(), Refusal> {
    if facts.run_alive {
        return Err(running(claim));
    }
    let Claim { agent_id, .. } = claim;
    let why = match claim::believed_lease(claim.lease_expires_at, facts.now) {
        Some(at) if at <= facts.now => return Ok(()),
        Some(at) => format!("the lease of {agent_id} runs until {at}"),
        None => {
            // A time in the future says nothing about the holder's activity.
            let claimed = Some(claim.claimed_at).filter(|at| *at <= facts.now.plus(time::SKEW));
            let Some(seen) = facts.owner_seen.max(claimed) else { return Ok(()) };
            if facts.now.since(seen) > facts.window {
                return Ok(());
            }
            let window = time::show_span(facts.window);
            format!("{agent_id} has no lease and last wrote at {seen}; it may be replaced after {window} of silence")
        }
    };
    let refusal = Refusal::held("claim.not_expired", format!("{} is still held by {agent_id}", claim.task_id))
        .because(why)
        .next(format!(
            "ask {agent_id} to release it: teof bus message --task agent-{agent_id} --type request --summary …"
        ));
    Err(with_claim(refusal, claim))
}

fn raised(old: &Claim) -> u64 {
    old.epoch.saturating_add(1)
}

/// A claim by another seat; plan and notes describe the work and stay.
fn new_claim(request: &ClaimRequest, old: Option<&Claim>, now: Stamp) -> Claim {
    Claim {
        task_id: request.task.clone(),
        agent_id: request.agent.clone(),
        branch: request.branch.clone().unwrap_or_else(|| request.default_branch.clone()),
        status: request.status,
        claimed_at: now,
        plan_id: request.plan.clone().or_else(|| old?.plan_id.clone()),
        notes: request.notes.apply(old.and_then(|old| old.notes.as_deref())),
        released_at: released_at(None, request.status, now),
        epoch: old.map_or(1, raised),
        lease_expires_at: lease(None, request, now),
    }
}

/// A claim by the current or last holder of the task.
fn repeated_claim(old: &Claim, request: &ClaimRequest, now: Stamp) -> Claim {
    let acquired = request.status.is_live() && !old.status.is_live();
    let resumed = request.status == ClaimStatus::Active && old.status != ClaimStatus::Active;
    Claim {
        branch: request.branch.clone().unwrap_or_else(|| old.branch.clone()),
        status: request.status,
        plan_id: request.plan.clone().or_else(|| old.plan_id.clone()),
        notes: request.notes.apply(old.notes.as_deref()),
        released_at: released_at(old.released_at, request.status, now),
        epoch: if acquired || resumed { raised(old) } else { old.epoch },
        lease_expires_at: lease(old.lease_expires_at, request, now),
        ..old.clone()
    }
}

fn released_at(old: Option<Stamp>, status: ClaimStatus, now: Stamp) -> Option<Stamp> {
    if status.is_live() { None } else { old.or(Some(now)) }
}

/// An expired lease is not kept: anyone could take over the claim at once.
fn lease(old: Option<Stamp>, request: &ClaimRequest, now: Stamp) -> Option<Stamp> {
    match request.lease {
        _ if request.status != ClaimStatus::Active => None,
        Some(span) => Some(now.plus(span)),
        None => old.filter(|at| *at > now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Stamp {
        Stamp::parse(text).unwrap()
    }

    fn facts() -> Facts {
        let now = at("2026-01-05T10:00:00Z");
        Facts { now, run_alive: false, owner_seen: None, window: Duration::from_secs(4 * 3600) }
    }

    fn request(agent: &str) -> ClaimRequest {
        ClaimRequest {
            task: "QUEUE-001".into(),
            agent: agent.into(),
            branch: None,
            default_branch: format!("agent/{agent}/queue-001"),
            plan: None,
            status: ClaimStatus::Active,
            notes: Notes::Keep,
            lease: None,
        }
    }

    fn held_by(agent: &str, status: ClaimStatus) -> Claim {
        let mut claim = claim(None, &request(agent), facts()).unwrap().claim;
        claim.claimed_at = at("2026-01-05T01:00:00Z");
        claim.notes = Some("halfway".into());
        claim.plan_id = Some("2026-01-05-docs".into());
        claim.status = status;
        claim
    }

    #[test]
    fn a_holder_that_claims_again_keeps_time_plan_notes_and_epoch() {
        let old = held_by("a", ClaimStatus::Active);
        let done = claim(Some(&old), &request("a"), facts()).unwrap();
        assert_eq!(done, Decision { claim: old.clone(), from: None });
        let mut new = request("a");
        new.notes = Notes::from_flags(Some("nearly".into()), true);
        assert_eq!(claim(Some(&old), &new, facts()).unwrap().claim.notes.as_deref(), Some("nearly"));
        new.notes = Notes::from_flags(None, true);
        assert_eq!(claim(Some(&old), &new, facts()).unwrap().claim.notes, None);
    }

    #[test]
    fn an_active_claim_is_exclusive() {
        for status in ClaimStatus::ALL {
            let old = held_by("a", status);
            let got = claim(Some(&old), &request("b"), facts());
            match status {
                ClaimStatus::Active => assert_eq!(got.unwrap_err().exit as u8, 3),
                _ => {
                    let got = got.unwrap();
                    assert_eq!((got.claim.epoch, got.claim.agent_id.as_str()), (2, "b"));
                    assert_eq!((got.claim.plan_id, got.claim.released_at), (old.plan_id.clone(), None));
                    assert_eq!(got.from, Some(old));
                }
            }
        }
    }

    #[test]
    fn every_way_back_to_active_raises_the_epoch() {
        for status in [ClaimStatus::Paused, ClaimStatus::Released, ClaimStatus::Done] {
            let mut old = held_by("a", status);
            old.released_at = Some(facts().now);
            let new = claim(Some(&old), &request("a"), facts()).unwrap().claim;
            assert_eq!((new.epoch, new.claimed_at, new.released_at), (2, old.claimed_at, None), "{status}");
        }
    }

    #[test]
    fn takeover_needs_an_expired_claim_without_a_run() {
        let code = |old: &Claim, facts| take_over(old, &request("b"), facts).map(|d| d.claim.epoch).map_err(|r| r.code);
        let mut old = held_by("a", ClaimStatus::Active);
        assert_eq!(code(&old, facts()), Ok(2), "no lease, silent for nine hours");
        assert_eq!(
            code(&old, Facts { owner_seen: Some(at("2026-01-05T06:00:00Z")), ..facts() }),
            Err("claim.not_expired")
        );
        old.lease_expires_at = Some(at("2026-01-05T10:00:01Z"));
        assert_eq!(code(&old, facts()), Err("claim.not_expired"), "silence does not shorten a lease");
        old.lease_expires_at = Some(at("2026-01-05T10:00:00Z"));
        assert_eq!(code(&old, facts()), Ok(2));
        assert_eq!(code(&old, Facts { run_alive: true, ..facts() }), Err("claim.running"));
        assert_eq!(pause(&old, "b", "gone", Facts { run_alive: true, ..facts() }).unwrap_err().code, "claim.running");
        let paused = pause(&old, "b", "gone", facts()).unwrap().claim;
        assert_eq!((paused.agent_id.as_str(), paused.epoch, paused.status), ("a", 2, ClaimStatus::Paused));
        assert_eq!(
            claim(Some(&paused), &request("c"), Facts { run_alive: true, ..facts() }).unwrap_err().code,
            "claim.running"
        );
    }

    #[test]
    fn renew_refuses_a_wrong_epoch() {
        assert!(renew(&held_by("a", ClaimStatus::Active), "a", 9, Duration::ZERO, facts().now).is_err());
    }
}
