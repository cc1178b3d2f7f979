//! The files of the hub that make up the record.
//!
//! They are read unchanged. Git's index, attributes, filters, line-ending settings and `core.worktree` are not used, so
//! no configuration can change what is committed.

use std::fs::{self, Metadata};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context;
use git2::{ObjectType, Oid};

use super::git_names;
use super::ignored::Ignored;
use super::objects::Objects;
use super::tree;
use super::tree_files::{Entry, Files};
use crate::base::files::StatCache;
use crate::base::{Refusal, Result, files, text};
use crate::hub::Hub;
use crate::hub::git::object_ids;

const FILE: i32 = 0o100_644;
const PROGRAM: i32 = 0o100_755;
const LINK: i32 = 0o120_000;
const COMMIT: i32 = 0o160_000;

/// Larger files are streamed into the object store instead of being read into memory.
const STREAMED: u64 = 8 << 20;

/// In these folders teof makes files itself: `_report/agent/<seat>` has two slashes.
const DEPTH_OF_TEOF: usize = 2;

/// Reads the files of the hub into the object store.
pub struct Reader<'r> {
    pub hub: &'r Hub,
    pub objects: &'r Objects<'r>,
    /// The files in the index: equal ones are not written again.
    pub known: &'r Files,
    pub ignored: &'r Ignored<'r>,
}

/// What was read.
#[derive(Default)]
pub struct Found {
    pub files: Files,
    /// What stays out because git takes no such name, or because it would change what a clone gets.
    pub left_out: Vec<Vec<u8>>,
}

impl Reader<'_> {
    /// Each file with its bytes in the object store. Files that `cache` knows to be unchanged are not read. Ignored,
    /// temporary and special files and nested repositories stay out.
    ///
    /// # Errors
    /// When a file cannot be read, or an object cannot be written. `record.replaced`: something else is in the place of a
    /// folder of the record.
    pub fn read(&self, cache: &mut StatCache<String>) -> Result<Found> {
        let trusts_modes = self.objects.repo.config()?.get_bool("core.filemode").unwrap_or(true);
        let mut found = Found::default();
        let mut waiting: Vec<Vec<u8>> = tree::owned().map(|path| path.as_bytes().to_vec()).collect();
        while let Some(path) = waiting.pop() {
            let full = self.hub.root.join(std::ffi::OsStr::from_bytes(&path));
            let Ok(meta) = fs::symlink_metadata(&full) else { continue };
            if meta.is_dir() {
                match self.known.get(&path) {
                    // Of another repository, as a person added it.
                    Some(entry) if entry.mode == COMMIT => drop(found.files.insert(path, *entry)),
                    _ => waiting.extend(self.children(&path, &full, &mut found)?),
                }
                continue;
            }
            if is_temporary(&path) || (self.ignored.stays_out(&path)? && !self.is_known_below(&path)) {
                continue;
            }
            self.check_is_no_folder(&path, &full, &meta)?;
            if meta.is_symlink() && git_names::is_refused_for_a_link(name(&path)) {
                found.left_out.push(path);
                continue;
            }
            let before = self.known.get(&path);
            // The index keeps git from collecting the blob.
            let unchanged = cache.unchanged(&path, &meta).and_then(|id| object_ids::parse(&id).ok());
            let unchanged = unchanged.filter(|id| before.is_some_and(|before| before.id == *id));
            let id = match unchanged {
                Some(id) => id,
                None => match store(self.objects, &full, &meta, before)? {
                    Some(id) => id,
                    None => continue,
                },
            };
            let mode = mode_of(&meta, before.filter(|_| !trusts_modes));
            found.files.insert(path, Entry { mode, id });
        }
        Ok(found)
    }

    /// The entries of a folder; empty for a nested repository without files of the record.
    fn children(&self, path: &[u8], full: &Path, found: &mut Found) -> Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(full).map_err(|e| files::io_refusal(e, "read", full))? {
            names.push(entry.map_err(|e| files::io_refusal(e, "read", full))?.file_name().into_vec());
        }
        if names.iter().any(|name| name.eq_ignore_ascii_case(b".git")) && !self.has_record(path)? {
            return Ok(Vec::new());
        }
        let mut children = Vec::with_capacity(names.len());
        for name in names {
            let child = [path, b"/", &name].concat();
            match git_names::is_refused(&name) || self.is_new_attributes(&child) {
                true => found.left_out.push(child),
                false => children.push(child),
            }
        }
        Ok(children)
    }

    /// Whether a folder is teof's, or has a file that git or the record knows.
    fn has_record(&self, folder: &[u8]) -> Result<bool> {
        let slashes = folder.iter().filter(|byte| **byte == b'/').count();
        Ok(slashes <= DEPTH_OF_TEOF || self.is_known_below(folder) || self.ignored.has_evidence_below(folder)?)
    }

    /// Whether a link leads to a place in the hub.
    fn is_inside(&self, link: &Path) -> bool {
        let root = self.hub.root.canonicalize();
        link.canonicalize().is_ok_and(|to| root.is_ok_and(|root| to.starts_with(root)))
    }

    fn is_known_below(&self, folder: &[u8]) -> bool {
        let inside = [folder, b"/"].concat();
        self.known.range(inside.clone()..).next().is_some_and(|(path, _)| path.starts_with(&inside))
    }

    /// Attributes below teof's own would change what a clone gets of the record.
    fn is_new_attributes(&self, path: &[u8]) -> bool {
        let is_own = tree::owned().any(|top| path.strip_prefix(top.as_bytes()) == Some(b"/.gitattributes"));
        name(path) == b".gitattributes" && !is_own && !self.known.contains_key(path)
    }

    /// Refuses a file or link in the place of a folder whose files a commit would remove.
    fn check_is_no_folder(&self, path: &[u8], full: &Path, meta: &Metadata) -> Result<()> {
        let slashes = path.iter().filter(|byte| **byte == b'/').count();
        let leads_away = || slashes <= DEPTH_OF_TEOF && meta.is_symlink() && full.is_dir() && !self.is_inside(full);
        if self.known.contains_key(path) || !(self.is_known_below(path) || leads_away()) {
            return Ok(());
        }
        let shown = text::safe(&String::from_utf8_lossy(path));
        let what = if meta.is_symlink() { "a link" } else { "a file" };
        Err(Refusal::guard("record.replaced", format!("{shown} is {what}, not a folder of the record"))
            .because("a commit would not have the files of that folder")
            .next("put the folder back in its place, then: teof bus commit")
            .next("if it was removed on purpose, commit that as a person: git commit")
            .into())
    }
}

/// A file with these bytes.
///
/// # Errors
/// When the object cannot be written.
pub fn entry(objects: &Objects, bytes: &[u8]) -> Result<Entry> {
    Ok(Entry { mode: FILE, id: objects.blob(bytes)? })
}

fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

fn is_temporary(path: &[u8]) -> bool {
    std::str::from_utf8(name(path)).is_ok_and(files::is_temporary)
}

fn mode_of(meta: &Metadata, known: Option<&Entry>) -> i32 {
    match known {
        _ if meta.is_symlink() => LINK,
        Some(Entry { mode: mode @ (FILE | PROGRAM), .. }) => *mode,
        _ if meta.permissions().mode() & 0o100 != 0 => PROGRAM,
        _ => FILE,
    }
}

/// Writes a file to the object store; `None` when it no longer exists or is not a file.
fn store(objects: &Objects, path: &Path, meta: &Metadata, known: Option<&Entry>) -> Result<Option<Oid>> {
    let bytes = if meta.is_symlink() {
        let Ok(target) = fs::read_link(path) else { return Ok(None) };
        target.into_os_string().into_vec()
    } else if !meta.is_file() {
        return Ok(None);
    } else if meta.len() > STREAMED {
        return stream(objects, path);
    } else {
        match files::read(path, files::MAX_DOCUMENT.max(2 * STREAMED))? {
            Some(bytes) => bytes,
            None => return Ok(None),
        }
    };
    let id = Oid::hash_object_ext(ObjectType::Blob, &bytes, objects.repo.object_format())?;
    if known.is_none_or(|known| known.id != id) {
        objects.blob(&bytes).with_context(|| format!("keep {} in git", path.display()))?;
    }
    Ok(Some(id))
}

fn stream(objects: &Objects, path: &Path) -> Result<Option<Oid>> {
    let Some(mut file) = files::open_regular(path)? else { return Ok(None) };
    objects.stream(&mut file).with_context(|| format!("keep {} in git", path.display())).map(Some)
}
