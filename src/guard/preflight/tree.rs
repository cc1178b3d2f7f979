//! The two trees that preflight reads: the checked-out files, and a base through libgit2.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::path::Path;
use std::rc::Rc;
use std::sync::OnceLock;

use anyhow::Context;
use git2::{ObjectType, Repository};

use super::work::Work;
use crate::base::{Clock, Refusal, Result, files, jsonl, text};
use crate::guard::Finding;
use crate::hub::git::object_ids;
use crate::hub::{Hub, Worktree, paths};
use crate::model::seat;
use crate::receipts::ledger::{self, Entry};

/// Limit on a log that is read at once, in bytes.
const MAX_LOG: u64 = 8 << 30;

/// The checked-out tree.
#[derive(Debug)]
pub struct Tree {
    worktree: Worktree,
    /// Paths in git's index or in HEAD, or in the ledger until the next record commit.
    tracked: HashSet<String>,
    /// Receipts that the ledger retired.
    retired: HashSet<String>,
    work: OnceLock<Work>,
}

impl Tree {
    /// # Errors
    /// When the repository cannot be opened.
    pub fn open(worktree: &Worktree) -> Result<Tree> {
        let repo = open(worktree)?;
        let mut tracked = HashSet::new();
        if let Ok(index) = object_ids::open_index(&repo, &worktree.git_dir) {
            tracked.extend(index.iter().filter_map(|entry| String::from_utf8(entry.path).ok()));
        }
        if let Some(tree) = head(&repo, worktree) {
            collect(&repo, &tree, "", &mut tracked)?;
        }
        tracked.extend(awaiting_commit(&repo, worktree));
        // The ledger's own rule reports an unreadable ledger.
        let retired = ledger::retired(&worktree.root).unwrap_or_default();
        Ok(Tree { worktree: worktree.clone(), tracked, retired, work: OnceLock::new() })
    }

    pub fn root(&self) -> &Path {
        &self.worktree.root
    }

    /// The backlog and the plans, read once.
    pub fn work(&self) -> &Work {
        let hub = || Hub::of_worktree(self.worktree.clone(), Clock::Machine);
        self.work.get_or_init(|| Work::of(&hub(), &|path| self.read(path).ok().flatten()))
    }

    /// The bytes of a plan. One that [`Tree::work`] read is not read again.
    pub fn read_plan(&self, path: &str) -> Result<Option<Cow<'_, [u8]>>, Finding> {
        match self.work().files.get(path) {
            Some(known) => Ok(Some(Cow::Borrowed(known))),
            None => Ok(self.read(path)?.map(Cow::Owned)),
        }
    }

    pub fn is_tracked(&self, path: &str) -> bool {
        self.tracked.contains(path)
    }

    pub fn is_retired(&self, path: &str) -> bool {
        self.retired.contains(path)
    }

    /// The entries of a folder with this ending, sorted. Includes links and folders, which reading then reports.
    pub fn files(&self, folder: &str, ending: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.worktree.root.join(folder)) else { return Vec::new() };
        let mut found: Vec<String> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.ends_with(ending) && !name.starts_with('.'))
            .map(|name| if folder.is_empty() { name } else { format!("{folder}/{name}") })
            .collect();
        found.sort();
        found
    }

    /// One known file, if it exists.
    pub fn files_named(&self, path: &str) -> Vec<String> {
        fs::symlink_metadata(self.worktree.root.join(path)).map(|_| path.to_owned()).into_iter().collect()
    }

    /// The seats' manifests.
    pub fn manifests(&self) -> Vec<String> {
        let stem = seat::MANIFEST.trim_end_matches("json");
        self.files("", ".json").into_iter().filter(|name| name.starts_with(stem)).collect()
    }

    /// Every seat's work orders: `_report/agent/<id>/manifests/manifest-*.json`.
    pub fn orders(&self) -> Vec<String> {
        let mut found = self.of_seats("manifests", ".json");
        found.retain(|path| path.contains("/manifests/manifest-"));
        found
    }

    /// The files of this folder of every seat, `_report/agent/<id>/<folder>/`, sorted.
    pub fn of_seats(&self, folder: &str, ending: &str) -> Vec<String> {
        let Ok(agents) = fs::read_dir(self.worktree.root.join("_report/agent")) else { return Vec::new() };
        let agents = agents.flatten().filter_map(|agent| agent.file_name().into_string().ok());
        let mut found: Vec<_> =
            agents.flat_map(|agent| self.files(&format!("_report/agent/{agent}/{folder}"), ending)).collect();
        found.sort();
        found
    }

    /// Reads a document; the error is the finding that it cannot be read.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Finding> {
        self.read_up_to(path, files::MAX_DOCUMENT)
    }

    /// Reads a log, up to the size limit of logs.
    pub fn read_log(&self, path: &str) -> Result<Option<Vec<u8>>, Finding> {
        self.read_up_to(path, MAX_LOG)
    }

    /// Opens a log, to be read in parts.
    pub fn open_log(&self, path: &str) -> Result<Option<File>, Finding> {
        files::within(&self.worktree.root, path)
            .and_then(|path| files::open_regular(&path))
            .map_err(|error| unreadable(path, &error))
    }

    fn read_up_to(&self, path: &str, max: u64) -> Result<Option<Vec<u8>>, Finding> {
        read_at(&self.worktree.root, path, max)
    }
}

/// The receipts of ledger lines that HEAD does not have yet. A clean checkout has none: there, git must have every
/// receipt.
fn awaiting_commit(repo: &Repository, worktree: &Worktree) -> Vec<String> {
    let committed = head(repo, worktree)
        .and_then(|tree| tree.get_path(Path::new(paths::LEDGER)).ok()?.to_object(repo).ok()?.into_blob().ok())
        .map_or_else(Vec::new, |blob| blob.content().to_vec());
    let committed: HashSet<&[u8]> = committed.split(|&b| b == b'\n').collect();
    let mut waiting = Vec::new();
    // The ledger's own rule reports an unreadable ledger.
    let _ = jsonl::for_each_line(&worktree.root.join(paths::LEDGER), 0, |_, _, line| {
        if !committed.contains(line) {
            waiting.extend(Entry::parse(line).map(|entry| entry.path));
        }
        Ok(true)
    });
    waiting
}

fn unreadable(path: &str, error: &anyhow::Error) -> Finding {
    let refusal = Refusal::of(error);
    let why = refusal.and_then(|refusal| refusal.reason.clone()).unwrap_or_else(|| error.to_string());
    let code = refusal.map_or("file.unreadable", |refusal| refusal.code);
    Finding::high(code, path, format!("cannot be read: {}", text::safe(&why)))
        .at(1)
        .hint("put a regular, readable file there; teof does not follow links")
}

/// A commit to compare with.
pub struct Base {
    repo: Repository,
    tree: git2::Oid,
    /// Cached blobs of folders: libgit2 reads a large tree again for each name.
    folders: RefCell<HashMap<String, Folder>>,
}

/// The regular files of a folder, by name.
type Folder = Rc<HashMap<String, git2::Oid>>;

impl Base {
    /// # Errors
    /// When `name` is not a commit of this repository.
    pub fn find(worktree: &Worktree, name: &str) -> Result<Base> {
        let repo = open(worktree)?;
        let tree = repo.revparse_single(name).and_then(|found| found.peel_to_tree()).map(|tree| tree.id());
        let unknown = |e: git2::Error| {
            let shown = text::clip(&text::safe(name), 120);
            Refusal::not_found("base.unknown", format!("no commit {shown:?} in this repository"))
                .because(text::safe(e.message()))
                .next("fetch it first: git fetch origin <branch>; in CI, check out with the full history")
        };
        let tree = tree.map_err(unknown)?;
        Ok(Base { repo, tree, folders: RefCell::default() })
    }

    /// The bytes of a regular file.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(id) = self.folder(folder)?.get(name).copied() else { return Ok(None) };
        let blob = self.repo.find_blob(id).with_context(|| format!("read {path} of the base"))?;
        Ok(Some(blob.content().to_vec()))
    }

    /// The blobs of the regular files directly in a folder, by name.
    pub fn ids(&self, folder: &str) -> Result<Rc<HashMap<String, git2::Oid>>> {
        self.folder(folder)
    }

    /// The hash function of its object ids.
    pub fn object_format(&self) -> git2::ObjectFormat {
        self.repo.object_format()
    }

    /// The files directly in a folder with this ending.
    pub fn files(&self, folder: &str, ending: &str) -> Result<Vec<String>> {
        let listed = self.folder(folder)?;
        let mut names: Vec<_> = listed.keys().filter(|name| name.ends_with(ending)).collect();
        names.sort();
        Ok(names.into_iter().map(|name| format!("{folder}/{name}")).collect())
    }

    fn folder(&self, folder: &str) -> Result<Folder> {
        if let Some(known) = self.folders.borrow().get(folder) {
            return Ok(known.clone());
        }
        let root = self.repo.find_tree(self.tree)?;
        let tree = match folder {
            "" => Some(root),
            _ => root.get_path(Path::new(folder)).ok().and_then(|entry| self.repo.find_tree(entry.id()).ok()),
        };
        let blobs = tree.iter().flat_map(|tree| tree.iter()).filter(|entry| entry.kind() == Some(ObjectType::Blob));
        let listed = blobs.filter_map(|entry| Some((entry.name().ok()?.to_owned(), entry.id()))).collect();
        let listed = Rc::new(listed);
        self.folders.borrow_mut().insert(folder.to_owned(), Rc::clone(&listed));
        Ok(listed)
    }

    /// The logs of a folder, with their bytes.
    pub fn logs(&self, folder: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let with_bytes = |path: String| Ok(self.read(&path)?.map(|bytes| (path, bytes)));
        self.files(folder, ".jsonl")?.into_iter().filter_map(|path| with_bytes(path).transpose()).collect()
    }
}

fn open(worktree: &Worktree) -> Result<Repository> {
    // Opens the common dir, so that nothing depends on the worktree's link to it.
    Repository::open_bare(&worktree.common_dir)
        .with_context(|| format!("open the repository {}", worktree.common_dir.display()))
}

/// A log below a folder, as [`Tree::read_log`] reads it.
pub(super) fn log_at(root: &Path, path: &str) -> Result<Option<Vec<u8>>, Finding> {
    read_at(root, path, MAX_LOG)
}

fn read_at(root: &Path, path: &str, max: u64) -> Result<Option<Vec<u8>>, Finding> {
    files::within(root, path).and_then(|path| files::read(&path, max)).map_err(|error| unreadable(path, &error))
}

/// The files of a tree. Names that are not UTF-8 are skipped: the record has none.
fn collect(repo: &Repository, tree: &git2::Tree, folder: &str, files: &mut HashSet<String>) -> Result<()> {
    for entry in tree {
        let Ok(name) = entry.name() else { continue };
        match entry.kind() {
            Some(ObjectType::Blob) => drop(files.insert(format!("{folder}{name}"))),
            Some(ObjectType::Tree) => {
                collect(repo, &repo.find_tree(entry.id())?, &format!("{folder}{name}/"), files)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The tree of the worktree's HEAD; `None` before the first commit.
fn head<'a>(repo: &'a Repository, worktree: &Worktree) -> Option<git2::Tree<'a>> {
    let detached = || Repository::open(&worktree.git_dir).ok()?.head().ok()?.target();
    match worktree.branch() {
        Some(branch) => repo.find_reference(&format!("refs/heads/{branch}")).ok()?.peel_to_tree().ok(),
        None => repo.find_commit(detached()?).ok()?.tree().ok(),
    }
}
