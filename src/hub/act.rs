//! An act: changes to several files that happen all, or not at all.
//!
//! An act with more than one change is first written, with its final bytes, to the intent journal and
//! synced; then it is applied; then the journal is emptied. Whoever takes the bus lock next finds an
//! unfinished act in the journal and applies it again. Applying twice is the same as applying once.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::base::{Refusal, Result, digest, files, jsonl};

/// One change to one file. Paths are relative to the hub's root, or to `<common dir>/teof/` when `local`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(super) enum Change {
    /// The whole file, new or replaced.
    Replace {
        path: String,
        text: String,
        local: bool,
    },
    /// One or more whole lines; `at` is the log's length when the act was decided.
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
pub struct Act {
    pub(super) what: String,
    pub(super) changes: Vec<Change>,
    /// Files that must not exist yet.
    pub(super) absent: Vec<String>,
}

impl Act {
    /// `what` says what is done, for the journal and for error messages: `"claim QUEUE-001"`.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), changes: Vec::new(), absent: Vec::new() }
    }

    /// Writes the whole file, new or replaced.
    pub fn replace(&mut self, path: impl Into<String>, text: impl Into<String>) -> &mut Self {
        let (path, text) = (path.into(), text.into());
        self.changes.retain(|change| !matches!(change, Change::Replace { path: p, local: false, .. } if *p == path));
        self.changes.push(Change::Replace { path, text, local: false });
        self
    }

    /// Writes a file that must not exist yet.
    pub fn create(&mut self, path: impl Into<String>, text: impl Into<String>) -> &mut Self {
        let path = path.into();
        self.absent.push(path.clone());
        self.replace(path, text)
    }

    /// Writes a machine-local file (relative to `<common dir>/teof/`).
    pub fn replace_local(&mut self, path: impl Into<String>, text: impl Into<String>) -> &mut Self {
        self.changes.push(Change::Replace { path: path.into(), text: text.into(), local: true });
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

    /// Renames a file within the record (sealing a log), before anything is appended: lines that the same
    /// act appends under the old name begin a new file.
    pub fn rename(&mut self, from: impl Into<String>, to: impl Into<String>) -> &mut Self {
        self.changes.push(Change::Rename { from: from.into(), to: to.into() });
        self
    }

    /// The bytes that the act would write to `path`, if it writes there: lets one store build on
    /// what another has already put into the same act.
    pub fn pending(&self, path: &str) -> Option<&str> {
        self.changes.iter().find_map(|change| match change {
            Change::Replace { path: p, text, local: false } if p == path => Some(text.as_str()),
            _ => None,
        })
    }

    /// The lines that the act would append to a log, if any.
    pub fn pending_lines(&self, path: &str) -> Option<&str> {
        self.changes.iter().find_map(|change| match change {
            Change::Append { path: p, text, .. } if p == path => Some(text.as_str()),
            _ => None,
        })
    }

    /// The files that the act gives another name.
    pub fn renamed(&self) -> impl Iterator<Item = &str> {
        self.changes.iter().filter_map(|change| match change {
            Change::Rename { from, .. } => Some(from.as_str()),
            _ => None,
        })
    }

    /// The files of the record that the act would write whole: path and text.
    pub fn replaced(&self) -> impl Iterator<Item = (&str, &str)> {
        self.changes.iter().filter_map(|change| match change {
            Change::Replace { path, text, local: false } => Some((path.as_str(), text.as_str())),
            _ => None,
        })
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether losing the machine between two of its changes could leave a mixture.
    pub(super) fn needs_journal(&self) -> bool {
        self.changes.len() > 1
    }
}

/// What stands in the journal: the act, and the digest of its text. A torn journal means that
/// nothing of the act was applied, because the journal is synced first.
#[derive(Serialize, Deserialize)]
struct Entry {
    sha256: String,
    what: String,
    changes: Vec<Change>,
}

fn digest_of(changes: &[Change]) -> String {
    digest::sha256(&serde_json::to_vec(changes).expect("changes are plain data"))
}

/// Writes the act to the journal and syncs it.
pub(super) fn write_journal(path: &Path, act: &Act) -> Result<()> {
    let entry = Entry { sha256: digest_of(&act.changes), what: act.what.clone(), changes: act.changes.clone() };
    let bytes = serde_json::to_vec(&entry)?;
    let mut file = empty_journal(path)?;
    let written = file.write_all(&bytes).and_then(|()| file.sync_data());
    written.map_err(|e| {
        let _ = clear_journal(path);
        files::io_refusal(e, "write the intent", path)
    })
}

/// The unfinished act in the journal, if there is one.
pub(super) fn read_journal(path: &Path) -> Result<Option<Act>> {
    let Some(bytes) = files::read(path, u64::MAX >> 1)? else { return Ok(None) };
    if bytes.is_empty() {
        return Ok(None);
    }
    match serde_json::from_slice::<Entry>(&bytes) {
        Ok(entry) if entry.sha256 == digest_of(&entry.changes) => {
            Ok(Some(Act { what: entry.what, changes: entry.changes, absent: Vec::new() }))
        }
        _ => Ok(None),
    }
}

/// Empties the journal. Not synced: an act that is applied again changes nothing.
pub(super) fn clear_journal(path: &Path) -> Result<()> {
    empty_journal(path).map(drop)
}

fn empty_journal(path: &Path) -> Result<File> {
    let file = files::open_own(path, OpenOptions::new().write(true).create(true).truncate(false))?;
    file.set_len(0).map_err(|e| files::io_refusal(e, "clear", path))?;
    Ok(file)
}

/// Appends the lines of an act, or finds that they are there already.
///
/// `resumed` says that the act comes from the journal: then a part of our own lines at `at`, as a
/// crash in the middle of the write leaves it, is taken away first.
pub(super) fn append(path: &Path, lines: &[u8], at: u64, resumed: bool) -> Result<Option<jsonl::Appended>> {
    if resumed {
        let after = read_from(path, at)?;
        if contains_lines(&after, lines) {
            return Ok(None);
        }
        if !after.is_empty() && lines.starts_with(&after) {
            File::options().write(true).open(path)?.set_len(at)?;
        }
    }
    jsonl::append(path, lines).map(Some)
}

fn read_from(path: &Path, at: u64) -> Result<Vec<u8>> {
    use std::io::{Read, Seek, SeekFrom};
    let Some(mut file) = files::open_regular(path)? else { return Ok(Vec::new()) };
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn contains_lines(log: &[u8], lines: &[u8]) -> bool {
    // Other tools may have appended in between: ours need not come first, but each must be there.
    let present: std::collections::HashSet<&[u8]> = log.split_inclusive(|&b| b == b'\n').collect();
    lines.split_inclusive(|&b| b == b'\n').all(|line| present.contains(line))
}

/// Refuses when a file that the act would create is already there.
pub(super) fn check_absent(root: &Path, act: &Act) -> Result<()> {
    for path in &act.absent {
        if fs::symlink_metadata(files::within(root, path)?).is_ok() {
            return Err(Refusal::guard("file.exists", format!("{path} already exists"))
                .because("a receipt or plan is written once")
                .next("choose another name")
                .into());
        }
    }
    Ok(())
}
