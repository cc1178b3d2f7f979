//! The state of a receipt that a plan names.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use serde::de::IgnoredAny;

use crate::base::{Refusal, files, text};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// In git's index or HEAD, or in the ledger awaiting the next record commit.
    Tracked,
    /// It exists, but neither git nor the ledger has it.
    Untracked,
    Missing,
    /// It exists, but is not a regular file inside the tree, or is invalid JSON; holds the reason.
    Damaged(String),
}

/// Checks the file `path` (relative) under `root`. The caller decides what counts as tracked: git and the ledger
/// during work, only git on a clean checkout.
pub fn find(root: &Path, path: &str, tracked: &dyn Fn(&str) -> bool) -> Evidence {
    let opened = files::within(root, path).and_then(|file| files::open_regular(&file));
    let file = match opened {
        Ok(None) => return Evidence::Missing,
        Ok(Some(file)) => file,
        Err(e) => {
            let reason = Refusal::of(&e).and_then(|refusal| refusal.reason.clone());
            return Evidence::Damaged(reason.unwrap_or_else(|| e.to_string()));
        }
    };
    if path.ends_with(".json")
        && let Err(why) = check_json(file)
    {
        return Evidence::Damaged(text::safe(&why));
    }
    if tracked(path) { Evidence::Tracked } else { Evidence::Untracked }
}

/// Why the file is not JSON. One that a person attached may be large, but an endless one must not block teof.
fn check_json(mut file: File) -> Result<(), String> {
    let mut start = Vec::new();
    file.by_ref().take(files::MAX_DOCUMENT).read_to_end(&mut start).map_err(|e| e.to_string())?;
    let is_whole = (start.len() as u64) < files::MAX_DOCUMENT;
    let checked = match is_whole {
        // Many times faster than a reader, and nearly all are small.
        true => serde_json::from_slice::<IgnoredAny>(&start),
        false => serde_json::from_reader(BufReader::new(start.as_slice().chain(file.take(15 * files::MAX_DOCUMENT)))),
    };
    checked.map(drop).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_a_regular_file_inside_the_tree() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        std::fs::write(root.join("good.json"), "{}").unwrap();
        std::fs::write(root.join("bad.json"), "{").unwrap();
        std::fs::write(root.join("note.md"), "{").unwrap();
        std::os::unix::fs::symlink("good.json", root.join("link.json")).unwrap();
        let find = |path: &str| super::find(root, path, &|path| path != "note.md");
        assert_eq!(find("good.json"), Evidence::Tracked);
        assert_eq!(find("note.md"), Evidence::Untracked);
        assert_eq!(find("none.json"), Evidence::Missing);
        for damaged in ["bad.json", "link.json", "../x"] {
            assert!(matches!(find(damaged), Evidence::Damaged(_)), "{damaged}");
        }
    }
}
