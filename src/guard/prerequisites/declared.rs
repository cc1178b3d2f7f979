//! Reads the backlog's declarations once, with the hash of the file.

use crate::base::{Result, digest, files};
use crate::hub::{Hub, paths};
use crate::model::backlog::Backlog;
use crate::plans::backlog;

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
        Ok(Some(Declared { backlog: backlog::parse(&hub.root, &bytes)?, sha256: digest::sha256(&bytes) }))
    }
}
