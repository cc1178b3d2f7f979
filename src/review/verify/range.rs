//! The commits that a revision means: one, or a range.

use git2::{Oid, Repository};

use crate::base::{Refusal, Result, text};
use crate::hub::git::ancestry;

/// How many commits of a range are verified.
const MOST: usize = 10_000;

/// The commit of a name, or the commits of `A..B`, oldest first.
///
/// # Errors
/// `verify.unknown_commit` (exit 2); `verify.too_many`.
pub fn commits(repo: &Repository, name: &str) -> Result<Vec<Oid>> {
    let Some((from, to)) = name.split_once("..") else { return Ok(vec![commit(repo, name)?]) };
    let (from, to) =
        (commit(repo, from)?, commit(repo, if to.is_empty() { "HEAD" } else { to.trim_start_matches('.') })?);
    let mut found = ancestry::only_in(repo, to, &[from], MOST + 1)?;
    if found.len() > MOST {
        return Err(Refusal::usage("verify.too_many", format!("{} has more than {MOST} commits", shown(name)))
            .next("verify a shorter range: teof verify HEAD~100..HEAD")
            .into());
    }
    found.reverse();
    Ok(found)
}

fn commit(repo: &Repository, name: &str) -> Result<Oid> {
    let found = repo.revparse_single(name).and_then(|found| found.peel_to_commit());
    found.map(|commit| commit.id()).map_err(|e| {
        Refusal::usage("verify.unknown_commit", format!("no commit {} in this repository", shown(name)))
            .because(text::safe(e.message()))
            .next("see the newest: git log --oneline -5")
            .into()
    })
}

fn shown(name: &str) -> String {
    format!("{:?}", text::clip(&text::safe(name), 120))
}
