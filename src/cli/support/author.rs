//! The flags that every writing command shares: the seat that writes, and its proof of the right to.

use std::time::Duration;

use serde::Serialize;

use super::app::App;
use super::help::MORE;
use crate::base::{Refusal, Result, env, time};
use crate::guard::claim::{self, Author};
use crate::guard::operator::{self, OPERATOR, Recognised};
use crate::hub::{Hub, Request};
use crate::seats;
use crate::seats::freshness::{self, Freshness, Rule};

/// Warns of seats in a filter that the hub does not know: nothing will match them.
///
/// # Errors
/// When the manifests cannot be listed.
pub fn warn_of_unknown(app: &App, hub: &Hub, agents: &[String]) -> Result<()> {
    for agent in agents.iter().filter(|agent| *agent != OPERATOR) {
        if let Some(unknown) = seats::known::unknown(hub, agent)? {
            app.warn(unknown);
        }
    }
    Ok(())
}

#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// Act as this seat [default: TEOF_AGENT, else this worktree's]
    #[arg(long, value_name = "SEAT")]
    pub agent: Option<String>,
    /// Your claim's epoch; a write with an old epoch is rejected
    #[arg(long, value_name = "N", help_heading = MORE)]
    pub epoch: Option<u64>,
    /// Continue although the session is missing or stale; recorded
    #[arg(long, help_heading = MORE)]
    pub allow_stale_session: bool,
    /// How old the session may be, such as 30m, at most 24h; recorded when longer than the hub allows
    #[arg(long, value_name = "DURATION", value_parser = span, help_heading = MORE)]
    pub session_max_age: Option<Duration>,
}

impl Flags {
    /// The author of a write; `task` is what it is about, if it is about one.
    ///
    /// # Errors
    /// `epoch.no_task`: an epoch that is shown for nothing would not be checked.
    pub fn author(&self, hub: &Hub, task: Option<&str>) -> Result<Author> {
        if self.epoch.is_some() && task.is_none() {
            return Err(no_task().into());
        }
        let session = Rule { max_age: self.max_age()?, allow_stale: self.allow_stale_session };
        let agent = seat(hub, self.agent.as_deref())?;
        let is_person = self.names_nobody() && is_at_a_terminal_without_session(hub, &agent, session)?;
        let agent = if is_person { OPERATOR.to_owned() } else { agent };
        let person = (agent == OPERATOR).then(|| operator::person(hub));
        Ok(Author { agent, epoch: claim::shown_epoch(self.epoch, task)?, session, person })
    }

    /// The author of a claim. The operator must be named, or shown by a terminal or a token: else two agents without a
    /// seat would share one claim.
    ///
    /// # Errors
    /// As [`Flags::author`]; `agent.unknown`.
    pub fn claimant(&self, hub: &Hub, task: Option<&str>) -> Result<Author> {
        let author = self.author(hub, task)?;
        if author.agent == OPERATOR && self.names_nobody() && operator::seen() == Recognised::Neither {
            return Err(Refusal::usage("agent.unknown", "the seat that claims is unknown")
                .because("no seat is set here, and without a terminal or an operator token you are not the operator")
                .next("set the seat of this folder: teof agent use <seat>")
                .next("or claim as a person: at a terminal, or with --agent operator")
                .into());
        }
        Ok(author)
    }

    fn names_nobody(&self) -> bool {
        self.agent.is_none() && env::var(env::AGENT).is_none()
    }

    /// The age of a session that the caller asks for: by the flag, else by the playbook's variable.
    fn max_age(&self) -> Result<Option<Duration>> {
        match self.session_max_age {
            Some(age) => Ok(Some(age)),
            None => env::var(env::SESSION_MAX_AGE).as_deref().map(time::parse_span).transpose(),
        }
    }
}

/// The seat that writes: the flag's, `TEOF_AGENT`'s or the manifest's; in a run, the run's alone. A person needs none
/// and writes as the operator.
///
/// # Errors
/// As [`seats::resolve`] and [`operator::run::check_seat`]; as [`operator::require`] for the operator.
pub fn seat(hub: &Hub, flag: Option<&str>) -> Result<String> {
    let agent = match seats::resolve(hub, flag) {
        // --agent operator overrides the manifest of this folder, but not a seat's variable.
        _ if flag == Some(OPERATOR) => OPERATOR.to_owned(),
        Err(e) if Refusal::of(&e).is_some_and(|refusal| refusal.code == "agent.unknown") => {
            operator::require("write as the operator").map_err(|_| e)?;
            OPERATOR.to_owned()
        }
        found => found?,
    };
    if agent == OPERATOR {
        operator::require("write as the operator")?;
    }
    operator::run::check_seat(hub, &agent)?;
    Ok(agent)
}

/// Whether a person at a terminal gives the command in the folder of a seat whose session is not fresh. Without a
/// terminal it may be the seat's agent, which must boot first.
fn is_at_a_terminal_without_session(hub: &Hub, seat: &str, session: Rule) -> Result<bool> {
    if session.allow_stale || matches!(freshness::check(hub, seat, session.max_age)?, Freshness::Fresh { .. }) {
        return Ok(false);
    }
    Ok(matches!(operator::require("write as the operator"), Ok(Recognised::Terminal)))
}

/// An epoch belongs to a task's claim.
pub fn no_task() -> Refusal {
    Refusal::usage("epoch.no_task", "--epoch is given without a task")
        .because("an epoch belongs to the claim of a task")
        .next("name the task, or leave --epoch out")
}

/// A task that may be given by its place or, as the playbook's agents write it, by `--task`.
#[derive(Clone, Debug, clap::Args)]
pub struct Task {
    /// The task
    #[arg(value_name = "TASK")]
    place: Option<String>,
    /// The task, as a flag
    #[arg(long, value_name = "TASK", conflicts_with = "place")]
    task: Option<String>,
}

impl Task {
    pub fn given(&self) -> Option<&str> {
        self.place.as_deref().or(self.task.as_deref())
    }

    pub fn name(&self) -> Result<&str> {
        self.given().ok_or_else(|| {
            Refusal::usage("task.missing", "no task is named").next("see what there is: teof task list").into()
        })
    }
}

/// Tells a command from its repetition.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Repeat {
    /// Idempotency key: repeating it within 7 days returns the first answer
    #[arg(long, value_name = "ID", help_heading = MORE)]
    pub request_id: Option<String>,
}

impl Repeat {
    /// `arguments` is everything that makes this call another one than the next.
    pub fn request(&self, command: &str, arguments: &impl Serialize) -> Result<Option<Request>> {
        self.request_id.as_deref().map(|id| Request::new(id, command, arguments)).transpose()
    }
}

/// The flags of a command that changes a task: the task, the seat that writes, and the idempotency key.
#[derive(Clone, Debug, clap::Args)]
pub struct TaskFlags {
    #[command(flatten)]
    pub task: Task,
    #[command(flatten)]
    pub author: Flags,
    #[command(flatten)]
    pub repeat: Repeat,
}

impl TaskFlags {
    /// The task, and who writes about it. `what` is what a run may do to its own task only.
    ///
    /// # Errors
    /// When no task is named, or it is not the run's own; as [`Flags::author`].
    pub fn checked(&self, hub: &Hub, what: &str) -> Result<(&str, Author)> {
        let task = self.task.name()?;
        operator::run::check_task(hub, task, what)?;
        Ok((task, self.author.author(hub, Some(task))?))
    }

    /// As [`TaskFlags::checked`], for whoever is to hold the task.
    ///
    /// # Errors
    /// As [`Flags::claimant`].
    pub fn claimant(&self, hub: &Hub, what: &str) -> Result<(&str, Author)> {
        let task = self.task.name()?;
        operator::run::check_task(hub, task, what)?;
        Ok((task, self.author.claimant(hub, Some(task))?))
    }
}

/// For clap: a span of time such as `4h`.
pub fn span(text: &str) -> Result<Duration, String> {
    time::parse_span(text).map_err(|_| "write a whole number and a unit: 90s, 30m, 4h or 7d".to_owned())
}
