//! Consent to exactly the one job that `teof do` was called for: asked for where none stands, and taken back when no job
//! has used it.

use std::cell::Cell;

use crate::base::{Refusal, Result};
use crate::cli::App;
use crate::cli::support::ask;
use crate::coordinator::process;
use crate::coordinator::state::store;
use crate::guard::consent::{self, Action, Actor, Standing};
use crate::guard::operator;
use crate::hub::Hub;
use crate::ops::consent::{Changes, grant, revoke};

/// The consent that one call of `teof do` was given.
#[derive(Default)]
pub struct OneJob {
    is_granted: Cell<bool>,
}

impl OneJob {
    /// Asks for consent where none covers the work: one more job where it `is_new`, else a job that has started. A
    /// coordinator that runs has its own.
    ///
    /// # Errors
    /// `do.consent` (exit 6) when the person says no, or cannot be asked.
    pub fn ask(&self, app: &App, hub: &Hub, yes: bool, is_new: bool) -> Result<()> {
        if process::holder(hub)?.is_some() {
            return Ok(());
        }
        let Err(missing) = is_allowed(hub, is_new)? else { return Ok(()) };
        let question = "Let this one job run unattended, with the settings of teof.toml?";
        let can_ask = ask::is_possible(app) && operator::require("grant consent").is_ok();
        let is_granted = yes || (can_ask && ask::yes(question, true)?);
        if !is_granted {
            return Err(no_consent(&missing).into());
        }
        let once = Changes { continuous: Some(false), max_iterations: Some(1), ..Changes::default() };
        grant(hub, &app.person()?, &once)?;
        self.is_granted.set(true);
        Ok(())
    }

    /// Revokes the consent when no job has started under it: it would let another job start.
    ///
    /// # Errors
    /// When the state or the trust file cannot be read or written.
    pub fn take_back_unused(&self, app: &App, hub: &Hub) -> Result<()> {
        if !self.is_granted.replace(false) || process::holder(hub)?.is_some() {
            return Ok(());
        }
        let standing = consent::standing(hub)?;
        if standing.grant.is_some() && started(hub, &standing)? == 0 {
            revoke(hub, &app.person()?)?;
            if !app.json() {
                app.say("Revoked the consent again: no job used it.");
            }
        }
        Ok(())
    }
}

fn is_allowed(hub: &Hub, is_new: bool) -> Result<Result<()>> {
    let standing = consent::standing(hub)?;
    let cycle = consent::Cycle { done: started(hub, &standing)?, ..consent::Cycle::default() };
    let execute = standing.require(Actor::Coordinator, Action::Execute);
    if !is_new {
        return Ok(execute);
    }
    Ok(execute.and_then(|()| standing.require(Actor::Coordinator, Action::Cycle(cycle))))
}

/// How many jobs have started under the consent that stands.
fn started(hub: &Hub, standing: &Standing) -> Result<u64> {
    let state = store::load(hub)?;
    let is_counted = standing.grant.as_ref().zip(state.grant.as_ref()).is_some_and(|(one, other)| one.at == other.at);
    Ok(if is_counted { state.chosen_since_grant() } else { 0 })
}

fn no_consent(missing: &anyhow::Error) -> Refusal {
    let why = Refusal::of(missing).and_then(|refusal| refusal.reason.clone());
    Refusal::unattended("do.consent", "no consent to run this job unattended")
        .because(why.unwrap_or_else(|| missing.to_string()))
        .next("allow this one job: add --yes")
}
