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
        && let Err(e) = serde_json::from_reader::<_, IgnoredAny>(bounded(file))
    {
        return Evidence::Damaged(text::safe(&e.to_string()));
    }
    if tracked(path) { Evidence::Tracked } else { Evidence::Untracked }
}

/// A receipt attached by a person may be large, but an endless one must not block teof.
fn bounded(file: File) -> impl Read {
    BufReader::new(file.take(16 * files::MAX_DOCUMENT))
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
