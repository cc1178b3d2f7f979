//! The sessions of this machine as they are now, and which of them are kept.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::executor::workers::{self, LOGS};
use super::state::State;
use crate::base::{Result, Stamp, text};
use crate::foreman::commands::{executor, terminals};
use crate::guard::secrets;
use crate::hub::{Hub, worktrees};
use crate::ops::session::archive::{self, Known};
use crate::review::decision::{Decision, Files};
use crate::sessions::{self, Archived, Listing, LocalStorage, SessionRecord, SessionStorage};

/// All sessions, the newest last; those whose processes are gone are lost.
pub fn all(hub: &Hub) -> Result<Listing> {
    let mut listing = LocalStorage::of(hub).list()?;
    listing.sessions = listing.sessions.into_iter().map(terminals::observed).collect();
    // A lost one is no newer than those that are over.
    listing.sessions.sort_by(|a, b| a.recency().cmp(&b.recency()));
    Ok(listing)
}

/// The session that a person names; see [`crate::sessions::find`].
pub fn find(hub: &Hub, name: &str) -> Result<SessionRecord> {
    // A whole id costs one file.
    if let Ok(Some(record)) = LocalStorage::of(hub).get(name) {
        return Ok(terminals::observed(record));
    }
    sessions::find(&all(hub)?.sessions, name).cloned()
}

/// Archives sessions. What all of them need is read once.
pub struct Archiver<'h> {
    hub: &'h Hub,
    agent: &'h str,
    reviews: Files,
}

impl<'h> Archiver<'h> {
    pub fn new(hub: &'h Hub, agent: &'h str) -> Result<Self> {
        secrets::learn_copied(hub);
        Ok(Self { hub, agent, reviews: Files::list(hub)? })
    }

    /// Archives a session with the outcome of its run and the decisions about its job; see [`archive::archive`].
    pub fn archive(&self, record: &SessionRecord) -> Result<Archived> {
        let outcome = record.run.as_deref().map(|run| workers::outcome(self.hub, run)).transpose()?.flatten();
        let decisions = record.job.as_deref().map(|job| self.reviews.of_job(self.hub, job)).transpose()?;
        let decisions = decisions.unwrap_or_default().iter().map(describe).collect();
        archive::archive(self.hub, self.agent, record, &Known { outcome, decisions })
    }
}

/// A decision on one line: who, when and why.
fn describe(decision: &Decision) -> String {
    let commit = decision.merge_commit.iter().map(|commit| format!(" as {commit}")).collect::<String>();
    let note = decision.note.iter().map(|note| format!(": {note}")).collect::<String>();
    format!("{} {} of {} by {}{commit}{note}", decision.at, decision.decision.as_str(), decision.run, decision.by)
}

/// Archives sessions of finished jobs, if the settings ask for it, and removes what they do not keep: sessions, runs'
/// folders, workers' logs and outcomes. Never what a job that is not over may need. Returns messages.
pub fn retire(hub: &Hub, state: &State) -> Vec<String> {
    let mut told = retired(hub, state).unwrap_or_else(|e| vec![format!("cannot remove old sessions: {e:#}")]);
    if let Err(e) = sweep_runs(hub, state) {
        told.push(format!("cannot remove what old runs left: {e:#}"));
    }
    told
}

fn retired(hub: &Hub, state: &State) -> Result<Vec<String>> {
    let settings = hub.settings()?;
    let (keep_for, manager) = (settings.agent_sessions.keep_for, &settings.coordinator.manager);
    let storage = LocalStorage::of(hub);
    storage.finish_removals(SystemTime::UNIX_EPOCH + Duration::from_secs(hub.now().unix().unsigned_abs()));
    let is_live = |job: &Option<String>| job.as_ref().is_some_and(|job| state.live_jobs().any(|live| live.id == *job));
    let mut over = all(hub)?.sessions;
    over.retain(|record| record.status.is_over() && !is_live(&record.job));
    let mut told = Vec::new();
    if settings.agent_sessions.archive && over.iter().any(|record| record.archive.is_none()) {
        let archiver = Archiver::new(hub, manager)?;
        for record in over.iter_mut().filter(|record| record.archive.is_none()) {
            match archiver.archive(record) {
                Ok(archived) => record.archive = Some(archived),
                Err(e) => told.push(format!("cannot archive session {}: {e:#}", record.id)),
            }
        }
        over.retain(|record| record.archive.is_some());
    }
    let (mut bytes, mut removed) = (0_u64, 0_usize);
    // Newest first: what does not fit any more is the oldest.
    for record in over.iter().rev() {
        let size = storage.size(&record.id);
        let ended = record.ended_at.or(record.last_activity).or(record.started_at).unwrap_or(hub.now());
        let is_old = hub.now().since(ended) >= keep_for;
        let fits = bytes.saturating_add(size) <= settings.agent_sessions.keep_bytes;
        if fits && !is_old {
            bytes += size;
            continue;
        }
        match storage.remove(&record.id) {
            Ok(()) => removed += 1,
            // The others are still removed.
            Err(e) => told.push(format!("cannot remove session {}: {e:#}", record.id)),
        }
    }
    if removed > 0 {
        told.push(format!("removed {}", text::counted(removed, "old session")));
    }
    Ok(told)
}

/// Removes what old runs left that no job and no worktree refers to.
fn sweep_runs(hub: &Hub, state: &State) -> Result<()> {
    let before = hub.now().minus(hub.settings()?.agent_sessions.keep_for);
    let worktrees: HashSet<String> =
        worktrees::statuses(hub)?.into_iter().flat_map(|one| [one.run, one.job]).flatten().collect();
    let is_used = |name: &str| {
        let run = name.split_once(".json").or_else(|| name.split_once(".log")).map_or(name, |(run, _)| run);
        let is_worktree = hub.common_dir.join("worktrees").join(run).exists();
        is_worktree || worktrees.contains(run) || state.jobs.iter().any(|job| name.starts_with(&job.id))
    };
    // What was kept for the next attempt of a job that came to nothing, or in a worktree that is gone.
    let of_jobs = ["stages", "evidence", "surroundings", "setups"].map(|folder| hub.local(folder));
    let of_runs = [hub.local(LOGS), hub.local("runs"), hub.state_home().join("runs"), executor::left_output(hub)];
    for folder in of_runs.into_iter().chain(of_jobs) {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !is_used(&name) && modified(&entry.path()).is_some_and(|at| at < before) {
                remove(&entry.path());
            }
        }
    }
    Ok(())
}

fn modified(path: &Path) -> Option<Stamp> {
    let at = fs::symlink_metadata(path).ok()?.modified().ok()?;
    let seconds = at.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
    i64::try_from(seconds).ok().map(Stamp::from_unix)
}

/// A file or a folder; a link goes without what it leads to.
fn remove(path: &Path) {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let removed = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    if let Err(e) = removed {
        tracing::debug!("cannot remove {}: {e}", path.display());
    }
}
