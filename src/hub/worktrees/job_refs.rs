//! The checkpoints of a job's stages: commits of their own under `refs/teof/jobs/<job>`, found again by their trailers.
//!
//! A checkpoint names job, run and stage, and the commit of the job's branch that holds the work at that time. The
//! branch itself holds the work alone: a stage that changes nothing leaves no commit there. Whoever works on the
//! branch can move it, and what they commit there is not a checkpoint.

use anyhow::Context;
use git2::{Commit, ErrorCode, Oid, Repository};

use crate::base::{Result, text};
use crate::hub::git::object_ids;

pub const TRAILER_JOB: &str = "Teof-Job";
pub const TRAILER_RUN: &str = "Teof-Run";
pub const TRAILER_STAGE: &str = "Teof-Stage";
pub const TRAILER_ROUND: &str = "Teof-Round";
/// The commit of the branch, in a checkpoint.
const TRAILER_WORK: &str = "Teof-Work";

/// How many of a job's own commits are followed back.
const MAX_COMMITS: usize = 1000;
/// More often no job is sent back.
const MAX_REWORKS: u32 = 1000;

/// The end of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its own commit, under the job's ref.
    pub id: Oid,
    /// The newest commit of the work: on the job's branch, or the base while nothing was changed.
    pub work: Oid,
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
    read_trailers(&commit, job).map(|found| found.id)
}

/// Records a job's newest checkpoint.
pub(in crate::hub) fn record(repo: &Repository, job: &str, commit: Oid) -> Result<()> {
    repo.reference(&reference(job), commit, true, "teof: checkpoint").context("record the checkpoint")?;
    Ok(())
}

/// Forgets the checkpoints of a job that is over, and those from before it was sent back: `<job>-r2` was `<job>-r1`,
/// and `<job>`.
pub fn forget(repo: &Repository, job: &str) -> Result<()> {
    let reworked =
        job.rsplit_once("-r").and_then(|(first, nth)| Some((first, nth.parse::<u32>().ok()?.min(MAX_REWORKS))));
    let earlier = reworked.iter().flat_map(|(first, nth)| (1..*nth).map(move |n| format!("{first}-r{n}")));
    let names = earlier.chain(reworked.iter().map(|(first, _)| (*first).to_owned())).chain([job.to_owned()]);
    for name in names {
        match repo.find_reference(&reference(&name)).and_then(|mut found| found.delete()) {
            Err(e) if e.code() != ErrorCode::NotFound => return Err(e.into()),
            _ => {}
        }
    }
    Ok(())
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

/// The checkpoints of `job` that end at `tip` (oldest first), and the commit before them.
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

/// The commit that the work of a job began at, as the commits on its branch tell it; `None` when `work` is none of them.
pub fn began(repo: &Repository, work: Oid) -> Option<Oid> {
    let job_of = |commit: &Commit| {
        let trailers = git2::message_trailers_strs(commit.message().ok()?).ok()?;
        let job = trailers.iter().find(|(key, _)| *key == TRAILER_JOB).map(|(_, job)| job.to_owned());
        job.filter(|_| commit.parent_count() == 1)
    };
    let mut at = repo.find_commit(work).ok()?;
    let job = job_of(&at)?;
    for _ in 0..MAX_COMMITS {
        if job_of(&at).as_ref() != Some(&job) {
            return Some(at.id());
        }
        at = at.parent(0).ok()?;
    }
    None
}

fn read_trailers(commit: &Commit, job: &str) -> Option<Checkpoint> {
    let trailers = git2::message_trailers_strs(commit.message().ok()?).ok()?;
    let get = |key: &str| trailers.iter().find(|(k, _)| *k == key).map(|(_, value)| value);
    // The first parent is the checkpoint before. Older versions had the stages on the branch: each was its own work.
    let (most, work) = match get(TRAILER_WORK) {
        Some(work) => (2, object_ids::parse(work).ok()?),
        None => (1, commit.id()),
    };
    (get(TRAILER_JOB)? == job && (1..=most).contains(&commit.parent_count())).then_some(())?;
    Some(Checkpoint {
        id: commit.id(),
        work,
        run: get(TRAILER_RUN)?.to_owned(),
        stage: get(TRAILER_STAGE)?.to_owned(),
        round: get(TRAILER_ROUND)?.parse().ok()?,
    })
}

/// The message of a commit on the job's branch.
pub(in crate::hub) fn message_of_work(mark: &Mark) -> String {
    let title = text::clip(&text::safe(mark.title.trim()), 72);
    let title = if title.is_empty() { mark.job } else { &title };
    format!("{title}\n\n{TRAILER_JOB}: {}\n{TRAILER_RUN}: {}\n", mark.job, mark.run)
}

/// The message of a checkpoint whose work is at `work`.
pub(in crate::hub) fn message(mark: &Mark, work: Oid) -> String {
    let message = message_of_work(mark);
    format!("{message}{TRAILER_STAGE}: {}\n{TRAILER_ROUND}: {}\n{TRAILER_WORK}: {work}\n", mark.stage, mark.round)
}
