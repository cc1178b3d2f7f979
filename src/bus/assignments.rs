//! Reads assignments, `_bus/assignments/<task>.json`, and stages new ones in a transaction.

use crate::base::{Result, files};
use crate::hub::{Hub, Transaction, paths};
use crate::model::assignment::{Assignment, AssignmentFile};
use crate::model::json::edit::EditableJson;
use crate::model::message::is_task_channel;

use super::claims::check_task;
use super::documents::{self, Listing};

/// An assignment file: the document for edits, and the parsed assignment.
#[derive(Clone, Debug)]
pub struct Found {
    pub file: AssignmentFile,
    document: EditableJson,
}

/// The assignment of a task, if there is one.
///
/// # Errors
/// When the name is not a task's, or the file is damaged.
pub fn load(hub: &Hub, task: &str) -> Result<Option<Found>> {
    let path = hub.path(&paths::assignment(check_task(task)?))?;
    let Some(bytes) = files::read(&path, files::MAX_DOCUMENT)? else { return Ok(None) };
    let document = EditableJson::parse(&bytes, &path)?;
    Ok(Some(Found { file: AssignmentFile { raw: document.object().clone() }, document }))
}

/// Every assignment of a task; those of channels (the playbook's tree has one) are skipped.
pub fn list(hub: &Hub) -> Result<Listing<AssignmentFile>> {
    documents::list(hub, paths::ASSIGNMENTS, |task| match is_task_channel(task) {
        true => Ok(load(hub, task)?.map(|found| found.file)),
        false => Ok(None),
    })
}

/// Stages an assignment in a transaction. An existing one is edited: unknown fields stay.
pub fn stage(transaction: &mut Transaction, found: Option<&Found>, new: &Assignment) -> Result<()> {
    let path = paths::assignment(&new.task_id);
    let Some(found) = found else {
        transaction.create(path, new.to_new_file());
        return Ok(());
    };
    let mut document = found.document.clone();
    for (key, value) in new.fields() {
        if !value.is_null() || document.object().contains_key(key) {
            document.set(&format!("/{key}"), value)?;
        }
    }
    transaction.replace(path, document.into_text());
    Ok(())
}
