//! Commits on a job's branch after the reviewed commit: usually a person's, made in its worktree.
//!
//! They are never merged or dropped silently: the person who approves decides.

use git2::{Oid, Repository};
use serde::Serialize;

use super::{landed, merge};
use crate::base::{Refusal, Result, text};
use crate::hub::git::{ancestry, object_ids};
use crate::hub::worktrees::job_refs;
use crate::model::run::bundle::Bundle;
use crate::review::bundles::Entry;
use crate::review::input::NewerCommits;

/// How many are listed.
const NAMED: usize = 10;
/// How many are searched for.
const MOST: usize = 500;

/// A commit that was not reviewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Commit {
    pub id: String,
    pub author: String,
    pub subject: String,
}

/// The commits on the work's branch that neither the reviewed commit nor the target has, newest first. Commits of a
/// later run of the job are left out; a finished job has no later run, whatever a commit's trailers say.
///
/// # Errors
/// When the repository cannot be read.
pub fn commits(repo: &Repository, bundle: &Bundle) -> Result<Vec<Commit>> {
    let branch = |name: &str| repo.refname_to_id(&format!("refs/heads/{name}")).ok();
    let Some(tip) = branch(&bundle.branch) else { return Ok(Vec::new()) };
    let newest = job_refs::newest(repo, &bundle.job);
    let mut hidden = vec![merge::reviewed(repo, bundle)?];
    hidden.extend(branch(&bundle.target_branch).into_iter().chain(newest));
    let mut found = Vec::new();
    for id in ancestry::only_in(repo, tip, &hidden, MOST)? {
        let commit = repo.find_commit(id)?;
        let author = String::from_utf8_lossy(commit.author().name_bytes()).into_owned();
        let subject = commit.summary().ok().flatten().unwrap_or_default().to_owned();
        found.push(Commit { id: commit.id().to_string(), author: text::safe(&author), subject: text::safe(&subject) });
    }
    Ok(found)
}

/// The work to merge into a target that is at `target`: the reviewed commit, or with the newer commits on top.
///
/// # Errors
/// `review.newer_commits` until the person decides about them; also when the named commit is not the newest or not
/// based on the reviewed one.
pub fn select(repo: &Repository, entry: &Entry, newer: &NewerCommits, target: Oid) -> Result<Entry> {
    // Already merged work is only recorded.
    let merged = landed::find(repo, target, &entry.bundle)?;
    let found = if merged.is_some() { Vec::new() } else { commits(repo, &entry.bundle)? };
    let Some(newest) = found.first() else { return Ok(entry.clone()) };
    let job = entry.bundle.short();
    let refuse = |why: String| {
        let branch = text::safe(&entry.bundle.branch);
        let what = format!("{} on {branch} not reviewed", text::counted(found.len(), "commit"));
        Refusal::guard("review.newer_commits", what).because(why)
    };
    let reviewed = object_ids::parse(&entry.bundle.commit)?;
    let stands = ancestry::holds(repo, object_ids::parse(&newest.id)?, reviewed)?;
    let without = format!("merge only the reviewed commit: teof review approve {job} --without-newer");
    match newer {
        NewerCommits::Leave => Ok(entry.clone()),
        NewerCommits::Ask => {
            let refusal = refuse(lines(&found).join("\n")).with("commits", serde_json::json!(found));
            let include = format!("merge them, too: teof review approve {job} --with-newer {}", newest.id);
            let refusal = if stands { refusal.next(include) } else { rewritten(refusal, newest, reviewed) };
            Err(refusal.next(without).into())
        }
        NewerCommits::Include(_) if !stands => {
            let why = format!("{} is not based on the reviewed commit: it was amended or rebased", newest.id);
            Err(rewritten(refuse(why), newest, reviewed).next(without).into())
        }
        NewerCommits::Include(named) if named.len() < 7 || !newest.id.starts_with(named.as_str()) => {
            Err(refuse(format!("{} is not the newest commit", text::safe(named)))
                .next(format!("see them: teof review show {job}"))
                .into())
        }
        NewerCommits::Include(_) => {
            let mut entry = entry.clone();
            entry.bundle.commit.clone_from(&newest.id);
            Ok(entry)
        }
    }
}

/// Refusal when the branch no longer contains the reviewed commit.
fn rewritten(refusal: Refusal, newest: &Commit, reviewed: Oid) -> Refusal {
    refusal.next(format!(
        "commit the difference on top of the reviewed commit; to see it: git diff {reviewed} \
            {}",
        newest.id
    ))
}

/// For people: one line each.
pub fn lines(found: &[Commit]) -> Vec<String> {
    let line =
        |commit: &Commit| format!("{} {} ({})", &commit.id[..12.min(commit.id.len())], commit.subject, commit.author);
    let mut lines: Vec<_> = found.iter().take(NAMED).map(line).collect();
    if found.len() > NAMED {
        lines.push(format!("and {} more", found.len() - NAMED));
    }
    lines
}
