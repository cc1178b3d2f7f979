//! The record that a commit is verified against: a commit that holds it, or the hub's files.
//!
//! It may be older or newer than the verified commit, and on another branch. Only git objects are read, so a fresh
//! clone without anything of teof's is enough. The hub's files are used only for what is not committed yet.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use git2::{ObjectType, Oid, Repository};

use crate::base::{Refusal, Result, digest, files, text};
use crate::hub::Hub;
use crate::hub::paths;
use crate::ops::evidence::heads::Chain;
use crate::receipts::ledger::Entry;
use crate::receipts::seal::{self, Seal};

/// A state of the record.
pub struct Record<'r> {
    /// The ref that holds it, or the hub's folder.
    pub name: String,
    /// `None` for the hub's files.
    pub commit: Option<Oid>,
    files: Files<'r>,
    /// The parts of the event log, oldest first.
    pub log: Vec<Vec<u8>>,
    pub ledger: Vec<u8>,
    /// The ledger's lines by path.
    listed: HashMap<String, Listed>,
    events: OnceCell<Chain>,
    entries: OnceCell<Chain>,
}

/// The first line of the ledger about a path.
struct Listed {
    sha256: String,
    id: String,
    /// Which line of the ledger it is.
    at: usize,
}

enum Files<'r> {
    Tree(&'r Repository, Oid),
    Folder(PathBuf),
}

/// A receipt of the record.
#[derive(Clone, Debug)]
pub struct Filed {
    pub path: String,
    pub sha256: String,
    /// The id of its line in the ledger.
    pub line: Option<String>,
    pub bytes: Vec<u8>,
    /// Why it is not what was written.
    pub problem: Option<String>,
}

impl<'r> Record<'r> {
    /// The record in a commit; `None` when it has no ledger.
    fn in_commit(repo: &'r Repository, name: &str, commit: Oid) -> Result<Option<Record<'r>>> {
        let tree = repo.find_commit(commit)?.tree_id();
        Record::read(name.to_owned(), Some(commit), Files::Tree(repo, tree))
    }

    fn in_hub(hub: &Hub) -> Result<Option<Record<'r>>> {
        Record::read(hub.root.display().to_string(), None, Files::Folder(hub.root.clone()))
    }

    fn read(name: String, commit: Option<Oid>, files: Files<'r>) -> Result<Option<Record<'r>>> {
        let Some(ledger) = files.read(paths::LEDGER)? else { return Ok(None) };
        let mut listed = HashMap::new();
        for (at, line) in ledger.split(|b| *b == b'\n').enumerate() {
            if let (Some(entry), crate::model::event::Seal::Right(id)) =
                (Entry::parse(line), crate::model::event::check_seal(line.trim_ascii()))
            {
                listed.entry(entry.path).or_insert(Listed { sha256: entry.sha256, id: id.to_owned(), at });
            }
        }
        let mut log = Vec::new();
        for part in files.names(paths::EVENTS_FOLDER)? {
            if part.ends_with(".jsonl") {
                log.extend(files.read(&format!("{}/{part}", paths::EVENTS_FOLDER))?);
            }
        }
        Ok(Some(Record { name, commit, files, log, ledger, listed, events: OnceCell::new(), entries: OnceCell::new() }))
    }

    /// A file of the record, as it is.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn bytes(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.files.read(path)
    }

    /// A receipt, checked against the ledger and its own hash; `None` when there is neither file nor line.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn receipt(&self, path: &str) -> Result<Option<Filed>> {
        let (known, bytes) = (self.listed.get(path), self.files.read(path)?);
        let shown = text::clip(&text::safe(path), 200);
        let missing = bytes.is_none();
        if missing && known.is_none() {
            return Ok(None);
        }
        let bytes = bytes.unwrap_or_default();
        let sha256 = digest::sha256(&bytes);
        let problem = match known {
            _ if missing => Some(format!("{shown} is in the ledger and not in the record")),
            None => Some(format!("the ledger does not list {shown}")),
            Some(listed) if listed.sha256 != sha256 => Some(format!("{shown} differs from its digest in the ledger")),
            Some(_) if path.ends_with(".json") && seal::check(&bytes) == Seal::Wrong => {
                Some(format!("{shown} does not match its {}", seal::KEY))
            }
            Some(_) => None,
        };
        Ok(Some(Filed { path: path.to_owned(), sha256, line: known.map(|listed| listed.id.clone()), bytes, problem }))
    }

    /// The paths that the ledger lists and that fit.
    pub fn listed(&self, fits: impl Fn(&str) -> bool) -> Vec<&str> {
        let mut found: Vec<_> = self.listed.keys().map(String::as_str).filter(|path| fits(path)).collect();
        found.sort_unstable();
        found
    }

    /// Which line of the ledger lists a path: the order in which receipts were entered, whatever the clock said.
    pub fn position(&self, path: &str) -> Option<usize> {
        self.listed.get(path).map(|listed| listed.at)
    }

    /// Whether its ledger goes on from another record's.
    pub fn is_newer_than(&self, other: &Record) -> bool {
        let (own, other) = (self.entries(), other.entries());
        own.continues(other) && !other.continues(own)
    }

    /// The lines of the log.
    pub fn events(&self) -> &Chain {
        self.events.get_or_init(|| Chain::read(self.log.iter().map(Vec::as_slice)))
    }

    /// The lines of the ledger.
    pub fn entries(&self) -> &Chain {
        self.entries.get_or_init(|| Chain::read([self.ledger.as_slice()]))
    }
}

impl Files<'_> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Files::Folder(root) => files::read(&files::within(root, path)?, u64::MAX >> 1),
            Files::Tree(repo, tree) => {
                let Ok(entry) = repo.find_tree(*tree)?.get_path(Path::new(path)) else { return Ok(None) };
                let is_file = entry.kind() == Some(ObjectType::Blob) && entry.filemode() & 0o170_000 == 0o100_000;
                Ok(if is_file { Some(repo.find_blob(entry.id())?.content().to_vec()) } else { None })
            }
        }
    }

    /// The names in a folder, sorted, so that sealed parts of the log come first.
    fn names(&self, folder: &str) -> Result<Vec<String>> {
        let mut names: Vec<String> = match self {
            Files::Folder(root) => {
                let entries = std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
                entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
            }
            Files::Tree(repo, tree) => {
                let Ok(entry) = repo.find_tree(*tree)?.get_path(Path::new(folder)) else { return Ok(Vec::new()) };
                let tree = repo.find_tree(entry.id())?;
                tree.iter().filter_map(|entry| entry.name().ok().map(str::to_owned)).collect()
            }
        };
        names.sort();
        Ok(names)
    }
}

/// The states of the record in a repository, best first, each read when it is asked for.
pub struct Records<'r> {
    repo: &'r Repository,
    /// With the commit; without one, the hub's files.
    places: Vec<(String, Option<Oid>)>,
    hub: Option<&'r Hub>,
    read: Vec<OnceCell<Option<Record<'r>>>>,
}

impl<'r> Records<'r> {
    /// The record's own branch, here and at remotes, and the files of `hub` when it is on that branch. Only where no
    /// such branch has a ledger: HEAD, the other branches, then the files of `hub`. `named`: only this one.
    ///
    /// Anybody may push a branch with a record; so it counts for nothing beside the record's own. A branch with the
    /// name of that one may be anybody's, too, where the record is on the main branch: it counts only when it goes on
    /// from HEAD's record.
    ///
    /// # Errors
    /// `verify.unknown_ref`, `verify.no_record`, `verify.other_record`.
    pub fn find(repo: &'r Repository, named: Option<&str>, hub: Option<&'r Hub>) -> Result<Records<'r>> {
        let mut places = Vec::new();
        if let Some(name) = named {
            let commit = repo.revparse_single(name).and_then(|found| found.peel_to_commit());
            let commit = commit.map_err(|_| {
                Refusal::usage("verify.unknown_ref", format!("no commit {} in this repository", shown(name)))
                    .next(format!("fetch it: {}", fetch(repo)))
            })?;
            if Record::in_commit(repo, name, commit.id())?.is_none() {
                return Err(no_record(repo, &format!("{} has no {}", shown(name), paths::LEDGER)).into());
            }
            places.push((name.to_owned(), Some(commit.id())));
        } else {
            let official = official(repo, hub)?;
            let own: Vec<String> = official.iter().flat_map(|(_, refs)| refs.clone()).collect();
            let names = if own.is_empty() { branches(repo)? } else { going_on(repo, own)? };
            let mut known = Vec::new();
            for name in names {
                let Ok(commit) = repo.revparse_single(&name).and_then(|object| object.peel_to_commit()) else {
                    continue;
                };
                if !known.contains(&commit.tree_id()) {
                    known.push(commit.tree_id());
                    places.push((short(&name).to_owned(), Some(commit.id())));
                }
            }
            let is_official = |hub: &&Hub| {
                official.is_empty()
                    || hub.worktree().branch().is_some_and(|on| official.iter().any(|(own, _)| *own == on))
            };
            places.extend(hub.filter(is_official).map(|hub| (hub.root.display().to_string(), None)));
        }
        let read = places.iter().map(|_| OnceCell::new()).collect();
        Ok(Records { repo, places, hub, read })
    }

    /// The states that have a ledger.
    pub fn each(&self) -> impl Iterator<Item = Result<&Record<'r>>> {
        self.places.iter().zip(&self.read).filter_map(|((name, commit), read)| {
            if read.get().is_none() {
                let found = match (commit, self.hub) {
                    (Some(commit), _) => Record::in_commit(self.repo, name, *commit),
                    (None, Some(hub)) => Record::in_hub(hub),
                    (None, None) => Ok(None),
                };
                match found {
                    Ok(found) => drop(read.set(found)),
                    Err(e) => return Some(Err(e)),
                }
            }
            read.get()?.as_ref().map(Ok)
        })
    }
}

/// Those of the record's own refs that have every line of the ledger that HEAD has.
///
/// # Errors
/// `verify.other_record` when none has.
fn going_on(repo: &Repository, own: Vec<String>) -> Result<Vec<String>> {
    let Some(head) = ledger(repo, "HEAD") else { return Ok(own) };
    let known = Chain::read([head.as_slice()]);
    let goes_on = |name: &&String| {
        ledger(repo, name).is_some_and(|ledger| ledger == head || Chain::read([ledger.as_slice()]).continues(&known))
    };
    let found: Vec<String> = own.iter().filter(goes_on).cloned().collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let name = own.first().map_or(paths::RECORD_BRANCH, |name| short(name));
    let message = format!("the record of {} lacks lines of the record in HEAD", text::safe(name));
    Err(Refusal::guard("verify.other_record", message)
        .because("the branch is old, or somebody pushed another record under the name of the record's branch")
        .next(format!("fetch it: {}", fetch(repo)))
        .next("or name the record to believe: teof verify <commit> --record <ref>")
        .into())
}

/// The ledger in the commit of a ref.
fn ledger(repo: &Repository, name: &str) -> Option<Vec<u8>> {
    let commit = repo.revparse_single(name).and_then(|found| found.peel_to_commit()).ok()?;
    Files::Tree(repo, commit.tree_id()).read(paths::LEDGER).ok()?
}

fn short(name: &str) -> &str {
    name.trim_start_matches("refs/heads/").trim_start_matches("refs/remotes/")
}

/// The record's own branches that have a ledger, each with its refs, here and at remotes: [`paths::RECORD_BRANCH`], and
/// the one of the hub that this repository is set up with.
fn official(repo: &Repository, hub: Option<&Hub>) -> Result<Vec<(String, Vec<String>)>> {
    let pinned = hub.and_then(Hub::pin).map(|pin| pin.branch.clone());
    let mut names = vec![paths::RECORD_BRANCH.to_owned()];
    names.extend(pinned.filter(|pinned| pinned != paths::RECORD_BRANCH));
    let remotes = repo.remotes()?;
    let remotes: Vec<&str> = remotes.iter().flatten().flatten().collect();
    let mut found = Vec::new();
    for name in names {
        // Exactly: a remote may have branches of anybody whose names end like this.
        let of_remotes = remotes.iter().map(|remote| format!("refs/remotes/{remote}/{name}"));
        let refs = [format!("refs/heads/{name}")].into_iter().chain(of_remotes);
        let refs: Vec<String> = refs.filter(|name| ledger(repo, name).is_some()).collect();
        if !refs.is_empty() {
            found.push((name, refs));
        }
    }
    Ok(found)
}

/// HEAD and the branches that may hold the record, where it has none of its own.
fn branches(repo: &Repository) -> Result<Vec<String>> {
    let mut names = vec!["HEAD".to_owned()];
    for reference in repo.references()?.flatten() {
        let Ok(name) = reference.name() else { continue };
        let is_branch = name.starts_with("refs/heads/") || name.starts_with("refs/remotes/");
        // Branches of workers never carry the record.
        if is_branch && !name.contains("/agent/") {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// The refusal where no branch has a record.
pub fn no_record(repo: &Repository, why: &str) -> Refusal {
    Refusal::guard("verify.no_record", "the record is not in this repository")
        .because(why)
        .next(format!("fetch it: {}", fetch(repo)))
        .next("or name where it is: teof verify <commit> --record <ref>")
}

/// The command that fetches the record's branch.
pub fn fetch(repo: &Repository) -> String {
    let remotes = repo.remotes().ok();
    let first = remotes.iter().flat_map(|names| names.iter().flatten().flatten()).next();
    let (remote, branch) = (text::shell_word(first.unwrap_or("origin")), paths::RECORD_BRANCH);
    format!("git fetch {remote} +refs/heads/{branch}:refs/remotes/{remote}/{branch}")
}

fn shown(name: &str) -> String {
    format!("{:?}", text::clip(&text::safe(name), 120))
}
