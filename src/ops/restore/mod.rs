//! `bus restore`: restores damaged or outdated logs, claims, plans, backlog, assignments and receipts, from git,
//! intact lines, and acknowledged content on this machine that git does not have yet.
//!
//! Nothing is deleted: a rewritten file is first copied out of the tree. Committed content is restored first and
//! unchanged, so that the rest is appended content.

pub mod behind;
mod lines;
pub mod sources;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use git2::{ObjectType, Oid};
use serde::Serialize;

use crate::base::{Refusal, Result, files, json, names, parallel};
use crate::bus::events;
use crate::guard::preflight::Base;
use crate::hub::marks::watermarks;
use crate::hub::{Hub, Repair, paths};
use crate::model::claim::ClaimFile;
use sources::Sources;

use lines::{Parts, add_lines, lines};

/// Limit on the size of a rebuilt log, in bytes.
const MAX_LOG: u64 = 8 << 30;

/// What a restore did to a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Relative to the hub.
    pub path: String,
    /// Lines from git (for a document: the whole file).
    pub from_git: usize,
    /// Acknowledged lines on this machine that git does not have (for a document: the whole file).
    pub from_marks: usize,
    /// Damaged or altered lines, now only in the copy.
    pub left_out: usize,
    /// The copy of the old file, if one existed.
    pub aside: Option<PathBuf>,
    /// A note for people.
    pub note: Option<String>,
    /// Something is missing and could not be restored.
    pub failed: bool,
}

/// Limits of a restore.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Only report what would be done.
    pub dry: bool,
    /// Accept a log that is shorter than acknowledged without explanation, and keep documents as they are.
    pub accept: bool,
}

/// Restores what it can. Empty when nothing is missing.
///
/// Works on an outdated record, where every other write is refused.
pub fn restore(hub: &Hub, limits: Limits) -> Result<Vec<Restored>> {
    let mut repair = hub.lock_for_repair("bus restore")?;
    let mut work = Work { hub, sources: Sources::of(hub)?, limits, moved: false, restored: Vec::new() };
    let logs = work.logs()?;
    let bytes: Vec<(String, Option<Vec<u8>>)> =
        logs.into_iter().filter_map(|log| Some((log.clone(), work.read(&log, MAX_LOG)?))).collect();
    work.moved = work.only_moved(&bytes);
    for (log, now) in &bytes {
        // The event log is one set of lines over all its files.
        let others = if is_events(log) { bytes.as_slice() } else { &[] };
        let others = others.iter().filter(|(other, _)| other != log && is_events(other));
        let elsewhere: HashSet<&[u8]> = others.flat_map(|(_, now)| lines(now.as_deref().unwrap_or_default())).collect();
        work.restore_log(&mut repair, log, now.as_deref(), &elsewhere)?;
    }
    for claim in work.doubtful_claims()? {
        work.restore_claim(&mut repair, &claim)?;
    }
    let mut documents = behind::documents(hub, &work.sources)?;
    let damaged = behind::damaged(hub, &work.sources)?.into_iter();
    let damaged: Vec<_> = damaged.filter(|one| documents.iter().all(|known| known.path != one.path)).collect();
    // With --accept documents stay as they are, damaged ones, too.
    documents.extend(damaged.into_iter().filter(|_| !limits.accept));
    for document in documents {
        work.restore_document(&mut repair, document)?;
    }
    if limits.accept && !limits.dry {
        repair.accept_record()?;
    }
    Ok(work.restored)
}

struct Work<'h> {
    hub: &'h Hub,
    sources: Sources<'h>,
    limits: Limits,
    /// The event log has at least the acknowledged number of bytes, over all its files.
    moved: bool,
    restored: Vec<Restored>,
}

impl Work<'_> {
    /// Every log that exists, existed, or is in git.
    fn logs(&self) -> Result<BTreeSet<String>> {
        let mut logs: BTreeSet<String> = self.hub.watermarks().logs().into_iter().collect();
        for folder in [paths::EVENTS_FOLDER, paths::MESSAGES] {
            logs.extend(self.names(folder, ".jsonl")?);
        }
        if self.sources.committed(paths::LEDGER)?.is_some() {
            logs.insert(paths::LEDGER.to_owned());
        }
        Ok(logs)
    }

    fn claimed(&self) -> Result<BTreeSet<String>> {
        let mut tasks: BTreeSet<String> = self.hub.watermarks().claimed_tasks().into_iter().collect();
        let stem =
            |path: String| Some(path.strip_prefix(paths::CLAIMS)?.trim_matches('/').strip_suffix(".json")?.to_owned());
        tasks.extend(self.names(paths::CLAIMS, ".json")?.into_iter().filter_map(stem));
        tasks.retain(|task| names::is_id(task));
        Ok(tasks)
    }

    /// The claims that differ between disk, git and marks, sorted.
    fn doubtful_claims(&self) -> Result<Vec<String>> {
        let marks = self.hub.watermarks();
        let committed = self.sources.head.as_ref();
        let ids = committed.map(|base| base.ids(paths::CLAIMS)).transpose()?.unwrap_or_default();
        let (ids, format, root): (&HashMap<String, Oid>, _, _) =
            (&ids, committed.map(Base::object_format), &self.hub.root);
        let is_same = |path: &String| -> Option<bool> {
            let at = root.join(path);
            let now = files::read(&at, files::MAX_DOCUMENT).ok()??;
            rank(&at, &now)?;
            let id = ids.get(path.rsplit('/').next()?);
            let in_git = match (id, format) {
                (Some(id), Some(format)) => Oid::hash_object_ext(ObjectType::Blob, &now, format).ok()? == *id,
                _ => true,
            };
            let mark = marks.claim_bytes(path).ok()?;
            Some(in_git && mark.is_none_or(|mark| mark == now))
        };
        let claims: Vec<String> = self.claimed()?.iter().map(|task| paths::claim(task)).collect();
        let same = parallel::map(&claims, |path| is_same(path).unwrap_or(false));
        Ok(claims.into_iter().zip(same).filter(|(_, same)| !same).map(|(path, _)| path).collect())
    }

    /// The files of a folder, in the tree or in git.
    fn names(&self, folder: &str, ending: &str) -> Result<Vec<String>> {
        let entries = std::fs::read_dir(self.hub.root.join(folder)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let names = names.filter(|name| name.ends_with(ending) && !name.starts_with('.'));
        let mut found: Vec<String> = names.map(|name| format!("{folder}/{name}")).collect();
        if let Some(base) = &self.sources.head {
            found.extend(base.files(folder, ending)?);
        }
        Ok(found)
    }

    /// Reads a file. A non-regular file is reported and left alone (the outer `None`).
    fn read(&mut self, path: &str, max: u64) -> Option<Option<Vec<u8>>> {
        match self.hub.path(path).and_then(|path| files::read(&path, max)) {
            Ok(bytes) => Some(bytes),
            Err(e) => {
                let why = Refusal::of(&e).and_then(|refusal| refusal.reason.clone()).unwrap_or_else(|| e.to_string());
                let note = Some(format!("left alone: {why}"));
                self.restored.push(Restored { path: path.to_owned(), note, failed: true, ..Restored::default() });
                None
            }
        }
    }

    fn restore_log(
        &mut self,
        repair: &mut Repair<'_>,
        log: &str,
        now: Option<&[u8]>,
        elsewhere: &HashSet<&[u8]>,
    ) -> Result<()> {
        let mut git = self.sources.committed(log)?.unwrap_or_default();
        if let Some(dropped) = &self.sources.dropped {
            add_lines(&mut git, &dropped.read(log)?.unwrap_or_default());
        }
        let kept = self.hub.watermarks().uncommitted(log)?;
        let now_bytes = now.unwrap_or_default();
        if self.is_short(log, Parts::of(&git, now_bytes, &kept, elsewhere).whole().len()) {
            // The record was committed, and the branch was reset since.
            for earlier in self.sources.earlier() {
                add_lines(&mut git, &earlier.read(log)?.unwrap_or_default());
                if !self.is_short(log, Parts::of(&git, now_bytes, &kept, elsewhere).whole().len()) {
                    break;
                }
            }
        }
        let mut parts = Parts::of(&git, now_bytes, &kept, elsewhere);
        if !self.limits.accept && self.is_short(log, parts.whole().len()) {
            let known = self.hub.watermarks().log_length(log);
            parts.add_copies(&git, now_bytes, &kept, |length| length as u64 == known);
        }
        let whole = parts.whole();
        let short = self.is_short(log, whole.len());
        if parts.is_whole() && self.hub.watermarks().check_log(&self.hub.root, log).is_ok() {
            return Ok(());
        }
        let mut done = Restored {
            path: log.to_owned(),
            from_git: parts.from_git,
            from_marks: parts.from_marks,
            left_out: parts.left_out,
            note: self.note(log, short, whole.len(), parts.is_whole()),
            failed: short && !self.limits.accept,
            ..Restored::default()
        };
        if !self.limits.dry {
            if !parts.is_whole() {
                done.aside = now.map(|now| self.hub.set_aside("aside", log, now)).transpose()?;
                repair.replace(log, &whole)?;
            }
            if !short || self.limits.accept {
                let accepted = if parts.is_whole() { now } else { Some(whole.as_slice()) };
                repair.accept_log(log, accepted)?;
                self.count_moved(repair, log)?;
            }
        }
        self.restored.push(done);
        Ok(())
    }

    /// Lines that moved to a log sealed elsewhere are acknowledged there from now on, so that they explain only one
    /// shorter file.
    fn count_moved(&self, repair: &mut Repair<'_>, log: &str) -> Result<()> {
        if !log.starts_with(paths::EVENTS_FOLDER) {
            return Ok(());
        }
        let marks = self.hub.watermarks();
        let sealed = events::logs(self.hub)?.into_iter().filter(|log| paths::is_sealed(log));
        for log in sealed.filter(|log| marks.log_length(log) == 0) {
            let bytes = files::read(&self.hub.path(&log)?, MAX_LOG)?;
            repair.accept_log(&log, bytes.as_deref())?;
        }
        Ok(())
    }

    fn note(&self, log: &str, short: bool, length: usize, unchanged: bool) -> Option<String> {
        let known = self.hub.watermarks().log_length(log);
        match (short, self.limits.accept) {
            (true, true) => Some(format!("accepted with {length} of {known} acknowledged bytes")),
            (true, false) => Some(format!(
                "has {length} of {known} acknowledged bytes, and no copy of the rest was found; if only duplicate \
                    lines were lost, accept it: teof bus restore --accept"
            )),
            (false, _) if unchanged => Some("nothing is missing: its lines are in another order or file".to_owned()),
            (false, _) => None,
        }
    }

    /// Whether a log of this length lacks acknowledged content.
    fn is_short(&self, log: &str, length: usize) -> bool {
        let moved = self.moved && log.starts_with(paths::EVENTS_FOLDER);
        !moved && (length as u64) < self.hub.watermarks().log_length(log)
    }

    /// Whether the event log has all its bytes although one file is shorter, because a merge brought a log sealed
    /// elsewhere.
    fn only_moved(&self, logs: &[(String, Option<Vec<u8>>)]) -> bool {
        let events = || logs.iter().filter(|(log, _)| log.starts_with(paths::EVENTS_FOLDER));
        let found: usize = events().map(|(_, now)| now.as_ref().map_or(0, Vec::len)).sum();
        let known: u64 = events().map(|(log, _)| self.hub.watermarks().log_length(log)).sum();
        found as u64 >= known
    }

    fn restore_claim(&mut self, repair: &mut Repair<'_>, path: &str) -> Result<()> {
        let Some(now) = self.read(path, files::MAX_DOCUMENT) else { return Ok(()) };
        let at = self.hub.root.join(path);
        let rank_of = |bytes: &[u8]| rank(&at, bytes);
        let current = now.as_deref().and_then(rank_of);
        let git = self.sources.committed(path)?;
        let file = now.as_deref().and_then(|now| json::parse_object(now, &at).ok()).map(|raw| ClaimFile { raw });
        // Another owner at the same epoch is not a later state, wherever it comes from.
        let mark = self.hub.watermarks().claim(path)?.map(|(_, bytes)| bytes);
        let swapped = current.is_some() && watermarks::check_claim(path, mark.as_deref(), file.as_ref()).is_err();
        let git = git.filter(|_| !swapped);
        let current = current.filter(|_| !swapped);
        let from = |bytes: Option<Vec<u8>>, git| bytes.and_then(|bytes| Some((rank_of(&bytes)?, git, bytes)));
        // Of equals the mark, which this machine acknowledged last.
        let best = from(git, true).into_iter().chain(from(mark, false)).max_by_key(|(rank, ..)| *rank);
        let mut done = Restored { path: path.to_owned(), ..Restored::default() };
        match best {
            Some((rank, ..)) if current >= Some(rank) => return Ok(()),
            None if current.is_some() => return Ok(()),
            None => {
                done.failed = true;
                done.note = Some("damaged, and no other copy exists in git or on this machine: fix it by hand".into());
            }
            Some((_, is_git, bytes)) => {
                done.from_git = usize::from(is_git);
                done.from_marks = usize::from(!is_git);
                if !self.limits.dry {
                    done.aside = now.map(|now| self.hub.set_aside("aside", path, &now)).transpose()?;
                    repair.replace(path, &bytes)?;
                    repair.accept_claim(path, &bytes)?;
                }
            }
        }
        self.restored.push(done);
        Ok(())
    }

    /// Restores a document that git reset; with `--accept` it is kept as it is.
    fn restore_document(&mut self, repair: &mut Repair<'_>, lost: behind::Behind) -> Result<()> {
        let mut done = Restored { path: lost.path.clone(), ..Restored::default() };
        match lost.last {
            _ if self.limits.accept => {
                done.note = Some("kept as it is".to_owned());
                if !self.limits.dry {
                    repair.accept_document(&lost.path)?;
                }
            }
            None => {
                let why = lost.why;
                done.failed = true;
                done.note = Some(format!(
                    "{why}, and no copy of the last saved version was found; to keep it as it is: teof bus restore \
                        --accept"
                ));
            }
            Some(bytes) => {
                done.from_git = usize::from(lost.from_git);
                done.from_marks = usize::from(!lost.from_git);
                let Some(now) = self.read(&lost.path, files::MAX_DOCUMENT) else { return Ok(()) };
                if !self.limits.dry {
                    done.aside = now.map(|now| self.hub.set_aside("aside", &lost.path, &now)).transpose()?;
                    repair.replace(&lost.path, &bytes)?;
                }
            }
        }
        self.restored.push(done);
        Ok(())
    }
}

/// The progress of a claim; `None` for what is no claim.
fn rank(path: &Path, bytes: &[u8]) -> Option<(u64, u8)> {
    let claim = ClaimFile { raw: json::parse_object(bytes, path).ok()? };
    claim.agent_id()?;
    Some(claim.progress())
}

fn is_events(log: &str) -> bool {
    log.starts_with(paths::EVENTS_FOLDER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_copy_of_a_claim_wins() {
        let rank = |text: &str| rank(Path::new("T.json"), text.as_bytes());
        let active = rank(r#"{"agent_id":"a","status":"active","epoch":2}"#);
        assert!(active < rank(r#"{"agent_id":"a","status":"done","epoch":2}"#));
        assert!(active < rank(r#"{"agent_id":"b","status":"active","epoch":3}"#));
        assert!(active > rank(r#"{"agent_id":"b","status":"done"}"#));
        assert!(rank("{\"agent_id\"").is_none() && rank("[]").is_none());
    }
}
