//! Names the command that starts or continues work while no coordinator runs.

use crate::base::{Result, text};
use crate::coordinator::process;
use crate::coordinator::state::State;
use crate::guard::consent::{self, Action, Actor, Cycle};
use crate::hub::Hub;

/// `teof run --until-idle`, or `teof do TASK` where consent does not cover all tasks; `None`: a coordinator runs.
///
/// # Errors
/// When consent cannot be read.
pub fn command(hub: &Hub, state: &State, task: &str) -> Result<Option<String>> {
    if process::holder(hub)?.is_some() {
        return Ok(None);
    }
    let standing = consent::standing(hub)?;
    let is_counted = standing.grant.as_ref().map(|grant| grant.at) == state.grant.as_ref().map(|grant| grant.at);
    let cycle = Cycle { done: if is_counted { state.chosen_since_grant() } else { 0 }, ..Cycle::default() };
    let may_run = standing.only().is_none() && standing.require(Actor::Coordinator, Action::Cycle(cycle)).is_ok();
    Ok(Some(match may_run {
        true => "teof run --until-idle".to_owned(),
        false => format!("teof do {}", text::shell_word(task)),
    }))
}
