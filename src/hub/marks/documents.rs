//! Watermarks of documents: the last state that this machine saved of each plan, backlog, assignment and new receipt,
//! and earlier states.
//!
//! A log only grows and a claim's epoch only rises; a document has no such order, so its earlier states are recorded.
//! A document in one of them was brought back, by git or by a person, and is refused. New content, written by a person
//! or another tool, is accepted.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::FileState;
use crate::base::{Refusal, Result, digest, files};
use crate::hub::paths;

/// Minimum number of recorded earlier states, besides those on the branch.
const EARLIER: usize = 64;
/// Above this number, states that nothing can bring back are dropped. It is higher than the number of states on the
/// branch, so that git is not called at every save.
const FULL: usize = EARLIER + 2 * MAX_COMMITTED_STATES;
/// How many states of the branch are recorded, which git can bring back.
pub(in crate::hub) const MAX_COMMITTED_STATES: usize = 64;
/// The largest mark: the list of states, and a document.
const MAX: u64 = 2 * files::MAX_DOCUMENT;

/// The watermarks of documents of one hub.
#[derive(Clone, Debug)]
pub struct DocumentMarks {
    folder: PathBuf,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Mark {
    /// The document, relative to the hub.
    path: String,
    /// What was saved last.
    last: FileState,
    /// What was replaced by that, oldest first.
    earlier: Vec<FileState>,
    /// The document, until a commit holds it.
    #[serde(skip)]
    kept: Vec<u8>,
}

impl DocumentMarks {
    pub(in crate::hub) fn new(marks: &Path) -> Self {
        Self { folder: marks.join("documents") }
    }

    /// Whether a document of the record has a mark: plans, backlog and assignments always, other files of the
    /// record when they were written to stay (`is_new`). Claims have marks of their own.
    pub(in crate::hub) fn covers(relative: &str, is_new: bool) -> bool {
        is_shared(relative) || (is_new && paths::is_owned(relative) && !relative.starts_with(paths::CLAIMS))
    }

    /// The mark for a document that is about to be saved, written but not yet in its place: temporary file and target.
    /// `held` gives the states that the record's branch has of it.
    pub(in crate::hub) fn stage(
        &self,
        relative: &str,
        before: &FileState,
        text: &str,
        held: impl FnOnce() -> Vec<FileState>,
    ) -> Result<(PathBuf, PathBuf)> {
        let mut mark = self.read(relative).unwrap_or_default();
        relative.clone_into(&mut mark.path);
        let last = std::mem::replace(&mut mark.last, FileState::of_bytes(text.as_bytes()));
        mark.earlier.extend([last, before.clone()]);
        let mut known = std::collections::HashSet::new();
        let Mark { last, earlier, .. } = &mut mark;
        earlier.reverse();
        earlier.retain(|state| *state != FileState::Unknown && state != last && known.insert(format!("{state:?}")));
        if earlier.len() > FULL {
            let held = held();
            let old = earlier.split_off(EARLIER);
            // A stash removes what was never committed.
            earlier.extend(old.into_iter().filter(|state| *state == FileState::Absent || held.contains(state)));
        }
        earlier.reverse();
        mark.kept = text.as_bytes().to_vec();
        let path = self.file(relative);
        files::create_parent(&path)?;
        Ok((files::write_beside_unsynced(&path, &mark.bytes()?)?, path))
    }

    /// The mark for a file that is entered as evidence, with a copy until a commit has it. As in [`Self::stage`], the
    /// temporary file and the target.
    pub(in crate::hub) fn stage_evidence(&self, relative: &str, bytes: &[u8]) -> Result<(PathBuf, PathBuf)> {
        let (last, earlier) = (FileState::of_bytes(bytes), vec![FileState::Absent]);
        let mark = Mark { path: relative.to_owned(), last, earlier, kept: bytes.to_vec() };
        let path = self.file(relative);
        files::create_parent(&path)?;
        Ok((files::write_beside_unsynced(&path, &mark.bytes()?)?, path))
    }

    /// Refuses a document in a state that was replaced since. A missing one was removed on purpose where a commit on
    /// the record's branch removed it (`is_removed`).
    pub fn check(&self, root: &Path, relative: &str, is_removed: impl FnOnce() -> bool) -> Result<()> {
        let Some(mark) = self.read(relative) else { return Ok(()) };
        let now = FileState::of(&files::within(root, relative)?);
        if now == mark.last || !mark.earlier.contains(&now) {
            return Ok(());
        }
        if now != FileState::Absent {
            return Err(fell_behind(format!("{relative} is in an older state than last saved")).into());
        }
        // A commit held it, so its removal can only come from another one.
        if mark.kept.is_empty() && is_removed() {
            return Ok(());
        }
        Err(Refusal::guard("record.behind", "a document of the record is missing in the hub")
            .because(format!("{relative} is missing"))
            .next("restore it: teof bus restore")
            .next("if it was removed on purpose: teof bus restore --accept")
            .into())
    }

    /// The document as it was saved last, if it is kept or `candidates` (bytes that git has) hold it.
    pub fn last(&self, relative: &str, mut candidates: impl Iterator<Item = Vec<u8>>) -> Option<Vec<u8>> {
        let mark = self.read(relative)?;
        let is_last = |bytes: &Vec<u8>| FileState::of_bytes(bytes) == mark.last;
        Some(mark.kept.clone()).filter(is_last).or_else(|| candidates.find(is_last))
    }

    /// Records that a commit on the record's branch holds this document.
    pub fn committed(&self, relative: &str, committed: &[u8]) -> Result<()> {
        let Some(mut mark) = self.read(relative).filter(|mark| !mark.kept.is_empty()) else { return Ok(()) };
        if FileState::of_bytes(committed) != mark.last {
            return Ok(());
        }
        let path = self.file(relative);
        if !is_shared(relative) {
            return self.forget(relative);
        }
        mark.kept.clear();
        files::replace_unsynced(&path, &mark.bytes()?)
    }

    /// Accepts a document in its current state.
    pub fn forget(&self, relative: &str) -> Result<()> {
        match fs::remove_file(self.file(relative)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(files::io_refusal(e, "remove", &self.file(relative)))
            }
            _ => Ok(()),
        }
    }

    /// The documents that have a mark, sorted.
    pub fn names(&self) -> Vec<String> {
        self.all().into_iter().map(|mark| mark.path).collect()
    }

    /// The documents that no commit holds yet, as they were saved last.
    pub fn kept(&self) -> Vec<String> {
        self.all().into_iter().filter(|mark| !mark.kept.is_empty()).map(|mark| mark.path).collect()
    }

    fn all(&self) -> Vec<Mark> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut marks: Vec<_> = entries.filter_map(|entry| read(&entry.path())).collect();
        marks.sort_by(|a, b| a.path.cmp(&b.path));
        marks
    }

    fn read(&self, relative: &str) -> Option<Mark> {
        read(&self.file(relative))
    }

    /// Named by a digest: a receipt's path can be longer than a file's name.
    fn file(&self, relative: &str) -> PathBuf {
        self.folder.join(&digest::sha256(relative.as_bytes())[..32])
    }
}

/// A mark damaged by a power failure is ignored.
fn read(file: &Path) -> Option<Mark> {
    let mut bytes = files::read(file, MAX).ok()??;
    let end = bytes.iter().position(|b| *b == b'\n')?;
    let mut mark: Mark = serde_json::from_slice(&bytes[..end]).ok()?;
    mark.kept = bytes.split_off(end + 1);
    Some(mark)
}

impl Mark {
    fn bytes(&self) -> Result<Vec<u8>> {
        Ok([serde_json::to_vec(self)?.as_slice(), b"\n", &self.kept].concat())
    }
}

/// Documents that several people and agents edit: teof never changes an older state of one.
pub fn is_shared(relative: &str) -> bool {
    [paths::PLANS, paths::ASSIGNMENTS]
        .iter()
        .any(|folder| relative.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
}

/// Refusal for a record that git reset to an older state.
pub(in crate::hub) fn fell_behind(what: String) -> Refusal {
    Refusal::guard("record.behind", "the record in the hub is older than acknowledged changes")
        .because(format!("{what}: a stash, reset or switch removed changes"))
        .next("if you stashed it: git stash pop")
        .next("otherwise restore the acknowledged changes: teof bus restore")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaced_states_are_detected_and_new_ones_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let marks = DocumentMarks::new(root);
        fs::create_dir(root.join("_plans")).unwrap();
        let save = |text: &str| {
            let before = FileState::of(&root.join(paths::BACKLOG));
            let held = || vec![FileState::of_bytes(b"0"), FileState::of_bytes(b"2")];
            let (temporary, target) = marks.stage(paths::BACKLOG, &before, text, held).unwrap();
            fs::rename(temporary, target).unwrap();
            fs::write(root.join(paths::BACKLOG), text).unwrap();
        };
        let is_behind = |text: &str| {
            fs::write(root.join(paths::BACKLOG), text).unwrap();
            marks.check(root, paths::BACKLOG, || true).is_err()
        };
        fs::write(root.join(paths::BACKLOG), "0").unwrap();
        save("1");
        save("2");
        assert!(is_behind("0") && is_behind("1"));
        assert!(!is_behind("2"), "it is as it was saved");
        assert!(!is_behind("3"), "somebody edited it");
        assert_eq!(marks.last(paths::BACKLOG, std::iter::empty()).unwrap(), b"2");
        fs::write(root.join(paths::BACKLOG), "2").unwrap();
        save("0");
        assert!(!is_behind("0") && is_behind("2"), "back to an earlier state by teof itself");
        marks.committed(paths::BACKLOG, b"2").unwrap();
        assert_eq!(marks.last(paths::BACKLOG, std::iter::empty()).unwrap(), b"0", "the commit holds another state");
        marks.committed(paths::BACKLOG, b"0").unwrap();
        assert_eq!(marks.last(paths::BACKLOG, std::iter::empty()), None);
        assert_eq!(marks.last(paths::BACKLOG, [b"x".to_vec(), b"0".to_vec()].into_iter()).unwrap(), b"0");
        assert!(is_behind("1"), "the states are remembered");
        fs::write(root.join(paths::BACKLOG), "0").unwrap();
        (0..3 * FULL).for_each(|n| save(&format!("more {n}")));
        assert!(is_behind("0") && is_behind("2"), "the branch has them, so they are not let go");
        assert!(is_behind(&format!("more {}", 3 * FULL - EARLIER)) && !is_behind("1"));
        assert!(marks.read(paths::BACKLOG).unwrap().earlier.len() <= FULL);
        fs::remove_file(root.join(paths::BACKLOG)).unwrap();
        (0..3 * FULL).for_each(|n| save(&format!("new {n}")));
        fs::remove_file(root.join(paths::BACKLOG)).unwrap();
        let is_missing = |is_removed: bool| marks.check(root, paths::BACKLOG, || is_removed).is_err();
        assert!(is_missing(false) && is_missing(true), "it was never committed");
        marks.committed(paths::BACKLOG, format!("new {}", 3 * FULL - 1).as_bytes()).unwrap();
        assert!(is_missing(false), "the branch has it, or lost more than it");
        assert!(!is_missing(true), "a commit removed it");
    }
}
