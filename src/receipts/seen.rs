//! Remembers what scans saw in files of the record: that they hold no secret, their hash, that their own hash fits.
//!
//! Every run scans the record twice, and most of it never changes. The kernel says whether a file is unchanged: by
//! its inode, size and times, of which nobody can set `ctime`.
//!
//! A run reads the memory of earlier runs before it starts any program, and then trusts only what it saw itself.
//! `teof scan` trusts nothing. The memory is machine-local and may be lost at any time.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::seal::Seal;
use crate::base::{Result, Stamp, files};
use crate::hub::Hub;

const CACHE: &str = "cache/seen.json";
const MAX_CACHE: u64 = 64 << 20;
/// A file that changed so recently, in nanoseconds, may change again and show the same time. Clocks of file systems
/// tick every few milliseconds, or every second or two where they have no smaller unit.
const RECENT: i128 = 100_000_000;
const RECENT_WHOLE_SECONDS: i128 = 2_000_000_000;

/// Inode, size, seconds and nanoseconds of the last writing and of the last change.
type Print = [i64; 6];

/// What was seen in a file while it had this inode, this size and these times.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Facts {
    print: Print,
    #[serde(default)]
    without_secrets: bool,
    #[serde(default)]
    sha256: Option<String>,
    #[serde(default)]
    seal: Option<Seal>,
}

/// The memory of a scan: it begins with what earlier scans saw, and ends with what it saw itself.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    /// The binary that scanned: another version may look for other things.
    program: Option<Print>,
    files: HashMap<String, Facts>,
    #[serde(skip)]
    now: Mutex<HashMap<String, Facts>>,
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

    pub fn note_sha256(&self, path: &str, file: &Metadata, sha256: &str) {
        self.note(path, file, |facts| facts.sha256 = Some(sha256.to_owned()));
    }

    pub fn note_seal(&self, path: &str, file: &Metadata, seal: Seal) {
        self.note(path, file, |facts| facts.seal = Some(seal));
    }

    /// Ends a scan that began at `began`: from here on only what it noted is known.
    pub fn end_of_scan(&mut self, began: Stamp) {
        let began = i128::from(began.unix()) * 1_000_000_000;
        let mut now = std::mem::take(self.now.get_mut().unwrap_or_else(PoisonError::into_inner));
        now.retain(|_, facts| is_settled(&facts.print, began));
        self.files = now;
    }

    fn facts(&self, path: &str, file: &Metadata) -> Option<&Facts> {
        self.files.get(path).filter(|facts| facts.print == print(file))
    }

    fn note(&self, path: &str, file: &Metadata, learn: impl FnOnce(&mut Facts)) {
        let print = print(file);
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let facts = now.entry(path.to_owned()).or_default();
        // It changed within the scan: what was seen before is about another content.
        if facts.print != print {
            *facts = Facts { print, ..Facts::default() };
        }
        learn(facts);
    }
}

/// Whether a change after `began` (nanoseconds) would show in the times.
fn is_settled(print: &Print, began: i128) -> bool {
    let [_, _, times @ ..] = print;
    times.chunks(2).all(|time| {
        let [seconds, nanoseconds] = [time[0], time[1]].map(i128::from);
        let recent = if nanoseconds == 0 { RECENT_WHOLE_SECONDS } else { RECENT };
        began - (seconds * 1_000_000_000 + nanoseconds) > recent
    })
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
        let before = meta();
        let times = fs::FileTimes::new().set_modified(before.modified().unwrap());
        let mut seen = Seen::default();
        let scan = |seen: &mut Seen, began| {
            seen.note_without_secrets("f", &meta());
            seen.end_of_scan(began);
        };
        scan(&mut seen, Stamp::from_unix(before.ctime()));
        assert!(!seen.is_without_secrets("f", &before), "it changed a moment ago");
        scan(&mut seen, Stamp::from_unix(before.ctime() + 3));
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
    fn file_systems_without_small_units_are_waited_for() {
        let at = |seconds, nanoseconds| [1, 2, seconds, nanoseconds, seconds, nanoseconds];
        assert!(is_settled(&at(10, 5), 10_100_000_006) && !is_settled(&at(10, 5), 10_100_000_005));
        assert!(is_settled(&at(10, 0), 12_000_000_001) && !is_settled(&at(10, 0), 12_000_000_000));
        // A time in the future: the clock was set back.
        assert!(!is_settled(&at(20, 5), 12_000_000_001));
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
        seen.end_of_scan(Stamp::from_unix(after.ctime() + 60));
        assert!(seen.sha256("f", &after) == Some("abc") && !seen.is_without_secrets("f", &after));
    }
}
