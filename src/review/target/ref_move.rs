//! A move of a branch from one commit to a descendant.

use git2::Oid;

/// Where a branch moves, and why.
#[derive(Clone, Copy, Debug)]
pub struct RefMove<'a> {
    /// Without `refs/heads/`.
    pub branch: &'a str,
    pub from: Oid,
    /// A descendant of `from`.
    pub to: Oid,
    /// For the reflog: "merge <job>".
    pub what: &'a str,
}
