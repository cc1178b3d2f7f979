//! Repairs the record: holds the bus lock, rewrites files, and accepts them as they are.

use crate::base::lock::FileLock;
use crate::base::{Result, files};
use crate::hub::Hub;

impl Hub {
    /// Takes the bus lock to repair the record, even if it is older than acknowledged.
    ///
    /// # Errors
    /// When the hub is not on the branch of its record, or when the lock is not free in time (exit 5).
    pub fn lock_for_repair(&self, what: &str) -> Result<Repair<'_>> {
        Repair::new(self, what)
    }
}

/// Proof that this process holds the bus lock to repair the record.
///
/// A [`Writer`](super::writer::Writer) refuses a record that is older than acknowledged; a repair may change it. A
/// repair rewrites whole files and then accepts them. It runs no transactions and leaves an unfinished one to the
/// next writer.
pub struct Repair<'h> {
    hub: &'h Hub,
    _lock: FileLock,
}

impl<'h> Repair<'h> {
    fn new(hub: &'h Hub, what: &str) -> Result<Self> {
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

    /// Accepts a log with these bytes; `None`: there is no such log.
    pub fn accept_log(&mut self, relative: &str, bytes: Option<&[u8]>) -> Result<()> {
        match bytes {
            Some(bytes) => self.hub.watermarks().accept_log(relative, bytes),
            None => self.hub.watermarks().forget_log(relative),
        }
    }

    /// Accepts a document in its current state.
    pub fn accept_document(&mut self, relative: &str) -> Result<()> {
        self.hub.watermarks().documents().forget(relative)
    }

    /// Accepts that the branch lacks the last record commit: the branch's tip counts as that commit from now on.
    pub fn accept_record(&mut self) -> Result<()> {
        let tip = self.hub.branch().map(|branch| format!("refs/heads/{branch}^{{commit}}"));
        let found = tip.map(|tip| self.hub.git().output(&["rev-parse", "-q", "--verify", &tip])).transpose()?;
        match found.filter(|found| found.status.success()) {
            Some(found) => self.hub.watermarks().recorded(String::from_utf8_lossy(&found.stdout).trim()),
            None => Ok(()),
        }
    }

    /// Accepts a claim as it is now.
    pub fn accept_claim(&mut self, relative: &str, bytes: &[u8]) -> Result<()> {
        self.hub.watermarks().claimed(relative, bytes)
    }
}
