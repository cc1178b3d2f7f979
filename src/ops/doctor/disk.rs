//! Checks for `doctor` whether the disks that teof writes to have space.

use std::path::Path;

use super::attributes::Problem;
use super::room::{self, Room};
use crate::base::{Refusal, Result, files};
use crate::hub::Hub;

/// Checks the disks; writes one small file into the machine-local folder and removes it.
///
/// # Errors
/// When the settings cannot be read.
pub fn problems(hub: &Hub) -> Result<Vec<Problem>> {
    let floor = hub.settings()?.coordinator.min_free_disk;
    let mut found: Vec<Problem> = room::measure(hub)?.iter().filter_map(|room| low(room, floor)).collect();
    found.extend([hub.local(""), hub.root.join("_bus")].iter().filter_map(|folder| full(folder)));
    Ok(found)
}

fn low(room: &Room, floor: u64) -> Option<Problem> {
    let lack = room.lack(floor)?;
    Some(Problem {
        code: "disk.low",
        message: format!("only {lack} on the disk of {}, so no job starts", room.folder.display()),
        fix: "free some space; see what uses it: teof worktree clean --dry-run; df -h; df -i".to_owned(),
        note: true,
    })
}

/// Why a small file cannot be written; another check covers permissions.
fn full(folder: &Path) -> Option<Problem> {
    if !folder.is_dir() {
        return None;
    }
    let written = files::write_beside(&folder.join("probe"), &[0; 4096]).and_then(|probe| {
        probe.sync()?;
        files::remove(&probe.temporary)
    });
    let refusal = Refusal::of(&written.err()?)?.clone();
    (refusal.code != "disk.read_only").then(|| Problem {
        code: refusal.code,
        message: format!("cannot write a file in {}: {}", folder.display(), refusal.reason.unwrap_or_default()),
        fix: refusal.next.join("; "),
        note: false,
    })
}
