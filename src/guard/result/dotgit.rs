//! Checks that the worktree is still linked to its repository, and that nothing was added that git would execute or
//! that would mislead git.

use std::fs;
use std::path::{Path, PathBuf};

use super::personal;
use super::subject::Subject;
use super::surroundings::{
    ACTS, BOOT, CHECKOUT, LOCAL, LOCK, OBJECTS, PERSON, Surroundings, TARGET, TRUST, record_config, record_file,
    record_folder,
};
use crate::base::{digest, files};
use crate::guard::Finding;

/// More than any link or HEAD file has.
const MAX_POINTER: u64 = 8 * 1024;
const MAX_PACKED: u64 = 64 * 1024 * 1024;

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
        let what = "the worktree's .git no longer points to its own git dir";
        let hint = "do not run git in this folder; inspect its branch from the main worktree";
        findings.push(Finding::high("git.replaced", ".git", what).hint(hint));
    }
    if !same(subject.git_dir, subject.common_dir) && !leads_back(subject, &dot_git) {
        let what = "the worktree's git dir and the repository no longer point to each other";
        findings.push(Finding::high("git.replaced", ".git", what).hint("repair it as a person: git worktree repair"));
    }
    let head = pointer(&subject.git_dir.join("HEAD"), "ref: refs/heads/");
    if head.as_deref() != Some(subject.branch) {
        let what = format!("the worktree is no longer on the branch {}", subject.branch);
        findings.push(Finding::high("git.head_moved", "", what).hint("check where its commits went: git reflog"));
    }
    findings
}

fn leads_back(subject: &Subject, dot_git: &Path) -> bool {
    let back = pointer(&subject.git_dir.join("gitdir"), "").map(|to| subject.git_dir.join(to));
    let common = pointer(&subject.git_dir.join("commondir"), "").map(|to| subject.git_dir.join(to));
    back.is_some_and(|back| same_place(&back, dot_git))
        && common.is_some_and(|common| same(&common, subject.common_dir))
}

/// Records everything except tracked files that git would execute, or that changes how it shows history.
pub fn observe(common_dir: &Path, git_dir: &Path) -> Surroundings {
    let mut found = Surroundings::new();
    let configs = [
        ("config", common_dir.join("config")),
        ("config.worktree", git_dir.join("config.worktree")),
        ("config.worktree of the main worktree", common_dir.join("config.worktree")),
    ];
    for (label, config) in configs {
        record_config(label, &config, &mut found);
    }
    for file in
        ["info/attributes", "info/exclude", "info/grafts", "info/sparse-checkout", "objects/info/alternates", "shallow"]
    {
        record_file(common_dir, file, &mut found);
    }
    record_file(git_dir, "info/sparse-checkout", &mut found);
    for folder in ["hooks", "refs/replace"] {
        record_folder(common_dir, folder, &mut found);
    }
    if let Ok(Some(packed)) = files::read(&common_dir.join("packed-refs"), MAX_PACKED) {
        for line in String::from_utf8_lossy(&packed).lines() {
            if let Some((id, name)) = line.split_once(' ').filter(|(_, name)| name.starts_with("refs/replace/")) {
                found.insert(name.to_owned(), digest::sha256(id.as_bytes()));
            }
        }
    }
    personal::record(common_dir, &mut found);
    found
}

/// Findings about what was added, changed or removed between two observations.
pub fn differences(before: &Surroundings, after: &Surroundings) -> Vec<Finding> {
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let found = |name: &String| {
        if let Some(found) = reported_only(name) {
            return found;
        }
        let message = format!("{name} changed while the worker ran; git");
        let found = if name.starts_with("hooks/") || name.starts_with("config") {
            Finding::high("git.surroundings", "", format!("{message} may execute it"))
        } else {
            Finding::medium("git.surroundings", "", format!("{message} may show history or files differently"))
        };
        found.hint("check it in the repository's git dir before you run git there")
    };
    let compared_elsewhere = [TARGET, TRUST, ACTS, CHECKOUT, LOCK, LOCAL, OBJECTS, BOOT];
    let names = names.filter(|name| !compared_elsewhere.iter().any(|prefix| name.starts_with(prefix)));
    names.filter(|name| before.get(*name) != after.get(*name)).map(found).collect()
}

/// Differences that do not block by themselves: another author name, and files outside the repository, which a
/// person may have changed meanwhile.
fn reported_only(name: &str) -> Option<Finding> {
    let message = format!("{name} changed while the worker ran");
    if name.starts_with("config") && name.contains(" user.") {
        let message = format!("{message}; commits made by hand use that name, decisions do not");
        return Some(Finding::medium("git.identity", "", message).hint("check it: git config --show-origin user.name"));
    }
    name.starts_with(PERSON)
        .then(|| Finding::medium("person.surroundings", "", message).hint("if it was not you, undo the change"))
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
