//! Whether a commit brings exactly the reviewed change, onto the commit that the decision names.

use git2::{Commit, Oid, Repository};

use super::agreement::Papers;
use super::document::Checks;
use super::subject::Trailers;
use crate::base::{Result, text};
use crate::guard::result::changes;
use crate::hub::git::{ancestry, object_ids};
use crate::model::run::bundle::Bundle;
use crate::review::decision::Kind;
use crate::review::target::merge;

/// Checks the parent, the base and the tree of a commit that brings the work of a bundle.
///
/// # Errors
/// When the repository cannot be read.
pub fn check(repo: &Repository, commit: &Commit, papers: &Papers, checks: &mut Checks) -> Result<()> {
    let bundle = &papers.bundle.says;
    let decision = papers.decision.as_ref().map(|decision| &decision.says);
    let before = decision.and_then(|decision| decision.target_before.as_deref());
    let parents = parents(commit);
    let parent = parents.first().copied();
    let own_commit = commit.id().to_string() == bundle.commit;
    let reviewed = decision.map_or(&bundle.commit, |decision| &decision.reviewed_commit);
    let strange = parents.iter().skip(1).find(|id| !is_work(repo, **id, parent, (bundle, reviewed)));
    match (before, parent) {
        _ if own_commit => {}
        (_, _) if strange.is_some() || parents.len() > 2 => {
            let other = strange.or(parents.last()).map(Oid::to_string).unwrap_or_default();
            checks.failed("parent", format!("it also merges {other}, which is not the reviewed work"));
        }
        (Some(before), parent) if parent.is_none_or(|parent| before != parent.to_string()) => {
            let parent = parent.map_or_else(|| "nothing".to_owned(), |parent| parent.to_string());
            checks.failed("parent", format!("its parent is {parent}, and the target was at {before}"));
        }
        (Some(before), _) => checks.ok("parent", format!("the target was at {before}")),
        (None, _) => {}
    }
    let parent = parent.filter(|parent| repo.find_commit(*parent).is_ok());
    base(repo, bundle, parent, checks)?;
    // A fast-forward brings the job's own commits.
    let from = if own_commit { merge::base(repo, bundle) } else { parent };
    let Some(from) = from else {
        checks.unchecked("tree", "the commit before it is not here");
        return Ok(());
    };
    tree(repo, commit, (from, reviewed), bundle, checks)
}

/// The parents that a commit names, whatever a shallow clone makes of it.
pub fn parents(commit: &Commit) -> Vec<Oid> {
    let lines = commit.raw_header_bytes().split(|b| *b == b'\n').filter_map(|line| line.strip_prefix(b"parent "));
    lines.filter_map(|hex| object_ids::parse(std::str::from_utf8(hex).ok()?).ok()).collect()
}

/// Whether a merged commit is the reviewed one, or the one that a pull request offered: the work alone, on a commit
/// that the target had.
fn is_work(repo: &Repository, id: Oid, target: Option<Oid>, (bundle, reviewed): (&Bundle, &str)) -> bool {
    if [bundle.commit.as_str(), reviewed].contains(&id.to_string().as_str()) {
        return true;
    }
    let (Ok(commit), Some(target)) = (repo.find_commit(id), target) else { return false };
    let names_job = Trailers::of(&commit).job.as_ref() == Some(&bundle.job);
    let below = parents(&commit);
    names_job && below.len() == 1 && ancestry::holds(repo, target, below[0]).unwrap_or(false)
}

fn base(repo: &Repository, bundle: &Bundle, parent: Option<Oid>, checks: &mut Checks) -> Result<()> {
    let shown = text::clip(&text::safe(&bundle.base_commit), 64);
    match (merge::base(repo, bundle), parent) {
        (Some(base), Some(parent)) if ancestry::holds(repo, parent, base)? => {
            checks.ok("base", format!("the work began from {shown}, which the target has"));
        }
        (Some(_), _) => {
            checks.unchecked("base", format!("the target does not have {shown} itself: other work was below"))
        }
        (None, _) => checks.unchecked("base", format!("{shown} is not in this repository")),
    }
    Ok(())
}

fn tree(
    repo: &Repository,
    commit: &Commit,
    (from, reviewed): (Oid, &str),
    bundle: &Bundle,
    checks: &mut Checks,
) -> Result<()> {
    let is_reviewed = reviewed == bundle.commit;
    if is_reviewed && bundle.change_sha256 == Some(changes::digest(repo, from, commit.id())?) {
        checks.ok("tree", "the change is the reviewed one, byte for byte");
        return Ok(());
    }
    let shown = text::clip(&text::safe(reviewed), 64);
    let wrong = format!("the change is not that of the reviewed commit {shown}");
    let work = object_ids::parse(reviewed).and_then(|id| repo.find_commit(id));
    if let Ok(work) = work {
        match merge::tree_of_work(repo, bundle, from, work.id())? == Some(commit.tree_id()) {
            true => checks.ok("tree", format!("it is what merging {shown} makes of its parent")),
            false => checks.failed("tree", wrong),
        }
        return Ok(());
    }
    // Where the target had not touched these files, the change cannot differ.
    if let (true, Some(_), Some(base)) = (is_reviewed, &bundle.change_sha256, merge::base(repo, bundle)) {
        let moved = changes::paths(repo, base, from)?;
        if !changes::paths(repo, from, commit.id())?.iter().any(|path| moved.contains(path)) {
            checks.failed("tree", wrong);
            return Ok(());
        }
    }
    let fetch = format!("the reviewed commit {shown} is not here; fetch its branch {}", text::safe(&bundle.branch));
    checks.unchecked("tree", fetch);
    Ok(())
}

/// Checks that a commit undoes exactly what a delivered one brought.
///
/// # Errors
/// When the repository cannot be read.
pub fn check_revert(
    repo: &Repository,
    commit: &Commit,
    reverted: &str,
    papers: &Papers,
    checks: &mut Checks,
) -> Result<()> {
    let Some(decision) = &papers.decision else { return Ok(()) };
    debug_assert_eq!(decision.says.decision, Kind::Reverted);
    let parents = parents(commit);
    if parents.len() > 1 {
        checks.failed("parent", format!("it also merges {}", parents[1]));
    }
    let parent = parents.first().copied();
    match (decision.says.target_before.as_deref(), parent) {
        (Some(before), Some(parent)) if before != parent.to_string() => {
            checks.failed("parent", format!("its parent is {parent}, and the target was at {before}"));
        }
        (before, _) => checks.ok("parent", format!("the target was at {}", before.unwrap_or("its parent"))),
    }
    let undone = object_ids::parse(reverted).and_then(|id| repo.find_commit(id));
    let parent = parent.and_then(|parent| repo.find_commit(parent).ok());
    let shown = text::clip(&text::safe(reverted), 64);
    let (Ok(undone), Some(parent)) = (undone, parent) else {
        checks.unchecked("tree", format!("the reverted commit {shown}, or the commit before this one, is not here"));
        return Ok(());
    };
    let Some(before) = self::parents(&undone).first().and_then(|before| repo.find_commit(*before).ok()) else {
        checks.unchecked("tree", format!("the commit before the reverted {shown} is not here"));
        return Ok(());
    };
    let mut index = repo.merge_trees(&undone.tree()?, &parent.tree()?, &before.tree()?, None)?;
    match !index.has_conflicts() && index.write_tree_to(repo)? == commit.tree_id() {
        true => checks.ok("tree", format!("it undoes {} exactly", undone.id())),
        false => checks.failed("tree", format!("it does not undo {} exactly", undone.id())),
    }
    Ok(())
}
