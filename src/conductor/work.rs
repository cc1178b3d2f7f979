//! What an unattended worker would run for a candidate, whether it may, and what its work order
//! would lack.

use super::select::{Candidate, Standing, Work};
use super::sources::replace_open;
use crate::base::Result;
use crate::hub::Hub;
use crate::hub::settings::Settings;
use crate::model::backlog::Item;
use crate::model::plan::{Plan, Step};

/// Puts on what the step says, with the settings where it says nothing.
pub(super) fn of_step(hub: &Hub, plan: &Plan, step: &Step<'_>, candidate: &mut Candidate) -> Result<()> {
    let settings = hub.settings()?;
    candidate.work = match step.commands() {
        Err(why) => {
            replace_open(&mut candidate.standing, Standing::Damaged(format!("its step is not valid: {why}")));
            Work::Nothing
        }
        Ok(commands) if !commands.is_empty() => approved(hub, plan, step)?,
        Ok(_) => match step.agent() {
            Some(agent) => Work::UnknownAgent(agent.to_owned()),
            None => default_work(settings),
        },
    };
    candidate.missing = missing(settings, plan, step);
    Ok(())
}

/// An item without a plan runs what the settings name; a plan is where the rest can be said.
pub(super) fn of_item(hub: &Hub, item: Item<'_>, candidate: &mut Candidate) -> Result<()> {
    let settings = hub.settings()?;
    candidate.work = default_work(settings);
    let checks = [
        ("goal", item.title().is_none()),
        ("acceptance", true),
        ("verification", settings.guard.tests.is_empty()),
        ("targets", item.layer().is_none() || item.systemic_targets().is_empty()),
    ];
    candidate.missing = checks.into_iter().filter(|(_, missing)| *missing).map(|(name, _)| name).collect();
    Ok(())
}

/// The settings are trusted as a whole, by their digest: what they name needs no further approval.
fn default_work(settings: &Settings) -> Work {
    if settings.commands.default.is_empty() { Work::Nothing } else { Work::Commands }
}

fn approved(_hub: &Hub, _plan: &Plan, step: &Step<'_>) -> Result<Work> {
    Ok(Work::NotApproved(format!("step {}", step.id().unwrap_or_default())))
}

/// The same questions as [`Order::missing`](crate::model::order::Order::missing), asked before
/// anything is claimed. Recovery is never missing: the base commit is always known.
fn missing(settings: &Settings, plan: &Plan, step: &Step<'_>) -> Vec<&'static str> {
    let nothing_expected = step.expected_receipts().is_ok_and(|expected| expected.is_empty());
    let checks = [
        ("goal", step.objective().is_none()),
        ("acceptance", plan.checkpoint().description().is_none()),
        ("verification", step.tests().is_empty() && settings.guard.tests.is_empty() && nothing_expected),
        ("risk", step.diff_limit().unwrap_or(settings.guard.diff_limit) == 0),
        ("targets", plan.layer().is_none() || plan.systemic_targets().is_empty()),
    ];
    checks.into_iter().filter(|(_, missing)| *missing).map(|(name, _)| name).collect()
}
