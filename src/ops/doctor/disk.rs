//! Checks for `doctor` whether the disks that teof writes to have space.

use std::path::{Path, PathBuf};

use super::attributes::Problem;
use crate::base::{Refusal, Result, files};
use crate::hub::{Hub, worktrees};

/// One job's worktree and logs soon use up less than this, in bytes.
const LOW: u64 = 256 * 1024 * 1024;
/// Minimum number of files that can still be created.
const FEW: u64 = 2000;

/// Checks the disks; writes one small file into the machine-local folder and removes it.
///
/// # Errors
/// When the settings cannot be read.
pub fn problems(hub: &Hub) -> Result<Vec<Problem>> {
    let folders = [hub.root.clone(), hub.common_dir.clone(), hub.state_home(), worktrees::home(hub)?];
    let mut disks: Vec<(u64, PathBuf)> = Vec::new();
    for folder in folders.iter().filter_map(|folder| existing(folder)) {
        let Ok(disk) = rustix::fs::stat(folder).map(|found| found.st_dev) else { continue };
        if disks.iter().all(|(known, _)| *known != disk) {
            disks.push((disk, folder.to_owned()));
        }
    }
    let mut found: Vec<Problem> = disks.iter().filter_map(|(_, folder)| low(folder)).collect();
    found.extend([hub.local(""), hub.root.join("_bus")].iter().filter_map(|folder| full(folder)));
    Ok(found)
}

/// The folder, or its nearest existing parent.
fn existing(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| folder.is_dir())
}

fn low(folder: &Path) -> Option<Problem> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    let room = disk.f_bavail.saturating_mul(disk.f_frsize);
    // A file system without inode counts reports 0 for both.
    let what = match (room < LOW, disk.f_files > 0 && disk.f_favail < FEW) {
        (true, _) => format!("{} MiB are free", room >> 20),
        (false, true) => format!("{} more files can be created", disk.f_favail),
        (false, false) => return None,
    };
    Some(Problem {
        code: "disk.low",
        message: format!("only {what} on the disk of {}", folder.display()),
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
