//! Applies a transaction in two phases: everything that needs disk space is written first and can be rolled back;
//! then files are renamed, and from there the transaction can only be completed.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use super::journal::{self, Progress};
use super::{Change, Transaction};
use crate::base::{Refusal, Result, disk, files, jsonl, parallel};
use crate::hub::marks::FileState;
use crate::hub::marks::documents::DocumentMarks;
use crate::hub::{Hub, paths};

/// How often git may replace a log while something is appended to it.
const ATTEMPTS: usize = 5;

/// What may be in a log of the lines that are appended.
#[derive(Clone, Copy)]
enum Before {
    Nothing,
    /// What an interrupted transaction left, whole or in part.
    AfterCrash,
    /// All of them, in the copy that a tool put in the log's place.
    AfterCopy,
}

/// How an interrupted transaction ended.
pub enum Recovery {
    Completed,
    /// Nothing was written or acknowledged: this file was changed since and is kept.
    Dropped(String),
}

/// Appended lines without a mark.
struct Written {
    /// Which of the logs that were appended to.
    log: usize,
    /// Where they end.
    end: u64,
    /// Earlier lines without a mark.
    unmarked: Vec<u8>,
}

/// The largest evidence of which a copy is kept, in bytes.
const MAX_EVIDENCE: u64 = 4 << 20;

enum Unsynced<'s> {
    Document(&'s files::Beside),
    Log(&'s jsonl::Log),
}

/// The applied part of a transaction; dropping it rolls it back.
pub struct Staged<'h> {
    hub: &'h Hub,
    /// Opened logs that contain everything acknowledged.
    pub opened: HashMap<String, jsonl::Log>,
    replaced: Vec<files::Beside>,
    appended: Vec<jsonl::Log>,
    /// The copy of a log's lines kept for the marks, and its length before this transaction.
    kept: Vec<(PathBuf, u64)>,
    /// Marks: temporary file and target.
    marks: Vec<(PathBuf, PathBuf)>,
    /// A file was renamed.
    renamed: bool,
    done: bool,
}

impl<'h> Staged<'h> {
    pub fn new(hub: &'h Hub) -> Self {
        let (opened, replaced, appended, kept, marks) = Default::default();
        Self { hub, opened, replaced, appended, kept, marks, renamed: false, done: false }
    }

    /// Makes the changes of a transaction.
    pub fn apply(&mut self, transaction: &Transaction) -> Result<()> {
        self.write_all(transaction, &[], &[])?;
        self.append_all(transaction, false)?;
        self.finish()
    }

    /// Completes a transaction that a crash interrupted. A file that somebody changed since is kept; the content that
    /// the transaction would have written is saved elsewhere.
    pub fn resume(&mut self, transaction: &Transaction) -> Result<Recovery> {
        let mut changed = Vec::new();
        let (mut skipped, mut done) = (Vec::new(), Vec::new());
        let mut started = false;
        for change in &transaction.changes {
            match change {
                Change::Replace { path, text, local: false, before } => {
                    match journal::progress(&FileState::of(&target(self.hub, change)?), before, text) {
                        Progress::Pending => {}
                        Progress::Done => {
                            started |= *before != FileState::of_bytes(text.as_bytes());
                            done.push(path.as_str());
                        }
                        Progress::Changed => changed.push((path.as_str(), text)),
                    }
                }
                Change::Append { text, at, .. } => {
                    if let Some(log) = jsonl::Log::open(&target(self.hub, change)?, false)? {
                        started |= journal::remains(&log, text.as_bytes(), *at)?.any;
                    }
                }
                Change::Rename { from, .. } => started |= !files::within(&self.hub.root, from)?.exists(),
                Change::Replace { .. } => {}
            }
        }
        if let (false, Some((path, _))) = (started, changed.first()) {
            self.cut_partial_line(transaction)?;
            return Ok(Recovery::Dropped((*path).to_owned()));
        }
        for (path, text) in changed {
            let aside = self.hub.set_aside("aside", path, text.as_bytes())?;
            tracing::warn!(
                "{path} changed since a command was interrupted ({}) and is kept; the command's version is in {}",
                transaction.what,
                aside.display()
            );
            skipped.push(path);
        }
        self.write_all(transaction, &skipped, &done)?;
        self.append_all(transaction, true)?;
        self.finish().map(|()| Recovery::Completed)
    }

    /// Removes the partial line of a transaction that is not completed.
    fn cut_partial_line(&self, transaction: &Transaction) -> Result<()> {
        for change in &transaction.changes {
            if let Change::Append { text, at, .. } = change
                && let Some(log) = jsonl::Log::open(&target(self.hub, change)?, false)?
                && journal::remains(&log, text.as_bytes(), *at)?.cut
            {
                log.cut(*at)?;
            }
        }
        Ok(())
    }

    /// Writes replacements beside their targets, except of the `skipped` documents, and renames sealed logs. Those that
    /// are `done` need their marks alone.
    fn write_all(&mut self, transaction: &Transaction, skipped: &[&str], done: &[&str]) -> Result<()> {
        for change in &transaction.changes {
            let Change::Replace { path, text, local, before } = change else { continue };
            if !local && skipped.contains(&path.as_str()) {
                continue;
            }
            let target = target(self.hub, change)?;
            files::create_parent(&target)?;
            if *local || !done.contains(&path.as_str()) {
                self.replaced.push(files::write_beside(&target, text.as_bytes())?);
            }
            let marks = self.hub.watermarks();
            if *local {
            } else if path.starts_with(paths::CLAIMS) && path.ends_with(".json") {
                self.marks.push(marks.stage_claim(path, text.as_bytes())?);
            } else if DocumentMarks::covers(path, transaction.absent.contains(path)) {
                self.marks.push(marks.documents().stage(path, before, text, || self.hub.committed_states(path))?);
            }
        }
        for path in &transaction.evidence {
            // Larger evidence is not kept: the next record commit has it.
            if let Ok(Some(bytes)) = files::read(&files::within(&self.hub.root, path)?, MAX_EVIDENCE) {
                self.marks.push(self.hub.watermarks().documents().stage_evidence(path, &bytes)?);
            }
        }
        // A log under its sealed name is the same log, so this rename may stay when the rest is rolled back.
        for change in &transaction.changes {
            if let Change::Rename { from, to } = change {
                rename(self.hub, from, to)?;
            }
        }
        Ok(())
    }

    /// Appends all lines and syncs them together with the new documents, in one wait. Lines are appended again when
    /// git replaced their log meanwhile, because the old file is lost.
    fn append_all(&mut self, transaction: &Transaction, resumed: bool) -> Result<()> {
        let mut left: Vec<&Change> =
            transaction.changes.iter().filter(|change| matches!(change, Change::Append { .. })).collect();
        let mut last = None;
        for attempt in 0..ATTEMPTS {
            let before = match (resumed, attempt) {
                (false, 0) => Before::Nothing,
                (true, 0) => Before::AfterCrash,
                _ => Before::AfterCopy,
            };
            let written = left.iter().map(|change| self.append(change, before)).collect::<Result<Vec<_>>>()?;
            self.sync()?;
            let mut moved = Vec::new();
            for (change, written) in left.into_iter().zip(&written) {
                if !self.mark(change, written)? {
                    moved.push(change);
                }
            }
            if moved.is_empty() {
                return Ok(());
            }
            last = moved.first().copied();
            left = moved;
        }
        // What a tool copied cannot be taken back: it may be copying again.
        for change in &left {
            self.renamed |= self.is_in_log(change)?;
        }
        let path = match last {
            Some(Change::Append { path, .. }) => path,
            _ => "a log",
        };
        Err(Refusal::guard("record.moving", format!("{path} was replaced {ATTEMPTS} times during the write"))
            .because("git or another tool is rewriting the record")
            .next("wait until it is done, then try again")
            .into())
    }

    /// Whether the file that has the log's name now holds all lines of a change.
    fn is_in_log(&self, change: &Change) -> Result<bool> {
        let Change::Append { text, .. } = change else { return Ok(false) };
        let Some(log) = jsonl::Log::open(&target(self.hub, change)?, false)? else { return Ok(false) };
        Ok(journal::remains(&log, text.as_bytes(), 0)?.all)
    }

    /// Appends lines to a log, if they are not in it; nothing is durable yet.
    fn append(&mut self, change: &Change, before: Before) -> Result<Written> {
        let Change::Append { path, text, at } = change else { anyhow::bail!("only lines are appended") };
        let (marks, lines) = (self.hub.watermarks(), text.as_bytes());
        let log = match self.opened.remove(path) {
            Some(log) => log,
            None => marks.open_log(&self.hub.root, path)?,
        };
        let is_there = match before {
            Before::Nothing => false,
            Before::AfterCrash => {
                let found = journal::remains(&log, lines, *at)?;
                if found.cut {
                    log.cut(*at)?;
                }
                found.all
            }
            Before::AfterCopy => journal::remains(&log, lines, 0)?.all,
        };
        let unmarked = marks.unmarked(path, log.file())?;
        self.appended.push(log);
        let log = self.appended.last_mut().expect("it was pushed just now");
        let end = if is_there {
            log.length()?
        } else {
            let done = log.append(lines)?;
            report_tail(self.hub, path, done.tail);
            done.end
        };
        Ok(Written { log: self.appended.len() - 1, end, unmarked })
    }

    fn sync(&self) -> Result<()> {
        if let ([document], [log]) = (&self.replaced[..], &self.appended[..]) {
            // A thread costs more than it saves.
            document.begin();
            log.sync()?;
            return document.sync();
        }
        let documents = self.replaced.iter().map(Unsynced::Document);
        let unsynced: Vec<_> = documents.chain(self.appended.iter().map(Unsynced::Log)).collect();
        parallel::wait_for_all(&unsynced, |unsynced| match unsynced {
            Unsynced::Document(beside) => beside.sync(),
            Unsynced::Log(log) => log.sync(),
        })
    }

    /// Prepares the mark of a log after an append, from the written file. False when git replaced that file; then the
    /// lines are removed again.
    fn mark(&mut self, change: &Change, written: &Written) -> Result<bool> {
        let Change::Append { path, text, .. } = change else { anyhow::bail!("only lines are appended") };
        let log = &mut self.appended[written.log];
        if !log.is_current() {
            log.take_back()?;
            return Ok(false);
        }
        let tail =
            files::digest_before(log.file(), written.end).map_err(|e| files::io_refusal(e, "read", Path::new(path)))?;
        let marks = self.hub.watermarks();
        self.kept.push(marks.keep_lines(path, &[&written.unmarked, text.as_bytes()].concat())?);
        self.marks.push(marks.stage_log(path, written.end, &tail)?);
        Ok(true)
    }

    /// The second half, which only renames.
    fn finish(&mut self) -> Result<()> {
        let mut folders = BTreeSet::new();
        while !self.replaced.is_empty() {
            let beside = self.replaced.remove(0);
            files::rename(&beside.temporary, &beside.target)?;
            self.renamed = true;
            folders.extend(beside.target.parent().map(Path::to_owned));
        }
        let folders: Vec<_> = folders.into_iter().collect();
        parallel::wait_for_all(&folders, |folder| files::sync_folder(folder))?;
        // Not synced: after a power failure, the journal or the record has the same information.
        while let Some((temporary, target)) = self.marks.pop() {
            files::rename(&temporary, &target)?;
            self.renamed = true;
        }
        self.done = true;
        Ok(())
    }

    /// Undoes everything that was written.
    ///
    /// # Errors
    /// When a file was renamed already, or when the disk fails.
    pub fn roll_back(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(());
        }
        let documents = self.replaced.drain(..).map(|beside| beside.temporary);
        for temporary in documents.chain(self.marks.drain(..).map(|(temporary, _)| temporary)) {
            let _ = fs::remove_file(temporary);
        }
        anyhow::ensure!(!self.renamed, "part of it was already applied");
        for (kept, length) in self.kept.drain(..) {
            let file = fs::File::options().write(true).open(&kept).map_err(|e| files::io_refusal(e, "write", &kept))?;
            disk::set_len(&file, length, &kept).map_err(|e| files::io_refusal(e, "write", &kept))?;
        }
        self.appended.iter_mut().rev().try_for_each(jsonl::Log::take_back)
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if let Err(e) = self.roll_back() {
            tracing::debug!("cannot roll back: {e:#}");
        }
    }
}

/// The file of a change.
pub fn target(hub: &Hub, change: &Change) -> Result<PathBuf> {
    match change {
        Change::Replace { path, local: true, .. } => Ok(hub.local(path)),
        Change::Replace { path, .. } | Change::Append { path, .. } => {
            let target = files::within(&hub.root, path)?;
            match fs::symlink_metadata(&target) {
                Ok(found) if found.is_dir() => {
                    Err(Refusal::guard("file.not_regular", format!("{path} is a folder")).into())
                }
                _ => Ok(target),
            }
        }
        Change::Rename { from, .. } => files::within(&hub.root, from),
    }
}

fn rename(hub: &Hub, from: &str, to: &str) -> Result<()> {
    let (source, target) = (files::within(&hub.root, from)?, files::within(&hub.root, to)?);
    if source.exists() && !target.exists() {
        disk::rename(&source, &target).map_err(|e| files::io_refusal(e, "rename", &source))?;
        files::sync_folder(target.parent().unwrap_or(Path::new(".")))?;
    }
    hub.watermarks().renamed(from, to).inspect_err(|_| {
        // Under its old name the log has everything acknowledged.
        if !source.exists() {
            let _ = fs::rename(&target, &source).map(|()| hub.watermarks().forget_log(to));
        }
    })
}

/// Saves and reports the bytes of a cut last line.
fn report_tail(hub: &Hub, log: &str, tail: Option<jsonl::Tail>) {
    if let Some(jsonl::Tail::Torn(bytes)) = tail {
        match hub.set_aside("torn", log, &bytes) {
            Ok(aside) => {
                tracing::warn!("{log} ended in a cut line; completed it and saved its bytes in {}", aside.display())
            }
            Err(e) => tracing::warn!("{log} ended in a cut line; completed it ({e:#})"),
        }
    }
}
