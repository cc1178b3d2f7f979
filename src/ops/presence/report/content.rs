//! The content of the manager report, read from all stores.

use serde::Serialize;
use serde_json::{Map, Value};

use super::handoffs::{self, Handoff};
use super::plans::{self, OpenPlan, PlanIssue};
use super::tasks::{self, TaskNote};
use crate::base::{Result, Stamp, json};
use crate::bus::log::Log;
use crate::bus::{Damaged, assignments, claims};
use crate::guard::prerequisites::AUTHENTICITY;
use crate::guard::{Finding, sentinels};
use crate::hub::Hub;
use crate::model::assignment::AssignmentFile;
use crate::model::claim::{ClaimFile, ClaimStatus};
use crate::model::event::Severity;
use crate::ops::presence::heartbeat::{self, Windows};
use crate::ops::presence::observe;
use crate::ops::tasks::disagreements::{self, Disagreement};
use crate::plans::requests::queue::Warning;

/// How far back alerts go, in seconds, and how many are shown.
const ALERTS: (u64, usize) = (24 * 3600, 20);
/// How many feeds that need attention are shown (the playbook: manager_report).
const FEEDS: usize = 5;

/// The report.
#[derive(Clone, Debug, Serialize)]
pub struct ManagerReport {
    pub generated_at: Stamp,
    pub manager: String,
    /// As `bus heartbeat` answers, with its default windows.
    pub heartbeat: Map<String, Value>,
    pub stale_claims: Vec<Finding>,
    /// Assignments that no claim follows.
    pub unclaimed: Vec<Unclaimed>,
    /// Claims that differ from their assignments.
    pub disagreements: Vec<Disagreement>,
    /// Uncommitted changes that a seat looks after; those of retired seats are left out.
    pub handoffs: Vec<Handoff>,
    /// Events of medium and high severity; newest last.
    pub alerts: Vec<Map<String, Value>>,
    /// Active and paused claims.
    pub claims: Vec<LiveClaim>,
    pub plans: Vec<OpenPlan>,
    pub plan_issues: Vec<PlanIssue>,
    pub queue_warnings: Vec<Warning>,
    /// The report on external feeds, if the tree has one.
    pub authenticity: Option<Value>,
    pub tasks: Vec<TaskNote>,
    /// Unreadable files.
    pub damaged: Vec<Damaged>,
}

#[derive(Clone, Debug, Serialize)]
pub struct LiveClaim {
    pub task_id: String,
    pub agent_id: Option<String>,
    pub status: Option<String>,
    pub branch: Option<String>,
    pub plan_id: Option<String>,
    pub claimed_at: Option<Stamp>,
    pub lease_expires_at: Option<Stamp>,
    pub notes: Option<String>,
}

/// An assignment without a claim, or whose claim was released.
#[derive(Clone, Debug, Serialize)]
pub struct Unclaimed {
    pub task_id: String,
    pub engineer: Option<String>,
    pub manager: Option<String>,
    pub assigned_at: Option<Stamp>,
    pub plan_id: Option<String>,
}

/// Reads the report; `manager` is the seat that asks.
///
/// # Errors
/// When a store cannot be read at all.
pub fn read(hub: &Hub, manager: &str) -> Result<ManagerReport> {
    let log = Log::read(hub)?;
    let (claims, assignments) = (claims::list(hub)?, assignments::list(hub)?);
    let observed = observe::observe(hub, &log, &claims.whole, Windows::default(), &[])?;
    let facts = observed.facts;
    let handoffs = handoffs::pending(hub, &facts.retired)?;
    let unclaimed: Vec<Unclaimed> = assignments
        .whole
        .iter()
        .filter(|(task, _)| claims.get(task).is_none_or(|claim| claim.status() == Some(ClaimStatus::Released)))
        .map(|(task, assignment)| Unclaimed::of(task, assignment))
        .collect();
    let live: Vec<LiveClaim> = claims
        .whole
        .iter()
        .filter(|(_, claim)| claim.is_live())
        .map(|(task, claim)| LiveClaim::of(task, claim))
        .collect();
    let named = live.iter().map(|claim| &claim.task_id).chain(unclaimed.iter().map(|found| &found.task_id));
    let tasks = tasks::read(hub, named, &claims, &assignments)?;
    let (plan_issues, queue_warnings) = plans::issues(hub)?;
    Ok(ManagerReport {
        generated_at: hub.now(),
        manager: manager.to_owned(),
        heartbeat: heartbeat::evaluate(&facts, Windows::default()).document(),
        stale_claims: sentinels::stale_claims(hub)?,
        disagreements: disagreements::all(hub)?,
        alerts: alerts(hub, &log)?,
        plans: plans::open(hub),
        authenticity: authenticity(hub),
        damaged: claims.damaged.into_iter().chain(assignments.damaged).collect(),
        claims: live,
        unclaimed,
        handoffs,
        plan_issues,
        queue_warnings,
        tasks,
    })
}

impl LiveClaim {
    fn of(task: &str, claim: &ClaimFile) -> LiveClaim {
        let text = |text: Option<&str>| text.map(str::to_owned);
        LiveClaim {
            task_id: task.to_owned(),
            agent_id: text(claim.agent_id()),
            status: text(claim.status_text()),
            branch: text(claim.branch()),
            plan_id: text(claim.plan_id()),
            claimed_at: claim.claimed_at(),
            lease_expires_at: claim.lease_expires_at(),
            notes: text(claim.notes()),
        }
    }
}

impl Unclaimed {
    fn of(task: &str, assignment: &AssignmentFile) -> Unclaimed {
        let text = |text: Option<&str>| text.map(str::to_owned);
        Unclaimed {
            task_id: task.to_owned(),
            engineer: text(assignment.engineer()),
            manager: text(assignment.manager()),
            assigned_at: assignment.assigned_at(),
            plan_id: text(assignment.plan_id()),
        }
    }
}

/// The latest events of medium and high severity.
fn alerts(hub: &Hub, log: &Log<'_>) -> Result<Vec<Map<String, Value>>> {
    let since = hub.now().minus(std::time::Duration::from_secs(ALERTS.0));
    let lines = log.latest(Some(since), ALERTS.1, |view| {
        view.severity.as_deref().and_then(Severity::parse).is_some_and(|severity| severity >= Severity::Medium)
    })?;
    Ok(lines.iter().filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// Overall trust, tiers and the first feeds that need attention. A report that cannot be read is left out: whether it
/// may be relied on is for the prerequisites to say.
fn authenticity(hub: &Hub) -> Option<Value> {
    let mut raw = json::read_object(&hub.path(AUTHENTICITY).ok()?).ok()??;
    raw.retain(|key, _| ["generated_at", "overall_avg_trust", "tiers", "attention_feeds"].contains(&key.as_str()));
    if let Some(feeds) = raw.get_mut("attention_feeds").and_then(Value::as_array_mut) {
        feeds.truncate(FEEDS);
    }
    Some(Value::Object(raw))
}
