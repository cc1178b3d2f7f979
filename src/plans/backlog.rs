//! Reads the hub's backlog and edits it in a transaction.

use std::path::Path;

use super::store;
use crate::base::{Result, files, json};
use crate::hub::{Hub, Transaction, Writer, paths};
use crate::model::backlog::{self, Backlog, ItemStatus, NewItem};
use crate::model::json::edit::EditableJson;

/// The backlog; empty when the file does not exist.
pub fn read(hub: &Hub) -> Result<Backlog> {
    match files::read(&hub.path(paths::BACKLOG)?, files::MAX_DOCUMENT)? {
        None => Ok(Backlog::default()),
        Some(bytes) => parse(&hub.root, &bytes),
    }
}

/// The backlog in these bytes. A plan that an item names without its date has its full id.
pub fn parse(root: &Path, bytes: &[u8]) -> Result<Backlog> {
    let mut backlog = Backlog { raw: json::parse_object(bytes, Path::new(paths::BACKLOG))? };
    backlog.name_plans(&store::full_ids(root));
    Ok(backlog)
}

/// Sets the status of an item, with the history that the playbook keeps.
pub fn set_status(writer: &Writer<'_>, transaction: &mut Transaction, id: &str, status: ItemStatus) -> Result<()> {
    edit(writer, transaction, |document| backlog::set_status(document, id, status, writer.hub().now()))
}

/// Sets the plan of an item.
pub fn set_plan(writer: &Writer<'_>, transaction: &mut Transaction, id: &str, plan: &str) -> Result<()> {
    edit(writer, transaction, |document| backlog::set_plan(document, id, plan))
}

/// Reopens an item that was done and reverted, or blocked, when a person asks for it.
pub fn reopen(writer: &Writer<'_>, transaction: &mut Transaction, id: &str) -> Result<()> {
    edit(writer, transaction, |document| backlog::reopen(document, id))
}

/// Adds a pending item at the end; creates the file if needed.
pub fn add(writer: &Writer<'_>, transaction: &mut Transaction, new: &NewItem, owner: &str) -> Result<()> {
    change(writer, transaction, owner, |document| backlog::add(document, new))
}

/// Changes the backlog; creates the file if needed.
pub fn change(
    writer: &Writer<'_>,
    transaction: &mut Transaction,
    owner: &str,
    change: impl FnOnce(&mut EditableJson) -> Result<()>,
) -> Result<()> {
    if store::current(writer.hub(), transaction, paths::BACKLOG)?.is_none() {
        transaction.create(paths::BACKLOG, backlog::empty(owner));
    }
    edit(writer, transaction, change)
}

fn edit(
    writer: &Writer<'_>,
    transaction: &mut Transaction,
    change: impl FnOnce(&mut EditableJson) -> Result<()>,
) -> Result<()> {
    let before = store::current(writer.hub(), transaction, paths::BACKLOG)?.unwrap_or_else(|| b"{}".to_vec());
    let mut document = EditableJson::parse(&before, Path::new(paths::BACKLOG))?;
    change(&mut document)?;
    if document.bytes() != before {
        transaction.replace(paths::BACKLOG, document.into_text());
    }
    Ok(())
}
