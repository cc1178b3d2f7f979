//! A candidate for the choice, with all relevant facts. Only data.

use serde::Serialize;

use super::routing::Route;
use crate::base::Stamp;
use crate::model::claim::ClaimStatus;
use crate::model::plan::Link;
use crate::model::priority::Priority;
use crate::model::run::order::Complexity;
use crate::plans::dependencies::Wait;

/// Where a candidate comes from. The order is the order of positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Named by an operator, and found nowhere else.
    Submission,
    /// Assigned by a manager, and found nowhere else.
    Assignment,
    Backlog,
    Plan,
    /// A planned feature request.
    Vault,
    /// An entry of the queue.
    Queue,
}

/// A candidate, with every fact that the choice depends on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// The source's own id, else `<plan>-<step>`.
    pub task_id: String,
    pub source: Source,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_id: Option<String>,
    pub title: String,
    /// Its place in the operator's queue, if submitted; submissions come first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submitted: Option<usize>,
    pub priority: Priority,
    /// Its place in its source; plans have no order among themselves.
    pub position: usize,
    /// Older work comes first; unknown age counts as the youngest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Stamp>,
    /// The seat assigned by a manager.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
    #[serde(skip)]
    pub standing: Standing,
    /// Its unfinished dependencies.
    #[serde(skip)]
    pub waits: Option<Wait>,
    #[serde(skip)]
    pub held: Option<Holder>,
    /// The hold's author and text.
    #[serde(skip)]
    pub on_hold: Option<String>,
    /// The source of its plan, which is created on assignment.
    #[serde(skip)]
    pub origin: Option<Link>,
    #[serde(skip)]
    pub work: Work,
    /// Complexity and route, when agents do it.
    #[serde(skip)]
    pub route: Option<(Complexity, Route)>,
    /// The globs of what it may change, where its step declares them.
    #[serde(skip)]
    pub paths: Vec<String>,
    /// What its work order would lack (goal, acceptance, verification, targets).
    #[serde(skip)]
    pub missing: Vec<&'static str>,
}

/// A candidate's state in its source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// To be done.
    #[default]
    Open,
    /// The item, the step or its plan is blocked; holds which.
    Blocked(String),
    /// In progress according to the backlog; without a live claim nobody holds it.
    InProgress,
    /// It cannot be parsed; holds the reason.
    Damaged(String),
    /// It does not exist, or is not next in its plan; holds the reason.
    Unavailable(String),
    /// All steps of its plan are done, and a person must close the plan; holds the fix.
    Unclosed(String),
    /// Its file was just written and may be incomplete.
    Settling,
}

/// The holder of a task or of its plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub agent: String,
    /// The claim's task; differs when the plan is held instead of the step.
    pub task_id: String,
    pub status: ClaimStatus,
    pub until: Option<Stamp>,
    /// Its lease has ended, and no run works for it.
    pub lease_over: bool,
}

/// What an unattended worker would run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Work {
    /// Nothing: a person or an agent must read it and decide.
    #[default]
    Nothing,
    Commands,
    /// These agents; roles may also be commands.
    Agents(Vec<String>),
    /// Commands that are neither approved nor on a trusted allow-list; holds the first one and the fix.
    NotApproved(String),
    /// An agent without settings or preset; holds its name and the fix.
    UnknownAgent(String, String),
    /// Agents would do it, but settings or seats prevent it; holds the reason.
    NoRoute(String),
}

/// Who will do the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taker<'a> {
    /// This seat, which reads the task itself, so no commands are needed.
    Seat(&'a str),
    /// An unattended worker of the coordinator: needs a seat from an assignment, and commands.
    Worker,
}

impl Candidate {
    /// An open candidate of which nothing else is known.
    pub fn new(task: &str, source: Source) -> Self {
        Self {
            task_id: task.to_owned(),
            source,
            plan_id: None,
            step_id: None,
            title: String::new(),
            submitted: None,
            priority: Default::default(),
            position: 0,
            created: None,
            assigned_to: None,
            standing: Standing::Open,
            waits: None,
            held: None,
            on_hold: None,
            origin: None,
            work: Default::default(),
            route: None,
            paths: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// The reason for its rank, for the decision log.
    pub fn describe_standing(&self) -> String {
        let source = match self.source {
            Source::Submission => "submission".to_owned(),
            Source::Assignment => "assignment".to_owned(),
            Source::Backlog => format!("place {} in the backlog", self.position + 1),
            Source::Plan => "open plan".to_owned(),
            Source::Vault => "planned in the vault".to_owned(),
            Source::Queue => "queue entry".to_owned(),
        };
        let route = self.route.as_ref();
        let route = route.map_or_else(String::new, |(complexity, route)| {
            format!("; complexity {} of 10, {}", complexity.score, route.summary)
        });
        match self.submitted {
            Some(place) => format!("submitted (place {}), priority {}, {source}{route}", place + 1, self.priority),
            None => format!("priority {}, {source}{route}", self.priority),
        }
    }
}

impl Holder {
    /// The holder, and until when.
    pub(super) fn describe(&self, task: &str) -> String {
        let what = match self.task_id == task {
            true => String::new(),
            false => format!(" (under {})", self.task_id),
        };
        if let (true, Some(at)) = (self.lease_over, self.until) {
            return format!(
                "the lease of {}{what} ended at {at}; any seat may take it over: teof bus claim {}",
                self.agent, self.task_id
            );
        }
        let verb = if self.status == ClaimStatus::Paused { "paused by" } else { "held by" };
        let until = self.until.map(|at| format!(" until {at}")).unwrap_or_default();
        format!("{verb} {}{what}{until}", self.agent)
    }
}

/// Keeps the first standing of a candidate, unless it is damaged.
pub(super) fn replace_open(standing: &mut Standing, by: Standing) {
    if *standing == Standing::Open || matches!(by, Standing::Damaged(_)) {
        *standing = by;
    }
}
