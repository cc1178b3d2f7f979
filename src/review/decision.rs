//! Decisions about finished work: a receipt, an event, and a line in `memory/log.jsonl`, in one transaction.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::{Result, Stamp, digest, files, json, text};
use crate::bus::events;
use crate::guard::operator::{OPERATOR, Recognised};
use crate::hub::{Hub, Transaction, Writer, paths};
use crate::model::event::{Event, Severity};
use crate::model::run::bundle::Test;
use crate::model::run::job_name::short;
use crate::model::run::outcome::Finding;
use crate::receipts::ledger::{self, Listed};
use crate::receipts::{self, seal};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Merged.
    Approved,
    Rejected,
    /// A person sent it back to the coder.
    Retry,
    /// It could not be merged and went back to the coder.
    Conflict,
    /// Checks or comments of its pull request sent it back to the coder.
    Feedback,
    /// Merged, and reverted.
    Reverted,
}

impl Kind {
    const ALL: [Kind; 6] =
        [Kind::Approved, Kind::Rejected, Kind::Retry, Kind::Conflict, Kind::Feedback, Kind::Reverted];

    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Approved => "approved",
            Kind::Rejected => "rejected",
            Kind::Retry => "retry",
            Kind::Conflict => "conflict",
            Kind::Feedback => "feedback",
            Kind::Reverted => "reverted",
        }
    }

    /// Whether the coder goes on from the result.
    pub fn sends_back(self) -> bool {
        matches!(self, Kind::Retry | Kind::Conflict | Kind::Feedback)
    }

    /// Whether it belongs in the memory log: it finished the work, or undid that.
    fn is_logged(self) -> bool {
        matches!(self, Kind::Approved | Kind::Rejected | Kind::Reverted)
    }
}

/// A decision receipt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Decision {
    pub version: u64,
    pub decision: Kind,
    pub job: String,
    pub run: String,
    pub task_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_id: Option<String>,
    /// The person.
    pub by: String,
    /// How the person was recognised.
    #[serde(default)]
    pub recognised: Recognised,
    /// The seat that did the work.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub agent_id: String,
    pub at: Stamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The decided bundle, relative to the hub.
    pub bundle: String,
    pub bundle_sha256: String,
    pub reviewed_commit: String,
    pub target_branch: String,
    /// The target's commit before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_before: Option<String>,
    /// The commit that merged or reverted it; none when the target already had all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_commit: Option<String>,
    /// The tests that ran on the merged tree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<Test>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The pull request's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pr: Option<u64>,
    /// The checks and comments that sent it back: none of them does so again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handled: Vec<String>,
    /// The granted policy that decided instead of a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyUse>,
}

/// A policy, and who granted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PolicyUse {
    pub granted_by: String,
    pub granted_at: Stamp,
    /// Of the work.
    pub priority: String,
    /// What it requires of the reviewer, in percent.
    pub confidence: u8,
}

impl Decision {
    /// The commit of the target that has the approved work. For work that added nothing, the target's earlier commit.
    pub fn on_target(self) -> String {
        self.merge_commit.or(self.target_before).unwrap_or(self.reviewed_commit)
    }

    /// The job's short id: `j7`.
    pub fn short(&self) -> Cow<'_, str> {
        short(&self.job)
    }
}

/// Parses a decision receipt, with its line in the ledger. `None` for anything else, and for a file that was changed or
/// is not in the ledger: any process can create a file there, and a forged decision would merge work.
pub(super) fn read(path: &str, bytes: &[u8], listed: &HashMap<String, Listed>) -> Option<(u64, Decision)> {
    let found: Decision = serde_json::from_slice(bytes).ok()?;
    let entered = listed.get(path).filter(|known| known.sha256 == digest::sha256(bytes));
    let Some(entered) = entered.filter(|_| seal::check(bytes) == seal::Seal::Right) else {
        tracing::warn!("ignoring {path}: it was changed, or the ledger does not list it");
        return None;
    };
    Some((entered.line, found))
}

/// The latest decision about a bundle of a job.
pub fn of_bundle(hub: &Hub, job: &str, bundle: &str) -> Result<Option<Decision>> {
    Files::list(hub)?.of_bundle(hub, job, bundle)
}

/// The commit of the target that has an approved commit of a branch, if it was approved.
pub fn merged_as(hub: &Hub, commit: &str) -> Result<Option<String>> {
    let found = history(hub)?.into_iter().rfind(|done| done.reviewed_commit == commit);
    Ok(found.filter(|done| done.decision == Kind::Approved).map(Decision::on_target))
}

/// Every decision, oldest first.
pub fn history(hub: &Hub) -> Result<Vec<Decision>> {
    read_all(hub, &review_files(hub)?)
}

/// The files of reviews, by their names: listed once to ask about several jobs.
pub struct Files {
    /// Where the decisions about each job are.
    decisions: HashMap<String, Vec<String>>,
    /// Bundles, and what else is there.
    others: Vec<String>,
}

impl Files {
    pub fn list(hub: &Hub) -> Result<Files> {
        let mut files = Files { decisions: HashMap::new(), others: Vec::new() };
        for path in review_files(hub)? {
            match named(&path).map(|(job, _)| job.to_owned()) {
                Some(job) => files.decisions.entry(job).or_default().push(path),
                None => files.others.push(path),
            }
        }
        Ok(files)
    }

    /// The decisions about a job, oldest first. Reads no other job's: of those there are more with every result.
    pub fn of_job(&self, hub: &Hub, job: &str) -> Result<Vec<Decision>> {
        let mut found = read_all(hub, self.decisions.get(job).map_or(&[][..], Vec::as_slice))?;
        found.retain(|decision| decision.job == job);
        Ok(found)
    }

    /// Whether a job that is not known may have a result without a decision.
    pub fn may_be_undecided(&self, is_known: impl Fn(&str) -> bool) -> bool {
        let is_end = |path: &String| named(path).is_some_and(|(_, kind)| !kind.sends_back());
        let is_closed = |job: &str| self.decisions.get(job).is_some_and(|paths| paths.iter().any(is_end));
        // `<time>-<run>.json`
        let runs = self.others.iter().filter_map(|path| rest(path)?.strip_suffix(".json"));
        runs.map(|run| run.rsplit_once('.').map_or(run, |(job, _)| job)).any(|job| !is_known(job) && !is_closed(job))
    }

    /// The latest decision about a bundle of a job.
    pub fn of_bundle(&self, hub: &Hub, job: &str, bundle: &str) -> Result<Option<Decision>> {
        Ok(self.of_job(hub, job)?.into_iter().rfind(|decision| decision.bundle == bundle))
    }
}

/// The job and the decision in a file's name: `<time>-<job>-<decision>.json`, with a number if there are several.
fn named(path: &str) -> Option<(&str, Kind)> {
    let name = rest(path)?.strip_suffix(".json")?;
    let end = |name: &str| {
        let (job, word) = name.rsplit_once('-')?;
        Some((job.len(), Kind::ALL.into_iter().find(|kind| kind.as_str() == word)?))
    };
    let numbered =
        || name.rsplit_once('-').filter(|(_, nth)| nth.parse::<u32>().is_ok()).and_then(|(name, _)| end(name));
    let (length, kind) = end(name).or_else(numbered)?;
    Some((&name[..length], kind))
}

/// A file's name without the time that it begins with.
fn rest(path: &str) -> Option<&str> {
    path.rsplit('/').next()?.split_once('-').map(|(_, rest)| rest)
}

/// The decisions in these files, in the order in which the ledger has them: a clock may have been set back since.
fn read_all(hub: &Hub, paths: &[String]) -> Result<Vec<Decision>> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let listed = ledger::lines(&hub.root)?;
    let mut found = Vec::new();
    for path in paths {
        let bytes = files::read(&hub.path(path)?, files::MAX_DOCUMENT).ok().flatten();
        found.extend(bytes.and_then(|bytes| read(path, &bytes, &listed)));
    }
    found.sort_by_key(|(line, _)| *line);
    Ok(found.into_iter().map(|(_, decision)| decision).collect())
}

/// Records a decision in the given transaction; returns the receipt's path.
pub fn record(writer: &mut Writer<'_>, mut transaction: Transaction, decision: &Decision) -> Result<String> {
    let hub = writer.hub();
    let manager = hub.settings()?.coordinator.manager.clone();
    let path = free_path(hub, &manager, decision)?;
    let Value::Object(payload) = json!(decision) else { anyhow::bail!("a decision is an object") };
    receipts::write(writer, &mut transaction, &manager, &path, payload)?;
    let kind = decision.decision.as_str();
    let (by, task) = (&decision.by, &decision.task_id);
    let what = match decision.decision {
        Kind::Approved | Kind::Rejected | Kind::Reverted => format!("{by} {kind} {task}"),
        Kind::Feedback => format!("{by} sent {task} back to its coder"),
        Kind::Retry => format!("{by} sent {task} back to its coder"),
        Kind::Conflict => format!("{by} approved {task}, but it is in conflict and went back to its coder"),
    };
    let summary = match &decision.note {
        Some(note) => format!("{what}: {note}"),
        None => what,
    };
    let mut event = Event::new(OPERATOR, "review", text::clip(&text::safe(&summary), 500))
        .on_task(&decision.task_id)
        .meta("decision", kind)
        .meta("by", decision.by.as_str())
        .meta("recognised", decision.recognised.as_str())
        .meta("work_of", decision.agent_id.as_str())
        .meta("job", decision.job.as_str())
        .meta("run", decision.run.as_str())
        .meta("commit", decision.reviewed_commit.as_str());
    if let Some(merge) = &decision.merge_commit {
        event = event.meta("merge_commit", merge.as_str());
    }
    if let Some(policy) = &decision.policy {
        event = event
            .meta("policy_granted_by", policy.granted_by.as_str())
            .meta("bundle_sha256", decision.bundle_sha256.as_str());
    }
    event.plan_id.clone_from(&decision.plan_id);
    event.pr = decision.pr.map(|number| number.to_string());
    event.receipts = vec![path.clone(), decision.bundle.clone()];
    if decision.decision != Kind::Approved {
        event.severity = Some(Severity::Medium);
    }
    let event_id = events::stage(writer, &mut transaction, &event)?;
    if decision.decision.is_logged() {
        transaction.append(paths::MEMORY, &memory_line(decision, &event_id, &event.receipts));
    }
    writer.commit(transaction)?;
    Ok(path)
}

/// A line of the memory log, `memory/log.jsonl`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct MemoryLine<'a> {
    ts: Stamp,
    /// The person.
    actor: &'a str,
    recognised: Recognised,
    /// The seat that did the work.
    work_of: &'a str,
    event: Kind,
    /// The line of the event log that recorded the decision.
    bus_event: &'a str,
    job: &'a str,
    task_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan_id: Option<&'a str>,
    commit: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    merge_commit: Option<&'a str>,
    receipts: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

fn memory_line(decision: &Decision, event_id: &str, receipts: &[String]) -> Vec<u8> {
    let line = MemoryLine {
        ts: decision.at,
        actor: &decision.by,
        recognised: decision.recognised,
        work_of: &decision.agent_id,
        event: decision.decision,
        bus_event: event_id,
        job: &decision.job,
        task_id: &decision.task_id,
        plan_id: decision.plan_id.as_deref(),
        commit: &decision.reviewed_commit,
        merge_commit: decision.merge_commit.as_deref(),
        receipts,
        note: decision.note.as_deref(),
    };
    (json::compact(&line) + "\n").into_bytes()
}

fn free_path(hub: &Hub, manager: &str, decision: &Decision) -> Result<String> {
    let folder = format!("{}/reviews", paths::agent(manager));
    let stem = format!("{folder}/{}-{}-{}", decision.at.compact(), decision.job, decision.decision.as_str());
    hub.free_path(&stem, ".json")
}

/// Every JSON file in the seats' review folders, relative to the hub.
pub(super) fn review_files(hub: &Hub) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for seat in names_in(&hub.path("_report/agent")?) {
        let folder = format!("{}/reviews", paths::agent(&seat));
        let files = names_in(&hub.path(&folder)?).into_iter().filter(|name| name.ends_with(".json"));
        found.extend(files.map(|name| format!("{folder}/{name}")));
    }
    found.sort();
    Ok(found)
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_tells_its_job_and_decision() {
        let of = |name: &str| {
            named(&format!("_report/agent/m/reviews/20260105T100000Z-{name}.json"))
                .map(|(job, kind)| (job.to_owned(), kind))
        };
        assert_eq!(of("20260105T090000Z-7-approved"), Some(("20260105T090000Z-7".to_owned(), Kind::Approved)));
        assert_eq!(of("fix-retry-x-retry-2"), Some(("fix-retry-x".to_owned(), Kind::Retry)));
        for bundle in ["20260105T090000Z-7.1", "fix-retry-x.1", "fix-retry-x"] {
            assert_eq!(of(bundle), None, "{bundle}");
        }
    }
}
