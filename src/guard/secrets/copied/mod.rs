//! The secrets of files that a run was given, such as `.env`: their values are known, so they are found whatever they
//! look like.
//!
//! Kept in this process alone, and never written.

mod names;
mod values;
mod walk;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::RwLock;
use std::time::SystemTime;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::base::files;
use crate::hub::Hub;
use crate::hub::worktrees::setup::{self, Original};

/// What a hit is called.
const KIND: &str = "copied-secret";
/// Larger files are not read, in bytes.
const MAX_SIZE: u64 = 64 * 1024;

/// What this process has learned.
static KNOWN: RwLock<Known> = RwLock::new(Known { read: BTreeMap::new(), values: BTreeMap::new(), finder: None });

struct Known {
    /// The files, as they were when they were read.
    read: BTreeMap<PathBuf, (u64, Option<SystemTime>)>,
    /// Each secret, and the file that holds it.
    values: BTreeMap<String, String>,
    /// Finds the values, in their order.
    finder: Option<AhoCorasick>,
}

/// Learns the secrets of the files that worktrees get copies of, before what was printed there becomes a receipt. A
/// file is read again only when it has changed. What cannot be listed is warned of, and redacted by its shape alone.
pub fn learn_copied(hub: &Hub) {
    for originals in [setup::included(hub), setup::listed(hub)] {
        match originals {
            Ok(originals) => drop(learn(&originals)),
            Err(e) => tracing::warn!("secrets of copied files may not be recognised: {e:#}"),
        }
    }
}

/// Learns the secrets of these files, and of the settings files in these folders. Returns how many files it read.
fn learn(originals: &[Original]) -> usize {
    let files = walk::settings_files(originals);
    let Ok(mut known) = KNOWN.write() else { return 0 };
    let (before, mut count) = (known.values.len(), 0);
    for file in files {
        let path = file.path();
        let Ok(meta) = std::fs::symlink_metadata(&path) else { continue };
        let state = (meta.len(), meta.modified().ok());
        if known.read.get(&path) == Some(&state) {
            continue;
        }
        if let Ok(Some(bytes)) = files::read(&path, MAX_SIZE) {
            for value in values::secrets(&file.name, &String::from_utf8_lossy(&bytes)) {
                known.values.entry(value).or_insert_with(|| file.name.clone());
            }
            count += 1;
        }
        known.read.insert(path, state);
    }
    if known.values.len() > before {
        // One value may begin with another: the longest is hidden whole.
        let builder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(known.values.keys());
        known.finder = builder.ok();
    }
    count
}

/// Where the bytes repeat a value of a copied file.
pub(super) fn find(bytes: &[u8]) -> Vec<(&'static str, Range<usize>)> {
    let Ok(known) = KNOWN.read() else { return Vec::new() };
    let Some(finder) = known.finder.as_ref() else { return Vec::new() };
    finder.find_iter(bytes).map(|hit| (KIND, hit.range())).collect()
}

/// The copied file that holds a value in the bytes, as its checkout names it.
pub(super) fn holder(bytes: &[u8]) -> Option<String> {
    let known = KNOWN.read().ok()?;
    let hit = known.finder.as_ref()?.find(bytes)?;
    known.values.values().nth(hit.pattern().as_usize()).cloned()
}

#[cfg(test)]
mod tests {
    use super::super::{redact, scan_record};
    use super::*;

    #[test]
    fn files_are_read_once_and_their_values_found_in_any_text() {
        let dir = tempfile::tempdir().unwrap();
        for at in 0..150 {
            std::fs::write(dir.path().join(format!("{at}.env")), format!("TOKEN=amber-road-{at}x\n")).unwrap();
        }
        let all = [Original { checkout: dir.path().parent().unwrap().to_owned(), name: name_of(dir.path()) }];
        assert_eq!((learn(&all), learn(&all)), (150, 0));
        let text = "with amber-road-1x, then amber-road-149x";
        assert_eq!(redact(text), "with [redacted:copied-secret], then [redacted:copied-secret]");
        assert!(holder(b"it was amber-road-7x").unwrap().ends_with("/7.env"));
        // One that grew is read again.
        std::fs::write(dir.path().join("7.env"), "TOKEN=birch-lane-and-more\n").unwrap();
        assert_eq!((learn(&all), redact("birch-lane-and-more").as_str()), (1, "[redacted:copied-secret]"));
        assert_eq!(redact("amber-road-7x"), "[redacted:copied-secret]", "what an old run printed stays known");
        assert_eq!(scan_record(text.as_bytes()), [], "what stands in the record already is no finding");
    }

    fn name_of(path: &std::path::Path) -> String {
        path.file_name().unwrap().to_str().unwrap().to_owned()
    }
}
