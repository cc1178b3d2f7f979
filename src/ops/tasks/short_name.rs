//! Finds a short name for new work that nothing in the hub is called yet.

use std::collections::HashSet;

use crate::base::{Refusal, Result};
use crate::bus::messages;
use crate::hub::{Hub, Writer};
use crate::model::plan::slug_of;
use crate::plans::{new, store};

/// A short name for work that is described in words; numbered where the hub has that name, in whichever case. The
/// writer's lock keeps it free until the work is recorded.
///
/// # Errors
/// When nothing is described, or a store cannot be read.
pub fn free(writer: &Writer<'_>, objective: &str) -> Result<String> {
    let first = new::short_name(objective)?;
    let taken = taken(writer.hub())?;
    let numbered = (2..10_000).map(|n| format!("{first}-{n}"));
    let mut all = std::iter::once(first.clone()).chain(numbered);
    let free = all.find(|name| !taken.contains(name) && !is_like_a_job(name));
    free.ok_or_else(|| Refusal::guard("plan.name", format!("every name like {first} is taken")).into())
}

/// Whether nothing in the hub is called so.
///
/// # Errors
/// When a store cannot be read.
pub fn is_free(writer: &Writer<'_>, name: &str) -> Result<bool> {
    Ok(!is_like_a_job(name) && !taken(writer.hub())?.contains(&name.to_lowercase()))
}

/// Everything that a task is or was called, in lower case: of tasks, plans and channels.
fn taken(hub: &Hub) -> Result<HashSet<String>> {
    let tasks = super::table(hub)?.tasks.into_iter().flat_map(|row| [Some(row.task_id), row.plan_id]).flatten();
    let plans = store::paths(&hub.root);
    let plans = plans.iter().map(|path| store::id_of(path));
    let plans = plans.flat_map(|id| [Some(id), slug_of(id)]).flatten().map(str::to_owned);
    let names = tasks.chain(plans).chain(messages::channels(hub)?);
    Ok(names.map(|name| name.to_lowercase()).collect())
}

/// `j7` means a job wherever people type it.
fn is_like_a_job(name: &str) -> bool {
    name.strip_prefix('j').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
}
