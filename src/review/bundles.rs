//! Finds review bundles by the names that people use. Trusts only bundles that are unchanged since they were written.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Serialize;

use super::decision::{self, Decision, Kind};
use super::input::ReviewInput;
use crate::base::{Refusal, Result, Stamp, digest, files, names, text};
use crate::hub::{Hub, paths};
use crate::model::run::bundle::{Bundle, VERSION};
use crate::model::run::job_name::{Names, called, distinct};
use crate::receipts::ledger::{self, Listed};
use crate::receipts::seal;

/// A bundle of the record, with the decision about it.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Entry {
    /// Relative to the hub.
    pub path: String,
    /// Of the file.
    pub sha256: String,
    pub bundle: Bundle,
    /// The latest decision; `None` while the work waits for a person.
    pub decision: Option<Decision>,
    /// Why the bundle is not trusted, if so.
    pub altered: Option<String>,
}

impl Entry {
    pub fn is_pending(&self) -> bool {
        self.decision.is_none()
    }

    /// The names of its job.
    fn names(&self) -> Names<'_> {
        let bundle = &self.bundle;
        let run = bundle.run.rsplit('.').next().and_then(|run| run.parse().ok()).unwrap_or(1);
        let (plan, step) = (bundle.plan_id.as_deref(), bundle.step_id.as_deref());
        Names { id: &bundle.job, run, task: &bundle.task_id, plan, step }
    }

    /// A decision about this bundle, to be recorded.
    pub fn decide(&self, kind: Kind, input: &ReviewInput, at: Stamp) -> Decision {
        let bundle = &self.bundle;
        Decision {
            version: 1,
            decision: kind,
            job: bundle.job.clone(),
            run: bundle.run.clone(),
            task_id: bundle.task_id.clone(),
            plan_id: bundle.plan_id.clone(),
            step_id: bundle.step_id.clone(),
            by: input.by.clone(),
            recognised: input.recognised,
            agent_id: bundle.agent_id.clone(),
            at,
            note: input.note.clone(),
            bundle: self.path.clone(),
            bundle_sha256: self.sha256.clone(),
            reviewed_commit: bundle.commit.clone(),
            target_branch: bundle.target_branch.clone(),
            target_before: None,
            merge_commit: None,
            tests: Vec::new(),
            findings: Vec::new(),
            pr: None,
            handled: Vec::new(),
            policy: input.policy.clone(),
        }
    }

    /// Refuses a bundle that was altered since it was written: it is not merged and its tests do not run.
    pub fn verify(&self) -> Result<()> {
        let Some(why) = &self.altered else { return Ok(()) };
        Err(Refusal::guard("bundle.altered", format!("{} was changed after it was written", self.path))
            .because(why.as_str())
            .next("restore it from git, or redo the work: teof review retry <job> --note …")
            .next("see which receipts changed: teof receipts verify")
            .into())
    }
}

/// The newest bundle of every job, oldest first. Unreadable bundles are skipped.
pub fn all(hub: &Hub) -> Result<Vec<Entry>> {
    let listed = ledger::lines(&hub.root)?;
    let mut decisions: HashMap<String, (u64, Decision)> = HashMap::new();
    let mut newest: HashMap<String, Entry> = HashMap::new();
    for path in decision::review_files(hub)? {
        let Some(bytes) = files::read(&hub.path(&path)?, files::MAX_DOCUMENT).ok().flatten() else { continue };
        if let Some((line, found)) = decision::read(&path, &bytes, &listed) {
            if decisions.get(&found.bundle).is_none_or(|(known, _)| *known < line) {
                decisions.insert(found.bundle.clone(), (line, found));
            }
        } else if let Some(entry) = read(&path, &bytes, &listed) {
            let later = |known: &Entry| (known.bundle.sort_key(), &known.path) < (entry.bundle.sort_key(), &path);
            if newest.get(&entry.bundle.job).is_none_or(later) {
                newest.insert(entry.bundle.job.clone(), entry);
            }
        }
    }
    let mut entries: Vec<_> = newest.into_values().collect();
    for entry in &mut entries {
        entry.decision = decisions.remove(&entry.path).map(|(_, decision)| decision);
    }
    entries.sort_by(|a, b| (a.bundle.generated_at, &a.path).cmp(&(b.bundle.generated_at, &b.path)));
    Ok(entries)
}

/// The results without a decision of jobs that are not known. The record is read only when the name of a file tells of
/// such a result.
///
/// # Errors
/// When the record cannot be read.
pub fn undecided(hub: &Hub, is_known: impl Fn(&str) -> bool) -> Result<Vec<Entry>> {
    if !decision::Files::list(hub)?.may_be_undecided(&is_known) {
        return Ok(Vec::new());
    }
    let mut found = all(hub)?;
    found.retain(|entry| entry.is_pending() && !is_known(&entry.bundle.job));
    Ok(found)
}

/// The bundle at a known path (from the coordinator's outcome).
///
/// # Errors
/// `bundle.missing` when there is none.
pub fn at(hub: &Hub, path: &str) -> Result<Entry> {
    let bytes = bytes(hub, path)?;
    let mut entry = read(path, &bytes, &ledger::lines(&hub.root)?).ok_or_else(|| missing(path))?;
    entry.decision = decision::of_bundle(hub, &entry.bundle.job, path)?;
    Ok(entry)
}

/// The bundle at a known path, which may have been altered: enough to see whether a look at the record is worth while.
///
/// # Errors
/// As [`at`].
pub fn unverified(hub: &Hub, path: &str) -> Result<Bundle> {
    Ok(parse(path, &bytes(hub, path)?).ok_or_else(|| missing(path))?)
}

fn bytes(hub: &Hub, path: &str) -> Result<Vec<u8>> {
    Ok(files::read(&hub.path(path)?, files::MAX_DOCUMENT)?.ok_or_else(|| missing(path))?)
}

fn missing(path: &str) -> Refusal {
    Refusal::not_found("bundle.missing", format!("no review bundle {path}"))
}

/// Finds a job by its id, run or task, or a prefix of one of them.
///
/// # Errors
/// `review.not_found` (exit 4); `review.ambiguous` (exit 2), which lists the matching jobs.
pub fn find(hub: &Hub, name: &str) -> Result<Entry> {
    let all = all(hub)?;
    let mut found = called(name, &all.iter().collect::<Vec<_>>(), Entry::names);
    // Of several, prefer the one that waits; for a task without one, the newest.
    let waiting = found.iter().filter(|entry| entry.is_pending()).count();
    if found.len() > 1 && waiting == 1 {
        found.retain(|entry| entry.is_pending());
    } else if waiting == 0 && found.iter().all(|entry| entry.bundle.task_id == name) {
        found = found.split_off(found.len().saturating_sub(1));
    }
    let shown = text::clip(&text::safe(name), 60);
    match found[..] {
        [entry] => Ok(entry.clone()),
        [] => {
            let known: Vec<_> =
                all.iter().flat_map(|entry| [entry.bundle.short(), Cow::from(&entry.bundle.task_id)]).collect();
            let meant = names::did_you_mean(name, known.iter().map(|known| &**known));
            Err(Refusal::not_found("review.not_found", format!("no such finished job: {shown}{meant}"))
                .next("list all finished jobs: teof review list --all")
                .into())
        }
        _ => {
            let jobs = distinct(&found.iter().map(|entry| entry.bundle.job.as_str()).collect::<Vec<_>>());
            Err(Refusal::usage("review.ambiguous", format!("{shown:?} matches {} jobs", found.len()))
                .next(format!("name one of them: {}", text::clip(&jobs.join(", "), 400)))
                .into())
        }
    }
}

fn parse(path: &str, bytes: &[u8]) -> Option<Bundle> {
    let bundle: Bundle = serde_json::from_slice(bytes).ok().filter(|bundle: &Bundle| bundle.version == VERSION)?;
    // Each foreman writes in its seat's folder; a file there that names another seat is not a bundle.
    path.starts_with(&format!("{}/reviews/", paths::agent(&bundle.agent_id))).then_some(bundle)
}

fn read(path: &str, bytes: &[u8], listed: &HashMap<String, Listed>) -> Option<Entry> {
    let bundle = parse(path, bytes)?;
    let sha256 = digest::sha256(bytes);
    let altered = match (seal::check(bytes), listed.get(path)) {
        (seal::Seal::Right, Some(known)) if known.sha256 == sha256 => None,
        (seal::Seal::Right, Some(_)) => Some(format!("its digest in {} differs", paths::LEDGER)),
        (seal::Seal::Right, None) => Some(format!("{} does not list it", paths::LEDGER)),
        _ => Some("its receipt_sha256 does not match its content".to_owned()),
    };
    Some(Entry { path: path.to_owned(), sha256, bundle, decision: None, altered })
}
