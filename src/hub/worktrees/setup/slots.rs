//! Slots: a small number for each worktree, and the ports that belong to it, for dev servers and databases.
//!
//! A worktree keeps its slot until it is removed, and no two worktrees of the repository have the same. The main
//! worktree has slot 0.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::base::lock::FileLock;
use crate::base::{Refusal, Result, env};
use crate::hub::Hub;
use crate::hub::settings::Worktrees;
use crate::hub::worktrees::metadata::WorktreeMetadata;
use crate::hub::worktrees::place::{WAIT, main_worktree};
use crate::hub::worktrees::registry;

/// Held while slots are given. Not the worktrees' lock, which callers may hold.
const LOCK: &str = "locks/slots.lock";

/// A worktree's slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Slot {
    pub slot: u16,
    /// The first of its `ports_each` ports.
    pub port_base: u16,
}

impl Slot {
    fn new(settings: &Worktrees, slot: u16) -> Self {
        Self { slot, port_base: settings.ports_from + slot * settings.ports_each }
    }

    /// What programs in the worktree are told.
    #[must_use]
    pub fn variables(self) -> [(String, String); 2] {
        let pair = |name: &str, value: u16| (name.to_owned(), value.to_string());
        [pair(env::SLOT, self.slot), pair(env::PORT_BASE, self.port_base)]
    }
}

/// The slot of the worktree with this git directory; a worktree without one gets the lowest free one.
///
/// # Errors
/// `worktree.no_slot` when all are taken.
pub fn of(hub: &Hub, git_dir: &Path) -> Result<Slot> {
    let settings = &hub.settings()?.worktrees;
    let is_main = main_worktree(hub).is_some_and(|main| main.git_dir == git_dir) || git_dir == hub.common_dir;
    if is_main {
        return Ok(Slot::new(settings, 0));
    }
    if let Some(slot) = known(settings, git_dir) {
        return Ok(slot);
    }
    let _lock = FileLock::acquire(&hub.local(LOCK), WAIT, "lock.wait", "give a worktree its slot")?;
    let all = registry::all(&hub.common_dir);
    let taken: Vec<u16> = all.iter().filter_map(|found| WorktreeMetadata::read(&found.git_dir).slot).collect();
    if let Some(slot) = known(settings, git_dir) {
        return Ok(slot);
    }
    let Some(free) = (1..settings.slots).find(|slot| !taken.contains(slot)) else {
        let count = taken.len();
        return Err(Refusal::guard("worktree.no_slot", format!("all {count} slots for worktrees are taken"))
            .because("every worktree has ports of its own ([worktrees] slots, ports_from, ports_each)")
            .next("remove finished worktrees: teof worktree clean")
            .into());
    };
    WorktreeMetadata { slot: Some(free), ..WorktreeMetadata::read(git_dir) }.write(git_dir)?;
    Ok(Slot::new(settings, free))
}

/// The slot that it has, unless the settings have fewer now.
fn known(settings: &Worktrees, git_dir: &Path) -> Option<Slot> {
    let slot = WorktreeMetadata::read(git_dir).slot.filter(|slot| *slot < settings.slots)?;
    Some(Slot::new(settings, slot))
}
