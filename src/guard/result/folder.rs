//! Finds uncommitted files in the worktree.
//!
//! They are not merged, but they may be work that somebody will miss, and a check before the commit must see them. A
//! file counts as unchanged when git's index says so by size and time, or when its bytes hash to what the commit
//! contains. Files that git ignores, and files that teof copied in, are counted and not read. The record's folders
//! are skipped: the hub owns them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use git2::{ObjectFormat, ObjectType, Odb, Oid, Repository};

use super::attributes::Attributes;
use super::changes::{self, Change, Content, Entry, Kind, MAX_COMPARED};
use super::subject::Subject;
use crate::base::{Result, files, text};
use crate::guard::Finding;
use crate::hub::git::libgit2;
use crate::hub::git::object_ids;
use crate::hub::paths::OWNED;
use crate::hub::worktrees;
use crate::hub::worktrees::metadata::WorktreeMetadata;

/// The uncommitted files.
#[derive(Default)]
pub(super) struct Uncommitted {
    pub changes: Vec<Change>,
    pub ignored: u64,
}

/// The walk stops after this many files.
const MAX_FILES: usize = 500_000;
/// Larger files are not hashed: they count as changed, by their size.
const MAX_HASHED: u64 = 256 * 1024 * 1024;

/// Everything in the worktree that differs from the commit `tip`.
pub(super) fn uncommitted(
    repo: &Repository,
    tip: Oid,
    subject: &Subject,
    findings: &mut Vec<Finding>,
) -> Result<Uncommitted> {
    let committed = changes::files_of(repo, tip)?;
    let odb = repo.odb()?;
    let mut walk = Walk {
        top: subject.worktree,
        odb: &odb,
        format: repo.object_format(),
        index: index_of(repo, subject.git_dir),
        ignore: Ignore::new(subject)?,
        attributes: Attributes::of(subject.common_dir, tip)?,
        note: WorktreeMetadata::read(subject.git_dir),
        missing: committed.clone(),
        committed,
        found: Uncommitted::default(),
        findings,
    };
    walk.run()?;
    walk.record_missing()?;
    let mut found = walk.found;
    found.changes.sort_by(|a, b| a.path.cmp(&b.path));
    findings.extend(finding(&found.changes));
    Ok(found)
}

fn finding(changes: &[Change]) -> Option<Finding> {
    if changes.is_empty() {
        return None;
    }
    let shown: Vec<_> = changes.iter().take(5).map(|change| text::clip(&change.path, 60)).collect();
    let more = if changes.len() > shown.len() { ", …" } else { "" };
    let differ = if changes.len() == 1 { "file differs" } else { "files differ" };
    let message = format!("{} {differ} from the commit: {}{more}", changes.len(), shown.join(", "));
    Some(
        Finding::medium("folder.uncommitted", "", message)
            .hint("check them in the worktree, which is kept; commit what belongs to the work"),
    )
}

/// A file's entry in the index.
struct Indexed {
    size: u32,
    seconds: i32,
    nanoseconds: u32,
    id: Oid,
}

/// Without an index, or with an unusual one (split, sparse), everything is hashed.
fn index_of(repo: &Repository, git_dir: &Path) -> BTreeMap<Vec<u8>, Indexed> {
    if !fs::symlink_metadata(git_dir.join("index")).is_ok_and(|meta| meta.is_file()) {
        return BTreeMap::new();
    }
    let Ok(index) = object_ids::open_index(repo, git_dir) else { return BTreeMap::new() };
    let indexed = |entry: git2::IndexEntry| {
        let (seconds, nanoseconds) = (entry.mtime.seconds(), entry.mtime.nanoseconds());
        (entry.path, Indexed { size: entry.file_size, seconds, nanoseconds, id: entry.id })
    };
    index.iter().map(indexed).collect()
}

struct Walk<'a> {
    top: &'a Path,
    odb: &'a Odb<'a>,
    format: ObjectFormat,
    index: BTreeMap<Vec<u8>, Indexed>,
    ignore: Ignore,
    attributes: Attributes,
    /// Lists the files that were copied in.
    note: WorktreeMetadata,
    committed: BTreeMap<Vec<u8>, Entry>,
    /// Committed files that the walk has not reached yet.
    missing: BTreeMap<Vec<u8>, Entry>,
    found: Uncommitted,
    findings: &'a mut Vec<Finding>,
}

impl Walk<'_> {
    fn run(&mut self) -> Result<()> {
        let mut folders = vec![Vec::new()];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(self.full(&folder)) else {
                self.find(Finding::medium("folder.unreadable", lossy(&folder), "cannot read this folder"));
                continue;
            };
            for entry in entries.flatten() {
                seen += 1;
                if seen > MAX_FILES {
                    self.find(Finding::medium("folder.too_many", "", "too many files to check"));
                    return Ok(());
                }
                folders.extend(self.entry(&folder, &entry)?);
            }
        }
        Ok(())
    }

    /// Checks one entry; returns it when it is a folder to look into.
    fn entry(&mut self, folder: &[u8], entry: &fs::DirEntry) -> Result<Option<Vec<u8>>> {
        let name = entry.file_name().into_vec();
        let Ok(meta) = fs::symlink_metadata(entry.path()) else { return Ok(None) };
        if name == b".git" {
            self.nested_repository(folder);
            return Ok(None);
        }
        if folder.is_empty() && OWNED.iter().any(|owned| owned.as_bytes() == name) {
            self.missing.retain(|path, _| !inside(path, &name));
            return Ok(None);
        }
        let path = if folder.is_empty() { name } else { [folder, b"/", &name].concat() };
        if meta.is_dir() {
            return Ok(self.is_looked_into(&path).then_some(path));
        }
        let was = self.missing.remove(&path);
        self.file(&path, &meta, was)?;
        Ok(None)
    }

    fn is_looked_into(&mut self, path: &[u8]) -> bool {
        if self.committed.get(path).is_some_and(|(mode, _)| changes::kind(*mode) == Kind::Gitlink) {
            // The content of a submodule belongs to its own repository.
            self.missing.remove(path);
            return false;
        }
        let prefix = [path, b"/"].concat();
        let tracked = self.committed.range(prefix.clone()..).next().is_some_and(|(file, _)| file.starts_with(&prefix));
        let ignored = !tracked && self.ignore.covers(&prefix);
        self.found.ignored += u64::from(ignored);
        !ignored
    }

    fn file(&mut self, path: &[u8], meta: &Metadata, was: Option<Entry>) -> Result<()> {
        let copied = self.note.is_copied(Path::new(OsStr::from_bytes(path)));
        if was.is_none() && (copied || self.ignore.covers(path)) {
            self.found.ignored += 1;
            return Ok(());
        }
        if !meta.is_file() && !meta.is_symlink() {
            self.find(
                Finding::medium("folder.special", lossy(path), "not a file, folder or link")
                    .hint("git cannot commit a FIFO, socket or device; find out what created it"),
            );
            return Ok(());
        }
        let mode = mode_of(meta);
        if let Some((old_mode, id)) = was
            && changes::kind(old_mode) == changes::kind(mode)
            && (self.index_says_unchanged(path, meta, id) || self.hash(path, meta)? == Some(id))
        {
            return Ok(());
        }
        if self.is_by_filter(path, meta, was)? {
            self.found.ignored += 1;
            return Ok(());
        }
        let change = self.compared(path, was, Some((mode, meta)))?;
        self.found.changes.push(change);
        Ok(())
    }

    /// Whether a content filter explains the difference: the file is unchanged since the set-up, or it is the content
    /// of the commit's git-lfs pointer. No filter is run, so changes by other filters cannot be recognised.
    fn is_by_filter(&mut self, path: &[u8], meta: &Metadata, was: Option<Entry>) -> Result<bool> {
        let relative = Path::new(OsStr::from_bytes(path));
        if self.note.is_as_left(relative, meta) {
            return Ok(true);
        }
        let Some(filter) = self.attributes.filter(relative) else { return Ok(false) };
        if filter != "lfs" {
            let message = format!("the git filter {filter:?} applies to this file, so it is not part of the result");
            let hint = "check it in the worktree; if it belongs to the work, commit it with the filter";
            self.find(Finding::medium("folder.filtered", lossy(path), message).hint(hint));
            return Ok(true);
        }
        let pointer = worktrees::pointer(&self.full(path))?;
        Ok(was.map(|(_, id)| id) == Some(Oid::hash_object_ext(ObjectType::Blob, &pointer, self.format)?))
    }

    fn index_says_unchanged(&self, path: &[u8], meta: &Metadata, id: Oid) -> bool {
        self.index.get(path).is_some_and(|indexed| {
            indexed.id == id
                && u64::from(indexed.size) == meta.len() & u64::from(u32::MAX)
                && i64::from(indexed.seconds) == meta.mtime()
                && i64::from(indexed.nanoseconds) == meta.mtime_nsec()
        })
    }

    fn hash(&self, path: &[u8], meta: &Metadata) -> Result<Option<Oid>> {
        let bytes = match meta.is_symlink() {
            true => Some(self.link(path)),
            false => files::read(&self.full(path), MAX_HASHED).unwrap_or_default(),
        };
        Ok(bytes.map(|bytes| Oid::hash_object_ext(ObjectType::Blob, &bytes, self.format)).transpose()?)
    }

    fn record_missing(&mut self) -> Result<()> {
        for (path, entry) in std::mem::take(&mut self.missing) {
            if !OWNED.iter().any(|owned| inside(&path, owned.as_bytes())) {
                let change = self.compared(&path, Some(entry), None)?;
                self.found.changes.push(change);
            }
        }
        Ok(())
    }

    fn compared(&self, path: &[u8], was: Option<Entry>, is: Option<(u32, &Metadata)>) -> Result<Change> {
        let old = was.map(|entry| changes::content(self.odb, entry)).transpose()?;
        let new = is.map(|(_, meta)| self.content(path, meta));
        let mut change = changes::compare(path, old.as_ref(), new.as_ref())?;
        change.before = was.map(|(mode, _)| changes::kind(mode));
        change.after = is.map(|(mode, _)| changes::kind(mode));
        Ok(change)
    }

    fn content(&self, path: &[u8], meta: &Metadata) -> Content {
        if meta.is_symlink() {
            return Content::Bytes(self.link(path));
        }
        let mut bytes = Vec::new();
        let whole = files::open_regular(&self.full(path))
            .ok()
            .flatten()
            .and_then(|file| file.take(MAX_COMPARED + 1).read_to_end(&mut bytes).ok())
            .is_some_and(|read| read as u64 <= MAX_COMPARED);
        if whole { Content::Bytes(bytes) } else { Content::Large(meta.len()) }
    }

    fn link(&self, path: &[u8]) -> Vec<u8> {
        fs::read_link(self.full(path)).unwrap_or_default().into_os_string().into_vec()
    }

    fn nested_repository(&mut self, folder: &[u8]) {
        if !folder.is_empty() {
            self.find(
                Finding::medium("folder.nested_repository", lossy(folder), "a git repository inside the worktree")
                    .hint("its files are not part of the commit; a person decides what to do with it"),
            );
        }
    }

    fn find(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn full(&self, path: &[u8]) -> PathBuf {
        self.top.join(OsStr::from_bytes(path))
    }
}

/// The files that git ignores in the worktree, by git's own rules.
struct Ignore {
    rules: Repository,
    top: PathBuf,
    /// Some `.gitignore` is not a regular file: then nothing is ignored, because reading it could block.
    broken: bool,
}

impl Ignore {
    fn new(subject: &Subject) -> Result<Self> {
        let rules = Repository::open_bare(subject.common_dir)?;
        // In memory only: it says where the rules are, and writes nothing.
        rules.set_workdir(subject.worktree, false)?;
        libgit2::ignore_agents_files(&rules)?;
        Ok(Self { rules, top: subject.worktree.to_owned(), broken: false })
    }

    fn covers(&mut self, path: &[u8]) -> bool {
        let relative = Path::new(OsStr::from_bytes(path));
        let odd = |folder: &Path| {
            let file = self.top.join(folder).join(".gitignore");
            fs::symlink_metadata(file).is_ok_and(|meta| !meta.is_file())
        };
        self.broken = self.broken || relative.ancestors().any(odd);
        !self.broken && self.rules.is_path_ignored(relative).unwrap_or(false)
    }
}

fn inside(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.first() == Some(&b'/'))
}

fn mode_of(meta: &Metadata) -> u32 {
    match meta {
        meta if meta.is_symlink() => 0o120_000,
        meta if meta.mode() & 0o100 != 0 => 0o100_755,
        _ => 0o100_644,
    }
}

fn lossy(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
