//! Makes the temporary folders of tests, in memory where the machine has room: most of a test's time are durable
//! writes.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tempfile::TempDir;

/// What must be free there: the floods and full disks of tests that run at the same time.
const ROOM: u64 = 4 << 30;

/// A folder in memory, or on disk when there is no room, no program may run there, or `TMPDIR` names another place.
pub fn folder() -> TempDir {
    static MEMORY: LazyLock<Option<PathBuf>> = LazyLock::new(memory);
    match &*MEMORY {
        Some(root) => TempDir::new_in(root).unwrap(),
        None => on_disk(),
    }
}

/// A folder on disk: beside it, the sandbox lets programs write to shared memory, as browsers need it.
pub fn on_disk() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn memory() -> Option<PathBuf> {
    let root = Path::new("/dev/shm");
    let system = rustix::fs::statvfs(root).ok()?;
    let runs_programs = !system.f_flag.contains(rustix::fs::StatVfsMountFlags::NOEXEC);
    let has_room = system.f_bavail.saturating_mul(system.f_frsize) >= ROOM;
    (runs_programs && has_room && std::env::var_os("TMPDIR").is_none()).then(|| root.to_owned())
}
