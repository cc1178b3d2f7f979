//! Selects the next task, renders its prompt, and writes the prompt's receipt.
//!
//! Chooses and records; never executes what it proposes.

pub mod alert;
pub mod candidate;
pub mod complexity;
pub mod cycle;
mod eligibility;
mod facts;
pub mod prompt;
pub mod receipt;
pub mod reviewers;
pub mod routing;
pub mod select;
pub mod sources;
pub mod take;
mod work;

use std::collections::BTreeMap;

use candidate::Taker;
use select::{Criteria, Ranking, Reason, Skipped};
use sources::Scope;

use crate::base::{Refusal, Result};
use crate::guard::prerequisites::{self, Declared, Prerequisites};
use crate::hub::{Hub, paths};
use crate::model::backlog::Backlog;
use crate::plans::reader::Reader;

/// The ranked work, and the facts used.
#[derive(Clone, Debug)]
pub struct Observation {
    pub ranking: Ranking,
    pub prerequisites: Prerequisites,
    pub backlog: Option<Backlog>,
}

/// The blocked tasks that wait for a person, in every source, each work under one name.
///
/// # Errors
/// As [`observe`].
pub fn blocked(hub: &Hub) -> Result<Vec<String>> {
    let scope = Scope { backlog: true, plans: true, vault: true, queue: true, ..Scope::default() };
    let skipped = observe(hub, &scope, Taker::Worker, BTreeMap::new())?.ranking.skipped;
    Ok(skipped.into_iter().filter(|one| one.reason == Reason::Blocked).map(|one| one.task_id).collect())
}

/// Reads the stores and ranks the work. `excluded` names tasks that must not be chosen, with the reason. Takes no
/// lock, because the later claim decides.
///
/// An unreadable backlog is passed over like other work, so that plans continue.
pub fn observe(hub: &Hub, scope: &Scope, taker: Taker<'_>, excluded: BTreeMap<String, String>) -> Result<Observation> {
    observe_with(hub, scope, taker, excluded, &mut Reader::default())
}

/// Like [`observe`], for those who look again and again.
///
/// # Errors
/// As [`observe`].
pub fn observe_with(
    hub: &Hub,
    scope: &Scope,
    taker: Taker<'_>,
    excluded: BTreeMap<String, String>,
    plans: &mut Reader,
) -> Result<Observation> {
    let (declared, damage) = match Declared::read(hub) {
        Ok(declared) => (declared, None),
        Err(e) if Refusal::of(&e).is_some() => (None, Some(e.to_string())),
        Err(fault) => return Err(fault),
    };
    let prerequisites = prerequisites::check(hub, declared.as_ref())?;
    let backlog = declared.map(|declared| declared.backlog);
    let candidates = sources::gather(hub, scope, taker, &plans.read(hub), backlog.as_ref())?;
    let criteria = Criteria { taker, prerequisites: prerequisites.failure(), excluded };
    let mut ranking = select::rank(candidates, &criteria);
    if let Some(text) = damage {
        ranking.skipped.push(Skipped { task_id: paths::BACKLOG.into(), reason: Reason::Damaged, text });
    }
    Ok(Observation { ranking, prerequisites, backlog })
}
