//! Remembers what was computed from each file's content, such as a digest, so that unchanged files are not read again.
//!
//! A file counts as unchanged when size, both times and inode are the same: nobody without privileges can set the
//! time of the last status change. Files written just before they were read are not cached, because a second write in
//! the same tick would not show. The cache is machine-local and can be lost at any time.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{create_parent, read, replace_unsynced};
use crate::base::{Clock, Result};

/// How long ago a file must have been written before it was read, in seconds.
const SETTLED: i64 = 2;
/// The cache size for about two million files, in bytes.
const MAX_CACHE: u64 = 512 << 20;

type Stat = (u64, u64, i64, i64, i64, i64);

/// The files as last read, each with a value made from its content, and as now.
pub struct StatCache<V> {
    file: PathBuf,
    before: HashMap<Vec<u8>, (Stat, V)>,
    now: Vec<(Vec<u8>, Stat)>,
    /// Files that changed after this time are not cached, in seconds.
    settled: i64,
    is_changed: bool,
}

impl<V: Clone + Serialize + DeserializeOwned> StatCache<V> {
    /// The cache in `file`; an unreadable one is empty.
    pub fn open(file: PathBuf) -> StatCache<V> {
        let bytes = read(&file, MAX_CACHE).ok().flatten();
        let saved: Vec<(String, Stat, V)> =
            bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        StatCache {
            file,
            before: saved.into_iter().map(|(path, stat, value)| (path.into_bytes(), (stat, value))).collect(),
            now: Vec::new(),
            settled: Clock::Machine.now().unix() - SETTLED,
            is_changed: false,
        }
    }

    /// The value of a file that did not change since it was last read.
    pub fn unchanged(&mut self, path: &[u8], meta: &Metadata) -> Option<V> {
        let stat = stat(meta);
        let known = self.before.get(path).filter(|(before, _)| *before == stat).map(|(_, value)| value.clone());
        self.is_changed |= known.is_none();
        if meta.ctime().max(meta.mtime()) < self.settled {
            self.now.push((path.to_vec(), stat));
        }
        known
    }

    /// Saves the files that were asked for, each with its value. Not synced: losing the cache only costs time.
    pub fn save(self, value: impl Fn(&[u8]) -> Option<V>) -> Result<()> {
        if !self.is_changed && self.now.len() == self.before.len() {
            return Ok(());
        }
        let entry = |(path, stat): (Vec<u8>, Stat)| {
            let value = value(&path)?;
            Some((String::from_utf8(path).ok()?, stat, value))
        };
        let saved: Vec<_> = self.now.into_iter().filter_map(entry).collect();
        create_parent(&self.file)?;
        replace_unsynced(&self.file, &serde_json::to_vec(&saved)?)
    }
}

fn stat(meta: &Metadata) -> Stat {
    (meta.len(), meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_that_was_written_since_is_never_taken_for_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        let (file, path) = (dir.path().join("cache"), dir.path().join("a"));
        let open = |before: HashMap<Vec<u8>, (Stat, String)>, settled| {
            let file = file.clone();
            StatCache { file, before, now: Vec::new(), settled, is_changed: false }
        };
        let look = |cache: &mut StatCache<String>| cache.unchanged(b"a", &fs::symlink_metadata(&path).unwrap());
        let saved = || -> HashMap<Vec<u8>, (Stat, String)> {
            let saved: Vec<(String, Stat, String)> = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            saved.into_iter().map(|(path, stat, value)| (path.into(), (stat, value))).collect()
        };
        fs::write(&path, "one").unwrap();
        let value = |_: &[u8]| Some("digest".to_owned());
        // Written a moment ago: a second write in the same tick would not show.
        let mut cache = open(HashMap::new(), Clock::Machine.now().unix() - SETTLED);
        assert_eq!(look(&mut cache), None);
        cache.save(value).unwrap();
        assert!(saved().is_empty());
        let mut cache = open(HashMap::new(), i64::MAX);
        assert_eq!(look(&mut cache), None);
        cache.save(value).unwrap();
        assert_eq!(look(&mut open(saved(), i64::MAX)), Some("digest".to_owned()));
        // Another content of the same length, dated back.
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        let changed = || std::os::unix::fs::MetadataExt::ctime_nsec(&fs::metadata(&path).unwrap());
        let first = changed();
        // A tick of the file system's clock may last some milliseconds.
        while changed() == first {
            fs::write(&path, "two").unwrap();
        }
        fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert_eq!(look(&mut open(saved(), i64::MAX)), None);
    }
}
