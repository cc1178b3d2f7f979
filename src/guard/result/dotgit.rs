//! Whether the worktree is still tied to its repository as it was made, and whether something was
//! planted around it that git would execute or be misled by.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Subject, checkouts, personal, planted};
use crate::base::{digest, files};
use crate::guard::Finding;
use crate::hub::git::object_ids;

/// What could execute or mislead, each by name with a digest of its content. Taken before the work
/// and after it; can be kept as JSON in between.
pub type Surroundings = BTreeMap<String, String>;

/// More than any link or HEAD file holds.
const MAX_POINTER: u64 = 8 * 1024;
const MAX_WATCHED: u64 = 4 * 1024 * 1024;
const MAX_PACKED: u64 = 64 * 1024 * 1024;

/// Branches are noted among the surroundings, but others may move them: no difference counts by itself.
const TARGET: &str = "target ";

/// Checks the links between worktree and git dir, and the branch that is checked out.
pub fn check(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    let dot_git = subject.worktree.join(".git");
    let linked = match fs::symlink_metadata(&dot_git) {
        Ok(meta) if meta.is_file() => pointer(&dot_git, "gitdir: ").map(|to| subject.worktree.join(to)),
        Ok(meta) if meta.is_dir() => Some(dot_git.clone()),
        _ => None,
    };
    if !linked.is_some_and(|linked| same(&linked, subject.git_dir)) {
        let what = "the worktree's .git no longer leads to its own git dir";
        let hint = "run no git command in this folder; its branch can be looked at from the main worktree";
        findings.push(Finding::high("git.replaced", ".git", what).hint(hint));
    }
    if !same(subject.git_dir, subject.common_dir) && !leads_back(subject, &dot_git) {
        let what = "the worktree's git dir no longer leads to the repository and back";
        findings.push(Finding::high("git.replaced", ".git", what).hint("a person mends it: git worktree repair"));
    }
    let head = pointer(&subject.git_dir.join("HEAD"), "ref: refs/heads/");
    if head.as_deref() != Some(subject.branch) {
        let what = format!("the worktree is no longer on the branch {}", subject.branch);
        findings.push(Finding::high("git.head_moved", "", what).hint("see where its commits went: git reflog"));
    }
    findings
}

fn leads_back(subject: &Subject, dot_git: &Path) -> bool {
    let back = pointer(&subject.git_dir.join("gitdir"), "").map(|to| subject.git_dir.join(to));
    let common = pointer(&subject.git_dir.join("commondir"), "").map(|to| subject.git_dir.join(to));
    back.is_some_and(|back| same_place(&back, dot_git))
        && common.is_some_and(|common| same(&common, subject.common_dir))
}

/// Everything beside the tracked files that git would execute, or that changes how it shows history.
pub fn surroundings(common_dir: &Path, git_dir: &Path) -> Surroundings {
    let mut found = Surroundings::new();
    let configs = [
        ("config", common_dir.join("config")),
        ("config.worktree", git_dir.join("config.worktree")),
        ("config.worktree of the main worktree", common_dir.join("config.worktree")),
    ];
    for (label, config) in configs {
        watch_config(label, &config, &mut found);
    }
    for file in
        ["info/attributes", "info/exclude", "info/grafts", "info/sparse-checkout", "objects/info/alternates", "shallow"]
    {
        watch_file(common_dir, file, &mut found);
    }
    watch_file(git_dir, "info/sparse-checkout", &mut found);
    for folder in ["hooks", "refs/replace"] {
        watch_folder(common_dir, folder, &mut found);
    }
    if let Ok(Some(packed)) = files::read(&common_dir.join("packed-refs"), MAX_PACKED) {
        for line in String::from_utf8_lossy(&packed).lines() {
            if let Some((id, name)) = line.split_once(' ').filter(|(_, name)| name.starts_with("refs/replace/")) {
                found.insert(name.to_owned(), digest::sha256(id.as_bytes()));
            }
        }
    }
    personal::note(common_dir, &mut found);
    found
}

/// Notes where a branch is that results are merged into, for [`target_before`].
pub fn note_target(common_dir: &Path, branch: &str, found: &mut Surroundings) {
    let tip =
        git2::Repository::open_bare(common_dir).and_then(|repo| repo.refname_to_id(&format!("refs/heads/{branch}")));
    if let Ok(tip) = tip {
        found.insert(format!("{TARGET}{branch}"), tip.to_string());
    }
}

/// Where the branch was before the work began, if it was noted.
pub fn target_before(before: &Surroundings, branch: &str) -> Option<git2::Oid> {
    object_ids::parse(before.get(&format!("{TARGET}{branch}"))?).ok()
}

/// What appeared, changed or went away between two looks.
pub fn differences(before: &Surroundings, after: &Surroundings) -> Vec<Finding> {
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let found = |name: &String| {
        if let Some(found) = differs_for_people(name) {
            return found;
        }
        let message = format!("{name} was changed while the worker ran; git");
        let found = if name.starts_with("hooks/") || name.starts_with("config") {
            Finding::high("git.surroundings", "", format!("{message} may execute it"))
        } else {
            Finding::medium("git.surroundings", "", format!("{message} may show history or files differently"))
        };
        found.hint("look at it in the repository's git dir before you run git there")
    };
    let apart = [TARGET, personal::TRUST, checkouts::CHECKOUT, planted::LOCK, planted::LOCAL];
    let names = names.filter(|name| !apart.iter().any(|apart| name.starts_with(apart)));
    names.filter(|name| before.get(*name) != after.get(*name)).map(found).collect()
}

/// What people look at, and what stops nothing by itself: another name for commits, and what lies outside the
/// repository, which a person may have changed meanwhile.
fn differs_for_people(name: &str) -> Option<Finding> {
    let message = format!("{name} was changed while the worker ran");
    if name.starts_with("config") && name.contains(" user.") {
        let message = format!("{message}; commits by hand carry that name, decisions do not");
        return Some(
            Finding::medium("git.identity", "", message).hint("look at it: git config --show-origin user.name"),
        );
    }
    name.starts_with(personal::PERSON)
        .then(|| Finding::medium("person.surroundings", "", message).hint("if it was not you, take it back"))
}

/// Every setting but those that people and git change in everyday work and that execute nothing: which
/// ones git executes grows with each version of it.
fn matters(name: &str) -> bool {
    const EVERYDAY: [&str; 5] = ["advice.", "branch.", "color.", "gc.", "maintenance."];
    name == "gc.recentobjectshook" || !EVERYDAY.iter().any(|section| name.starts_with(section))
}

pub(super) fn watch_config(label: &str, path: &Path, found: &mut Surroundings) {
    match fs::symlink_metadata(path) {
        Err(_) => {}
        Ok(meta) if !meta.is_file() => drop(found.insert(format!("{label} (not a regular file)"), String::new())),
        Ok(_) => match config_values(path) {
            Ok(values) => found.extend(values.into_iter().map(|(name, value)| (format!("{label} {name}"), value))),
            Err(_) => drop(found.insert(format!("{label} (unreadable)"), String::new())),
        },
    }
}

fn config_values(path: &Path) -> Result<BTreeMap<String, String>, git2::Error> {
    let config = git2::Config::open(path)?;
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    config.entries(None)?.for_each(|entry| {
        let name = String::from_utf8_lossy(entry.name_bytes()).to_lowercase();
        if matters(&name) {
            let value = if entry.has_value() { entry.value_bytes() } else { b"" };
            values.entry(name).or_default().push_str(&digest::sha256(value));
        }
    })?;
    Ok(values)
}

fn watch_file(common_dir: &Path, name: &str, found: &mut Surroundings) {
    let digest = match files::read(&common_dir.join(name), MAX_WATCHED) {
        Ok(None) => return,
        Ok(Some(bytes)) => digest::sha256(&bytes),
        Err(_) => "not a regular file".to_owned(),
    };
    found.insert(name.to_owned(), digest);
}

fn watch_folder(common_dir: &Path, folder: &str, found: &mut Surroundings) {
    let Ok(entries) = fs::read_dir(common_dir.join(folder)) else { return };
    for entry in entries.flatten().take(10_000) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.ends_with(".sample") {
            watch_file(common_dir, &format!("{folder}/{name}"), found);
        }
    }
}

/// The one line of a small regular file, after `prefix`.
fn pointer(path: &Path, prefix: &str) -> Option<String> {
    let bytes = files::read(path, MAX_POINTER).ok().flatten()?;
    Some(String::from_utf8(bytes).ok()?.trim_end_matches(['\n', '\r']).strip_prefix(prefix)?.to_owned())
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

/// Like [`same`], without following the last name.
fn same_place(a: &Path, b: &Path) -> bool {
    let folder = |path: &Path| path.parent().map(PathBuf::from).unwrap_or_default();
    a.file_name() == b.file_name() && same(&folder(a), &folder(b))
}
