//! Remembers files of the record in which no secrets were found.
//!
//! Every run scans the record twice, and most of it never changes. The kernel says whether a file is unchanged: by
//! its inode, size and times, of which nobody can set `ctime`.
//!
//! A run reads the memory of earlier runs before it starts any program, and then trusts only what it saw itself.
//! `teof scan` trusts nothing. The memory is machine-local and may be lost at any time.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

use crate::base::{Result, files};
use crate::hub::Hub;

const CACHE: &str = "cache/clean.json";
const MAX_CACHE: u64 = 64 << 20;
/// A file that changed so recently, in seconds, may change again and show the same time.
const RECENT: i64 = 2;

/// Inode, size, seconds and nanoseconds of the last writing and of the last change.
type Print = [i64; 6];

/// The files that were clean, each with its inode, size and times.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Clean {
    /// The binary that scanned: another version may look for other secrets.
    program: Option<Print>,
    files: HashMap<String, Print>,
}

impl Clean {
    /// The list saved by earlier runs; empty when another binary wrote it or it is damaged.
    pub fn load(hub: &Hub) -> Clean {
        let own = own_program();
        let bytes = files::read(&hub.local(CACHE), MAX_CACHE).ok().flatten().unwrap_or_default();
        let known: Clean = serde_json::from_slice(&bytes).unwrap_or_default();
        match own.is_some() && known.program == own {
            true => known,
            false => Clean { program: own, files: HashMap::new() },
        }
    }

    /// Saves the list for later runs. Not synced: without it, the scan reads everything.
    pub fn save(&self, hub: &Hub) -> Result<()> {
        let path = hub.local(CACHE);
        files::create_parent(&path)?;
        files::replace_unsynced(&path, &serde_json::to_vec(self)?)
    }

    pub(super) fn holds(&self, path: &str, file: &Metadata) -> bool {
        self.files.get(path).is_some_and(|known| *known == print(file))
    }

    /// Replaces the list with the files that a scan at `now` (seconds) found clean, each with its metadata from
    /// before it was read.
    pub(super) fn replace(&mut self, files: impl Iterator<Item = (String, Metadata)>, now: i64) {
        let old = files.filter(|(_, file)| now.saturating_sub(file.ctime().max(file.mtime())) > RECENT);
        self.files = old.map(|(path, file)| (path, print(&file))).collect();
    }
}

fn print(file: &Metadata) -> Print {
    let (inode, size) = (file.ino().cast_signed(), file.size().cast_signed());
    [inode, size, file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()]
}

fn own_program() -> Option<Print> {
    std::fs::metadata(std::env::current_exe().ok()?).ok().map(|file| print(&file))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_looked_through_again_when_anything_about_it_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "text").unwrap();
        let meta = || fs::symlink_metadata(&path).unwrap();
        let (before, mut clean) = (meta(), Clean::default());
        let times = fs::FileTimes::new().set_modified(before.modified().unwrap());
        clean.replace([("f".to_owned(), meta())].into_iter(), before.ctime() + RECENT);
        assert!(!clean.holds("f", &before), "it changed a moment ago");
        clean.replace([("f".to_owned(), meta())].into_iter(), before.ctime() + RECENT + 1);
        assert!(clean.holds("f", &meta()) && !clean.holds("g", &meta()));
        // Whoever hides a change sets the time of the last writing back.
        while meta().ctime_nsec() == before.ctime_nsec() {
            fs::write(&path, "evil").unwrap();
            fs::File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
        }
        assert_eq!((meta().mtime_nsec(), meta().len()), (before.mtime_nsec(), before.len()));
        assert!(!clean.holds("f", &meta()));
    }
}
