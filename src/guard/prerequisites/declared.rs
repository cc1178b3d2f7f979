//! Reads the backlog's declarations once, with the hash of the file.

use crate::base::{Result, digest, files, json};
use crate::hub::{Hub, paths};
use crate::model::backlog::Backlog;

/// The backlog, with the hash of the bytes that it was read from.
#[derive(Clone, Debug)]
pub struct Declared {
    pub backlog: Backlog,
    pub sha256: String,
}

impl Declared {
    /// `None` without a backlog.
    pub fn read(hub: &Hub) -> Result<Option<Declared>> {
        let Some(bytes) = files::read(&hub.path(paths::BACKLOG)?, files::MAX_DOCUMENT)? else { return Ok(None) };
        let raw = json::parse_object(&bytes, paths::BACKLOG.as_ref())?;
        Ok(Some(Declared { backlog: Backlog { raw }, sha256: digest::sha256(&bytes) }))
    }
}
