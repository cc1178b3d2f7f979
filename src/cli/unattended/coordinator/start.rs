//! Names the command that starts or continues work while no coordinator runs.

use crate::base::{Result, text};
use crate::coordinator::process;
use crate::coordinator::state::State;
use crate::guard::consent::{self, Action, Actor, Cycle};
use crate::hub::Hub;

/// What starts work now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// `teof run --until-idle`: consent covers all tasks.
    Run,
    /// `teof do TASK`.
    Do,
}

impl Start {
    pub fn of_task(self, task: &str) -> String {
        match self {
            Start::Run => "teof run --until-idle".to_owned(),
            Start::Do => format!("teof do {}", text::shell_word(task)),
        }
    }
}

/// The command that starts the task; `None`: a coordinator runs.
///
/// # Errors
/// When consent cannot be read.
pub fn command(hub: &Hub, state: &State, task: &str) -> Result<Option<String>> {
    if process::holder(hub)?.is_some() {
        return Ok(None);
    }
    Ok(Some(without_coordinator(hub, state)?.of_task(task)))
}

/// What starts work while no coordinator runs.
///
/// # Errors
/// When consent cannot be read.
pub fn without_coordinator(hub: &Hub, state: &State) -> Result<Start> {
    let standing = consent::standing(hub)?;
    let is_counted = standing.grant.as_ref().map(|grant| grant.at) == state.grant.as_ref().map(|grant| grant.at);
    let cycle = Cycle { done: if is_counted { state.chosen_since_grant() } else { 0 }, ..Cycle::default() };
    let may_run = standing.only().is_none() && standing.require(Actor::Coordinator, Action::Cycle(cycle)).is_ok();
    Ok(if may_run { Start::Run } else { Start::Do })
}
