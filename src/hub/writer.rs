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
    lock: FileLock,
}

impl<'h> Writer<'h> {
    pub(super) fn new(hub: &'h Hub, what: &str) -> Result<Self> {
        let wait = hub.settings()?.lock.wait;
        let lock = FileLock::acquire(&hub.local("locks/bus.lock"), wait, "lock.wait", what)?;
        let mut writer = Self { hub, lock };
        hub.pin_now()?;
        hub.check_branch()?;
        // First, so that a log which fell behind is not marked as good by what is appended to it.
        writer.finish_sealing()?;
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
        self.lock.check()?;
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
        self.finish(staged?)?;
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
        self.finish(staged)?;
        act::clear_journal(&journal)
    }

    /// A crash between giving a log another name and marking that would look like a log that was taken away.
    fn finish_sealing(&self) -> Result<()> {
        let Some(act) = act::read_journal(&self.journal())? else { return Ok(()) };
        for change in &act.changes {
            if let Change::Rename { from, to } = change
                && !files::within(&self.hub.root, from)?.exists()
                && files::within(&self.hub.root, to)?.exists()
            {
                self.hub.marks().renamed(&self.hub.root, from, to)?;
            }
        }
        Ok(())
    }

    /// The half that only changes names. If it fails, the journal stays and the next command goes on.
    fn finish(&self, mut staged: Staged) -> Result<()> {
        staged.appended.clear();
        for (temporary, target) in staged.replaced.drain(..) {
            fs::rename(&temporary, &target).map_err(|e| files::io_refusal(e, "write", &target))?;
            files::sync_folder(target.parent().unwrap_or(Path::new(".")))?;
        }
        // Not synced: after a power cut, the journal or the record itself says what the marks had said.
        for (temporary, target) in staged.marks.drain(..) {
            fs::rename(&temporary, &target).map_err(|e| files::io_refusal(e, "write", &target))?;
        }
        Ok(())
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
        self.mark(act, &mut staged)?;
        Ok(staged)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let (source, target) = (files::within(&self.hub.root, from)?, files::within(&self.hub.root, to)?);
        if source.exists() && !target.exists() {
            fs::rename(&source, &target).map_err(|e| files::io_refusal(e, "rename", &source))?;
            files::sync_folder(target.parent().unwrap_or(Path::new(".")))?;
        }
        self.hub.marks().renamed(&self.hub.root, from, to).inspect_err(|_| {
            // Under its old name the log is what was acknowledged.
            if !source.exists() {
                let _ = fs::rename(&target, &source).map(|()| self.hub.marks().forget_log(to));
            }
        })
    }

    fn mark(&self, act: &Act, staged: &mut Staged) -> Result<()> {
        let marks = self.hub.marks();
        for change in &act.changes {
            match change {
                Change::Append { path, text, .. } => {
                    staged.appended.push(marks.keep_lines(path, text.as_bytes())?);
                    staged.marks.push(marks.stage_log(&self.hub.root, path)?);
                }
                Change::Replace { path, text, local: false }
                    if path.starts_with(paths::CLAIMS) && path.ends_with(".json") =>
                {
                    staged.marks.push(marks.stage_claim(path, text.as_bytes())?);
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
    /// Log, or the marks' copy of its lines, and the length before ours.
    appended: Vec<(PathBuf, u64)>,
    /// Marks: temporary file and target.
    marks: Vec<(PathBuf, PathBuf)>,
}

impl Drop for Staged {
    fn drop(&mut self) {
        for (temporary, _) in self.replaced.iter().chain(&self.marks) {
            let _ = fs::remove_file(temporary);
        }
        for (log, length) in &self.appended {
            let _ = fs::File::options().write(true).open(log).and_then(|file| file.set_len(*length));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Clock;

    fn hub() -> (tempfile::TempDir, Hub) {
        let dir = tempfile::tempdir().unwrap();
        let init = std::process::Command::new("git").args(["init", "-q", "-b", "main"]).arg(dir.path()).status();
        assert!(init.unwrap().success());
        for folder in paths::OWNED {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let hub = Hub::find(Some(dir.path()), Clock::Machine).unwrap();
        (dir, hub)
    }

    fn line(text: &[u8]) -> Act {
        let mut act = Act::new("x");
        act.append(paths::EVENTS, text);
        act
    }

    const SEALED: &str = "_bus/events/events-20260105T100000Z.jsonl";

    fn seal() -> Act {
        let mut act = line(b"{\"a\":2}\n");
        act.rename(paths::EVENTS, SEALED);
        act
    }

    fn read(hub: &Hub, path: &str) -> String {
        fs::read_to_string(hub.root.join(path)).unwrap_or_default()
    }

    #[test]
    fn what_cannot_be_marked_is_not_done() {
        let (_dir, hub) = hub();
        hub.lock("x").unwrap().perform(line(b"{\"a\":1}\n")).unwrap();
        let mut claim = line(b"{\"a\":2}\n");
        claim.replace("_bus/claims/A.json", "{\"epoch\":1}\n");
        for (blocked, act) in [("logs", line(b"{\"a\":2}\n")), ("claims", claim)] {
            let folder = hub.local("marks").join(blocked);
            let aside = hub.local("aside");
            let was_there = fs::rename(&folder, &aside).is_ok();
            fs::write(&folder, "no folder").unwrap();
            assert!(hub.lock("x").unwrap().perform(act).is_err(), "{blocked}");
            fs::remove_file(&folder).unwrap();
            if was_there {
                fs::rename(&aside, &folder).unwrap();
            }
            drop(hub.lock("next").unwrap());
            assert_eq!(read(&hub, paths::EVENTS), "{\"a\":1}\n", "{blocked}");
            assert_eq!(hub.marks().uncommitted(paths::EVENTS).unwrap(), b"{\"a\":1}\n", "{blocked}");
            assert!(!hub.root.join("_bus/claims/A.json").exists());
        }
    }

    #[test]
    fn a_crash_at_any_point_of_sealing_a_log_is_completed() {
        for step in 0..4 {
            let (_dir, hub) = hub();
            hub.lock("x").unwrap().perform(line(b"{\"a\":1}\n")).unwrap();
            files::create_parent(&hub.local("intents/current")).unwrap();
            act::write_journal(&hub.local("intents/current"), &seal()).unwrap();
            fs::rename(hub.root.join(paths::EVENTS), hub.root.join(SEALED)).unwrap();
            if step > 0 {
                hub.marks().accept_log(&hub.root, SEALED).unwrap();
            }
            if step > 1 {
                let lines = hub.local("marks/lines");
                let name = |path: &str| lines.join(path.replace('/', "%"));
                fs::rename(name(paths::EVENTS), name(SEALED)).unwrap();
            }
            if step > 2 {
                hub.marks().forget_log(paths::EVENTS).unwrap();
            }
            drop(hub.lock("next").unwrap_or_else(|e| panic!("{step}: {e:#}")));
            drop(hub.lock("after").unwrap());
            assert_eq!(read(&hub, SEALED), "{\"a\":1}\n", "{step}");
            assert_eq!(read(&hub, paths::EVENTS), "{\"a\":2}\n", "{step}");
            assert_eq!(hub.marks().uncommitted(SEALED).unwrap(), b"{\"a\":1}\n", "{step}");
            assert_eq!(hub.marks().uncommitted(paths::EVENTS).unwrap(), b"{\"a\":2}\n", "{step}");
        }
    }

    #[test]
    fn a_log_that_cannot_be_sealed_keeps_its_name() {
        let (_dir, hub) = hub();
        hub.lock("x").unwrap().perform(line(b"{\"a\":1}\n")).unwrap();
        let blocked = hub.local("marks/sealed");
        fs::write(&blocked, "no folder").unwrap();
        assert!(hub.lock("x").unwrap().perform(seal()).is_err());
        fs::remove_file(&blocked).unwrap();
        drop(hub.lock("next").unwrap());
        assert_eq!(read(&hub, paths::EVENTS), "{\"a\":1}\n");
        assert!(!hub.root.join(SEALED).exists());
    }
}
