//! Writes the git objects of a record commit, as one pack when there are many.
//!
//! A loose object costs two syncs, and a commit after a busy hour has hundreds of them. They are collected in memory
//! up to a limit, and are durable after [`Objects::flush`].

use std::cell::{Cell, RefCell};
use std::io::{self, Read};

use anyhow::Context;
use git2::{Mempack, ObjectType, OdbLookupFlags, Oid, Repository, TreeBuilder};

use crate::base::Result;
use crate::hub::git::libgit2::make_durable;

/// Higher than the stores on disk.
pub const PRIORITY: i32 = 1000;
/// Fewer objects are written one by one, because many small packs are slow.
const FEW: usize = 16;
/// Limit on objects and bytes in memory.
const MOST: usize = 10_000;
const MOST_BYTES: usize = 32 << 20;
/// The mode of git's own packs.
const PACK_MODE: u32 = 0o444;

/// The object store of a record commit.
pub struct Objects<'r> {
    /// Also has the objects in memory.
    pub repo: &'r Repository,
    memory: &'r Mempack<'r>,
    disk: Repository,
    new: RefCell<Vec<Oid>>,
    bytes: Cell<usize>,
}

impl<'r> Objects<'r> {
    /// `memory` is a store of `repo`'s, with [`PRIORITY`].
    ///
    /// # Errors
    /// When the repository cannot be opened again.
    pub fn new(repo: &'r Repository, memory: &'r Mempack<'r>) -> Result<Self> {
        let disk = Repository::open_bare(repo.path()).context("open the repository")?;
        make_durable(&disk)?;
        Ok(Self { repo, memory, disk, new: RefCell::default(), bytes: Cell::default() })
    }

    pub fn blob(&self, bytes: &[u8]) -> Result<Oid> {
        let id = self.repo.odb()?.write(ObjectType::Blob, bytes)?;
        self.added(id, bytes.len()).map(|()| id)
    }

    /// A blob of any size, written to disk at once.
    pub fn stream(&self, from: &mut impl Read) -> Result<Oid> {
        // Without a path, libgit2 applies no filter.
        let mut blob = self.disk.blob_writer(None)?;
        io::copy(from, &mut blob)?;
        Ok(blob.commit()?)
    }

    pub fn tree(&self, builder: &TreeBuilder) -> Result<Oid> {
        let id = builder.write()?;
        self.added(id, 0).map(|()| id)
    }

    fn added(&self, id: Oid, bytes: usize) -> Result<()> {
        if self.disk.odb()?.exists_ext(id, OdbLookupFlags::NO_REFRESH) {
            return Ok(());
        }
        self.new.borrow_mut().push(id);
        self.bytes.set(self.bytes.get() + bytes);
        let is_full = self.new.borrow().len() >= MOST || self.bytes.get() >= MOST_BYTES;
        if is_full { self.flush() } else { Ok(()) }
    }

    /// Writes the objects in memory to disk, durably.
    ///
    /// # Errors
    /// When writing fails; a part may be written, which nothing refers to.
    pub fn flush(&self) -> Result<()> {
        let new = self.new.take();
        if new.len() < FEW {
            let odb = self.repo.odb()?;
            for id in &new {
                let object = odb.read(*id)?;
                self.disk.odb()?.write(object.kind(), object.data())?;
            }
        } else {
            let mut pack = self.repo.packbuilder()?;
            for id in &new {
                pack.insert_object(*id, None)?;
            }
            pack.write(&self.repo.path().join("objects/pack"), PACK_MODE)?;
        }
        self.memory.reset()?;
        self.bytes.set(0);
        self.disk.odb()?.refresh()?;
        Ok(self.repo.odb()?.refresh()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_in_memory_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repository::init_bare(dir.path()).unwrap();
        let odb = repo.odb().unwrap();
        let memory = odb.add_new_mempack_backend(PRIORITY).unwrap();
        let objects = Objects::new(&repo, &memory).unwrap();
        let is_there = |id| Repository::open_bare(dir.path()).unwrap().find_blob(id).is_ok();
        let first = objects.blob(&vec![b'a'; MOST_BYTES / 2]).unwrap();
        assert!(!is_there(first));
        let second = objects.blob(&vec![b'b'; MOST_BYTES / 2]).unwrap();
        assert!(is_there(first) && is_there(second));
        assert!(repo.find_blob(first).is_ok(), "and it is found through the same repository");
    }

    #[test]
    fn objects_are_on_the_disk_after_they_were_flushed() {
        for count in [FEW - 1, FEW + 1] {
            let dir = tempfile::tempdir().unwrap();
            let repo = Repository::init_bare(dir.path()).unwrap();
            let odb = repo.odb().unwrap();
            let memory = odb.add_new_mempack_backend(PRIORITY).unwrap();
            let objects = Objects::new(&repo, &memory).unwrap();
            let texts: Vec<_> = (0..count).map(|n| format!("text {n}")).collect();
            let ids: Vec<_> = texts.iter().map(|text| objects.blob(text.as_bytes()).unwrap()).collect();
            let is_there = || {
                let disk = Repository::open_bare(dir.path()).unwrap();
                ids.iter()
                    .zip(&texts)
                    .all(|(id, text)| disk.find_blob(*id).is_ok_and(|blob| blob.content() == text.as_bytes()))
            };
            assert!(!is_there(), "{count}");
            objects.flush().unwrap();
            assert!(is_there(), "{count}");
            let packs = std::fs::read_dir(dir.path().join("objects/pack")).unwrap().count();
            assert_eq!(packs, if count < FEW { 0 } else { 2 }, "{count}: a pack and its index");
            // What is there already is not written again.
            objects.blob(texts[0].as_bytes()).unwrap();
            assert!(objects.new.borrow().is_empty() && repo.find_blob(ids[0]).is_ok());
        }
    }
}
