//! The writer: holds the bus lock and makes all changes to the record.
//!
//! Lock order, where more than one is needed: coordinator, run, review, worktrees, bus. The bus lock is taken
//! last and held briefly: nothing that waits (a process, the network) may happen under it.

use std::path::{Path, PathBuf};

use super::journal;
use super::staged::{self, Recovery, Staged};
use super::temporary;
use super::{Change, Transaction, check_absent};
use crate::base::lock::FileLock;
use crate::base::{Refusal, Result, files};
use crate::hub::Hub;
use crate::hub::marks::FileState;
use crate::hub::marks::documents::{self, DocumentMarks};
use crate::hub::pin::{self, Pin};

impl Hub {
    /// Takes the bus lock; `what` is shown to waiting processes. Completes an interrupted transaction.
    ///
    /// # Errors
    /// When the hub is not on its record's branch, when the record is older than acknowledged, or when the lock times
    /// out (exit 5).
    pub fn lock(&self, what: &str) -> Result<Writer<'_>> {
        Writer::new(self, what)
    }

    /// The first write to an unpinned hub pins it to its current branch. A hub that was moved since it was found
    /// accepts no writes.
    fn pin_now(&self) -> Result<()> {
        match Pin::read(&self.common_dir)? {
            Some(pin) if pin.path == self.root => return Ok(()),
            Some(pin) => {
                return Err(Refusal::guard("hub.repinned", format!("the hub is now {}", pin.path.display()))
                    .because(format!("it moved from {} while this command ran", self.root.display()))
                    .next("run it again")
                    .into());
            }
            None => {}
        }
        let hub = self.worktree();
        match hub.branch() {
            Some(branch) => {
                Pin { path: self.root.clone(), branch }.write(&self.common_dir)?;
                temporary::hide(&self.common_dir).map(drop)
            }
            None => Err(pin::on_no_branch(&hub).into()),
        }
    }
}

/// Proof that this process holds the bus lock of a hub. The only way to change the record.
pub struct Writer<'h> {
    hub: &'h Hub,
    lock: FileLock,
}

impl<'h> Writer<'h> {
    fn new(hub: &'h Hub, what: &str) -> Result<Self> {
        let wait = hub.settings()?.lock.wait;
        let lock = FileLock::acquire(&hub.local("locks/bus.lock"), wait, "lock.wait", what)?;
        let mut writer = Self { hub, lock };
        hub.pin_now()?;
        hub.check_branch()?;
        // First, so that appending does not mark an outdated log as good.
        let interrupted = journal::read(&writer.journal())?;
        writer.finish_sealing(interrupted.as_ref())?;
        hub.watermarks().check_events(&hub.root)?;
        if let Some(transaction) = interrupted {
            writer.roll_forward(&transaction)?;
        }
        Ok(writer)
    }

    pub fn hub(&self) -> &'h Hub {
        self.hub
    }

    /// Applies a transaction completely; after a crash, the next holder of the lock completes it.
    ///
    /// # Errors
    /// When a change fails (no disk space, no permission, a path outside the tree), the transaction is rolled back
    /// and nothing changes. If the rollback fails too, the refusal is `write.uncertain`.
    pub fn commit(&mut self, mut transaction: Transaction) -> Result<()> {
        self.lock.check()?;
        check_absent(&self.hub.root, &transaction)?;
        let mut staged = Staged::new(self.hub);
        self.prepare(&mut transaction, &mut staged)?;
        let journal = transaction.needs_journal().then(|| self.journal());
        let started = match &journal {
            Some(journal) => files::create_parent(journal).and_then(|()| journal::write(journal, &transaction)),
            None => Ok(()),
        };
        match started.and_then(|()| staged.apply(&transaction)) {
            Ok(()) => {}
            Err(error) => return Err(abort(&transaction, staged, journal.as_deref(), error)),
        }
        if let Some(journal) = &journal
            && let Err(e) = journal::clear(journal)
        {
            // Everything is applied. The next holder of the lock sees that and empties the journal.
            tracing::warn!("cannot empty the journal: {e:#}");
        }
        Ok(())
    }

    fn journal(&self) -> PathBuf {
        self.hub.local(JOURNAL)
    }

    /// Checks everything that a transaction would change, before changing anything.
    fn prepare(&self, transaction: &mut Transaction, staged: &mut Staged<'_>) -> Result<()> {
        let renamed: Vec<String> = transaction.renamed().map(str::to_owned).collect();
        let journaled = transaction.needs_journal();
        let targets = transaction.changes.iter().map(|change| staged::target(self.hub, change));
        let targets = targets.collect::<Result<Vec<_>>>()?;
        for (change, target) in transaction.changes.iter_mut().zip(targets) {
            match change {
                // Renames come first: the lines begin a new log.
                Change::Append { path, .. } if renamed.contains(path) => {}
                Change::Append { path, at, .. } => {
                    let log = self.hub.watermarks().open_log(&self.hub.root, path)?;
                    *at = log.length()?;
                    staged.opened.insert(path.clone(), log);
                }
                Change::Replace { path, local: false, before, .. } => {
                    let is_new = transaction.absent.contains(path);
                    if journaled || DocumentMarks::covers(path, is_new) {
                        *before = FileState::of(&target);
                    }
                    if documents::is_shared(path) {
                        self.hub.check_document(path)?;
                    }
                }
                Change::Replace { .. } | Change::Rename { .. } => {}
            }
        }
        Ok(())
    }

    /// Completes a transaction that a crash interrupted.
    fn roll_forward(&mut self, transaction: &Transaction) -> Result<()> {
        let mut staged = Staged::new(self.hub);
        match staged.resume(transaction)? {
            Recovery::Dropped(changed) => {
                tracing::warn!("discarded an interrupted command ({}): {changed} changed since", transaction.what);
            }
            Recovery::Completed => tracing::info!("completed an interrupted command: {}", transaction.what),
        }
        journal::clear(&self.journal())
    }

    /// Completes the sealing of a log: after a crash between its rename and its mark, the log would look deleted.
    fn finish_sealing(&self, interrupted: Option<&Transaction>) -> Result<()> {
        for change in interrupted.iter().flat_map(|transaction| &transaction.changes) {
            if let Change::Rename { from, to } = change
                && !files::within(&self.hub.root, from)?.exists()
                && files::within(&self.hub.root, to)?.exists()
            {
                self.hub.watermarks().renamed(from, to)?;
            }
        }
        Ok(())
    }
}

/// The machine-local journal.
pub const JOURNAL: &str = "intents/current";

/// Whether a command was interrupted while it wrote; the next writer completes what it had acknowledged.
pub fn is_interrupted(hub: &Hub) -> bool {
    std::fs::metadata(hub.local(JOURNAL)).is_ok_and(|found| found.len() > 0)
}

/// Rolls back a transaction that failed, and reports whether that worked.
fn abort(
    transaction: &Transaction,
    mut staged: Staged<'_>,
    journal: Option<&Path>,
    error: anyhow::Error,
) -> anyhow::Error {
    let rolled_back = staged.roll_back();
    // If the rollback fails, the transaction is completed later, so the journal stays.
    let cleared = match (&rolled_back, journal) {
        // A journal that could not be written may not be removable either, and need not be.
        (Ok(()), Some(journal)) => journal::clear(journal).or_else(|e| match journal::read(journal) {
            Ok(None) => Ok(()),
            _ => Err(e),
        }),
        _ => Ok(()),
    };
    if let (Ok(()), Ok(())) = (&rolled_back, &cleared) {
        return match error.downcast::<Refusal>() {
            Ok(refusal) if refusal.code.starts_with("disk.") => refusal.next("nothing was changed").into(),
            Ok(refusal) => refusal.into(),
            Err(error) => error,
        };
    }
    let cause = [Some(error), rolled_back.err(), cleared.err()].into_iter().flatten();
    let cause: Vec<String> = cause.map(|error| reason(&error)).collect();
    let refusal =
        Refusal::guard("write.uncertain", format!("cannot tell whether this was saved: {}", transaction.what))
            .because(cause.join("; then: "));
    let refusal = match journal {
        Some(_) => refusal.next("once the disk is writable, the next teof command that writes completes it"),
        None => refusal,
    };
    refusal
        .next("check before repeating it: teof bus status (a command with a --request-id can be repeated safely)")
        .into()
}

fn reason(error: &anyhow::Error) -> String {
    match Refusal::of(error) {
        Some(refusal) => format!("{refusal}: {}", refusal.reason.as_deref().unwrap_or(refusal.code)),
        None => format!("{error:#}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::base::Clock;
    use crate::hub::paths;

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

    fn line(text: &[u8]) -> Transaction {
        let mut transaction = Transaction::new("x");
        transaction.append(paths::EVENTS, text);
        transaction
    }

    const SEALED: &str = "_bus/events/events-20260105T100000Z.jsonl";

    fn seal() -> Transaction {
        let mut transaction = line(b"{\"a\":2}\n");
        transaction.rename(paths::EVENTS, SEALED);
        transaction
    }

    fn read(hub: &Hub, path: &str) -> String {
        fs::read_to_string(hub.root.join(path)).unwrap_or_default()
    }

    #[test]
    fn a_write_without_room_for_its_mark_is_refused() {
        let (_dir, hub) = hub();
        hub.lock("x").unwrap().commit(line(b"{\"a\":1}\n")).unwrap();
        let mut claim = line(b"{\"a\":2}\n");
        claim.replace("_bus/claims/A.json", "{\"epoch\":1}\n");
        for (blocked, transaction) in [("logs", line(b"{\"a\":2}\n")), ("claims", claim)] {
            let folder = hub.local("marks").join(blocked);
            let aside = hub.local("aside");
            let was_there = fs::rename(&folder, &aside).is_ok();
            fs::write(&folder, "no folder").unwrap();
            assert!(hub.lock("x").unwrap().commit(transaction).is_err(), "{blocked}");
            fs::remove_file(&folder).unwrap();
            if was_there {
                fs::rename(&aside, &folder).unwrap();
            }
            drop(hub.lock("next").unwrap());
            assert_eq!(read(&hub, paths::EVENTS), "{\"a\":1}\n", "{blocked}");
            assert_eq!(hub.watermarks().uncommitted(paths::EVENTS).unwrap(), b"{\"a\":1}\n", "{blocked}");
            assert!(!hub.root.join("_bus/claims/A.json").exists());
        }
    }

    #[test]
    fn a_crash_at_any_point_of_sealing_a_log_is_completed() {
        for step in 0..4 {
            let (_dir, hub) = hub();
            hub.lock("x").unwrap().commit(line(b"{\"a\":1}\n")).unwrap();
            files::create_parent(&hub.local(JOURNAL)).unwrap();
            journal::write(&hub.local(JOURNAL), &seal()).unwrap();
            fs::rename(hub.root.join(paths::EVENTS), hub.root.join(SEALED)).unwrap();
            if step > 0 {
                hub.watermarks().accept_log(SEALED, b"{\"a\":1}\n").unwrap();
            }
            if step > 1 {
                let lines = hub.local("marks/lines");
                let name = |path: &str| lines.join(path.replace('/', "%"));
                fs::rename(name(paths::EVENTS), name(SEALED)).unwrap();
            }
            if step > 2 {
                hub.watermarks().forget_log(paths::EVENTS).unwrap();
            }
            drop(hub.lock("next").unwrap_or_else(|e| panic!("{step}: {e:#}")));
            drop(hub.lock("after").unwrap());
            assert_eq!(read(&hub, SEALED), "{\"a\":1}\n", "{step}");
            assert_eq!(read(&hub, paths::EVENTS), "{\"a\":2}\n", "{step}");
            assert_eq!(hub.watermarks().uncommitted(SEALED).unwrap(), b"{\"a\":1}\n", "{step}");
            assert_eq!(hub.watermarks().uncommitted(paths::EVENTS).unwrap(), b"{\"a\":2}\n", "{step}");
        }
    }

    #[test]
    fn a_log_that_cannot_be_sealed_keeps_its_name() {
        let (_dir, hub) = hub();
        hub.lock("x").unwrap().commit(line(b"{\"a\":1}\n")).unwrap();
        let blocked = hub.local("marks/sealed");
        fs::write(&blocked, "no folder").unwrap();
        assert!(hub.lock("x").unwrap().commit(seal()).is_err());
        fs::remove_file(&blocked).unwrap();
        drop(hub.lock("next").unwrap());
        assert_eq!(read(&hub, paths::EVENTS), "{\"a\":1}\n");
        assert!(!hub.root.join(SEALED).exists());
    }

    #[test]
    fn an_interrupted_transaction_keeps_later_changes_of_people() {
        for (half, started) in [("", false), ("{\"a\"", false), ("{\"a\":1}\n", true)] {
            let (_dir, hub) = hub();
            let [log, plan] = [paths::EVENTS, "_plans/p.json"].map(|path| hub.path(path).unwrap());
            fs::create_dir_all(log.parent().unwrap()).unwrap();
            fs::write(&log, "").unwrap();
            fs::write(&plan, "before").unwrap();
            let mut transaction = Transaction::new("edit p");
            transaction
                .replace("_plans/p.json", "after")
                .replace("_bus/claims/A.json", "{}")
                .append(paths::EVENTS, b"{\"a\":1}\n");
            for change in &mut transaction.changes {
                if let Change::Replace { path, before, .. } = change {
                    *before = FileState::of(&hub.path(path).unwrap());
                }
            }
            fs::create_dir_all(hub.local("intents")).unwrap();
            journal::write(&hub.local(JOURNAL), &transaction).unwrap();
            fs::write(&log, half).unwrap();
            fs::write(&plan, "a person's").unwrap();
            drop(hub.lock("next").unwrap());
            assert_eq!(fs::read_to_string(&plan).unwrap(), "a person's");
            // Started, it is completed as far as possible; else it is as if it had never been called.
            assert_eq!(fs::read_to_string(&log).unwrap(), if started { half } else { "" });
            assert_eq!(hub.root.join("_bus/claims/A.json").exists(), started);
            let aside = fs::read_dir(hub.local("aside")).map_or(0, Iterator::count);
            assert_eq!(aside, usize::from(started));
            assert_eq!(fs::read(hub.local(JOURNAL)).unwrap(), b"");
        }
    }
}
