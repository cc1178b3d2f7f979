//! The journal: holds the one transaction in progress, so that the next holder of the bus lock can complete it.
//!
//! It is synced before the transaction is applied, and emptied and synced afterwards: an entry that reappeared after
//! a power failure would be applied again, over later changes. Recovery also checks each file: one that is neither in
//! its old nor its new state was changed by somebody else and is kept.

use std::fs::OpenOptions;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Change, Transaction};
use crate::base::{Result, digest, disk, files, jsonl};
use crate::hub::marks::FileState;

/// The largest transaction that is read back, in bytes.
const MAX: u64 = 1 << 30;

/// The transaction and the digest of its text. A damaged entry means that nothing was applied.
#[derive(Serialize, Deserialize)]
struct Entry {
    sha256: String,
    what: String,
    changes: Vec<Change>,
}

fn digest_of(changes: &[Change]) -> String {
    digest::sha256(&serde_json::to_vec(changes).expect("changes are plain data"))
}

/// Writes the transaction to the journal and syncs it.
pub fn write(path: &Path, transaction: &Transaction) -> Result<()> {
    let entry = Entry {
        sha256: digest_of(&transaction.changes),
        what: transaction.what.clone(),
        changes: transaction.changes.clone(),
    };
    replace(path, &serde_json::to_vec(&entry)?)
}

/// The unfinished transaction, if there is one.
pub fn read(path: &Path) -> Result<Option<Transaction>> {
    let bytes = files::read(path, MAX)?.unwrap_or_default();
    if bytes.is_empty() {
        return Ok(None);
    }
    match serde_json::from_slice::<Entry>(&bytes) {
        Ok(entry) if entry.sha256 == digest_of(&entry.changes) => {
            Ok(Some(Transaction { changes: entry.changes, ..Transaction::new(entry.what) }))
        }
        _ => Ok(None),
    }
}

/// Empties the journal.
pub fn clear(path: &Path) -> Result<()> {
    replace(path, b"")
}

fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let is_new = !path.exists();
    let file = files::open_own(path, OpenOptions::new().write(true).create(true).truncate(false))?;
    let emptied = disk::set_len(&file, 0, path);
    let written = emptied.and_then(|()| if bytes.is_empty() { Ok(()) } else { disk::write_all(&file, bytes, path) });
    written.and_then(|()| disk::sync_data(&file, path)).map_err(|e| files::io_refusal(e, "write the journal", path))?;
    match path.parent().filter(|_| is_new) {
        Some(folder) => files::sync_folder(folder),
        None => Ok(()),
    }
}

/// The state of a file in an interrupted transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Old state.
    Pending,
    /// New state.
    Done,
    /// Neither: somebody changed it since.
    Changed,
}

/// How far the transaction got with a file that it replaces, by the file's state now.
pub fn progress(now: &FileState, before: &FileState, text: &str) -> Progress {
    match now {
        now if *now == FileState::of_bytes(text.as_bytes()) => Progress::Done,
        now if *before == FileState::Unknown || now == before => Progress::Pending,
        _ => Progress::Changed,
    }
}

/// What an interrupted transaction left in a log.
pub struct Remains {
    /// Each of its lines is there.
    pub all: bool,
    /// At least one is.
    pub any: bool,
    /// The file ends with a part of our lines, as a crash in the middle of the write leaves it.
    pub cut: bool,
}

/// Finds the lines of a transaction in the log from byte `at` on. Other tools may have appended before them.
pub fn remains(log: &jsonl::Log, lines: &[u8], at: u64) -> Result<Remains> {
    let length = log.length()?;
    let mut after = vec![0; length.saturating_sub(at) as usize];
    std::os::unix::fs::FileExt::read_exact_at(log.file(), &mut after, at.min(length))?;
    let present: std::collections::HashSet<&[u8]> = after.split_inclusive(|&b| b == b'\n').collect();
    let ours = || lines.split_inclusive(|&b| b == b'\n');
    let all = ours().all(|line| present.contains(line));
    Ok(Remains {
        all,
        any: ours().any(|line| present.contains(line)),
        cut: !all && !after.is_empty() && lines.starts_with(&after),
    })
}
