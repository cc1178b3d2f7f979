//! Finds files of the record that git ignores, and decides which of them are committed anyway.
//!
//! A rule such as `*.jsonl` or `*.log`, often in a person's own excludes file, is not meant for the record. So teof's
//! documents and logs and everything that is named as evidence are committed even if a rule matches: a clone must have
//! them.
//! Editors' backup files and other ignored files stay out. A rule that ignores a whole owned folder is intentional
//! and respected.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashSet};

use super::{tree, tree_files};
use crate::base::{Result, text};
use crate::hub::{Hub, paths};
use crate::ops::evidence;

/// File name endings of what teof writes itself.
const DOCUMENTS: [&str; 4] = [".json", ".jsonl", ".md", ".gitkeep"];

/// Untracked files and folders of the record that git ignores.
pub struct Ignored<'h> {
    hub: &'h Hub,
    files: HashSet<Vec<u8>>,
    /// With the final slash.
    folders: Vec<Vec<u8>>,
    evidence: OnceCell<BTreeSet<String>>,
}

impl<'h> Ignored<'h> {
    /// # Errors
    /// When git or the ledger cannot be read.
    pub fn read(hub: &'h Hub) -> Result<Ignored<'h>> {
        let mut args = vec!["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory", "--"];
        args.extend(tree::owned());
        let listed = hub.git().bytes(&args)?;
        let names = listed.split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec);
        let (folders, files): (Vec<_>, Vec<_>) = names.partition(|name| name.ends_with(b"/"));
        Ok(Ignored { hub, files: files.into_iter().collect(), folders, evidence: OnceCell::new() })
    }

    /// The first completely ignored owned folder.
    pub fn hidden_folder(&self) -> Option<&'static str> {
        let is_hidden = |folder: &&str| self.folders.iter().any(|name| name == format!("{folder}/").as_bytes());
        paths::OWNED.into_iter().find(is_hidden)
    }

    fn is_ignored(&self, path: &[u8]) -> bool {
        self.files.contains(path) || self.folders.iter().any(|folder| path.starts_with(folder))
    }

    /// Whether a file stays out of the commit.
    ///
    /// # Errors
    /// When what is named as evidence cannot be read.
    pub fn stays_out(&self, path: &[u8]) -> Result<bool> {
        Ok(self.is_ignored(path) && !self.is_needed(path)?)
    }

    fn is_needed(&self, path: &[u8]) -> Result<bool> {
        let Ok(path) = std::str::from_utf8(path) else { return Ok(false) };
        Ok(DOCUMENTS.iter().any(|ending| path.ends_with(ending))
            || paths::OWNED_FILES.contains(&path)
            || self.evidence()?.contains(path))
    }

    /// Whether something in a folder is named as evidence.
    ///
    /// # Errors
    /// As [`Self::stays_out`].
    pub fn has_evidence_below(&self, folder: &[u8]) -> Result<bool> {
        let Ok(folder) = std::str::from_utf8(folder) else { return Ok(false) };
        let inside = format!("{folder}/");
        Ok(self.evidence()?.range(inside.clone()..).next().is_some_and(|path| path.starts_with(&inside)))
    }

    /// Read only where a file may be left out.
    fn evidence(&self) -> Result<&BTreeSet<String>> {
        if self.evidence.get().is_none() {
            let _ = self.evidence.set(evidence::named(self.hub)?);
        }
        Ok(self.evidence.get_or_init(BTreeSet::new))
    }

    /// Warns about files that were committed although git ignores them.
    pub fn warn(&self, committed: &tree_files::Files) {
        let mut against = committed.keys().filter(|path| self.is_ignored(path));
        if let Some(first) = against.next() {
            tracing::warn!(
                "committed {} of the record that git ignores, such as {}; see the rule: git check-ignore -v \
                    --no-index {}",
                text::counted(1 + against.count(), "file"),
                text::safe(&String::from_utf8_lossy(first)),
                text::shell_word(&String::from_utf8_lossy(first)),
            );
        }
    }
}
