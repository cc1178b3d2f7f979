//! Helps to restore the record: reads the branch's version of a file, and keeps copies aside.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::base::{Result, files, text};
use crate::hub::Hub;
use crate::hub::git::object_ids;
use crate::hub::marks::FileState;
use crate::hub::marks::documents::{MAX_COMMITTED_STATES, is_shared};

/// How many commits are searched for the states of a file.
const COMMITS: usize = 1000;

impl Hub {
    /// A file's version on the record's branch; `None` when it does not exist there.
    pub fn committed(&self, relative: &str) -> Option<Vec<u8>> {
        let repo = git2::Repository::open_bare(&self.common_dir).ok()?;
        let tip = repo.find_reference(&format!("refs/heads/{}", self.branch()?)).ok()?;
        let entry = tip.peel_to_tree().ok()?.get_path(Path::new(relative)).ok()?;
        Some(entry.to_object(&repo).ok()?.into_blob().ok()?.content().to_vec())
    }

    /// The latest states of a file on the record's branch. Unreadable commits are skipped.
    pub(in crate::hub) fn committed_states(&self, relative: &str) -> Vec<FileState> {
        self.blobs(relative).unwrap_or_default().iter().map(|bytes| FileState::of_bytes(bytes)).collect()
    }

    fn blobs(&self, relative: &str) -> Option<Vec<Vec<u8>>> {
        let repo = git2::Repository::open_bare(&self.common_dir).ok()?;
        let mut commits = repo.revwalk().ok()?;
        commits.push_ref(&format!("refs/heads/{}", self.branch()?)).ok()?;
        let mut known = HashSet::new();
        let blob = |commit| Some(repo.find_commit(commit).ok()?.tree().ok()?.get_path(Path::new(relative)).ok()?.id());
        let ids =
            commits.flatten().take(COMMITS).filter_map(blob).filter(|id| known.insert(*id)).take(MAX_COMMITTED_STATES);
        Some(ids.filter_map(|id| Some(repo.find_blob(id).ok()?.content().to_vec())).collect())
    }

    /// Refuses a document that git reset to an older state.
    pub fn check_document(&self, relative: &str) -> Result<()> {
        self.watermarks().documents().check(&self.root, relative, || self.has_removed(relative))
    }

    /// Whether the record's branch lacks the file although it has the last record commit: then a commit removed the file,
    /// and no reset of the branch.
    fn has_removed(&self, relative: &str) -> bool {
        let contains = |commit: &str| {
            let repo = git2::Repository::open_bare(&self.common_dir).ok()?;
            let tip = repo.find_reference(&format!("refs/heads/{}", self.branch()?)).ok()?.target()?;
            let commit = object_ids::parse(commit).ok()?;
            Some(tip == commit || repo.graph_descendant_of(tip, commit).ok()?)
        };
        self.committed(relative).is_none()
            && self.watermarks().last_record().is_some_and(|last| contains(&last).unwrap_or(false))
    }

    /// Refuses when any log, claim or shared document on disk is older than acknowledged. For operations that rely on
    /// the whole record, such as a record commit.
    pub fn check_record(&self) -> Result<()> {
        let marks = self.watermarks();
        marks.check_all(&self.root)?;
        let documents = marks.documents().names();
        documents.iter().filter(|path| is_shared(path)).try_for_each(|path| self.check_document(path))
    }

    /// Saves bytes of the record outside the tree, under a new name.
    pub fn set_aside(&self, folder: &str, relative: &str, bytes: &[u8]) -> Result<PathBuf> {
        let name = relative.replace('/', "%");
        // A file's name has at most 255 bytes.
        let stem = format!("{folder}/{}-{}", text::clip(&name, 160), self.now().compact());
        let aside = (1..)
            .map(|n| self.local(&if n == 1 { stem.clone() } else { format!("{stem}-{n}") }))
            .find(|aside| !aside.exists())
            .unwrap_or_else(|| self.local(&stem));
        files::create_parent(&aside)?;
        files::replace(&aside, bytes)?;
        Ok(aside)
    }
}
