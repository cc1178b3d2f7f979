//! Object ids and indexes in the repository's own hash function, SHA-1 or SHA-256.
//!
//! The short forms of `git2` (`Oid::from_str`, `Index::new`) always mean SHA-1; use this module to parse an id or
//! create an index.

use std::path::Path;

use git2::{Error, Index, ObjectFormat, Oid, Repository};

/// How many hex digits a SHA-256 object id has.
const SHA256_DIGITS: usize = 64;

/// Parses a full object id; its length determines the hash function.
///
/// # Errors
/// When the text is not an object id.
pub fn parse(hex: &str) -> Result<Oid, Error> {
    let format = if hex.len() == SHA256_DIGITS { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 };
    Oid::from_str_ext(hex, format)
}

/// The null id: "this reference does not exist".
pub fn null(repo: &Repository) -> Oid {
    match repo.object_format() {
        ObjectFormat::Sha1 => Oid::ZERO_SHA1,
        ObjectFormat::Sha256 => Oid::ZERO_SHA256,
    }
}

/// An empty in-memory index for the repository's hash function.
///
/// # Errors
/// When libgit2 is out of memory.
pub fn new_index(repo: &Repository) -> Result<Index, Error> {
    Index::new_ext(repo.object_format())
}

/// The index of one worktree, without its repository.
///
/// # Errors
/// When libgit2 cannot read it (a split or sparse index).
pub fn open_index(repo: &Repository, git_dir: &Path) -> Result<Index, Error> {
    Index::open_ext(&git_dir.join("index"), repo.object_format())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_both_hash_functions_are_read_as_what_they_are() {
        for digits in [40, 64] {
            let hex = "a".repeat(digits);
            let id = parse(&hex).unwrap();
            assert_eq!((id.to_string(), id.as_bytes().len()), (hex, digits / 2));
        }
        assert!(parse("no id").is_err());
    }
}
