//! Finds files of the record that git ignores, and decides which of them are committed anyway.
//!
//! A rule such as `*.jsonl` or `*.log`, often in a person's own excludes file, is not meant for the record. So teof's
//! documents and logs and every receipt in the ledger are committed even if a rule matches: a clone must have them.
//! Editors' backup files and other ignored files stay out. A rule that ignores a whole owned folder is intentional
//! and respected.

use std::collections::HashSet;

use super::{tree, tree_files};
use crate::base::{Result, text};
use crate::hub::{Hub, paths};
use crate::receipts::ledger;

/// File name endings of what teof writes itself.
const DOCUMENTS: [&str; 4] = [".json", ".jsonl", ".md", ".gitkeep"];

/// Untracked files and folders of the record that git ignores.
pub struct Ignored {
    files: HashSet<Vec<u8>>,
    /// With the final slash.
    folders: Vec<Vec<u8>>,
    receipts: HashSet<String>,
}

impl Ignored {
    /// # Errors
    /// When git or the ledger cannot be read.
    pub fn read(hub: &Hub) -> Result<Ignored> {
        let mut args = vec!["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory", "--"];
        args.extend(tree::owned());
        let listed = hub.git().bytes(&args)?;
        let names = listed.split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec);
        let (folders, files): (Vec<_>, Vec<_>) = names.partition(|name| name.ends_with(b"/"));
        let is_any = !folders.is_empty() || !files.is_empty();
        let receipts = if is_any { ledger::listed(&hub.root)?.into_keys().collect() } else { HashSet::new() };
        Ok(Ignored { files: files.into_iter().collect(), folders, receipts })
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
    pub fn stays_out(&self, path: &[u8]) -> bool {
        self.is_ignored(path) && !self.is_needed(path)
    }

    fn is_needed(&self, path: &[u8]) -> bool {
        let Ok(path) = std::str::from_utf8(path) else { return false };
        DOCUMENTS.iter().any(|ending| path.ends_with(ending))
            || paths::OWNED_FILES.contains(&path)
            || self.receipts.contains(path)
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
