//! Adds an item to the backlog: the item and its event, in one transaction.

use serde_json::json;

use crate::base::Result;
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
    secrets::check_text("title", &item.title)?;
    secrets::check_text("notes", item.notes.as_deref().unwrap_or_default())?;
    let item = NewItem { plan: item.plan.as_deref().map(plan_id).transpose()?, ..item.clone() };
    let call = Call { command: "task add", author, task: &item.id, bound: false, request: repeat };
    context::run(hub, &call, |writer, transaction| {
        plans::backlog::add(writer, transaction, &item, &author.agent)?;
        let summary = format!("{} added {}: {}", author.agent, item.id, item.title);
        let mut event = Event::new(&author.agent, "backlog", summary).on_task(&item.id);
        event.plan_id = item.plan.clone();
        let id = events::stage(writer, transaction, &context::with_recognition(writer.hub(), author, event))?;
        Ok((json!({"task_id": item.id, "event": id}), Vec::new()))
    })
}
