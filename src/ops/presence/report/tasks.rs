//! The part of the manager report about single tasks: those of the playbook's list, and those that somebody holds or
//! should hold.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::base::{Result, files, json, names};
use crate::bus::{Listing, messages};
use crate::hub::{Hub, paths};
use crate::model::assignment::AssignmentFile;
use crate::model::claim::ClaimFile;
use crate::model::message::is_task_channel;
use crate::model::texts;

/// At most this many tasks, and messages of one, are described.
const TASKS: usize = 200;
const MESSAGES: usize = 5;

/// A task with everything that the stores say about it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TaskNote {
    pub task_id: String,
    pub title: Option<String>,
    pub role: Option<String>,
    pub priority: Option<String>,
    pub status: Option<String>,
    pub plan_id: Option<String>,
    pub branch: Option<String>,
    pub receipts: Vec<String>,
    pub notes: Option<String>,
    /// As in its file.
    pub assignment: Option<Map<String, Value>>,
    /// As in its file.
    pub claim: Option<Map<String, Value>>,
    /// The last ones of its channel, oldest first.
    pub messages: Vec<Map<String, Value>>,
}

/// The tasks of the playbook's list in its order, then the `named` ones.
pub fn read<'n>(
    hub: &Hub,
    named: impl Iterator<Item = &'n String>,
    claims: &Listing<ClaimFile>,
    assignments: &Listing<AssignmentFile>,
) -> Result<Vec<TaskNote>> {
    let mut notes = of_list(hub)?;
    let mut known: BTreeMap<String, ()> = notes.iter().map(|note| (note.task_id.clone(), ())).collect();
    for task in named {
        if known.insert(task.clone(), ()).is_none() {
            notes.push(TaskNote { task_id: task.clone(), ..TaskNote::default() });
        }
    }
    notes.truncate(TASKS);
    for note in &mut notes {
        let claim = claims.get(&note.task_id);
        note.plan_id = note.plan_id.take().or_else(|| claim?.plan_id().map(str::to_owned));
        note.branch = note.branch.take().or_else(|| claim?.branch().map(str::to_owned));
        note.claim = claim.map(|claim| claim.raw.clone());
        note.assignment = assignments.get(&note.task_id).map(|assignment| assignment.raw.clone());
        note.messages = messages::tail(hub, &note.task_id, MESSAGES)?.into_iter().map(|message| message.raw).collect();
    }
    Ok(notes)
}

fn of_list(hub: &Hub) -> Result<Vec<TaskNote>> {
    let Some(bytes) = files::read(&hub.path(paths::TASKS)?, files::MAX_DOCUMENT)? else { return Ok(Vec::new()) };
    // A list that cannot be read is named by `task list`.
    let list = json::parse_object(&bytes, Path::new(paths::TASKS)).unwrap_or_default();
    let entries = list.get("tasks").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let notes = entries.iter().filter_map(|entry| {
        let entry = entry.as_object()?;
        let part = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(TaskNote {
            task_id: part("id").filter(|id| names::is_id(id) && is_task_channel(id))?,
            title: part("title"),
            role: part("role"),
            priority: part("priority"),
            status: part("status"),
            plan_id: part("plan_id"),
            branch: part("branch"),
            receipts: texts(entry, "receipts").into_iter().map(str::to_owned).collect(),
            notes: part("notes"),
            ..TaskNote::default()
        })
    });
    Ok(notes.collect())
}
