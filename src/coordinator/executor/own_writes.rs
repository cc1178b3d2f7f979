//! The coordinator's own writes, by path and digest. Its own changes are ignored; a change of the same file by
//! somebody else still wakes it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::base::{digest, files};
use crate::hub::{Hub, Transaction};

/// The last writes.
#[derive(Default)]
pub struct OwnWrites {
    digests: HashMap<PathBuf, String>,
}

/// More than a coordinator writes between two observations; a lost entry only costs one observation.
const MAX_FILES: usize = 512;

impl OwnWrites {
    /// Records what a transaction is about to write.
    pub fn remember(&mut self, hub: &Hub, transaction: &Transaction) {
        if self.digests.len() > MAX_FILES {
            self.digests.clear();
        }
        for (path, text) in transaction.replaced() {
            self.digests.insert(hub.root.join(path), digest::sha256(text.as_bytes()));
        }
    }

    /// Whether a changed file has exactly the content that the coordinator wrote.
    pub fn wrote(&mut self, path: &Path) -> bool {
        let Some(ours) = self.digests.get(path) else { return false };
        let now = files::read(path, files::MAX_DOCUMENT).ok().flatten();
        now.is_some_and(|bytes| digest::sha256(&bytes) == *ours)
    }
}
