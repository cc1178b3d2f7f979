//! Compares two trees: which files differ, and by how many lines.
//!
//! Lines are counted like `git diff --numstat`, with three differences, so that nothing can be hidden: no attribute
//! makes a file binary, a line longer than 1,000 bytes counts once per 1,000 bytes or part of it, and a binary file
//! counts by its size, 80 bytes a line.

use std::collections::BTreeMap;

use anyhow::Context;
use git2::{DiffOptions, ObjectType, Odb, Oid, Patch, Repository};

use crate::base::{Result, digest};
use crate::guard::{Finding, secrets};
use crate::hub::git::object_ids;

/// The kind of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Executable,
    Link,
    /// A commit of another repository: a submodule, or a nested repository.
    Gitlink,
}

/// A changed path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Relative to the repository; bytes that are not UTF-8 are shown as `U+FFFD`.
    pub path: String,
    /// `None`: it did not exist.
    pub before: Option<Kind>,
    /// `None`: it was deleted.
    pub after: Option<Kind>,
    pub added: u64,
    pub removed: u64,
    /// Counted by size.
    pub binary: bool,
    /// In the commit, or only left in the folder.
    pub committed: bool,
    /// The line of a conflict marker of git's that the change brings in.
    pub marker: Option<u64>,
    /// Kind and line of secrets that the change brings in.
    pub secrets: Vec<(&'static str, u64)>,
}

/// A file's content as far as it is compared.
pub(super) enum Content {
    Bytes(Vec<u8>),
    /// Too large to compare line by line: its size.
    Large(u64),
}

/// Larger files are counted by size, so that a flood costs no more than reading its length.
pub(super) const MAX_COMPARED: u64 = 4 * 1024 * 1024;
const BYTES_PER_BINARY_LINE: u64 = 80;
const LONG_LINE: u64 = 1_000;

pub(super) type Entry = (u32, Oid);

/// Every file that differs between the commits `from` (`None`: an empty tree) and `to`.
pub fn between(repo: &Repository, from: Option<Oid>, to: Oid, findings: &mut Vec<Finding>) -> Result<Vec<Change>> {
    let odb = repo.odb()?;
    let tree_of = |commit: Oid| -> Result<Oid> {
        Ok(repo.find_commit(commit).with_context(|| format!("read the commit {commit}"))?.tree_id())
    };
    let mut pairs = Vec::new();
    let from = from.map(tree_of).transpose()?;
    compare_trees(repo, b"", from, Some(tree_of(to)?), &mut pairs, findings)?;
    pairs.into_iter().map(|(path, old, new)| change(&odb, &path, old, new)).collect()
}

/// The SHA-256 of what `git diff-tree -r -z --no-renames <from> <to>` prints: every changed path with its modes and
/// objects.
///
/// # Errors
/// When a tree cannot be read.
pub fn digest(repo: &Repository, from: Oid, to: Oid) -> Result<String> {
    let none = (0, object_ids::null(repo));
    let mut printed = Vec::new();
    for (path, old, new) in changed_entries(repo, from, to)? {
        let is_same_kind = |a: Entry, b: Entry| a.0 & FORMAT == b.0 & FORMAT;
        let status = match (old, new) {
            (None, _) => 'A',
            (_, None) => 'D',
            (Some(old), Some(new)) if is_same_kind(old, new) => 'M',
            _ => 'T',
        };
        let ((old_mode, old), (new_mode, new)) = (old.unwrap_or(none), new.unwrap_or(none));
        printed.extend_from_slice(format!(":{old_mode:06o} {new_mode:06o} {old} {new} {status}\0").as_bytes());
        printed.extend_from_slice(&path);
        printed.push(0);
    }
    Ok(digest::sha256(&printed))
}

/// The paths that differ between two commits, without reading the files.
///
/// # Errors
/// When a tree cannot be read.
pub fn paths(repo: &Repository, from: Oid, to: Oid) -> Result<Vec<Vec<u8>>> {
    Ok(changed_entries(repo, from, to)?.into_iter().map(|(path, ..)| path).collect())
}

fn changed_entries(repo: &Repository, from: Oid, to: Oid) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    let tree = |commit: Oid| Ok::<_, git2::Error>(repo.find_commit(commit)?.tree_id());
    compare_trees(repo, b"", Some(tree(from)?), Some(tree(to)?), &mut pairs, &mut Vec::new())?;
    Ok(pairs)
}

/// Every file of a commit's tree.
pub(super) fn files_of(repo: &Repository, commit: Oid) -> Result<BTreeMap<Vec<u8>, Entry>> {
    let mut pairs = Vec::new();
    let tree = repo.find_commit(commit)?.tree_id();
    compare_trees(repo, b"", None, Some(tree), &mut pairs, &mut Vec::new())?;
    Ok(pairs.into_iter().filter_map(|(path, _, new)| Some((path, new?))).collect())
}

type Pair = (Vec<u8>, Option<Entry>, Option<Entry>);

const TREE: u32 = 0o040_000;
/// The part of a mode that says what kind of entry it is.
const FORMAT: u32 = 0o170_000;
/// Deeper than any tool can check out.
const MAX_DEPTH: usize = 2_000;

fn compare_trees(
    repo: &Repository,
    folder: &[u8],
    old: Option<Oid>,
    new: Option<Oid>,
    out: &mut Vec<Pair>,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    // An explicit stack instead of recursion, because the worker chooses the depth.
    let mut open = vec![(folder.to_vec(), old, new)];
    while let Some((folder, old, new)) = open.pop() {
        if old == new {
            continue;
        }
        if folder.iter().filter(|&&b| b == b'/').count() > MAX_DEPTH {
            let shown = String::from_utf8_lossy(&folder[..80]).into_owned();
            findings.push(Finding::high("tree.malformed", shown, "folders are nested too deeply to check"));
            continue;
        }
        let old = entries(repo, old, &folder, findings)?;
        let new = entries(repo, new, &folder, findings)?;
        let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
        for name in names {
            let (a, b) = (old.get(name).copied(), new.get(name).copied());
            if a == b {
                continue;
            }
            let path = [&folder[..], name].concat();
            let tree = |entry: Option<Entry>| entry.filter(|(mode, _)| *mode == TREE).map(|(_, id)| id);
            let file = |entry: Option<Entry>| entry.filter(|(mode, _)| *mode != TREE);
            if tree(a).is_some() || tree(b).is_some() {
                open.push(([&path[..], b"/"].concat(), tree(a), tree(b)));
            }
            if file(a).is_some() || file(b).is_some() {
                out.push((path, file(a), file(b)));
            }
        }
    }
    out.sort();
    Ok(())
}

fn entries(
    repo: &Repository,
    tree: Option<Oid>,
    folder: &[u8],
    findings: &mut Vec<Finding>,
) -> Result<BTreeMap<Vec<u8>, Entry>> {
    let mut map = BTreeMap::new();
    let Some(id) = tree else { return Ok(map) };
    let tree = repo.find_tree(id).with_context(|| format!("read the tree {id}"))?;
    for entry in &tree {
        let name = entry.name_bytes().to_vec();
        let odd = matches!(&name[..], b"" | b"." | b"..") || name.contains(&b'/');
        let twice = map.insert(name.clone(), (entry.filemode_raw() as u32, entry.id())).is_some();
        if odd || twice {
            let path = String::from_utf8_lossy(&[folder, &name].concat()).into_owned();
            findings.push(
                Finding::high("tree.malformed", path, "the tree contains an invalid name, or a name twice")
                    .hint("create the commit again with git; do not check this one out"),
            );
        }
    }
    Ok(map)
}

fn change(odb: &Odb, path: &[u8], old: Option<Entry>, new: Option<Entry>) -> Result<Change> {
    let old_content = old.map(|entry| content(odb, entry)).transpose()?;
    let new_content = new.map(|entry| content(odb, entry)).transpose()?;
    let mut change = compare(path, old_content.as_ref(), new_content.as_ref())?;
    change.before = old.map(|(mode, _)| kind(mode));
    change.after = new.map(|(mode, _)| kind(mode));
    change.committed = true;
    Ok(change)
}

/// Counts the differences; the caller fills in kinds and place.
pub(super) fn compare(path: &[u8], old: Option<&Content>, new: Option<&Content>) -> Result<Change> {
    let mut change = Change {
        path: String::from_utf8_lossy(path).into_owned(),
        before: None,
        after: None,
        added: 0,
        removed: 0,
        binary: false,
        committed: false,
        marker: None,
        secrets: Vec::new(),
    };
    let text = |side: Option<&'_ Content>| match side {
        None => Some(true),
        Some(Content::Bytes(bytes)) => Some(!is_binary(bytes)),
        Some(Content::Large(_)) => None,
    };
    let (old_bytes, new_bytes) = (bytes(old), bytes(new));
    // One NUL makes a file binary for git; secrets in it still count.
    change.secrets = secrets_in(old_bytes, new_bytes);
    if text(old) == Some(true) && text(new) == Some(true) {
        change.marker = marker_in(new_bytes).filter(|_| marker_in(old_bytes).is_none());
        (change.added, change.removed) = count_lines(old_bytes, new_bytes)?;
    } else {
        change.binary = true;
        change.added = new.map_or(0, weight);
        change.removed = old.map_or(0, weight);
    }
    Ok(change)
}

fn bytes(side: Option<&Content>) -> &[u8] {
    match side {
        Some(Content::Bytes(bytes)) => bytes,
        _ => &[],
    }
}

fn count_lines(old: &[u8], new: &[u8]) -> Result<(u64, u64)> {
    let mut options = DiffOptions::new();
    options.force_text(true).context_lines(0);
    let patch = Patch::from_buffers(old, None, new, None, Some(&mut options))?;
    let (mut added, mut removed) = (0, 0);
    for hunk in 0..patch.num_hunks() {
        for line in 0..patch.num_lines_in_hunk(hunk)? {
            let line = patch.line_in_hunk(hunk, line)?;
            let lines = (line.content().len() as u64).div_ceil(LONG_LINE).max(1);
            match line.origin() {
                '+' => added += lines,
                '-' => removed += lines,
                _ => {}
            }
        }
    }
    Ok((added, removed))
}

/// The line where git's conflict markers begin: all three of them, in order.
fn marker_in(text: &[u8]) -> Option<u64> {
    let mut begun = None;
    let mut parted = false;
    for (number, line) in (1..).zip(text.split(|&b| b == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"<<<<<<< ") {
            (begun, parted) = (Some(number), false);
        } else if line == b"=======" {
            parted = begun.is_some();
        } else if line.starts_with(b">>>>>>> ") && parted {
            return begun;
        }
    }
    None
}

/// Secrets of the new text that the old one did not contain.
fn secrets_in(old: &[u8], new: &[u8]) -> Vec<(&'static str, u64)> {
    let known: std::collections::BTreeSet<&[u8]> = if new.is_empty() {
        Default::default()
    } else {
        secrets::scan(old).iter().map(|hit| &old[hit.start..hit.end]).collect()
    };
    let hits = secrets::scan(new);
    hits.iter().filter(|hit| !known.contains(&new[hit.start..hit.end])).map(|hit| (hit.kind, hit.line)).collect()
}

fn weight(content: &Content) -> u64 {
    match content {
        Content::Large(size) => size.div_ceil(BYTES_PER_BINARY_LINE),
        Content::Bytes(bytes) => {
            let lines = bytes.iter().filter(|&&b| b == b'\n').count() as u64;
            lines.max((bytes.len() as u64).div_ceil(BYTES_PER_BINARY_LINE))
        }
    }
}

/// Git's rule: a NUL in the first 8,000 bytes.
fn is_binary(bytes: &[u8]) -> bool {
    bytes[..bytes.len().min(8_000)].contains(&0)
}

pub(super) fn content(odb: &Odb, (mode, id): Entry) -> Result<Content> {
    if kind(mode) == Kind::Gitlink {
        return Ok(Content::Bytes(format!("{id}\n").into_bytes()));
    }
    let (size, object) = odb.read_header(id).with_context(|| format!("read the object {id}"))?;
    if object != ObjectType::Blob || size as u64 > MAX_COMPARED {
        return Ok(Content::Large(size as u64));
    }
    Ok(Content::Bytes(odb.read(id).with_context(|| format!("read the object {id}"))?.data().to_vec()))
}

pub(super) fn kind(mode: u32) -> Kind {
    match mode & FORMAT {
        0o120_000 => Kind::Link,
        0o160_000 => Kind::Gitlink,
        _ if mode & 0o100 != 0 => Kind::Executable,
        _ => Kind::File,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(old: &[u8], new: &[u8]) -> (u64, u64, bool) {
        let content = |bytes: &[u8]| Content::Bytes(bytes.to_vec());
        let change = compare(b"f", Some(&content(old)), Some(&content(new))).unwrap();
        (change.added, change.removed, change.binary)
    }

    #[test]
    fn lines_are_counted_as_git_counts_them() {
        assert_eq!(sizes(b"a\nb\nc\n", b"a\nx\nc\nd\n"), (2, 1, false));
        assert_eq!(sizes(b"a\nb\n", b"b\na\n"), (1, 1, false));
        assert_eq!(sizes(b"a", b"a\n"), (1, 1, false));
    }

    #[test]
    fn secrets_on_long_lines_and_after_nul_are_found() {
        assert_eq!(sizes(b"", "x".repeat(5_001).as_bytes()), (6, 0, false));
        assert_eq!(sizes(b"", &[&b"\0"[..], &b"a\n".repeat(100)].concat()), (100, 0, true));
        assert_eq!(sizes(b"", &[0; 801]), (11, 0, true));
    }

    #[test]
    fn a_conflict_needs_all_three_markers() {
        let text = b"a\n<<<<<<< ours\nx\n=======\ny\n>>>>>>> theirs\n";
        assert_eq!(marker_in(text), Some(2));
        for text in [&b"Title\n=======\n"[..], b"<<<<<<< a\n>>>>>>> b\n", b" <<<<<<< a\n=======\n>>>>>>> b\n"] {
            assert_eq!(marker_in(text), None);
        }
    }

    #[test]
    fn only_new_secrets_are_reported() {
        let secret = |n: u32| format!("password = \"q7Rk2Zp9Xw4Tn8Vb3Lm{n}\"\n");
        let old = secret(1);
        let new = format!("{}# more\n{}", secret(1), secret(2));
        assert_eq!(secrets_in(old.as_bytes(), new.as_bytes()), [("assigned-secret", 3)]);
        let binary = Content::Bytes(format!("\0{}", secret(2)).into_bytes());
        let change = compare(b"a.bin", None, Some(&binary)).unwrap();
        assert!(change.binary && change.secrets.len() == 1, "{change:?}");
    }
}
