//! Finds objects of git's store whose content was exchanged while a worker ran.
//!
//! A worker must be able to add objects, and whoever may add one to a folder may replace the others there: git does not
//! compare a loose object with its name when it shows a file. So every loose object that was written since is read once
//! and compared. Packs are not writable for confined programs. Objects that are gone are found by whoever needs them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use git2::{Odb, Repository};

use super::surroundings::{OBJECTS, Surroundings};
use crate::base::Clock;
use crate::guard::Finding;
use crate::hub::git::object_ids;

/// How many objects are looked at; more than a repository has before git packs them.
const MOST: usize = 200_000;
/// Clocks of file systems are coarser than the machine's, in seconds.
const SLACK: i64 = 2;

/// Records from when on objects count as new.
pub fn record(found: &mut Surroundings) {
    // As the file system dates them, whatever the hub's clock says.
    found.insert(OBJECTS.to_owned(), Clock::Machine.now().unix().to_string());
}

/// A finding for each loose object that is not what its name says.
pub fn replaced(common_dir: &Path, before: &Surroundings) -> Vec<Finding> {
    let Some(since) = before.get(OBJECTS).and_then(|since| since.parse::<i64>().ok()) else { return Vec::new() };
    let Ok(repo) = Repository::open_bare(common_dir) else { return Vec::new() };
    let Ok(odb) = repo.odb() else { return Vec::new() };
    let wrong = new_objects(common_dir, since - SLACK).filter(|name| is_wrong(&odb, name));
    let found = |name: String| {
        let message = format!("the object {name} was replaced while the worker ran; git would show another content");
        Finding::high("git.object_replaced", "", message)
            .hint("fetch it again, or restore it from another clone: git fsck")
    };
    wrong.map(found).collect()
}

/// The names of loose objects that were written since. The time of a change of status cannot be set by a program.
fn new_objects(common_dir: &Path, since: i64) -> impl Iterator<Item = String> {
    let folders = (0..=u8::MAX).map(|first| format!("{first:02x}"));
    let objects = common_dir.join("objects");
    let files = folders.flat_map(move |first| {
        let entries = fs::read_dir(objects.join(&first)).into_iter().flatten().flatten();
        entries.map(move |entry| (first.clone(), entry))
    });
    let names = files.take(MOST).filter_map(move |(first, entry)| {
        let is_new = entry.metadata().ok()?.ctime() >= since;
        let rest = entry.file_name().into_string().ok().filter(|_| is_new)?;
        Some(first + &rest)
    });
    // Others are git's temporary files.
    names.filter(|name| object_ids::parse(name).is_ok())
}

/// Whether it can be read and is another object. What cannot be read is no longer here, or is being written.
fn is_wrong(odb: &Odb, name: &str) -> bool {
    let Ok(id) = object_ids::parse(name) else { return false };
    // libgit2 compares what it reads with the name.
    odb.read(id).is_err_and(|e| e.code() == git2::ErrorCode::HashsumMismatch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_with_another_content_is_found_and_new_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let repo = Repository::init_bare(folder.path()).unwrap();
        let mut before = Surroundings::new();
        record(&mut before);
        let [one, two] = [b"one", b"two"].map(|content| repo.blob(content).unwrap().to_string());
        assert_eq!(replaced(folder.path(), &before), vec![]);
        let path = |name: &str| folder.path().join("objects").join(&name[..2]).join(&name[2..]);
        fs::remove_file(path(&one)).unwrap();
        fs::copy(path(&two), path(&one)).unwrap();
        let found = replaced(folder.path(), &before);
        assert!(found.len() == 1 && found[0].message.contains(&one), "{found:?}");
        before.insert(OBJECTS.to_owned(), "99999999999".to_owned());
        assert_eq!(replaced(folder.path(), &before), vec![]);
    }
}
