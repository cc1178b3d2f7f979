//! The limits of one run, as its programs get them.

use std::path::PathBuf;
use std::sync::Arc;

use super::cgroup::Group;
use super::numbers::Limits;
use super::placement::Placement;

/// The limits of one run, and what enforces them.
#[derive(Clone, Debug)]
pub struct RunLimits {
    pub limits: Limits,
    /// What counts for the disk space.
    pub folders: Vec<PathBuf>,
    /// `None`: nothing is delegated to this process.
    pub group: Option<Arc<Group>>,
}

impl RunLimits {
    /// Where each program of the run is put before it starts.
    pub(in crate::exec) fn placement(&self) -> Placement {
        let in_group = self.group.as_ref().is_some_and(|group| group.limits_memory());
        Placement {
            group: self.group.as_ref().map(|group| group.folder().to_owned()),
            data: self.limits.memory.as_ref().filter(|_| !in_group).map(|memory| memory.most.saturating_mul(2)),
        }
    }
}
