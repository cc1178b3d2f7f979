//! What a running coordinator found out about its surroundings: machine-local, `coordinator/process.json`, replaced
//! when something of it changes. For `teof service health` and `doctor`; nothing is decided by it.

use serde::{Deserialize, Serialize};

use super::clock::Jump;
use crate::base::{Result, Stamp, files, json};
use crate::coordinator::process::holder;
use crate::hub::Hub;

/// Relative to the machine-local folder.
const FILE: &str = "coordinator/process.json";
/// How many clock jumps are remembered.
const JUMPS: usize = 5;
const MAX: u64 = 1 << 20;

/// What the process with this pid found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Facts {
    pub pid: i32,
    pub started_at: Option<Stamp>,
    /// A service manager is told how it is.
    pub is_supervised: bool,
    /// It was told to stop.
    pub is_stopping: bool,
    /// Why no job starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<String>,
    /// Why files are polled instead of watched.
    pub polling: Option<String>,
    #[serde(skip)]
    pub has_polled: bool,
    /// The last ones, oldest first.
    pub clock_jumps: Vec<Jump>,
    /// The last time that the settings were read again.
    pub settings: Option<Reload>,
}

/// What became of reading the settings again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Reload {
    pub at: Stamp,
    /// `coordinator.concurrency: 3 → 5`.
    pub changed: Vec<String>,
    /// Why the old settings stay in force.
    pub refused: Option<String>,
}

impl Facts {
    pub fn jumped(&mut self, jump: Jump) {
        self.clock_jumps.push(jump);
        let surplus = self.clock_jumps.len().saturating_sub(JUMPS);
        self.clock_jumps.drain(..surplus);
    }

    /// Publishes it. A failure is not important.
    pub fn write(&self, hub: &Hub) {
        let path = hub.local(FILE);
        let written = files::create_parent(&path)
            .and_then(|()| files::replace_unsynced(&path, (json::pretty(self) + "\n").as_bytes()));
        if let Err(e) = written {
            tracing::debug!("cannot publish the state of the process: {e:#}");
        }
    }
}

/// What the coordinator that runs now found; `None` when none runs.
///
/// # Errors
/// When its lock cannot be read.
pub fn read(hub: &Hub) -> Result<Option<Facts>> {
    let Some(pid) = holder::pid(hub)? else { return Ok(None) };
    let found = files::read(&hub.local(FILE), MAX).ok().flatten();
    let found = found.and_then(|bytes| serde_json::from_slice::<Facts>(&bytes).ok());
    // An older one is of an earlier process.
    Ok(Some(found.filter(|facts| facts.pid == pid).unwrap_or_else(|| Facts { pid, ..Facts::default() })))
}
