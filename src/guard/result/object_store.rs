//! Finds objects of git's store that were replaced or removed while a worker ran.
//!
//! A worker must be able to add objects, and a program that may add one to a folder may replace the others there: git
//! does not compare a loose object with its name when it shows a file. So every loose object that was written since is
//! read once and compared. Packs are not writable for confined programs.

use std::collections::HashSet;
use std::fs::{self, DirEntry, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Context;
use git2::{ErrorCode, ObjectType, Odb, Oid, Repository};

use super::surroundings::{OBJECTS, Surroundings};
use crate::base::{Result, text};
use crate::guard::Finding;
use crate::hub::git::{Git, complaint, object_ids, partial};

/// How many new objects are compared; more than a repository has before git packs them.
const MOST: usize = 200_000;
/// Larger objects are not read into memory, in bytes.
const LARGEST: usize = 1 << 30;
/// How much is read of all of them, in bytes: small files can hold much.
const MOST_BYTES: usize = 4 << 30;
/// When something changed, by the file system: seconds and nanoseconds.
type Changed = (i64, i64);

const REPLACED: &str = "git.object_replaced";

/// Records from when on objects count as new: what the store's file system says that it is now, because it dates
/// them, maybe by the clock of another machine.
pub fn record(common_dir: &Path, found: &mut Surroundings) {
    let (seconds, nanos) = now(common_dir);
    found.insert(OBJECTS.to_owned(), format!("{seconds}.{nanos:09}"));
}

/// The time of the store's file system; before everything where it does not tell.
fn now(common_dir: &Path) -> Changed {
    let objects = common_dir.join("objects");
    now_of(&objects).or_else(|_| now_of_a_file(&objects)).unwrap_or_else(|e| {
        tracing::debug!("cannot ask the file system of git's objects for its time: {e}");
        Changed::default()
    })
}

/// Dates a folder's content as it is dated already, which changes its status now. Only its owner may.
fn now_of(folder: &Path) -> io::Result<Changed> {
    let folder = File::open(folder)?;
    folder.set_modified(folder.metadata()?.modified()?)?;
    Ok(changed(&folder.metadata()?))
}

/// Makes a file for a moment; git takes one with this name for its own.
fn now_of_a_file(folder: &Path) -> io::Result<Changed> {
    let path = folder.join(format!("tmp_obj_teof_{}", std::process::id()));
    let made = File::create_new(&path)?.metadata();
    fs::remove_file(&path)?;
    Ok(changed(&made?))
}

/// The time of a change of status cannot be set by a program.
fn changed(meta: &Metadata) -> Changed {
    (meta.ctime(), meta.ctime_nsec())
}

/// Without a fraction an earlier version wrote it, by the machine's clock.
fn parse(recorded: &str) -> Changed {
    let (seconds, nanos) = recorded.split_once('.').unwrap_or((recorded, "0"));
    seconds.parse().ok().zip(nanos.parse().ok()).unwrap_or_default()
}

/// A finding for each loose object that is not what its name says, or that cannot be compared.
///
/// # Errors
/// When the object store cannot be opened.
pub fn replaced(common_dir: &Path, before: &Surroundings) -> Result<Vec<Finding>> {
    let Some(recorded) = before.get(OBJECTS).map(|since| parse(since)) else { return Ok(Vec::new()) };
    // Where the clock was set back, new ones look old.
    let since = if now(common_dir) >= recorded { recorded } else { Changed::default() };
    let when = if since == recorded { "while the worker ran" } else { "before the clock was set back, or later" };
    // Opened anew: one that is open already answers from its cache.
    let repo = Repository::open_bare(common_dir).context("open the repository")?;
    let odb = repo.odb().context("open the store of git's objects")?;
    Ok(compare(&odb, new_objects(common_dir, since), when, MOST, MOST_BYTES))
}

/// Compares up to `most` objects of together about `most_bytes` with their names. What is left out is a finding.
fn compare(
    odb: &Odb,
    mut new: impl Iterator<Item = Object>,
    when: &str,
    most: usize,
    most_bytes: usize,
) -> Vec<Finding> {
    let mut read = 0;
    let mut found = Vec::new();
    for object in new.by_ref().take(most) {
        found.extend(wrong(odb, &object, when, &mut read));
        if read > most_bytes {
            break;
        }
    }
    if new.next().is_some() {
        let message = format!(
            "more than {most} objects or {} GiB were written {when}; the others were not compared",
            most_bytes >> 30
        );
        found.push(Finding::high(REPLACED, "", message).hint("compare all of them: git fsck"));
    }
    found
}

/// A loose object.
struct Object {
    name: String,
    entry: DirEntry,
}

/// The loose objects that were written since.
fn new_objects(common_dir: &Path, since: Changed) -> impl Iterator<Item = Object> {
    let folders = (0..=u8::MAX).map(|first| format!("{first:02x}"));
    let objects = common_dir.join("objects");
    let files = folders.flat_map(move |first| {
        let entries = fs::read_dir(objects.join(&first)).into_iter().flatten().flatten();
        entries.map(move |entry| (first.clone(), entry))
    });
    let new = files.filter_map(move |(first, entry)| {
        let is_new = changed(&entry.metadata().ok()?) >= since;
        let rest = entry.file_name().into_string().ok().filter(|_| is_new)?;
        Some(Object { name: first + &rest, entry })
    });
    // Others are git's temporary files.
    new.filter(|object| object_ids::parse(&object.name).is_ok())
}

/// A finding when it is not the object of its name, or cannot be compared with it.
/// `when`: it may have been replaced; `read`: the bytes of all so far.
fn wrong(odb: &Odb, object: &Object, when: &str, read: &mut usize) -> Option<Finding> {
    let name = &object.name;
    let found = |what: String, hint: &str| Some(Finding::high(REPLACED, "", what).hint(hint));
    // Reading a pipe would wait, and what a link leads to can be exchanged later.
    if !object.entry.file_type().ok()?.is_file() {
        let what = format!("the object {name} was replaced {when}; it is not a regular file");
        return found(what, "remove it, then fetch it again or restore it from another clone: git fsck");
    }
    let id = object_ids::parse(name).ok()?;
    let size = odb.read_header(id).map_or(0, |(size, _)| size);
    if size > LARGEST {
        let what = format!("the object {name} is too large to be compared with its name ({size} bytes)");
        return found(what, "compare it yourself: git fsck");
    }
    *read += size;
    // libgit2 compares what it reads with the name.
    match odb.read(id) {
        Ok(_) => None,
        Err(e) if e.code() == ErrorCode::NotFound => None,
        Err(e) => {
            let why = match e.code() {
                ErrorCode::HashsumMismatch => "git would show another content",
                _ => "git cannot read it",
            };
            let what = format!("the object {name} was replaced {when}; {why}");
            found(what, "fetch it again, or restore it from another clone: git fsck")
        }
    }
}

/// A finding when the store lacks something of the commits after `base`, or of the last one's files.
///
/// # Errors
/// When the store cannot be opened; when git cannot be started, or was killed.
pub fn missing(common_dir: &Path, base: Oid, tip: Oid) -> Result<Option<Finding>> {
    // Opened anew: one that is open already answers from its cache.
    let repo = Repository::open_bare(common_dir).context("open the repository")?;
    // Only git itself knows what a partial or a shallow clone may lack.
    let lacks = match repo.is_shallow() || partial::is_partial(&repo) {
        true => asked_of_git(common_dir, base, tip)?,
        false => walk(&repo, base, tip).err().map(|e| text::safe(e.message())),
    };
    Ok(lacks.map(|what| {
        let what = format!("git's store lacks objects of the commit {tip}: {what}");
        let hint = "find them: git fsck; fetch them again or restore them from another clone, then retry the job";
        Finding::high("git.object_missing", "", what).hint(hint)
    }))
}

/// Reads the commits after `base` and all their folders, and looks whether their files are there. Of the history
/// before, which can be long, only the files of `tip` count.
///
/// # Errors
/// The first object that is missing or cannot be read.
fn walk(repo: &Repository, base: Oid, tip: Oid) -> Result<(), git2::Error> {
    let mut commits = repo.revwalk()?;
    commits.push(tip)?;
    commits.hide(base)?;
    let odb = repo.odb()?;
    let mut known = HashSet::new();
    for commit in std::iter::once(Ok(tip)).chain(commits) {
        walk_tree(repo, &odb, repo.find_commit(commit?)?.tree_id(), &mut known)?;
    }
    Ok(())
}

fn walk_tree(repo: &Repository, odb: &Odb, id: Oid, known: &mut HashSet<Oid>) -> Result<(), git2::Error> {
    let mut folders = vec![id];
    while let Some(id) = folders.pop() {
        if !known.insert(id) {
            continue;
        }
        for entry in &repo.find_tree(id)? {
            match entry.kind() {
                Some(ObjectType::Tree) => folders.push(entry.id()),
                Some(ObjectType::Blob) if !odb.exists(entry.id()) => {
                    return Err(git2::Error::from_str(&format!("missing blob object {}", entry.id())));
                }
                // The commit of a submodule is in another store.
                _ => {}
            }
        }
    }
    Ok(())
}

/// Like [`walk`], by git: what it says is missing.
fn asked_of_git(common_dir: &Path, base: Oid, tip: Oid) -> Result<Option<String>> {
    let git = Git::named(common_dir, common_dir);
    let (tip, not_base) = (tip.to_string(), format!("^{base}"));
    for range in [["--no-walk", tip.as_str()], [not_base.as_str(), tip.as_str()]] {
        // What a partial clone left out is at its remote.
        let whole = ["rev-list", "--quiet", "--objects", "--exclude-promisor-objects"];
        let output = git.output(&[whole.as_slice(), &range].concat())?;
        if !output.status.success() {
            return Ok(Some(complaint(&output)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_with_another_content_is_found_and_new_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let repo = Repository::init_bare(folder.path()).unwrap();
        let mut before = Surroundings::new();
        record(folder.path(), &mut before);
        let [one, two] = [b"one", b"two"].map(|content| repo.blob(content).unwrap().to_string());
        assert_eq!(replaced(folder.path(), &before).unwrap(), vec![]);
        let path = |name: &str| folder.path().join("objects").join(&name[..2]).join(&name[2..]);
        fs::remove_file(path(&one)).unwrap();
        fs::copy(path(&two), path(&one)).unwrap();
        let found = replaced(folder.path(), &before).unwrap();
        assert!(found.len() == 1 && found[0].message.contains(&one), "{found:?}");
        fs::write(path(&one), "not an object").unwrap();
        let found = replaced(folder.path(), &before).unwrap();
        assert!(found.len() == 1 && found[0].message.contains("git cannot read it"), "{found:?}");
        // A pipe in place of an object is not waited for.
        fs::remove_file(path(&two)).unwrap();
        let made = std::process::Command::new("mkfifo").arg(path(&two)).status().unwrap();
        assert!(made.success());
        let found = replaced(folder.path(), &before).unwrap();
        assert!(
            found.len() == 2 && found.iter().any(|found| found.message.contains("not a regular file")),
            "{found:?}"
        );
        // Once the clock has ticked, all that was before.
        while !replaced(folder.path(), &before).unwrap().is_empty() {
            record(folder.path(), &mut before);
        }
        for written_by_an_earlier_version in ["1", "?"] {
            before.insert(OBJECTS.to_owned(), written_by_an_earlier_version.to_owned());
            assert_eq!(replaced(folder.path(), &before).unwrap().len(), 2);
        }
        let [touched, made] = [now_of(folder.path()), now_of_a_file(folder.path())].map(Result::unwrap);
        assert!(touched.0 > 1_000_000_000 && made >= touched, "{touched:?} {made:?}");
        before.insert(OBJECTS.to_owned(), "99999999999.0".to_owned());
        assert_eq!(replaced(folder.path(), &before).unwrap().len(), 2, "the clock was set back");
    }

    #[test]
    fn what_was_not_compared_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let repo = Repository::init_bare(folder.path()).unwrap();
        for content in ["a".repeat(600), "b".repeat(600), "c".repeat(600)] {
            repo.blob(content.as_bytes()).unwrap();
        }
        let odb = repo.odb().unwrap();
        let of = |most, most_bytes| compare(&odb, new_objects(folder.path(), (0, 0)), "then", most, most_bytes);
        assert_eq!(of(3, 1800), vec![]);
        for found in [of(2, 1800), of(3, 1000)] {
            assert!(found.len() == 1 && found[0].message.contains("others were not compared"), "{found:?}");
        }
        assert_eq!(of(3, 1500), vec![], "the last one was compared too");
    }
}
