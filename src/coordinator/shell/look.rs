//! One look at the world: what could be given, what could not and why, who could work, what is allowed.

use std::collections::{BTreeMap, BTreeSet};

use super::reviews;
use crate::base::{Refusal, Result};
use crate::bus::holds;
use crate::conductor;
use crate::conductor::candidate::{Taker, Work};
use crate::conductor::select::Reason;
use crate::conductor::sources::{Scope, Submission};
use crate::coordinator::input::{Offer, Seat, Skipped, View};
use crate::coordinator::state::{Phase, State};
use crate::guard::consent::{self, Action, Actor, Cycle};
use crate::hub::Hub;
use crate::model::outcome::Verdict;
use crate::seats::manifest;

/// Looks. Writes nothing, but what was decided on a pull request, which is asked for with `remote`.
pub fn look(hub: &Hub, manager: &str, state: &State, remote: bool) -> Result<View> {
    let mut scope = Scope::enabled(hub)?;
    scope.submissions = state.submissions.iter().map(submission).collect();
    let found = conductor::look(hub, &scope, Taker::Worker, BTreeMap::new())?;
    let standing = consent::standing(hub)?;
    let cycle = Cycle {
        done: state.chosen_since_grant(),
        idle: last_was_idle(state),
        attention: found.prerequisites.attention(),
        ci_failed: found.prerequisites.ci_failed(),
    };
    let refused = |action| standing.require(Actor::Coordinator, action).err().map(|e| words(&e));
    let granted = standing.grant.as_ref().map(|grant| grant.at);
    let most = (!standing.consent.continuous).then_some(standing.consent.max_iterations);
    let ranking = found.ranking;
    let orphans = ranking.skipped.iter().filter(|skipped| skipped.reason == Reason::Orphaned);
    Ok(View {
        seq: state.life.results,
        stop: refused(Action::Execute),
        blind: false,
        no_choice: refused(Action::Cycle(cycle)),
        grant: granted.map(|at| (at, most)),
        holds: on_hold(hub, state)?,
        seats: seats(hub, manager)?,
        orphans: orphans.map(|skipped| skipped.task_id.clone()).collect(),
        reviews: reviews::found(hub, state, remote),
        offers: ranking.eligible.into_iter().map(offer).collect(),
        skipped: ranking.skipped.into_iter().map(skipped).collect(),
    })
}

fn submission(of: &crate::coordinator::state::Submission) -> Submission {
    Submission { task_id: of.task.clone(), plan_id: of.plan.clone(), step_id: of.step.clone() }
}

fn offer(candidate: conductor::candidate::Candidate) -> Offer {
    Offer {
        why: candidate.standing_words(),
        source: match candidate.submitted {
            Some(_) => "submission".to_owned(),
            None => format!("{:?}", candidate.source).to_lowercase(),
        },
        task: candidate.task_id,
        plan: candidate.plan_id.filter(|_| candidate.step_id.is_some()),
        step: candidate.step_id,
        title: candidate.title,
        seat: candidate.assigned_to,
        origin: candidate.origin,
        agents: match candidate.work {
            Work::Agents(names) => names,
            _ => Vec::new(),
        },
    }
}

fn skipped(of: conductor::select::Skipped) -> Skipped {
    Skipped { tell: of.reason.needs_person(), task: of.task_id, why: of.text }
}

/// The jobs' own tasks that are on hold; the selector has left out the others'.
fn on_hold(hub: &Hub, state: &State) -> Result<BTreeSet<String>> {
    let mut held = BTreeSet::new();
    for job in state.live_jobs() {
        if holds::on(hub, &job.task)?.is_some() {
            held.insert(job.task.clone());
        }
    }
    Ok(held)
}

/// The seats that work: every manifest's but the manager's, and those that only review. Where there is no
/// other, the manager works.
fn seats(hub: &Hub, manager: &str) -> Result<Vec<Seat>> {
    let all = manifest::all(hub)?;
    let works = |roles: &[&str]| roles.is_empty() || roles.iter().any(|role| !["manager", "reviewer"].contains(role));
    let workers = all.iter().filter(|found| found.agent() != manager && works(&found.seat.desired_roles()));
    let mut seats: Vec<_> = workers
        .map(|found| Seat {
            id: found.agent().to_owned(),
            daily_limit: Some(found.seat.daily_limit()).filter(|limit| *limit > 0),
        })
        .collect();
    if seats.is_empty() {
        seats.push(Seat { id: manager.to_owned(), daily_limit: None });
    }
    Ok(seats)
}

/// The job that ended last executed nothing: its worker refused to begin.
fn last_was_idle(state: &State) -> bool {
    let over = state.jobs.iter().filter_map(|job| match job.phase {
        Phase::Over { at, .. } => Some((at, job)),
        _ => None,
    });
    let last = over.max_by_key(|(at, _)| *at).map(|(_, job)| job);
    last.and_then(|job| job.last.as_ref()).is_some_and(|last| last.verdict == Some(Verdict::Refused))
}

/// A refusal in one line, with what to do.
fn words(error: &anyhow::Error) -> String {
    let Some(refusal) = Refusal::of(error) else { return format!("{error:#}") };
    let reason = refusal.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let next = refusal.next.last().map(|next| format!(" ({next})")).unwrap_or_default();
    format!("{}{reason}{next}", refusal.message)
}
