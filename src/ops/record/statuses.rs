//! Commits vault requests whose only change is the status, together with the record.
//!
//! A request that a person edited, staged or never committed is left to that person.

use anyhow::Context;
use git2::{ObjectType, Oid, Repository, Tree};

use super::index::Known;
use super::objects::Objects;
use super::tree_files::{Entry, Files};
use crate::base::{Result, files};
use crate::hub::Hub;
use crate::hub::git::Git;
use crate::plans::requests::front_matter::differ_in_status_only;

/// The requests that differ from the commit only in their status line, with their current content. Their index
/// entries are added to `known`.
///
/// # Errors
/// When git cannot be asked, or an object cannot be written.
pub fn read(hub: &Hub, objects: &Objects, before: Option<&Tree>, git: &Git, known: &mut Known) -> Result<Files> {
    let repo = objects.repo;
    let folder = hub.settings()?.sources.vault_folder.trim_matches('/').to_owned();
    let Some(tree) = before.and_then(|tree| folder_of(repo, tree, &folder)) else { return Ok(Files::new()) };
    let mut found = Files::new();
    for entry in tree.iter().filter(|entry| entry.kind() == Some(ObjectType::Blob)) {
        let Ok(name) = entry.name() else { continue };
        let path = format!("{folder}/{name}");
        if !name.ends_with(".md") {
            continue;
        }
        let place = hub.path(&path).ok().and_then(|place| files::read(&place, files::MAX_DOCUMENT).ok()?);
        let Some(bytes) = place else { continue };
        if Oid::hash_object_ext(ObjectType::Blob, &bytes, repo.object_format())? == entry.id() {
            continue;
        }
        let committed = repo.find_blob(entry.id()).context("read a request as it was committed")?;
        let texts = std::str::from_utf8(committed.content()).ok().zip(std::str::from_utf8(&bytes).ok());
        if texts.is_some_and(|(before, after)| differ_in_status_only(before, after)) {
            let was = Entry { mode: entry.filemode(), id: entry.id() };
            let staged = Known::of(git, &[&path])?;
            if !staged.is_unmerged && staged.files.get(path.as_bytes()) == Some(&was) {
                known.files.insert(path.clone().into_bytes(), was);
                let id = objects.blob(&bytes).context("keep a request in git")?;
                found.insert(path.into_bytes(), Entry { id, ..was });
            }
        }
    }
    Ok(found)
}

fn folder_of<'r>(repo: &'r Repository, tree: &Tree<'_>, folder: &str) -> Option<Tree<'r>> {
    let entry = tree.get_path(std::path::Path::new(folder)).ok()?;
    repo.find_tree(entry.id()).ok()
}

/// The tree with new content for existing files.
///
/// # Errors
/// When a file does not exist in the tree, or an object cannot be written.
pub fn put_into(objects: &Objects, tree: Oid, statuses: &Files) -> Result<Oid> {
    statuses.iter().try_fold(tree, |tree, (path, entry)| replace(objects, tree, path, *entry))
}

fn replace(objects: &Objects, tree: Oid, path: &[u8], entry: Entry) -> Result<Oid> {
    let tree = objects.repo.find_tree(tree)?;
    let (name, rest) = match path.iter().position(|byte| *byte == b'/') {
        Some(end) => (&path[..end], Some(&path[end + 1..])),
        None => (path, None),
    };
    let known = tree.get_name_bytes(name).context("a request is missing from the tree")?;
    let id = match rest {
        Some(rest) => replace(objects, known.id(), rest, entry)?,
        None => entry.id,
    };
    let mut builder = objects.repo.treebuilder(Some(&tree))?;
    builder.insert(name, id, known.filemode())?;
    objects.tree(&builder)
}
