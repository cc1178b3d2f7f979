//! Observes the record for a decision: what can be assigned, what cannot and why, which seats can work, what is
//! allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::trials;
use crate::base::{Refusal, Result, Stamp};
use crate::conductor;
use crate::conductor::alert::{self, Topic};
use crate::conductor::candidate::{Taker, Work};
use crate::conductor::select::Reason;
use crate::conductor::sources::{Scope, Submission};
use crate::coordinator::executor::{assign, reviews};
use crate::coordinator::pauses;
use crate::coordinator::state::input::{LeftAs, Offer, Seat, Skipped, Snapshot};
use crate::coordinator::state::{Phase, State};
use crate::foreman::commands::executor;
use crate::guard::consent::{self, Action, Actor, Cycle};
use crate::guard::prerequisites::Prerequisites;
use crate::hub::Hub;
use crate::model::run::outcome::Verdict;
use crate::ops::doctor::room;
use crate::plans::reader::Reader;
use crate::seats::{freshness, manifest, pool, retired, session};

/// Notices for people on the bus: what prevents work from being chosen.
pub struct Notices {
    prerequisites: Prerequisites,
    /// Backlog items wait for them.
    waiting: bool,
    danger: Option<String>,
}

impl Notices {
    /// Reports new notices as an event and a message; a notice that ended is reported again when it comes back.
    fn notify(&self, hub: &Hub, manager: &str) -> Result<()> {
        let unmet = self.prerequisites.failure();
        if self.waiting || unmet.is_none() {
            alert::notify(hub, manager, Topic::Prerequisites, unmet.as_deref(), &self.prerequisites)?;
        }
        alert::notify(hub, manager, Topic::Danger, self.danger.as_deref(), &self.prerequisites).map(drop)
    }
}

/// Reads the snapshot, and reports new obstacles to the bus. A one-shot run reports nothing and chooses nothing, so it
/// does not look for work, which takes long where there is much.
pub fn observe_and_notify(
    hub: &Hub,
    manager: &str,
    state: &State,
    (remote, one_shot): (bool, bool),
    plans: &mut Reader,
) -> Result<Snapshot> {
    if one_shot {
        return without_work(hub, manager, state, remote);
    }
    let (mut snapshot, notices) = observe(hub, manager, state, remote, plans)?;
    snapshot.trials = trials::observe(hub, state).inspect_err(|e| tracing::debug!("cannot try merges: {e:#}")).ok();
    if let Err(e) = notices.notify(hub, manager) {
        tracing::warn!("cannot report obstacles to the bus: {e:#}");
    }
    Ok(snapshot)
}

/// Reads the snapshot. Writes only decisions found on pull requests (queried with `remote`), and a scan that checks
/// whether the pause is still justified.
pub fn observe(
    hub: &Hub,
    manager: &str,
    state: &State,
    remote: bool,
    plans: &mut Reader,
) -> Result<(Snapshot, Notices)> {
    let mut scope = Scope::enabled(hub)?;
    scope.submissions = state.submissions.iter().map(submission).collect();
    let found = conductor::observe_with(hub, &scope, Taker::Worker, BTreeMap::new(), plans)?;
    let standing = consent::standing(hub)?;
    let granted = standing.grant.as_ref().map(|grant| grant.at);
    let is_counted = state.grant.as_ref().map(|grant| grant.at) == granted;
    let cycle = Cycle {
        done: if is_counted { state.chosen_since_grant() } else { 0 },
        idle: last_was_idle(state, granted),
        attention: found.prerequisites.attention(),
        ci_failed: found.prerequisites.ci_failed(),
    };
    let refused = |action| standing.require(Actor::Coordinator, action).err().map(|e| one_line(&e));
    let ranking = found.ranking;
    pauses::refresh(hub)?;
    let mut obstacles = pauses::of_choice(hub)?;
    if !ranking.eligible.is_empty() {
        // Before anything is claimed for work that could not start.
        obstacles.extend(executor::check(hub).err().map(|e| one_line(&e)));
    }
    let danger = Some(obstacles.join("; ")).filter(|words| !words.is_empty());
    let settles = ranking.skipped.iter().any(|skipped| skipped.reason == Reason::Settling);
    // File times are finer than stamps.
    let settle = hub.settings()?.sources.settle + Duration::from_secs(1);
    let waiting = ranking.skipped.iter().any(|skipped| skipped.reason == Reason::Prerequisites);
    let notices = Notices { prerequisites: found.prerequisites, waiting, danger: danger.clone() };
    let orphans = ranking.skipped.iter().filter(|skipped| skipped.reason == Reason::Orphaned);
    let snapshot = Snapshot {
        seq: state.volatile.results,
        stop: refused(Action::Execute),
        unreadable: false,
        no_choice: refused(Action::Cycle(cycle)),
        danger,
        no_room: room::lacking(hub, state.volatile.seen.as_ref().is_some_and(|seen| seen.no_room.is_some()))?,
        grant: granted.map(|at| (at, standing.jobs())),
        only: standing.only().cloned(),
        again: settles.then(|| hub.now().plus(settle)),
        holds: on_hold(hub, state)?,
        seats: seats(hub, manager)?,
        seat_names: seat_names(hub)?,
        orphans: orphans.map(|skipped| skipped.task_id.clone()).collect(),
        reviews: reviews::found(hub, state, remote),
        trials: None,
        offers: ranking.eligible.into_iter().map(|candidate| offer(hub, manager, candidate)).collect(),
        skipped: ranking.skipped.into_iter().map(|of| skipped(state, of)).collect(),
    };
    Ok((snapshot, notices))
}

fn without_work(hub: &Hub, manager: &str, state: &State, remote: bool) -> Result<Snapshot> {
    let standing = consent::standing(hub)?;
    Ok(Snapshot {
        seq: state.volatile.results,
        stop: standing.require(Actor::Coordinator, Action::Execute).err().map(|e| one_line(&e)),
        grant: standing.grant.as_ref().map(|grant| (grant.at, standing.jobs())),
        only: standing.only().cloned(),
        holds: on_hold(hub, state)?,
        seats: seats(hub, manager)?,
        seat_names: seat_names(hub)?,
        reviews: reviews::found(hub, state, remote),
        ..Snapshot::default()
    })
}

fn submission(of: &crate::coordinator::state::submission::Submission) -> Submission {
    Submission { task_id: of.task.clone(), plan_id: of.plan.clone(), step_id: of.step.clone(), priority: of.priority }
}

fn offer(hub: &Hub, manager: &str, candidate: conductor::candidate::Candidate) -> Offer {
    let wanted = candidate.assigned_to.clone().filter(|_| !assign::is_for_a_job(hub, manager, &candidate.task_id));
    Offer {
        why: candidate.describe_standing(),
        source: match candidate.submitted {
            Some(_) => Offer::SUBMISSION.to_owned(),
            None => format!("{:?}", candidate.source).to_lowercase(),
        },
        task: candidate.task_id,
        plan: candidate.plan_id.filter(|_| candidate.step_id.is_some()),
        step: candidate.step_id,
        title: candidate.title,
        priority: candidate.priority,
        seat: wanted,
        paths: candidate.paths,
        origin: candidate.origin,
        agents: match candidate.work {
            Work::Agents(names) => names,
            _ => Vec::new(),
        },
    }
}

/// Why blocked work is blocked, where its job is known.
fn blocked(state: &State, of: &conductor::select::Skipped) -> Option<String> {
    let newest = state.jobs.iter().rev().find(|job| of.reason == Reason::Blocked && job.task == of.task_id)?;
    let short = newest.short();
    newest.is_over().then(|| format!("{short} is {}; to retry it: teof review retry {short}", newest.label()))
}

fn skipped(state: &State, of: conductor::select::Skipped) -> Skipped {
    let is_claimed = matches!(of.reason, Reason::Claimed | Reason::LeaseOver);
    let job = state.live_jobs().find(|job| is_claimed && job.task == of.task_id);
    // A job's own claim is renewed when it goes on.
    let reason = if job.is_some() { Reason::Claimed } else { of.reason };
    let is_submitted = state.submissions.iter().any(|one| one.is_called(&of.task_id));
    let left = match reason {
        Reason::Blocked => LeftAs::Blocked,
        Reason::Unclosed if is_submitted => LeftAs::Waiting,
        Reason::OnHold | Reason::Prerequisites => LeftAs::Waiting,
        // Its work is finished, like that of a result under review.
        Reason::Unclosed => LeftAs::Uncounted,
        reason if reason.needs_person() => LeftAs::Waiting,
        _ => LeftAs::Uncounted,
    };
    // Its seat keeps the claim until a person has decided; that is not what anybody wants to know.
    let why = match job.map(|job| (job.short(), &job.phase)) {
        Some((job, Phase::Review { .. })) => format!("waits for your review: teof review {job}"),
        Some((job, Phase::Question { .. })) => format!("waits for your answer: teof logs {job}"),
        _ => blocked(state, &of).unwrap_or(of.text),
    };
    Skipped { tell: reason.needs_person(), task: of.task_id, why, left }
}

/// The tasks of jobs that are on hold; the selector leaves out other tasks on hold.
fn on_hold(hub: &Hub, state: &State) -> Result<BTreeSet<String>> {
    let mut held = BTreeSet::new();
    for job in state.live_jobs() {
        if pauses::hold(hub, job)?.is_some() {
            held.insert(job.task.clone());
        }
    }
    Ok(held)
}

/// The seats that work, and which of them are in interactive use: the one whose manifest is in
/// the hub as `AGENT_MANIFEST.json`, and those that somebody booted a short while ago.
fn seats(hub: &Hub, manager: &str) -> Result<Vec<Seat>> {
    let stale = hub.settings()?.session.pool_stale;
    // One that cannot be read is named by `doctor`, and is nobody's.
    let current = manifest::current(hub).ok().flatten();
    let workers = pool::workers(hub, manager)?.into_iter();
    workers
        .map(|found| {
            let is_current = current.as_ref().is_some_and(|current| current.agent() == found.agent());
            Ok(Seat {
                id: found.agent().to_owned(),
                daily_limit: Some(found.seat.daily_limit()).filter(|limit| *limit > 0),
                interactive: is_current || freshness::is_interactive(hub, found.agent(), stale)?,
            })
        })
        .collect()
}

/// The names that no new seat can have: a manifest has them, readable or not, a retired seat has, or somebody booted a
/// session of that name a short while ago.
fn seat_names(hub: &Hub) -> Result<BTreeSet<String>> {
    let named = |(path, found): (PathBuf, Result<Option<manifest::Manifest>>)| {
        let file =
            path.file_name()?.to_str()?.strip_prefix("AGENT_MANIFEST.")?.strip_suffix(".json").map(str::to_owned);
        found.ok().flatten().map(|found| found.agent().to_owned()).or(file)
    };
    let mut names: BTreeSet<String> = manifest::scan(hub)?.into_iter().filter_map(named).collect();
    names.extend(retired::ids(hub));
    let stale = hub.settings()?.session.pool_stale;
    for agent in session::agents(hub) {
        if !names.contains(&agent) && freshness::is_interactive(hub, &agent, stale)? {
            names.insert(agent);
        }
    }
    Ok(names)
}

/// Whether the last finished job executed nothing, because its worker refused to start. Jobs before the last grant do
/// not count.
fn last_was_idle(state: &State, granted: Option<Stamp>) -> bool {
    let ended = state.jobs.iter().filter_map(|job| match job.phase {
        Phase::Over { at, .. } | Phase::Review { since: at } => Some((at, job)),
        _ => None,
    });
    let last = ended.max_by_key(|(at, _)| *at).filter(|(at, _)| granted.is_none_or(|granted| *at > granted));
    last.and_then(|(_, job)| job.last.as_ref()).is_some_and(|last| last.verdict == Some(Verdict::Refused))
}

/// A refusal in one line, with its fixes.
pub(super) fn one_line(error: &anyhow::Error) -> String {
    let Some(refusal) = Refusal::of(error) else { return format!("{error:#}") };
    let reason = refusal.reason.as_deref().map(|reason| format!(": {}", reason.replace('\n', "; ")));
    let reason = reason.unwrap_or_default();
    let next = refusal.next.last().map(|next| format!("; {next}")).unwrap_or_default();
    format!("{}{reason}{next}", refusal.message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::state::{Ending, Job, Last};
    use serde_json::json;

    fn refused(at: i64) -> Job {
        let at = Stamp::from_unix(at);
        let job = json!({
            "id": "j", "task": "T", "plan": null, "step": null, "origin": null, "title": "t", "source": "plan",
            "seat": "a", "phase": {"is": "held"}, "epoch": null, "order": null, "run": 1, "failures": 0,
            "interruptions": 0, "wish": null, "last": null, "chosen_at": at,
        });
        let last = Last {
            run: "j.1".into(),
            verdict: Some(Verdict::Refused),
            reason: "no program".into(),
            commit: None,
            envelope: None,
            bundle: None,
            passes: 0,
            session: None,
            output: None,
            question: None,
        };
        let phase = Phase::Over { ending: Ending::Blocked, at };
        Job { phase, last: Some(last), ..serde_json::from_value(job).unwrap() }
    }

    #[test]
    fn a_refused_job_stops_choice_until_a_new_grant_or_a_job_that_ran() {
        let at = |seconds| Some(Stamp::from_unix(seconds));
        let mut state = State { jobs: vec![refused(100)], ..State::new() };
        assert!(last_was_idle(&state, None) && last_was_idle(&state, at(50)));
        assert!(!last_was_idle(&state, at(150)), "granted since");
        let mut ran = refused(0);
        ran.phase = Phase::Review { since: Stamp::from_unix(120) };
        ran.last = ran.last.map(|last| Last { verdict: Some(Verdict::Succeeded), ..last });
        state.jobs.push(ran);
        assert!(!last_was_idle(&state, at(50)), "what waits for a person has run");
    }
}
