//! The checkpoints of a job's stages, under `refs/teof/jobs/<job>`.
//!
//! The ref names an annotated tag that points to the newest commit of the work; its message lists each finished stage
//! with its commit. So no stage needs its own commit: the job's branch has only the work, and a stage that changes
//! nothing shows in no log. A worker can move the branch, but its commits there are not checkpoints.

use anyhow::Context;
use git2::{Commit, ErrorCode, Oid, Repository, Signature};

use crate::base::{Result, text};
use crate::hub::git::object_ids;

pub const TRAILER_JOB: &str = "Teof-Job";
pub const TRAILER_RUN: &str = "Teof-Run";
/// Only in the tag: the job's base, and for each stage its name, round, run and commit.
const TRAILER_BASE: &str = "Teof-Base";
const TRAILER_STAGE: &str = "Teof-Stage";

/// How many of a job's own commits are followed back.
const MAX_COMMITS: usize = 1000;
/// No job is sent back more often.
const MAX_REWORKS: u32 = 1000;

/// The end of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The newest commit of the work at that time: on the job's branch, or the base while nothing had changed.
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
    /// The first line of the message; turned into one safe line.
    pub title: &'a str,
}

/// The ref of a job's checkpoints.
pub(in crate::hub) fn reference(job: &str) -> String {
    format!("refs/teof/jobs/{job}")
}

/// A job's base and its checkpoints, oldest first, independent of its branch; `None` before the first.
pub fn of_job(repo: &Repository, job: &str) -> Option<(Oid, Vec<Checkpoint>)> {
    let tag = repo.find_reference(&reference(job)).ok()?.peel(git2::ObjectType::Tag).ok()?.into_tag().ok()?;
    let trailers = git2::message_trailers_strs(tag.message().ok()??).ok()?;
    let all = |key: &'static str| trailers.iter().filter(move |(found, _)| *found == key).map(|(_, value)| value);
    if all(TRAILER_JOB).next() != Some(job) {
        return None;
    }
    let commit = |hex: &str| Some(repo.find_commit(object_ids::parse(hex).ok()?).ok()?.id());
    let stage = |line: &str| {
        let [stage, round, run, hex] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
        Some(Checkpoint { commit: commit(hex)?, run: run.into(), stage: stage.into(), round: round.parse().ok()? })
    };
    let checkpoints = all(TRAILER_STAGE).map(stage).collect::<Option<Vec<_>>>()?;
    // What the tag points to is what git keeps.
    let newest = checkpoints.last().filter(|last| last.commit == tag.target_id());
    newest.is_some().then_some(())?;
    Some((commit(all(TRAILER_BASE).next()?)?, checkpoints))
}

/// The commit of a job's newest checkpoint.
pub fn newest(repo: &Repository, job: &str) -> Option<Oid> {
    Some(of_job(repo, job)?.1.last()?.commit)
}

/// Records all checkpoints of a job, of which `mark` describes the newest.
pub(in crate::hub) fn record(
    repo: &Repository,
    mark: &Mark,
    base: Oid,
    checkpoints: &[Checkpoint],
    by: &Signature,
) -> Result<()> {
    let newest = checkpoints.last().context("a job without a checkpoint has none to record")?;
    let mut message = format!("{}{TRAILER_BASE}: {base}\n", message(mark));
    for done in checkpoints {
        let line = format!("{TRAILER_STAGE}: {} {} {} {}\n", done.stage, done.round, done.run, done.commit);
        message.push_str(&line);
    }
    let target = repo.find_object(newest.commit, None)?;
    let tag = repo.tag_annotation_create(mark.job, &target, by, &message)?;
    repo.reference(&reference(mark.job), tag, true, "teof: checkpoint").context("record the checkpoint")?;
    Ok(())
}

/// Removes the checkpoints of a finished job, and those from before it was sent back: `<job>-r2` was `<job>-r1`, and
/// `<job>`.
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

/// Creates a ref `refs/teof/<kind>/<run>`, with a number if the name is taken.
pub fn keep(repo: &Repository, kind: &str, run: &str, commit: Oid) -> Result<String> {
    for n in 1..1000 {
        let name = if n == 1 { format!("refs/teof/{kind}/{run}") } else { format!("refs/teof/{kind}/{run}-{n}") };
        // Checked first: in a linked worktree libgit2 does not see an existing ref and replaces it.
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
            // Taken, or locked by a killed worker.
            Err(e) if matches!(e.code(), ErrorCode::Exists | ErrorCode::Locked) => {}
            Err(e) => return Err(e).with_context(|| format!("keep work under {name}")),
        }
    }
    anyhow::bail!("too many refs like refs/teof/{kind}/{run}")
}

/// The base commit of a job's work, derived from the commits on its branch; `None` when `work` is not one of them.
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

/// The message of a commit on the job's branch.
pub(in crate::hub) fn message(mark: &Mark) -> String {
    let title = text::clip(&text::safe(mark.title.trim()), 72);
    let title = if title.is_empty() { mark.job } else { &title };
    format!("{title}\n\n{TRAILER_JOB}: {}\n{TRAILER_RUN}: {}\n", mark.job, mark.run)
}
