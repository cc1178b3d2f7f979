//! Who may have a task: the decisions about claims. Pure; facts come in, the next claim or a refusal goes out.
//!
//! The rules are the playbook's (bus_claim, claim_guard), with the lease and the epoch of ours added.
//! Every acquisition raises the epoch: a change of owner, and every way back to active. So whoever
//! held the task before, the same seat's earlier run included, is fenced off; and a file that a stash
//! or a reset took back in time is always told from the one that was acknowledged.

use std::time::Duration;

use crate::base::{Refusal, Stamp, time};
use crate::model::claim::{self, Claim, ClaimFile, ClaimStatus};

/// What a seat asks for when it claims a task.
#[derive(Clone, Debug)]
pub struct Wish {
    pub task: String,
    pub agent: String,
    /// `None`: the branch of the claim that the seat has, else the default one.
    pub branch: Option<String>,
    pub default_branch: String,
    /// `None`: the plan of the claim that is there.
    pub plan: Option<String>,
    pub status: ClaimStatus,
    pub notes: Notes,
    /// From now; `None` keeps a lease that still runs.
    pub lease: Option<Duration>,
}

/// What becomes of a claim's notes.
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

    fn over(&self, old: Option<&str>) -> Option<String> {
        match self {
            Notes::Keep => old.map(str::to_owned),
            Notes::Clear => None,
            Notes::Set(notes) => Some(notes.trim().to_owned()).filter(|notes| !notes.is_empty()),
        }
    }
}

/// What is known about the holder of a claim that somebody else wants.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    pub now: Stamp,
    /// Some process holds the run lock of the task.
    pub run_alive: bool,
    /// The holder's last event or message.
    pub owner_seen: Option<Stamp>,
    /// The agent window: how long a holder without a lease may be silent.
    pub window: Duration,
}

/// A claim to be written, and whom it was taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub claim: Claim,
    /// The claim before, when the ownership changed.
    pub from: Option<Claim>,
}

/// Decides a claim. Whether the task is assigned to the seat is asked before, in `ops`.
pub fn claim(old: Option<&Claim>, wish: &Wish, facts: Facts) -> Result<Decision, Refusal> {
    match old {
        None => Ok(Decision { claim: new_claim(wish, None, facts.now), from: None }),
        Some(old) if old.agent_id == wish.agent => Ok(Decision { claim: again(old, wish, facts.now), from: None }),
        Some(old) if old.status == ClaimStatus::Active => Err(held(old, facts.now)),
        Some(old) if facts.run_alive => Err(running(old)),
        Some(old) => Ok(Decision { claim: new_claim(wish, Some(old), facts.now), from: Some(old.clone()) }),
    }
}

/// Decides a takeover: the task goes to `wish.agent`, whoever has it, if that holder may be replaced.
pub fn take_over(old: &Claim, wish: &Wish, facts: Facts) -> Result<Decision, Refusal> {
    if old.agent_id == wish.agent {
        return Err(Refusal::usage("claim.own", format!("{} is yours already", old.task_id))
            .next(format!("to renew or resume it: teof bus claim {}", old.task_id)));
    }
    if old.status.is_live() {
        replaceable(old, facts)?;
    }
    Ok(Decision { claim: new_claim(wish, Some(old), facts.now), from: Some(old.clone()) })
}

/// Decides a pause by `agent`: of its own claim, or of one whose holder may be replaced. The holder
/// stays named, but an epoch that it was given before is old now when somebody else paused it.
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

/// Decides a release by its holder. `status` may be done, released or paused; what has ended can
/// be told done or released, but never comes back to life this way.
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
        notes: notes.over(old.notes.as_deref()),
        ..old.clone()
    })
}

/// Decides a longer lease for a live claim that is proved by its epoch.
pub fn renew(old: &Claim, agent: &str, epoch: u64, lease: Duration, now: Stamp) -> Result<Claim, Refusal> {
    fence(old, agent, epoch)?;
    if old.status != ClaimStatus::Active {
        return Err(not_live(old));
    }
    // A renewal never makes a lease shorter.
    let until = now.plus(lease).max(old.lease_expires_at.unwrap_or(now));
    Ok(Claim { lease_expires_at: Some(until), ..old.clone() })
}

/// The epoch of a live claim proves it: refuses when `agent` shows one that is not the claim's.
pub fn fence(claim: &Claim, agent: &str, epoch: u64) -> Result<(), Refusal> {
    if claim.epoch == epoch && (claim.agent_id == agent || !claim.status.is_live()) {
        return Ok(());
    }
    Err(old_epoch(&claim.task_id, epoch, claim.epoch, &claim.agent_id, claim.status.as_str()))
}

/// Refuses an epoch that is not the one of the task's claim, whoever holds it and whatever its status: what
/// was begun under it is no longer wanted.
pub fn is_current(task: &str, found: Option<&ClaimFile>, shown: u64) -> Result<(), Refusal> {
    match found {
        Some(claim) if claim.epoch() == shown => Ok(()),
        Some(claim) => {
            let (owner, status) = (claim.agent_id().unwrap_or(""), claim.status_text().unwrap_or("unknown"));
            Err(old_epoch(task, shown, claim.epoch(), owner, status))
        }
        None => Err(Refusal::held("claim.epoch", format!("nobody has claimed {task}"))
            .because(format!("epoch {shown} was shown, and there is no claim that it could be of"))
            .next("leave --epoch out, or see who has what: teof task list")
            .with("task_id", task)
            .with("shown_epoch", shown)),
    }
}

/// Whether `agent` may write to a task (the playbook: claim_guard): without a claim nobody may, after
/// the claim's end anybody may, and in between its owner only. An epoch that is shown must be the
/// claim's, and an old one is refused even after the end.
pub fn may_write(task: &str, found: Option<&ClaimFile>, agent: &str, epoch: Option<u64>) -> Result<(), Refusal> {
    let Some(claim) = found else {
        return Err(Refusal::guard("claim.missing", format!("nobody has claimed {task}"))
            .because("what is written to a task needs a claim of it")
            .next(format!("take it first, assigned and claimed in one step: teof task pickup {task}")));
    };
    let owner = claim.agent_id().unwrap_or("");
    let status = claim.status_text().unwrap_or("unknown");
    if let Some(shown) = epoch.filter(|shown| *shown != claim.epoch()) {
        return Err(old_epoch(task, shown, claim.epoch(), owner, status));
    }
    if claim.is_terminal() || owner == agent {
        return Ok(());
    }
    Err(Refusal::held("claim.not_yours", format!("{task} is claimed by {owner}, not by {agent}"))
        .because(format!("the claim of {owner} is {status}"))
        .next(format!("wait until {owner} releases it, or write to them: teof bus message --task agent-{owner} …"))
        .with("task_id", task)
        .with("agent_id", owner)
        .with("status", status))
}

/// Held by another: says who, on which branch, until when.
pub fn held(claim: &Claim, now: Stamp) -> Refusal {
    let until = match claim.lease_expires_at {
        Some(at) if at <= now => format!("its lease expired at {at}"),
        Some(at) => format!("its lease runs until {at}"),
        None => "it has no lease".to_owned(),
    };
    let Claim { task_id, agent_id, branch, status, .. } = claim;
    let refusal = Refusal::held("claim.held", format!("{task_id} is held by {agent_id}")).because(format!(
        "{agent_id} has it ({status}) on {branch} since {}, epoch {}; {until}",
        claim.claimed_at, claim.epoch
    ));
    let refusal = match claim.lease_expires_at {
        Some(at) if at <= now => refusal.next(format!("if {agent_id} is gone: teof bus takeover {task_id} --reason …")),
        _ => {
            refusal.next(format!("ask {agent_id}: teof bus message --task agent-{agent_id} --type request --summary …"))
        }
    };
    about(refusal, claim)
}

/// Nothing takes a claim from under its own run.
pub fn running(claim: &Claim) -> Refusal {
    let refusal = Refusal::held("claim.running", format!("{} is being worked on", claim.task_id))
        .because(format!("a run of {} is alive on this machine: its run lock is held", claim.agent_id))
        .next("wait for the run to end; see it with: teof coordinator status");
    about(refusal, claim)
}

fn not_live(claim: &Claim) -> Refusal {
    let Claim { task_id, agent_id, status, .. } = claim;
    let refusal = Refusal::guard("claim.ended", format!("nobody holds {task_id} any more"))
        .because(format!("the claim of {agent_id} is {status}"))
        .next(format!("to take it: teof bus claim {task_id}"));
    about(refusal, claim)
}

fn old_epoch(task: &str, shown: u64, current: u64, owner: &str, status: &str) -> Refusal {
    Refusal::held("claim.epoch", format!("the claim of {task} has moved on"))
        .because(format!("epoch {shown} was shown; it is at {current} now, {status}, {owner}'s"))
        .next("stop the work that was begun under the old claim")
        .next(format!("to see who has it: teof task list; to take it when it is free: teof bus claim {task}"))
        .with("task_id", task)
        .with("agent_id", owner)
        .with("status", status)
        .with("epoch", current)
        .with("shown_epoch", shown)
}

fn about(refusal: Refusal, claim: &Claim) -> Refusal {
    refusal
        .with("task_id", claim.task_id.as_str())
        .with("agent_id", claim.agent_id.as_str())
        .with("branch", claim.branch.as_str())
        .with("status", claim.status.as_str())
        .with("epoch", claim.epoch)
        .with("claimed_at", claim.claimed_at.to_string())
        .with("lease_expires_at", claim.lease_expires_at.map(|at| at.to_string()))
}

/// Whether the holder of a live claim may be replaced: its lease has expired or, without one, it has
/// been silent longer than the agent window; never while its run is alive.
fn replaceable(claim: &Claim, facts: Facts) -> Result<(), Refusal> {
    if facts.run_alive {
        return Err(running(claim));
    }
    let Claim { agent_id, .. } = claim;
    let why = match claim::believed_lease(claim.lease_expires_at, facts.now) {
        Some(at) if at <= facts.now => return Ok(()),
        Some(at) => format!("the lease of {agent_id} runs until {at}"),
        None => {
            // A time that has not come says nothing about when the holder was there.
            let claimed = Some(claim.claimed_at).filter(|at| *at <= facts.now.plus(time::SKEW));
            let Some(seen) = facts.owner_seen.max(claimed) else { return Ok(()) };
            if facts.now.since(seen) > facts.window {
                return Ok(());
            }
            let window = time::show_span(facts.window);
            format!("{agent_id} has no lease and wrote at {seen}; only after {window} of silence may it be replaced")
        }
    };
    let refusal = Refusal::held("claim.not_expired", format!("{} is still held by {agent_id}", claim.task_id))
        .because(why)
        .next(format!(
            "ask {agent_id} to release it: teof bus message --task agent-{agent_id} --type request --summary …"
        ));
    Err(about(refusal, claim))
}

fn raised(old: &Claim) -> u64 {
    old.epoch.saturating_add(1)
}

/// A claim by a seat that did not have the task; plan and notes say where the work stands, and stay.
fn new_claim(wish: &Wish, old: Option<&Claim>, now: Stamp) -> Claim {
    Claim {
        task_id: wish.task.clone(),
        agent_id: wish.agent.clone(),
        branch: wish.branch.clone().unwrap_or_else(|| wish.default_branch.clone()),
        status: wish.status,
        claimed_at: now,
        plan_id: wish.plan.clone().or_else(|| old?.plan_id.clone()),
        notes: wish.notes.over(old.and_then(|old| old.notes.as_deref())),
        released_at: released_at(None, wish.status, now),
        epoch: old.map_or(1, raised),
        lease_expires_at: lease(None, wish, now),
    }
}

/// A claim by the seat that has, or last had, the task.
fn again(old: &Claim, wish: &Wish, now: Stamp) -> Claim {
    let acquired = wish.status.is_live() && !old.status.is_live();
    let resumed = wish.status == ClaimStatus::Active && old.status != ClaimStatus::Active;
    Claim {
        branch: wish.branch.clone().unwrap_or_else(|| old.branch.clone()),
        status: wish.status,
        plan_id: wish.plan.clone().or_else(|| old.plan_id.clone()),
        notes: wish.notes.over(old.notes.as_deref()),
        released_at: released_at(old.released_at, wish.status, now),
        epoch: if acquired || resumed { raised(old) } else { old.epoch },
        lease_expires_at: lease(old.lease_expires_at, wish, now),
        ..old.clone()
    }
}

fn released_at(old: Option<Stamp>, status: ClaimStatus, now: Stamp) -> Option<Stamp> {
    if status.is_live() { None } else { old.or(Some(now)) }
}

/// A lease that has run out is not carried over: the claim would be anybody's at once.
fn lease(old: Option<Stamp>, wish: &Wish, now: Stamp) -> Option<Stamp> {
    match wish.lease {
        _ if wish.status != ClaimStatus::Active => None,
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

    fn wish(agent: &str) -> Wish {
        Wish {
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
        let mut claim = claim(None, &wish(agent), facts()).unwrap().claim;
        claim.claimed_at = at("2026-01-05T01:00:00Z");
        claim.notes = Some("halfway".into());
        claim.plan_id = Some("2026-01-05-docs".into());
        claim.status = status;
        claim
    }

    #[test]
    fn a_holder_that_claims_again_keeps_time_plan_notes_and_epoch() {
        let old = held_by("a", ClaimStatus::Active);
        let done = claim(Some(&old), &wish("a"), facts()).unwrap();
        assert_eq!(done, Decision { claim: old.clone(), from: None });
        let mut new = wish("a");
        new.notes = Notes::from_flags(Some("nearly".into()), true);
        assert_eq!(claim(Some(&old), &new, facts()).unwrap().claim.notes.as_deref(), Some("nearly"));
        new.notes = Notes::from_flags(None, true);
        assert_eq!(claim(Some(&old), &new, facts()).unwrap().claim.notes, None);
    }

    #[test]
    fn an_active_claim_is_its_owners_and_any_other_may_be_had() {
        for status in ClaimStatus::ALL {
            let old = held_by("a", status);
            let got = claim(Some(&old), &wish("b"), facts());
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
            let new = claim(Some(&old), &wish("a"), facts()).unwrap().claim;
            assert_eq!((new.epoch, new.claimed_at, new.released_at), (2, old.claimed_at, None), "{status}");
        }
    }

    #[test]
    fn a_holder_is_replaced_only_when_its_time_is_over_and_its_run_dead() {
        let code = |old: &Claim, facts| take_over(old, &wish("b"), facts).map(|d| d.claim.epoch).map_err(|r| r.code);
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
            claim(Some(&paused), &wish("c"), Facts { run_alive: true, ..facts() }).unwrap_err().code,
            "claim.running"
        );
    }

    #[test]
    fn an_old_epoch_writes_nothing() {
        let file = |claim: &Claim| ClaimFile {
            raw: claim.fields().into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        };
        let mut now = held_by("a", ClaimStatus::Active);
        now.epoch = 3;
        let code = |claim: &Claim, agent, epoch| may_write("T", Some(&file(claim)), agent, epoch).map_err(|r| r.code);
        assert_eq!(code(&now, "a", Some(3)), Ok(()));
        assert_eq!(code(&now, "a", Some(2)), Err("claim.epoch"));
        assert_eq!(code(&now, "b", None), Err("claim.not_yours"));
        now.status = ClaimStatus::Done;
        assert_eq!(code(&now, "b", None), Ok(()), "after its end a claim guards nothing");
        assert_eq!(code(&now, "b", Some(2)), Err("claim.epoch"));
        assert_eq!(may_write("T", None, "a", None).unwrap_err().code, "claim.missing");
        assert!(renew(&held_by("a", ClaimStatus::Active), "a", 9, Duration::ZERO, facts().now).is_err());
    }
}
