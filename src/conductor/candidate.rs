//! A piece of work that could be chosen, with the facts that decide about it. Only data.

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

/// A piece of work, with every fact that the choice depends on.
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
    /// Its place in the operator's queue, if it was submitted: before everything that was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submitted: Option<usize>,
    pub priority: Priority,
    /// Its place in its source; plans have no order among themselves.
    pub position: usize,
    /// Older work comes first; unknown age counts as the youngest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Stamp>,
    /// The seat that a manager wishes for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
    #[serde(skip)]
    pub standing: Standing,
    /// What has to be done before it.
    #[serde(skip)]
    pub waits: Option<Wait>,
    #[serde(skip)]
    pub held: Option<Holder>,
    /// Who put the task on hold, and what they said.
    #[serde(skip)]
    pub on_hold: Option<String>,
    /// The plan is not there yet: it is made of this when the work is given.
    #[serde(skip)]
    pub origin: Option<Link>,
    #[serde(skip)]
    pub work: Work,
    /// How hard it is and who does what, when agents do it.
    #[serde(skip)]
    pub route: Option<(Complexity, Route)>,
    /// What a work order made of it would lack (goal, acceptance, verification, targets).
    #[serde(skip)]
    pub missing: Vec<&'static str>,
}

/// What the source itself says of a candidate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// To be done.
    #[default]
    Open,
    /// The item, the step or its plan is blocked; says which.
    Blocked(String),
    /// The backlog says that somebody has it. Without a live claim nobody has.
    InProgress,
    /// It cannot be understood; says why.
    Damaged(String),
    /// It is not there, or not next in its plan; says why.
    Unavailable(String),
    /// All steps of its plan are done, and a person is to close the plan; says how.
    Unclosed(String),
    /// Its file was written a moment ago, and may not be whole.
    Settling,
}

/// Who has a task, or the plan that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub agent: String,
    /// The claim's task: another one when the plan is held, not the step.
    pub task_id: String,
    pub status: ClaimStatus,
    pub until: Option<Stamp>,
}

/// What an unattended worker would run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Work {
    /// Nothing: a person or an agent has to read it and decide.
    #[default]
    Nothing,
    Commands,
    /// Agents of these names; commands alone may play the roles too.
    Agents(Vec<String>),
    /// Commands whose exact bytes nobody approved and no trusted allow-list matches; says which one,
    /// and what to do.
    NotApproved(String),
    /// An agent of this name, which neither the settings nor a preset describes; says what to do.
    UnknownAgent(String, String),
    /// Agents would do it, and something in the settings or the seats is in the way; says what.
    NoRoute(String),
}

/// Who is going to do the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taker<'a> {
    /// This seat, which reads the task itself: nothing has to be there to run.
    Seat(&'a str),
    /// A worker of the coordinator, unattended: an assignment says which seat, commands are needed.
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
            missing: Vec::new(),
        }
    }

    /// Why it stands where it stands, in a few words: for the decision log.
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
            format!("; complexity {}, {}", complexity.score, route.summary)
        });
        match self.submitted {
            Some(place) => format!("submitted (place {}), priority {}, {source}{route}", place + 1, self.priority),
            None => format!("priority {}, {source}{route}", self.priority),
        }
    }
}

impl Holder {
    /// Who has it, and until when.
    pub(super) fn describe(&self, task: &str) -> String {
        let what = match self.task_id == task {
            true => String::new(),
            false => format!(" (under {})", self.task_id),
        };
        let verb = if self.status == ClaimStatus::Paused { "paused by" } else { "held by" };
        let until = self.until.map(|at| format!(" until {at}")).unwrap_or_default();
        format!("{verb} {}{what}{until}", self.agent)
    }
}

/// What is said of a candidate first stands, unless something makes it unreadable.
pub(super) fn replace_open(standing: &mut Standing, by: Standing) {
    if *standing == Standing::Open || matches!(by, Standing::Damaged(_)) {
        *standing = by;
    }
}
