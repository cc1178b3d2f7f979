//! Where a program is put before it starts: its cgroup, and the limits of each of its processes. Plain data, passed to
//! the launcher as one argument.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::cgroup;

/// Applied by the launcher to itself, and so to the program and all that it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    pub group: Option<PathBuf>,
    /// Bytes of memory that one process can allocate (`RLIMIT_DATA`).
    pub data: Option<u64>,
}

impl Placement {
    /// As the launcher's argument.
    pub(in crate::exec) fn argument(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Does what the launcher's argument says.
    ///
    /// # Errors
    /// When it is damaged, when the cgroup is gone, or when the kernel refuses the limit.
    pub(in crate::exec) fn apply(argument: &str) -> io::Result<()> {
        let placement: Self = serde_json::from_str(argument).map_err(io::Error::other)?;
        if let Some(group) = &placement.group {
            cgroup::enter(group).map_err(|e| io::Error::other(format!("cannot enter its cgroup: {e}")))?;
        }
        if let Some(bytes) = placement.data {
            limit_data(bytes).map_err(|e| io::Error::other(format!("cannot be limited: {e}")))?;
        }
        Ok(())
    }
}

/// A lower limit of the caller's stays.
fn limit_data(bytes: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Data);
    let lowered = |limit: Option<u64>| Some(limit.map_or(bytes, |limit| limit.min(bytes)));
    Ok(setrlimit(Resource::Data, Rlimit { current: lowered(now.current), maximum: lowered(now.maximum) })?)
}
