//! Seats: who they are, when they last gave a sign of life, and what they do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::cached::Timed;
use super::claims::Claim;
use super::events::Known;
use super::jobs::Job;
use crate::base::{Result, Stamp, text, time};
use crate::hub::Hub;
use crate::seats::{freshness, manifest, session};

/// How old the list of manifests and sessions may be.
const LISTED: Duration = Duration::from_secs(2);

/// A seat.
#[derive(Clone, Debug, Serialize)]
pub struct Seat {
    pub id: String,
    /// It has a manifest here or in the hub.
    pub has_manifest: bool,
    /// The roles that its manifest wants.
    pub roles: Vec<String>,
    pub is_manager: bool,
    /// Its latest event; `None` when it never wrote one.
    pub last_event: Option<Stamp>,
    /// Its latest handshake or status.
    pub last_heartbeat: Option<Stamp>,
    /// When its session was started or renewed.
    pub session_at: Option<Stamp>,
    /// The latest sign of life: an event, a session, or its worker at work.
    pub last_seen: Option<Stamp>,
    /// The tasks of its live claims.
    pub tasks: Vec<String>,
    /// The job that it works on: `j7`.
    pub job: Option<String>,
    /// What it does, in a few words; `None` when it does nothing.
    pub doing: Option<String>,
}

/// A manifest or a session.
struct Listed {
    roles: Option<Vec<String>>,
    session_at: Option<Stamp>,
}

/// Manifests and sessions as read last.
#[derive(Default)]
pub(super) struct Seats {
    listed: Timed<BTreeMap<String, Listed>>,
}

impl Seats {
    /// Every seat with a manifest, a session, a live claim, a job or an event of the last week, by id.
    pub fn read(&mut self, hub: &Hub, claims: &[Claim], jobs: &[Job], events: &Known) -> Result<Vec<Seat>> {
        let listed = self.listed.get(LISTED, || list(hub))?;
        let now = hub.now();
        let recent = now.minus(Duration::from_secs(7 * 24 * 3600));
        let mut tasks: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for claim in claims.iter().filter(|claim| claim.is_live) {
            if let Some(seat) = &claim.seat {
                tasks.entry(seat).or_default().push(claim.task.clone());
            }
        }
        let live: BTreeMap<&str, &Job> =
            jobs.iter().filter(|job| !job.is_over).map(|job| (job.seat.as_str(), job)).collect();
        let active = events.seen.iter().filter(|(_, seen)| seen.last.is_some_and(|at| at >= recent));
        let mut ids: BTreeSet<&str> = listed.keys().map(String::as_str).collect();
        ids.extend(active.map(|(agent, _)| agent.as_str()).chain(tasks.keys().copied()).chain(live.keys().copied()));
        ids.remove(crate::guard::operator::OPERATOR);
        Ok(ids.iter().map(|id| seat(id, listed.get(*id), tasks.get(id), live.get(id).copied(), events, now)).collect())
    }
}

fn seat(
    id: &str,
    listed: Option<&Listed>,
    tasks: Option<&Vec<String>>,
    job: Option<&Job>,
    events: &Known,
    now: Stamp,
) -> Seat {
    // A line dated in the future tells nothing.
    let past = |at: Option<Stamp>| at.filter(|at| *at <= now.plus(time::SKEW));
    let seen = events.seen.get(id);
    let last_event = past(seen.and_then(|seen| seen.last));
    let session_at = past(listed.and_then(|listed| listed.session_at));
    let worked = job.and_then(|job| job.last_at);
    let roles = listed.and_then(|listed| listed.roles.clone());
    let tasks = tasks.cloned().unwrap_or_default();
    let doing = match job {
        Some(job) => Some(text::clip(&format!("{} {}: {}", job.short, job.label, job.title), 120)),
        None => tasks.first().map(|first| match tasks.len() {
            1 => format!("holds {first}"),
            n => format!("holds {first} and {} more", n - 1),
        }),
    };
    Seat {
        id: text::safe(id),
        has_manifest: roles.is_some(),
        is_manager: roles.iter().flatten().any(|role| role == "manager"),
        roles: roles.unwrap_or_default(),
        last_event,
        last_heartbeat: past(seen.and_then(|seen| seen.beat)),
        session_at,
        last_seen: last_event.max(session_at).max(worked),
        tasks,
        job: job.map(|job| job.short.clone()),
        doing,
    }
}

fn list(hub: &Hub) -> Result<BTreeMap<String, Listed>> {
    let mut found = BTreeMap::new();
    for seat in session::agents(hub) {
        let session_at = freshness::captured_at(hub, &seat).ok().flatten();
        found.insert(seat, Listed { roles: None, session_at });
    }
    for one in manifest::all(hub)? {
        let roles = one.seat.desired_roles().into_iter().map(text::safe).collect();
        let listed = found.entry(one.agent().to_owned()).or_insert(Listed { roles: None, session_at: None });
        listed.roles = Some(roles);
    }
    Ok(found)
}
