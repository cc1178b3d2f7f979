//! Adds an item to the backlog: the item and its event, in one transaction.

use serde_json::json;

use crate::base::{Refusal, Result};
use crate::bus::{check_length, check_text, claims, events};
use crate::guard::claim::Author;
use crate::guard::secrets;
use crate::hub::{self, Hub};
use crate::model::backlog::NewItem;
use crate::model::event::Event;
use crate::ops::claims::claim::plan_id;
use crate::ops::context::{self, Answer, Call};
use crate::plans;

/// Adds a pending item at the end of the backlog; the answer is `{task_id, event}`.
///
/// # Errors
/// `backlog.exists`, an invalid name or text, a stale session.
pub fn add(hub: &Hub, author: &Author, item: &NewItem, repeat: Option<&hub::Request>) -> Result<Answer> {
    claims::check_task(&item.id)?;
    check_text("title", &item.title)?;
    check_length("notes", item.notes.as_deref().unwrap_or_default())?;
    secrets::check_text("task", &item.id)?;
    secrets::check_text("title", &item.title)?;
    secrets::check_text("notes", item.notes.as_deref().unwrap_or_default())?;
    let (plan, remark) = match &item.plan {
        Some(plan) => named_plan(hub, plan)?,
        None => (None, None),
    };
    let item = NewItem { plan, ..item.clone() };
    let call = Call { command: "task add", author, task: &item.id, bound: false, request: repeat };
    context::run(hub, &call, |writer, transaction| {
        plans::backlog::add(writer, transaction, &item, &author.agent)?;
        let summary = format!("{} added {}: {}", author.agent, item.id, item.title);
        let mut event = Event::new(&author.agent, "backlog", summary).on_task(&item.id);
        event.plan_id = item.plan.clone();
        let id = events::stage(writer, transaction, &context::with_recognition(writer.hub(), author, event))?;
        Ok((json!({"task_id": item.id, "event": id}), remark.into_iter().collect()))
    })
}

/// The id of a plan that may be named without its date, and a remark when there is none yet: a backlog may suggest
/// plans that are written later.
fn named_plan(hub: &Hub, name: &str) -> Result<(Option<String>, Option<String>)> {
    let id = plan_id(name)?;
    match plans::find(hub, &id) {
        Ok(found) => Ok((Some(found.id().to_owned()), None)),
        // Several are called so: one must be chosen.
        Err(e) if plans::store::dated(hub, &id).len() > 1 => Err(e),
        Err(e) => match Refusal::of(&e) {
            Some(Refusal { code: "plan.not_found", message, .. }) => {
                Ok((Some(id), Some(format!("{message}; until there is one, the task starts without it"))))
            }
            Some(_) => Ok((Some(id), None)),
            None => Err(e),
        },
    }
}
