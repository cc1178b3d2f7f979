//! The writer: the bus lock, and everything that may change the record while it is held.
//!
//! Lock order, where more than one is needed: coordinator, run, worktrees, bus. The bus lock is taken
//! last and held briefly: nothing that waits (a process, the network) may happen under it.

use std::fs;
use std::path::{Path, PathBuf};

use super::act::{self, Act, Change};
use super::{Hub, paths};
use crate::base::lock::FileLock;
use crate::base::{Refusal, Result, files, jsonl};

/// Proof that this process holds the bus lock of a hub. The only way to change the record.
pub struct Writer<'h> {
    hub: &'h Hub,
    _lock: FileLock,
}

impl<'h> Writer<'h> {
    pub(super) fn new(hub: &'h Hub, what: &str) -> Result<Self> {
        let wait = hub.settings()?.lock.wait;
        let lock = FileLock::acquire(&hub.local("locks/bus.lock"), wait, "lock.wait", what)?;
        let mut writer = Self { hub, _lock: lock };
        hub.pin_now()?;
        hub.check_branch()?;
        // First, so that a log which fell behind is not marked as good by what is appended to it.
        hub.marks().check_events(&hub.root)?;
        writer.roll_forward()?;
        Ok(writer)
    }

    pub fn hub(&self) -> &'h Hub {
        self.hub
    }

    /// Makes the changes of an act: all of them, or (after a crash) all of them by whoever locks next.
    ///
    /// # Errors
    /// When a change cannot be made (no room, no permission, a path out of the tree), nothing is changed.
    pub fn perform(&mut self, mut act: Act) -> Result<()> {
        act::check_absent(&self.hub.root, &act)?;
        let renamed: Vec<String> = act.renamed().map(str::to_owned).collect();
        for change in &mut act.changes {
            let path = self.target(change)?;
            if let Change::Append { path: relative, at, .. } = change {
                self.hub.marks().check_log(&self.hub.root, relative)?;
                // Renames come first: the lines begin a new log.
                let length = || fs::symlink_metadata(&path).map_or(0, |meta| meta.len());
                *at = if renamed.contains(relative) { 0 } else { length() };
            }
        }
        let journal = act.needs_journal().then(|| self.journal());
        if let Some(journal) = &journal {
            files::create_parent(journal)?;
            act::write_journal(journal, &act)?;
        }
        let staged = self.stage(&act, false);
        if let (Err(_), Some(journal)) = (&staged, &journal) {
            act::clear_journal(journal)?;
        }
        self.finish(&act, staged?)?;
        journal.map_or(Ok(()), |journal| act::clear_journal(&journal))
    }

    fn journal(&self) -> PathBuf {
        self.hub.local("intents/current")
    }

    /// Completes an act that a crash interrupted.
    fn roll_forward(&mut self) -> Result<()> {
        let journal = self.journal();
        let Some(act) = act::read_journal(&journal)? else { return Ok(()) };
        tracing::info!("completing an interrupted act: {}", act.what);
        let staged = self.stage(&act, true)?;
        self.finish(&act, staged)?;
        act::clear_journal(&journal)
    }

    /// The half that only changes names. If it fails, the journal stays and the next command goes on.
    fn finish(&self, act: &Act, mut staged: Staged) -> Result<()> {
        staged.appended.clear();
        for (temporary, target) in staged.replaced.drain(..) {
            fs::rename(&temporary, &target).map_err(|e| files::io_refusal(e, "write", &target))?;
            files::sync_folder(target.parent().unwrap_or(Path::new(".")))?;
        }
        self.mark(act)
    }

    /// The half that needs room on the disk: replacements are written beside their targets, lines are
    /// appended. A failure takes all of it back.
    fn stage(&self, act: &Act, resumed: bool) -> Result<Staged> {
        let mut staged = Staged::default();
        for change in &act.changes {
            if let Change::Replace { text, .. } = change {
                let target = self.target(change)?;
                files::create_parent(&target)?;
                staged.replaced.push((files::write_beside(&target, text.as_bytes())?, target));
            }
        }
        // A log under its sealed name is the same log: this half may stay when the rest is taken back.
        for change in &act.changes {
            if let Change::Rename { from, to } = change {
                self.rename(from, to)?;
            }
        }
        for change in &act.changes {
            if let Change::Append { path, text, at } = change {
                let target = self.target(change)?;
                if let Some(done) = act::append(&target, text.as_bytes(), *at, resumed)? {
                    staged.appended.push((target, done.offset));
                    self.report_tail(path, done.tail);
                }
            }
        }
        Ok(staged)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let (source, target) = (files::within(&self.hub.root, from)?, files::within(&self.hub.root, to)?);
        if source.exists() && !target.exists() {
            fs::rename(&source, &target).map_err(|e| files::io_refusal(e, "rename", &source))?;
            files::sync_folder(target.parent().unwrap_or(Path::new(".")))?;
        }
        self.hub.marks().renamed(&self.hub.root, from, to)
    }

    fn mark(&self, act: &Act) -> Result<()> {
        let marks = self.hub.marks();
        for change in &act.changes {
            match change {
                Change::Append { path, text, .. } => {
                    marks.appended(&self.hub.root, path, text.as_bytes())?;
                }
                Change::Replace { path, text, local: false }
                    if path.starts_with(paths::CLAIMS) && path.ends_with(".json") =>
                {
                    marks.claimed(path, text.as_bytes())?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A cut last line was closed; its bytes are kept and reported once.
    fn report_tail(&self, log: &str, tail: Option<jsonl::Tail>) {
        if let Some(jsonl::Tail::Torn(bytes)) = tail {
            let name = format!("torn/{}-{}", log.replace('/', "%"), self.hub.now().compact());
            let aside = self.hub.local(&name);
            let kept = files::create_parent(&aside).and_then(|()| files::replace(&aside, &bytes));
            match kept {
                Ok(()) => {
                    tracing::warn!("{log} ended in a cut line; closed it, and kept its bytes in {}", aside.display())
                }
                Err(e) => tracing::warn!("{log} ended in a cut line; closed it ({e:#})"),
            }
        }
    }

    fn target(&self, change: &Change) -> Result<PathBuf> {
        match change {
            Change::Replace { path, local: true, .. } => Ok(self.hub.local(path)),
            Change::Replace { path, .. } | Change::Append { path, .. } => {
                let target = files::within(&self.hub.root, path)?;
                match fs::symlink_metadata(&target) {
                    Ok(found) if found.is_dir() => {
                        Err(Refusal::guard("file.not_regular", format!("{path} is a folder")).into())
                    }
                    _ => Ok(target),
                }
            }
            Change::Rename { from, .. } => files::within(&self.hub.root, from),
        }
    }
}

/// Proof that this process holds the bus lock in order to mend the record.
///
/// A [`Writer`] refuses a record that fell behind what was acknowledged; mending it is the one thing
/// that may go on. A repair rewrites whole files and then says that they are good. It performs no
/// acts and leaves an unfinished one to the next writer.
pub struct Repair<'h> {
    hub: &'h Hub,
    _lock: FileLock,
}

impl<'h> Repair<'h> {
    pub(super) fn new(hub: &'h Hub, what: &str) -> Result<Self> {
        let wait = hub.settings()?.lock.wait;
        let lock = FileLock::acquire(&hub.local("locks/bus.lock"), wait, "lock.wait", what)?;
        hub.check_branch()?;
        Ok(Self { hub, _lock: lock })
    }

    pub fn hub(&self) -> &'h Hub {
        self.hub
    }

    /// Replaces a file of the record, which need not be UTF-8.
    pub fn replace(&mut self, relative: &str, bytes: &[u8]) -> Result<()> {
        let path = self.hub.path(relative)?;
        files::create_parent(&path)?;
        files::replace(&path, bytes)
    }

    /// Marks a log as it is now as what was acknowledged.
    pub fn accept_log(&mut self, relative: &str) -> Result<()> {
        match self.hub.path(relative)?.exists() {
            true => self.hub.marks().accept_log(&self.hub.root, relative),
            false => self.hub.marks().forget_log(relative),
        }
    }

    /// Marks a claim as it is now as what was acknowledged.
    pub fn accept_claim(&mut self, relative: &str, bytes: &[u8]) -> Result<()> {
        self.hub.marks().claimed(relative, bytes)
    }
}

/// What an act has begun and not finished; dropped, it is taken back.
#[derive(Default)]
struct Staged {
    /// Temporary file and target.
    replaced: Vec<(PathBuf, PathBuf)>,
    /// Log and the length before our lines.
    appended: Vec<(PathBuf, u64)>,
}

impl Drop for Staged {
    fn drop(&mut self) {
        for (temporary, _) in &self.replaced {
            let _ = fs::remove_file(temporary);
        }
        for (log, length) in &self.appended {
            let _ = fs::File::options().write(true).open(log).and_then(|file| file.set_len(*length));
        }
    }
}
