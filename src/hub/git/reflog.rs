//! Where the newest line of HEAD's reflog moved it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use git2::{Oid, Repository};

use super::object_ids;

/// More than the longest line, in bytes.
const LINE: u64 = 64 << 10;

/// The commit in the newest line: `None` when there is no line, `Some(None)` when it cannot be read.
///
/// A power cut leaves zeros in the log, at which libgit2 stops; the lines after them are whole. It reads the logs that
/// are no files.
pub fn newest(repo: &Repository) -> Option<Option<Oid>> {
    let Ok(end) = end_of(&repo.path().join("logs/HEAD")) else {
        return repo.reflog("HEAD").map_or(Some(None), |log| log.get(0).map(|newest| Some(newest.id_new())));
    };
    let last = end.trim_ascii_end().rsplit(|&byte| byte == b'\n').next().filter(|line| !line.is_empty())?;
    let text = String::from_utf8_lossy(last);
    let new = text.trim_start_matches('\0').split(' ').nth(1);
    Some(new.and_then(|new| object_ids::parse(new).ok()))
}

fn end_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LINE)))?;
    let mut end = Vec::new();
    file.take(LINE).read_to_end(&mut end)?;
    Ok(end)
}
