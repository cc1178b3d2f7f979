//! Decides why a single candidate cannot be taken; defines the reasons for passing over.
//!
//! Pure: reads no file and asks no clock.

use std::collections::BTreeMap;

use serde::Serialize;

use super::candidate::{Candidate, Source, Standing, Taker, Work};
use crate::model::run::job_name::is_called;

/// The criteria of the choice.
#[derive(Clone, Debug)]
pub struct Criteria<'a> {
    pub taker: Taker<'a>,
    /// Why the backlog's prerequisites are not met; stops only backlog items.
    pub prerequisites: Option<String>,
    /// Tasks that must not be chosen, by any of their names, each with the reason.
    pub excluded: BTreeMap<String, String>,
}

impl<'a> Criteria<'a> {
    pub fn new(taker: Taker<'a>) -> Self {
        Self { taker, prerequisites: None, excluded: BTreeMap::new() }
    }
}

/// Why a candidate was passed over; the codes are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The source cannot be parsed.
    Damaged,
    /// A submission without work that could start now.
    Unavailable,
    /// All steps of its plan are done, and a person must close it.
    Unclosed,
    /// Its file may still be being written.
    Settling,
    /// The same task, or another step of the same plan, is ahead of it.
    Duplicate,
    Excluded,
    Claimed,
    /// Its holder's lease has ended, and nobody has taken it over.
    LeaseOver,
    /// Its plan is in work under another task.
    PlanBusy,
    /// In progress without a holder.
    Orphaned,
    OnHold,
    Blocked,
    /// A dependency is not done.
    Waits,
    /// It depends on something that does not exist, or on itself.
    NeverReady,
    Assigned,
    Prerequisites,
    NothingToRun,
    NotApproved,
    /// A person must complete it.
    Incomplete,
    /// Eligible, but ranked lower.
    Outranked,
}

impl Reason {
    /// Whether only a person can change it: reported once.
    pub fn needs_person(self) -> bool {
        use Reason::{Damaged, Incomplete, LeaseOver, NeverReady, NotApproved, NothingToRun, Unavailable, Unclosed};
        matches!(
            self,
            Damaged | Unavailable | Unclosed | LeaseOver | NeverReady | NothingToRun | NotApproved | Incomplete
        )
    }
}

/// Why a candidate cannot be taken, independent of the others. The most useful reason wins: broken before held, held
/// before unready.
pub(super) fn obstacle(c: &Candidate, criteria: &Criteria<'_>) -> Option<(Reason, String)> {
    match &c.standing {
        Standing::Damaged(why) => return Some((Reason::Damaged, why.clone())),
        Standing::Unavailable(why) => return Some((Reason::Unavailable, why.clone())),
        Standing::Unclosed(why) => return Some((Reason::Unclosed, why.clone())),
        Standing::Settling => {
            return Some((
                Reason::Settling,
                "its file was written just now; it starts once the file stops changing".into(),
            ));
        }
        _ => {}
    }
    let is_meant = |name: &str| is_called(name, &c.task_id, c.plan_id.as_deref(), c.step_id.as_deref());
    if let Some((_, why)) = criteria.excluded.iter().find(|(name, _)| is_meant(name)) {
        return Some((Reason::Excluded, why.clone()));
    }
    if let Some(holder) = &c.held {
        let reason = if holder.lease_over { Reason::LeaseOver } else { Reason::Claimed };
        return Some((reason, holder.describe(&c.task_id)));
    }
    if let Some(who) = &c.on_hold {
        return Some((Reason::OnHold, format!("on hold: {who}")));
    }
    match &c.standing {
        Standing::Blocked(what) => return Some((Reason::Blocked, what.clone())),
        Standing::InProgress => return Some((Reason::Orphaned, "in progress, but no live claim holds it".into())),
        _ => {}
    }
    if let Some(wait) = &c.waits {
        let reason = if wait.needs_person() { Reason::NeverReady } else { Reason::Waits };
        return Some((reason, wait.describe()));
    }
    if c.source == Source::Backlog
        && let Some(why) = &criteria.prerequisites
    {
        return Some((Reason::Prerequisites, why.clone()));
    }
    match criteria.taker {
        Taker::Seat(seat) => match &c.assigned_to {
            Some(other) if other != seat => Some((Reason::Assigned, format!("assigned to {other}"))),
            _ => None,
        },
        Taker::Worker => unready(c),
    }
}

/// What an unattended worker lacks.
fn unready(c: &Candidate) -> Option<(Reason, String)> {
    match &c.work {
        Work::Nothing => {
            return Some((
                Reason::NothingToRun,
                "it has no commands and no agent: claim it yourself, or choose an agent (teof init --role coder=claude)".into(),
            ));
        }
        Work::NotApproved(why) => return Some((Reason::NotApproved, why.clone())),
        Work::UnknownAgent(name, next) => {
            let why = format!("it needs the agent {name}, which cannot be called: {next}");
            return Some((Reason::NothingToRun, why));
        }
        Work::NoRoute(why) => return Some((Reason::NothingToRun, why.clone())),
        Work::Commands | Work::Agents(_) => {}
    }
    (!c.missing.is_empty()).then(|| (Reason::Incomplete, format!("a person must add: {}", lacks(c))))
}

/// The missing parts in the playbook's terms, each with what is enough.
fn lacks(c: &Candidate) -> String {
    let test = match (&c.plan_id, &c.step_id) {
        (Some(plan), Some(step)) => {
            format!("teof plan step set {plan} {step} --test \"…\", then teof plan approve {plan}; or for all work, ")
        }
        _ => String::new(),
    };
    let test = format!("{test}teof init --test \"…\", then teof consent grant");
    let each = c.missing.iter().map(|name| match *name {
        "goal" => "goal (an objective)".to_owned(),
        "acceptance" => "acceptance (the step's checkpoint)".to_owned(),
        "verification" => format!("verification (a test, or an expected receipt: {test})"),
        "risk" => "risk (a diff limit)".to_owned(),
        "targets" => "targets (a layer and systemic targets)".to_owned(),
        other => other.to_owned(),
    });
    each.collect::<Vec<_>>().join(", ")
}
