//! The changes of a transaction, while being collected and in the journal.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::base::{Refusal, Result, files};
use crate::hub::marks::FileState;

/// One change to one file. Paths are relative to the hub's root, or to `<common dir>/teof/` when `local`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(in crate::hub) enum Change {
    /// The whole file, new or replaced.
    Replace {
        path: String,
        text: String,
        local: bool,
        /// The state of the file when the transaction was decided.
        #[serde(default)]
        before: FileState,
    },
    /// One or more whole lines; `at` is the log's length when the transaction was decided.
    Append {
        path: String,
        text: String,
        at: u64,
    },
    Rename {
        from: String,
        to: String,
    },
}

/// Changes under construction.
#[derive(Clone, Debug)]
pub struct Transaction {
    pub(in crate::hub) what: String,
    pub(in crate::hub) changes: Vec<Change>,
    /// Files that must not exist yet.
    pub(in crate::hub) absent: Vec<String>,
    /// Files that become evidence as they stand, of which a copy is kept until a commit holds them.
    pub(in crate::hub) evidence: Vec<String>,
}

impl Transaction {
    /// `what` describes the transaction in the journal and in error messages: `"claim QUEUE-001"`.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), changes: Vec::new(), absent: Vec::new(), evidence: Vec::new() }
    }

    /// Writes the whole file, new or replaced.
    pub fn replace(&mut self, path: impl Into<String>, text: impl Into<String>) -> &mut Self {
        let (path, text) = (path.into(), text.into());
        self.changes.retain(|change| !matches!(change, Change::Replace { path: p, local: false, .. } if *p == path));
        self.changes.push(Change::Replace { path, text, local: false, before: FileState::Unknown });
        self
    }

    /// Writes a file that must not exist yet.
    pub fn create(&mut self, path: impl Into<String>, text: impl Into<String>) -> &mut Self {
        let path = path.into();
        self.absent.push(path.clone());
        self.replace(path, text)
    }

    /// Keeps a copy of a file that becomes evidence, unless the transaction writes it.
    pub fn keep_evidence(&mut self, path: &str) -> &mut Self {
        if self.pending(path).is_none() {
            self.evidence.push(path.to_owned());
        }
        self
    }

    /// Writes a machine-local file (relative to `<common dir>/teof/`).
    pub fn replace_local(&mut self, path: impl Into<String>, text: impl Into<String>) -> &mut Self {
        let (path, text) = (path.into(), text.into());
        self.changes.push(Change::Replace { path, text, local: true, before: FileState::Unknown });
        self
    }

    /// Appends whole lines (each with its newline) to a log.
    pub fn append(&mut self, path: impl Into<String>, lines: &[u8]) -> &mut Self {
        let path = path.into();
        let lines = String::from_utf8_lossy(lines);
        for change in &mut self.changes {
            if let Change::Append { path: p, text, .. } = change
                && *p == path
            {
                text.push_str(&lines);
                return self;
            }
        }
        self.changes.push(Change::Append { path, text: lines.into_owned(), at: 0 });
        self
    }

    /// Renames a file within the record (to seal a log) before anything is appended: lines that the same transaction
    /// appends under the old name start a new file.
    pub fn rename(&mut self, from: impl Into<String>, to: impl Into<String>) -> &mut Self {
        self.changes.push(Change::Rename { from: from.into(), to: to.into() });
        self
    }

    /// The text that the transaction would write to `path`, if any. Lets one store build on changes that another has
    /// already added.
    pub fn pending(&self, path: &str) -> Option<&str> {
        self.changes.iter().find_map(|change| match change {
            Change::Replace { path: p, text, local: false, .. } if p == path => Some(text.as_str()),
            _ => None,
        })
    }

    /// The lines that the transaction would append to a log, if any.
    pub fn pending_lines(&self, path: &str) -> Option<&str> {
        self.changes.iter().find_map(|change| match change {
            Change::Append { path: p, text, .. } if p == path => Some(text.as_str()),
            _ => None,
        })
    }

    /// The files that the transaction renames.
    pub fn renamed(&self) -> impl Iterator<Item = &str> {
        self.changes.iter().filter_map(|change| match change {
            Change::Rename { from, .. } => Some(from.as_str()),
            _ => None,
        })
    }

    /// The files of the record that the transaction would write whole: path and text.
    pub fn replaced(&self) -> impl Iterator<Item = (&str, &str)> {
        self.changes.iter().filter_map(|change| match change {
            Change::Replace { path, text, local: false, .. } => Some((path.as_str(), text.as_str())),
            _ => None,
        })
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether a crash between its changes could leave only some of them.
    pub(in crate::hub) fn needs_journal(&self) -> bool {
        self.changes.len() > 1
    }
}

/// Refuses when a file that the transaction would create already exists.
pub(in crate::hub) fn check_absent(root: &Path, transaction: &Transaction) -> Result<()> {
    for path in &transaction.absent {
        if fs::symlink_metadata(files::within(root, path)?).is_ok() {
            return Err(Refusal::guard("file.exists", format!("{path} already exists"))
                .because("a receipt or plan is written once")
                .next("choose another name")
                .into());
        }
    }
    Ok(())
}
