//! What went wrong with a file, as an answer to the user.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::path::folder_of;
use crate::base::{Refusal, env, text};

/// An I/O error as a refusal: disk, limits and permissions are not faults of teof. The caller adds whether anything
/// was changed.
pub fn io_refusal(error: io::Error, doing: &str, path: &Path) -> anyhow::Error {
    let refuse = |code, why: &str, next: &str| {
        Refusal::guard(code, format!("could not {doing} {}", path.display()))
            .because(format!("{why} ({error})"))
            .next(next)
            .into()
    };
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            refuse("disk.full", "no space left on the disk", "free some space and try again")
        }
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied if env::var(env::RUN).is_some() => refuse(
            "disk.read_only",
            "a run's programs may write in its worktree and its temporary folder only",
            &format!("put files for the record into {}: the worker collects them", env::RECEIPTS_DIR),
        ),
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => refuse(
            "disk.read_only",
            "this user has no permission there",
            &format!(
                "check its owner: ls -ld {}; then: teof doctor",
                text::shell_word(&folder_of(path).display().to_string())
            ),
        ),
        ErrorKind::InvalidFilename => {
            refuse("path.too_long", "the file system does not allow this name", "choose a shorter one")
        }
        _ if error.raw_os_error().is_some() => refuse(
            "disk.failed",
            "the operating system reported an error",
            "check the disk and the folder, then try again",
        ),
        _ => anyhow::Error::new(error).context(format!("{doing} {}", path.display())),
    }
}

pub(super) fn too_large(path: &Path, size: u64, max: u64) -> Refusal {
    Refusal::guard("file.too_large", format!("{} is too large to read", path.display()))
        .because(format!("it has {size} bytes, limit {max}"))
        .next("check what wrote it; teof did not change it")
}

pub(super) fn not_own(path: &Path, what: &str) -> Refusal {
    Refusal::guard("file.not_regular", format!("{} was not created by teof", path.display()))
        .because(format!("it is {what}, so teof did not open it"))
        .next("remove links among teof's own files: teof doctor --fix")
}

pub(super) fn not_regular(path: &Path, what: &str) -> Refusal {
    Refusal::guard("file.not_regular", format!("{} is not a regular file", path.display()))
        .because(format!("it is {what}"))
        .next("replace it with a regular file; teof does not follow links")
}
