//! Measures the free space of the disks that teof writes to.

use std::path::{Path, PathBuf};

use crate::base::Result;
use crate::hub::{Hub, worktrees};

/// Fewer files than this that can still be created are too few for a job: a worktree has a file for each of the
/// repository's.
const FEW: u64 = 2000;

/// The disk that holds a folder.
#[derive(Clone, Debug, serde::Serialize, schemars::JsonSchema)]
pub struct Room {
    /// What teof keeps there: the record, git's data, the output of runs, or the worktrees.
    pub folder: PathBuf,
    /// What this user may still write, in bytes.
    pub free: u64,
    /// How many more files can be created; `None` where the file system does not count them.
    pub files: Option<u64>,
}

impl Room {
    /// What there is too little of: `12 MiB are free`; `None` when there is enough. `floor` is in bytes.
    pub fn lack(&self, floor: u64) -> Option<String> {
        match self.files.filter(|files| *files < FEW) {
            _ if self.free < floor => Some(format!("{} MiB are free", self.free >> 20)),
            Some(files) => Some(format!("{files} more files can be created")),
            None => None,
        }
    }
}

/// Each disk once. A folder that does not exist counts as its nearest parent; a disk that cannot be measured is left
/// out.
///
/// # Errors
/// When the settings cannot be read.
pub fn measure(hub: &Hub) -> Result<Vec<Room>> {
    let folders = [hub.root.clone(), hub.common_dir.clone(), hub.state_home(), worktrees::home(hub)?];
    let (mut disks, mut rooms) = (Vec::new(), Vec::new());
    for folder in folders.iter().filter_map(|folder| existing(folder)) {
        let Ok(disk) = rustix::fs::stat(folder).map(|found| found.st_dev) else { continue };
        if !disks.contains(&disk) {
            disks.push(disk);
            rooms.extend(room(folder));
        }
    }
    Ok(rooms)
}

/// Why a job has too little room, for people; `None` when it has enough. `was_lacking`: it had too little before, and
/// needs a quarter more, so that jobs do not stop and start at the limit.
///
/// # Errors
/// When the settings cannot be read.
pub fn lacking(hub: &Hub, was_lacking: bool) -> Result<Option<String>> {
    let own = hub.settings()?.coordinator.min_free_disk;
    let (floor, which) = match was_lacking {
        true => (own.saturating_add(own / 4), "coordinator.min_free_disk and a quarter"),
        false => (own, "coordinator.min_free_disk"),
    };
    let found = measure(hub)?.into_iter().find_map(|room| Some((room.lack(floor)?, room)));
    Ok(found.map(|(lack, room)| {
        let (floor, folder) = (floor >> 20, room.folder.display());
        let needs = if was_lacking { "jobs start again at" } else { "a job needs" };
        format!("only {lack} on the disk of {folder}; {needs} {floor} MiB ({which}) and {FEW} files")
    }))
}

fn existing(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| folder.is_dir())
}

fn room(folder: &Path) -> Option<Room> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(Room {
        folder: folder.to_owned(),
        free: disk.f_bavail.saturating_mul(disk.f_frsize),
        // A file system without inode counts reports 0 for both.
        files: (disk.f_files > 0).then_some(disk.f_favail),
    })
}
