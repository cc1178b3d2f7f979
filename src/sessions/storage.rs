//! Where session records are kept.

use std::path::PathBuf;

use super::record::SessionRecord;
use crate::base::Result;

/// Stores the records of sessions.
pub trait SessionStorage {
    /// Makes the folder of a new session, whose id is `wanted` or, where that exists, `wanted-2`, `wanted-3`, …
    ///
    /// # Errors
    /// When `wanted` is not an identifier.
    fn reserve(&self, wanted: &str) -> Result<String>;

    /// The folder of a session.
    fn folder(&self, id: &str) -> PathBuf;

    /// Replaces the record. Durable once the session is over; before, it may be lost with the machine.
    fn save(&self, record: &SessionRecord) -> Result<()>;

    /// The record; `None` when there is none.
    ///
    /// # Errors
    /// `session.damaged` when it cannot be read.
    fn get(&self, id: &str) -> Result<Option<SessionRecord>>;

    /// All sessions.
    fn list(&self) -> Result<Listing>;

    /// Reads a record, changes it and saves it, while nobody else does. For those who do not run the session.
    ///
    /// # Errors
    /// `session.unknown` when there is no such record, and the errors of `change`.
    fn update(&self, id: &str, change: &mut dyn FnMut(&mut SessionRecord) -> Result<()>) -> Result<SessionRecord>;

    /// What a session's folder holds, in bytes.
    fn size(&self, id: &str) -> u64;

    /// Removes a session.
    ///
    /// # Errors
    /// When there is none, or its folder cannot be removed.
    fn remove(&self, id: &str) -> Result<()>;
}

/// All sessions, and what could not be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// The newest last: see [`SessionRecord::recency`].
    pub sessions: Vec<SessionRecord>,
    pub damaged: Vec<Damaged>,
}

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Damaged {
    pub path: PathBuf,
    pub why: String,
}
