//! Marks a job's own commits with trailers, and finds them again.
//!
//! Each commit names its job in trailers, and a ref of its own points to the newest: whoever works on the branch can
//! move it, and what they commit there is not a checkpoint.

use anyhow::Context;
use git2::{Commit, ErrorCode, Oid, Repository};

use crate::base::Result;

pub const TRAILER_JOB: &str = "Teof-Job";
pub const TRAILER_RUN: &str = "Teof-Run";
pub const TRAILER_STAGE: &str = "Teof-Stage";
pub const TRAILER_ROUND: &str = "Teof-Round";

/// How many of a job's own commits are followed back.
const MAX_COMMITS: usize = 1000;

/// A commit of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub commit: Oid,
    pub run: String,
    pub stage: String,
    pub round: u32,
}

/// Describes a new checkpoint: who made it, for which job, run and stage.
#[derive(Clone, Debug)]
pub struct Mark<'a> {
    pub agent: &'a str,
    pub job: &'a str,
    pub run: &'a str,
    pub stage: &'a str,
    pub round: u32,
    /// The first line of the message; made one harmless line.
    pub title: &'a str,
}

/// The ref of a job's newest checkpoint.
pub(in crate::hub) fn reference(job: &str) -> String {
    format!("refs/teof/jobs/{job}")
}

/// A job's newest checkpoint, whatever became of its branch.
pub fn newest(repo: &Repository, job: &str) -> Option<Oid> {
    let commit = repo.find_reference(&reference(job)).and_then(|found| found.peel_to_commit()).ok()?;
    read_trailers(&commit, job).map(|found| found.commit)
}

/// Records a job's newest checkpoint.
pub(in crate::hub) fn record(repo: &Repository, job: &str, commit: Oid) -> Result<()> {
    repo.reference(&reference(job), commit, true, "teof: checkpoint").context("record the checkpoint")?;
    Ok(())
}

/// Forgets which checkpoint was a job's newest: it is done.
pub fn forget(repo: &Repository, job: &str) -> Result<()> {
    match repo.find_reference(&reference(job)).and_then(|mut found| found.delete()) {
        Err(e) if e.code() != ErrorCode::NotFound => Err(e.into()),
        _ => Ok(()),
    }
}

/// A new ref `refs/teof/<kind>/<run>`, numbered when there is one already.
pub fn keep(repo: &Repository, kind: &str, run: &str, commit: Oid) -> Result<String> {
    for n in 1..1000 {
        let name = if n == 1 { format!("refs/teof/{kind}/{run}") } else { format!("refs/teof/{kind}/{run}-{n}") };
        // Asked first: in a linked worktree libgit2 does not see that the ref exists, and replaces it.
        match repo.refname_to_id(&name) {
            Ok(kept) if kept == commit => return Ok(name),
            Ok(_) => continue,
            Err(_) => {}
        }
        match repo.reference(&name, commit, false, "teof: kept") {
            Ok(_) => return Ok(name),
            Err(e) if e.code() == ErrorCode::Exists && repo.refname_to_id(&name).ok() == Some(commit) => {
                return Ok(name);
            }
            // Taken, or locked for ever by a worker that was killed.
            Err(e) if matches!(e.code(), ErrorCode::Exists | ErrorCode::Locked) => {}
            Err(e) => return Err(e).with_context(|| format!("keep work under {name}")),
        }
    }
    anyhow::bail!("too many refs like refs/teof/{kind}/{run}")
}

/// The commits of `job` at the end of a branch (oldest first), and the commit before them.
pub fn of_job(repo: &Repository, tip: Oid, job: &str) -> Result<(Oid, Vec<Checkpoint>)> {
    let mut at = repo.find_commit(tip)?;
    let mut found = Vec::new();
    while found.len() < MAX_COMMITS
        && let Some(checkpoint) = read_trailers(&at, job)
    {
        found.push(checkpoint);
        at = at.parent(0).context("a checkpoint has a parent")?;
    }
    found.reverse();
    Ok((at.id(), found))
}

fn read_trailers(commit: &Commit, job: &str) -> Option<Checkpoint> {
    let trailers = git2::message_trailers_strs(commit.message().ok()?).ok()?;
    let get = |key: &str| trailers.iter().find(|(k, _)| *k == key).map(|(_, value)| value);
    (get(TRAILER_JOB)? == job && commit.parent_count() == 1).then_some(())?;
    Some(Checkpoint {
        commit: commit.id(),
        run: get(TRAILER_RUN)?.to_owned(),
        stage: get(TRAILER_STAGE)?.to_owned(),
        round: get(TRAILER_ROUND)?.parse().ok()?,
    })
}

pub(in crate::hub) fn message(mark: &Mark) -> String {
    let title = crate::base::text::clip(&crate::base::text::safe(mark.title.trim()), 72);
    let title = if title.is_empty() { mark.job } else { &title };
    format!(
        "{title}\n\n{TRAILER_JOB}: {}\n{TRAILER_RUN}: {}\n{TRAILER_STAGE}: {}\n{TRAILER_ROUND}: {}\n",
        mark.job, mark.run, mark.stage, mark.round
    )
}
