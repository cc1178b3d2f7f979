//! Remembers what scans saw in files of the record: that they hold no secret, their hash, that their own hash fits.
//!
//! Every run scans the record, and most of it never changes. The kernel says whether a file is unchanged: by its
//! inode, size and times, of which nobody can set `ctime`. Of a log that grew, a hash says that its beginning is.
//!
//! A run reads the memory of earlier runs before it starts any program, and saves it after its last scan: no program
//! that it starts can change what it trusts. `teof scan` trusts nothing. The memory is machine-local and may be lost at
//! any time.

use std::collections::HashMap;
use std::fs::Metadata;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::seal::Seal;
use crate::base::files::Fingerprint;
use crate::base::{Result, digest, files};
use crate::hub::Hub;

const CACHE: &str = "cache/seen.json";
const MAX_CACHE: u64 = 64 << 20;
/// What was seen in a file while it had this inode, this size and these times.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Facts {
    fingerprint: Fingerprint,
    #[serde(default)]
    without_secrets: bool,
    #[serde(default)]
    sha256: Option<String>,
    #[serde(default)]
    seal: Option<Seal>,
}

/// The beginning of a log, up to the end of a line.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Beginning {
    /// In bytes.
    length: usize,
    sha256: String,
}

/// The memory of a scan: it begins with what earlier scans saw, and ends with what it saw itself.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    /// The binary that scanned: another version may look for other things.
    program: Option<Fingerprint>,
    files: HashMap<String, Facts>,
    /// The beginnings of logs that hold no secret. Logs grow all the time, so their times say little.
    #[serde(default)]
    logs: HashMap<String, Beginning>,
    #[serde(skip)]
    now: Mutex<Noted>,
}

/// What a scan notes.
#[derive(Debug, Default)]
struct Noted {
    files: HashMap<String, Facts>,
    logs: HashMap<String, Beginning>,
}

impl Seen {
    /// The memory of earlier runs; empty when another binary wrote it or it is damaged.
    pub fn load(hub: &Hub) -> Seen {
        let own = own_program();
        let bytes = files::read(&hub.local(CACHE), MAX_CACHE).ok().flatten().unwrap_or_default();
        let known: Seen = serde_json::from_slice(&bytes).unwrap_or_default();
        match own.is_some() && known.program == own {
            true => known,
            false => Seen { program: own, ..Seen::default() },
        }
    }

    /// Saves it for later runs. Not synced: without it, a scan reads everything.
    pub fn save(&self, hub: &Hub) -> Result<()> {
        let path = hub.local(CACHE);
        files::create_parent(&path)?;
        files::replace_unsynced(&path, &serde_json::to_vec(self)?)
    }

    /// Whether the file holds no secret.
    pub fn is_without_secrets(&self, path: &str, file: &Metadata) -> bool {
        self.facts(path, file).is_some_and(|facts| facts.without_secrets)
    }

    /// The hash of the file, if it is known.
    pub fn sha256(&self, path: &str, file: &Metadata) -> Option<&str> {
        self.facts(path, file)?.sha256.as_deref()
    }

    /// What the file's own hash said, if it was looked at.
    pub fn seal(&self, path: &str, file: &Metadata) -> Option<Seal> {
        self.facts(path, file)?.seal
    }

    /// Notes that the file holds no secret. `file`: its metadata from before it was read, here and below.
    pub fn note_without_secrets(&self, path: &str, file: &Metadata) {
        self.note(path, file, |facts| facts.without_secrets = true);
    }

    /// How many bytes at the beginning of a log, whole lines, were seen to hold no secret.
    pub fn without_secrets_until(&self, log: &str, bytes: &[u8]) -> usize {
        let known = self.logs.get(log).filter(|known| {
            bytes.get(..known.length).is_some_and(|beginning| digest::sha256(beginning) == known.sha256)
        });
        known.map_or(0, |known| known.length)
    }

    /// Notes that a log holds no secret.
    pub fn note_log_without_secrets(&self, log: &str, bytes: &[u8]) {
        let length = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let beginning = Beginning { length, sha256: digest::sha256(&bytes[..length]) };
        self.noted().logs.insert(log.to_owned(), beginning);
    }

    pub fn note_sha256(&self, path: &str, file: &Metadata, sha256: &str) {
        self.note(path, file, |facts| facts.sha256 = Some(sha256.to_owned()));
    }

    pub fn note_seal(&self, path: &str, file: &Metadata, seal: Seal) {
        self.note(path, file, |facts| facts.seal = Some(seal));
    }

    /// Ends a scan that began at `began`, in nanoseconds since 1970: from here on only what it noted is known.
    pub fn end_of_scan(&mut self, began: i128) {
        let noted = std::mem::take(self.now.get_mut().unwrap_or_else(PoisonError::into_inner));
        let Noted { mut files, mut logs } = noted;
        let unchanged = std::mem::take(&mut self.logs).into_iter().filter(|(log, _)| files.contains_key(log));
        for (log, beginning) in unchanged {
            logs.entry(log).or_insert(beginning);
        }
        files.retain(|_, facts| facts.fingerprint.is_settled(began));
        (self.files, self.logs) = (files, logs);
    }

    fn facts(&self, path: &str, file: &Metadata) -> Option<&Facts> {
        self.files.get(path).filter(|facts| facts.fingerprint == Fingerprint::of(file))
    }

    fn note(&self, path: &str, file: &Metadata, learn: impl FnOnce(&mut Facts)) {
        let fingerprint = Fingerprint::of(file);
        let mut noted = self.noted();
        let facts = noted.files.entry(path.to_owned()).or_default();
        // It changed within the scan: what was seen before is about another content.
        if facts.fingerprint != fingerprint {
            *facts = Facts { fingerprint, ..Facts::default() };
        }
        learn(facts);
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn own_program() -> Option<Fingerprint> {
    std::fs::metadata(std::env::current_exe().ok()?).ok().map(|file| Fingerprint::of(&file))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn nanoseconds(seconds: i64) -> i128 {
        i128::from(seconds) * 1_000_000_000
    }

    #[test]
    fn a_file_is_looked_through_again_when_anything_about_it_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "text").unwrap();
        let meta = || fs::symlink_metadata(&path).unwrap();
        let before = meta();
        let times = fs::FileTimes::new().set_modified(before.modified().unwrap());
        let mut seen = Seen::default();
        let scan = |seen: &mut Seen, began| {
            seen.note_without_secrets("f", &meta());
            seen.end_of_scan(began);
        };
        scan(&mut seen, nanoseconds(before.ctime()));
        assert!(!seen.is_without_secrets("f", &before), "it changed a moment ago");
        scan(&mut seen, nanoseconds(before.ctime() + 3));
        assert!(seen.is_without_secrets("f", &meta()) && !seen.is_without_secrets("g", &meta()));
        assert!(seen.sha256("f", &meta()).is_none() && seen.seal("f", &meta()).is_none());
        // Whoever hides a change sets the time of the last writing back.
        while meta().ctime_nsec() == before.ctime_nsec() {
            fs::write(&path, "evil").unwrap();
            fs::File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
        }
        assert_eq!((meta().mtime_nsec(), meta().len()), (before.mtime_nsec(), before.len()));
        assert!(!seen.is_without_secrets("f", &meta()));
    }

    #[test]
    fn of_a_log_that_grew_only_the_new_lines_are_looked_through() {
        let mut seen = Seen::default();
        seen.note_log_without_secrets("log", b"one\ntwo\ncut");
        assert_eq!(seen.without_secrets_until("log", b"one\ntwo\nthree\n"), 0, "only after the scan");
        seen.end_of_scan(0);
        assert_eq!(seen.without_secrets_until("log", b"one\ntwo\nthree\n"), 8, "up to the last whole line");
        seen.note("log", &fs::metadata("/").unwrap(), |_| {});
        seen.end_of_scan(0);
        assert_eq!(seen.without_secrets_until("log", b"one\ntwo\n"), 8, "it was not read, because it had not changed");
        for changed in [&b"one\ntwx\nthree\n"[..], b"one\n", b""] {
            assert_eq!(seen.without_secrets_until("log", changed), 0, "{changed:?}");
        }
        assert_eq!(seen.without_secrets_until("other", b"one\ntwo\n"), 0);
        seen.end_of_scan(0);
        assert_eq!(seen.without_secrets_until("log", b"one\ntwo\n"), 0, "it is gone");
    }

    #[test]
    fn what_was_seen_before_a_change_within_a_scan_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "text").unwrap();
        let mut seen = Seen::default();
        seen.note_without_secrets("f", &fs::symlink_metadata(&path).unwrap());
        fs::write(&path, "a secret").unwrap();
        let after = fs::symlink_metadata(&path).unwrap();
        seen.note_sha256("f", &after, "abc");
        seen.end_of_scan(nanoseconds(after.ctime() + 60));
        assert!(seen.sha256("f", &after) == Some("abc") && !seen.is_without_secrets("f", &after));
    }
}
