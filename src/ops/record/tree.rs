//! The tree of a record commit: the parent's, with the owned paths replaced by the files of the hub.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use git2::{ObjectType, Oid, Repository, Tree};

use super::objects::Objects;
use super::tree_files::{Entry, Files};
use crate::base::{Refusal, Result, text};
use crate::hub::paths;

const FOLDER: i32 = 0o040_000;

/// The owner of a path in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Record,
    /// A folder with a file of the record and files of others.
    Shared,
    Others,
}

/// The owner of a path, which need not be UTF-8.
fn place(path: &[u8]) -> Place {
    let inside =
        |top: &str| path.strip_prefix(top.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
    let leads_to = |file: &str| file.as_bytes().strip_prefix(path).is_some_and(|rest| rest.starts_with(b"/"));
    if owned().any(inside) {
        Place::Record
    } else if paths::OWNED_FILES.into_iter().any(leads_to) {
        Place::Shared
    } else {
        Place::Others
    }
}

/// The owned folders and files.
pub fn owned() -> impl Iterator<Item = &'static str> {
    paths::OWNED.into_iter().chain(paths::OWNED_FILES)
}

/// The parent's tree with the owned paths replaced by `files`.
///
/// # Errors
/// When an object cannot be read or written, or when the result would change other than owned paths.
pub fn build(objects: &Objects, parent: Option<&Tree>, files: &Files) -> Result<Oid> {
    let repo = objects.repo;
    let tree = match folder(objects, parent, b"", files)? {
        Some(tree) => tree,
        None => objects.tree(&repo.treebuilder(None)?)?,
    };
    let outside = changes_outside(repo, parent, Some(&repo.find_tree(tree)?), b"")?;
    let Some(first) = outside.first() else { return Ok(tree) };
    Err(Refusal::guard("record.outside", "the record commit would change files that are not part of the record")
        .because(format!("{} ({} in all); nothing was committed", text::safe(first), outside.len()))
        .next("commit the record by hand: git add _bus _plans _report && git commit")
        .into())
}

/// One folder of the new tree; `None` when empty.
fn folder(objects: &Objects, parent: Option<&Tree>, prefix: &[u8], files: &Files) -> Result<Option<Oid>> {
    let repo = objects.repo;
    let mut builder = repo.treebuilder(parent)?;
    let mut folders: BTreeMap<Vec<u8>, Option<Tree>> = BTreeMap::new();
    // Unchanged entries are not set again: setting one looks it up in the object store.
    let mut same: HashSet<Vec<u8>> = HashSet::new();
    for entry in parent.into_iter().flat_map(Tree::iter) {
        let path = [prefix, entry.name_bytes()].concat();
        let place = place(&path);
        if place == Place::Others {
            continue;
        }
        if entry.kind() == Some(ObjectType::Tree) {
            folders.insert(entry.name_bytes().to_vec(), Some(repo.find_tree(entry.id())?));
        } else if files.get(&path) == Some(&Entry { mode: entry.filemode_raw(), id: entry.id() }) {
            same.insert(path);
        } else if place == Place::Record {
            builder.remove(entry.name_bytes())?;
        }
    }
    let below = files.range(prefix.to_vec()..).take_while(|(path, _)| path.starts_with(prefix));
    for (path, entry) in below {
        let rest = &path[prefix.len()..];
        match rest.iter().position(|byte| *byte == b'/') {
            None if same.contains(path) => {}
            None => drop(builder.insert(rest, entry.id, entry.mode)?),
            Some(end) if folders.contains_key(&rest[..end]) => {}
            Some(end) => drop(folders.insert(rest[..end].to_vec(), None)),
        }
    }
    for (name, before) in folders {
        match folder(objects, before.as_ref(), &[prefix, &name, b"/"].concat(), files)? {
            Some(tree) => drop(builder.insert(&name, tree, FOLDER)?),
            // A file may have replaced it.
            None if builder.get(&name)?.is_some_and(|entry| entry.kind() == Some(ObjectType::Tree)) => {
                builder.remove(&name)?;
            }
            None => {}
        }
    }
    Ok(if builder.is_empty() { None } else { Some(objects.tree(&builder)?) })
}

/// The paths outside the record in which two trees differ; a folder represents its content.
fn changes_outside(repo: &Repository, old: Option<&Tree>, new: Option<&Tree>, prefix: &[u8]) -> Result<Vec<String>> {
    let names = |tree: Option<&Tree>| -> Vec<Vec<u8>> {
        tree.into_iter().flat_map(Tree::iter).map(|entry| entry.name_bytes().to_vec()).collect()
    };
    let mut found = Vec::new();
    for name in names(old).into_iter().chain(names(new)).collect::<BTreeSet<_>>() {
        let get = |tree: Option<&Tree>| {
            tree.and_then(|tree| tree.get_name_bytes(&name)).map(|entry| (entry.id(), entry.filemode(), entry.kind()))
        };
        let (before, after) = (get(old), get(new));
        let path = [prefix, &name].concat();
        let is_folder = |entry: Option<(Oid, i32, Option<ObjectType>)>| {
            entry.filter(|(_, _, kind)| *kind == Some(ObjectType::Tree)).map(|(id, ..)| id)
        };
        match place(&path) {
            _ if before == after => {}
            Place::Record => {}
            // Folders are compared recursively; a file in place of a record folder is replaced.
            Place::Shared if is_folder(before).is_some() || is_folder(after).is_some() => {
                let tree = |id: Option<Oid>| id.map(|id| repo.find_tree(id)).transpose();
                let (before, after) = (tree(is_folder(before))?, tree(is_folder(after))?);
                found.extend(changes_outside(repo, before.as_ref(), after.as_ref(), &[&path[..], b"/"].concat())?);
            }
            Place::Shared | Place::Others => found.push(String::from_utf8_lossy(&path).into_owned()),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: i32 = 0o100_644;

    fn repository() -> (tempfile::TempDir, Repository) {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repository::init(dir.path()).unwrap();
        (dir, repo)
    }

    /// As a record commit builds it, on the disk.
    fn build(repo: &Repository, parent: Option<&Tree>, files: &Files) -> Result<Oid> {
        let odb = repo.odb()?;
        let memory = odb.add_new_mempack_backend(super::super::objects::PRIORITY)?;
        let objects = Objects::new(repo, &memory)?;
        let tree = super::build(&objects, parent, files)?;
        objects.flush().map(|()| tree)
    }

    fn tree<'r>(repo: &'r Repository, list: &[(&str, &str)]) -> Tree<'r> {
        let blob = |text: &str| Entry { mode: FILE, id: repo.blob(text.as_bytes()).unwrap() };
        let mut index = crate::hub::git::object_ids::new_index(repo).unwrap();
        for (path, text) in list {
            let entry = git2::IndexEntry {
                ctime: git2::IndexTime::new(0, 0),
                mtime: git2::IndexTime::new(0, 0),
                dev: 0,
                ino: 0,
                mode: FILE as u32,
                uid: 0,
                gid: 0,
                file_size: 0,
                id: blob(text).id,
                flags: 0,
                flags_extended: 0,
                path: path.as_bytes().to_vec(),
            };
            index.add(&entry).unwrap();
        }
        repo.find_tree(index.write_tree_to(repo).unwrap()).unwrap()
    }

    fn files(repo: &Repository, list: &[(&str, &str)]) -> Files {
        let entry = |text: &str| Entry { mode: FILE, id: repo.blob(text.as_bytes()).unwrap() };
        list.iter().map(|(path, text)| (path.as_bytes().to_vec(), entry(text))).collect()
    }

    #[test]
    fn owned_paths_are_replaced_and_nothing_else_is() {
        let (_dir, repo) = repository();
        let parent = [("_bus/old", "1"), ("_plans/x/deep", "1"), ("memory/kept", "1"), ("src/a", "1"), ("_bused", "1")];
        let record = [("_bus/claims/A.json", "2"), ("_report/r", "2"), ("memory/log.jsonl", "2")];
        let built = build(&repo, Some(&tree(&repo, &parent)), &files(&repo, &record)).unwrap();
        let kept = [("memory/kept", "1"), ("src/a", "1"), ("_bused", "1")];
        assert_eq!(built, tree(&repo, &[&kept[..], &record].concat()).id());
        // The last file of the record in a shared folder goes, and the folder with it when it is empty.
        let alone = [("memory/log.jsonl", "2"), ("src/a", "1")];
        let built = build(&repo, Some(&tree(&repo, &alone)), &Files::new()).unwrap();
        assert_eq!(built, tree(&repo, &[("src/a", "1")]).id());
        // A person's file where the folder of the record's file would be gives way only to that file.
        let blocked = [("memory", "a file"), ("src/a", "1")];
        let same = build(&repo, Some(&tree(&repo, &blocked)), &Files::new()).unwrap();
        assert_eq!(same, tree(&repo, &blocked).id());
        let built = build(&repo, Some(&tree(&repo, &blocked)), &files(&repo, &record[2..])).unwrap();
        assert_eq!(built, tree(&repo, &[("memory/log.jsonl", "2"), ("src/a", "1")]).id());
        assert_eq!(build(&repo, None, &files(&repo, &record)).unwrap(), tree(&repo, &record).id());
    }

    #[test]
    fn a_tree_that_changes_anything_else_is_noticed() {
        let (_dir, repo) = repository();
        let before = tree(&repo, &[("_bus/a", "1"), ("memory/log.jsonl", "1"), ("memory/b", "1"), ("src/c", "1")]);
        let outside =
            |list: &[(&str, &str)]| changes_outside(&repo, Some(&before), Some(&tree(&repo, list)), b"").unwrap();
        assert_eq!(outside(&[("_bus/z", "2"), ("memory/b", "1"), ("src/c", "1")]), Vec::<String>::new());
        assert_eq!(outside(&[("_bus/a", "1"), ("memory/log.jsonl", "1"), ("memory/b", "2")]), ["memory/b", "src"]);
        assert_eq!(outside(&[("_bus/a", "1"), ("src/c", "1")]), ["memory/b"]);
        assert_eq!(outside(&[("memory", "1"), ("src/c", "1")]), ["memory/b"]);
        assert_eq!(outside(&[("memory/b", "1"), ("src/c", "2"), ("new", "1")]), ["new", "src"]);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn a_tree_that_is_edited_is_the_tree_that_is_built_anew(
            before in proptest::collection::btree_map(0..PATHS.len(), 0_u8..3, 0..8),
            now in proptest::collection::btree_map(0..PATHS.len(), 0_u8..3, 0..8),
        ) {
            let (_dir, repo) = repository();
            let contents = ["0", "1", "2"];
            // No path is a folder of another one.
            let clean = |chosen: std::collections::BTreeMap<usize, u8>| {
                let mut list: Vec<(&str, &str)> = Vec::new();
                for (path, text) in chosen {
                    let path = PATHS[path];
                    let clash = |other: &str| path.starts_with(&format!("{other}/")) || other.starts_with(&format!("{path}/"));
                    if !list.iter().any(|(other, _)| clash(other)) {
                        list.push((path, contents[usize::from(text)]));
                    }
                }
                list
            };
            let (before, now) = (clean(before), clean(now));
            let record = |list: &[(&'static str, &'static str)], is_record: bool| -> Vec<(&'static str, &'static str)> {
                list.iter().copied().filter(|(path, _)| (place(path.as_bytes()) == Place::Record) == is_record).collect()
            };
            let built = build(&repo, Some(&tree(&repo, &before)), &files(&repo, &record(&now, true))).unwrap();
            let wanted = [record(&before, false), record(&now, true)].concat();
            proptest::prop_assert_eq!(built, tree(&repo, &wanted).id());
        }
    }

    const PATHS: [&str; 12] = [
        "_bus/a",
        "_bus/a/b",
        "_bus/a/b/c",
        "_bus/d/e",
        "_bus/d/f",
        "_plans/x",
        "_report/y/z",
        "memory/log.jsonl",
        "memory/other",
        "src/a",
        "_bused",
        "docs/automation/autonomy-consent.json",
    ];
}
