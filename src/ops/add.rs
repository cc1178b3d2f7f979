//! Adding an item to the backlog: the item and its event, in one act.

use super::claim::plan_id;
use crate::base::Result;
use crate::bus::{check_length, check_text, claims, events};
use crate::guard::claim::{Author, admit};
use crate::hub::{Act, Hub};
use crate::model::backlog::NewItem;
use crate::model::event::Event;
use crate::plans;

/// Adds a pending item at the end of the backlog; gives back the event's id.
///
/// # Errors
/// `backlog.exists`, what is wrong with a name or a text, a session that is not fresh.
pub fn add(hub: &Hub, author: &Author, item: &NewItem) -> Result<String> {
    claims::check_task(&item.id)?;
    check_text("title", &item.title)?;
    check_length("notes", item.notes.as_deref().unwrap_or_default())?;
    let item = NewItem { plan: item.plan.as_deref().map(plan_id).transpose()?, ..item.clone() };
    let stale = admit(hub, author, None, "task add")?;
    let mut writer = hub.lock(&format!("task add {}", item.id))?;
    let mut act = Act::new(format!("add {}", item.id));
    plans::backlog::add(&writer, &mut act, &item, &author.agent)?;
    let mut event = Event::new(&author.agent, "backlog", format!("{} added {}: {}", author.agent, item.id, item.title));
    event = event.on_task(&item.id);
    event.plan_id = item.plan.clone();
    let id = events::stage(&writer, &mut act, &event)?;
    if let Some(stale) = stale {
        stale.record(&mut act);
    }
    writer.perform(act)?;
    Ok(id)
}
