//! The files of a git tree or of the index, by path.

use std::collections::BTreeMap;

use git2::Oid;

/// A file of a tree or of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub mode: i32,
    pub id: Oid,
}

/// Files by their path from the top, sorted. A path need not be UTF-8.
pub type Files = BTreeMap<Vec<u8>, Entry>;
