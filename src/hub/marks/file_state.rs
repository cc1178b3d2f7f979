//! What a file was when it was last looked at.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::base::{digest, files};

/// The state of a file at some moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::hub) enum FileState {
    /// Not read, or not a regular file.
    #[default]
    Unknown,
    Absent,
    Sha256(String),
}

impl FileState {
    pub fn of(path: &Path) -> FileState {
        match files::read(path, files::MAX_DOCUMENT) {
            Ok(Some(bytes)) => FileState::of_bytes(&bytes),
            Ok(None) => FileState::Absent,
            Err(_) => FileState::Unknown,
        }
    }

    pub fn of_bytes(bytes: &[u8]) -> FileState {
        FileState::Sha256(digest::sha256(bytes))
    }
}
