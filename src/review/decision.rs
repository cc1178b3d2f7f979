//! What was decided about finished work: a receipt, an event, and a line in `memory/log.jsonl`, in one act.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::bundles::{self, Entry};
use crate::base::{Result, Stamp, digest, files, json, text};
use crate::bus::events;
use crate::guard::operator::{OPERATOR, Recognised};
use crate::hub::{Act, Hub, Writer, paths};
use crate::model::event::{Event, Severity};
use crate::model::run::bundle::Test;
use crate::model::run::outcome::Finding;
use crate::receipts::{self, ledger, seal};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Merged.
    Approved,
    Rejected,
    /// A person sent it back to the coder.
    Retry,
    /// It could not be merged and went back to the coder.
    Conflict,
    /// Merged, and taken back.
    Reverted,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Approved => "approved",
            Kind::Rejected => "rejected",
            Kind::Retry => "retry",
            Kind::Conflict => "conflict",
            Kind::Reverted => "reverted",
        }
    }

    /// Whether people will want to know of it later: what ended the work, or undid its end.
    fn is_remembered(self) -> bool {
        matches!(self, Kind::Approved | Kind::Rejected | Kind::Reverted)
    }
}

/// A decision receipt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// The seat whose work it was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub agent_id: String,
    pub at: Stamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The bundle that was decided about, relative to the hub.
    pub bundle: String,
    pub bundle_sha256: String,
    pub reviewed_commit: String,
    pub target_branch: String,
    /// Where the target was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_before: Option<String>,
    /// The commit that merged it, or that reverted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_commit: Option<String>,
    /// Those that were run on the merged tree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<Test>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The pull request's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pr: Option<u64>,
}

impl Decision {
    pub fn new(kind: Kind, entry: &Entry, word: &super::Word, at: Stamp) -> Decision {
        let bundle = &entry.bundle;
        Decision {
            version: 1,
            decision: kind,
            job: bundle.job.clone(),
            run: bundle.run.clone(),
            task_id: bundle.task_id.clone(),
            plan_id: bundle.plan_id.clone(),
            step_id: bundle.step_id.clone(),
            by: word.by.clone(),
            recognised: word.recognised,
            agent_id: bundle.agent_id.clone(),
            at,
            note: word.note.clone(),
            bundle: entry.path.clone(),
            bundle_sha256: entry.sha256.clone(),
            reviewed_commit: bundle.commit.clone(),
            target_branch: bundle.target_branch.clone(),
            target_before: None,
            merge_commit: None,
            tests: Vec::new(),
            findings: Vec::new(),
            pr: None,
        }
    }
}

/// The decision that a receipt tells; `None` for anything else, and for one that was not written as a
/// receipt is: anybody can put a file there, and a word that nobody gave would move work.
pub(super) fn read(path: &str, bytes: &[u8], listed: &HashMap<String, String>) -> Option<Decision> {
    let found: Decision = serde_json::from_slice(bytes).ok()?;
    let entered = listed.get(path).is_some_and(|known| *known == digest::sha256(bytes));
    if !entered || seal::check(bytes) != seal::Seal::Right {
        tracing::warn!("{path} is not as it was written, or the ledger does not list it; it decides nothing");
        return None;
    }
    Some(found)
}

/// The latest decision about a bundle.
pub fn of_bundle(hub: &Hub, bundle: &str) -> Result<Option<Decision>> {
    Ok(history(hub)?.into_iter().rfind(|decision| decision.bundle == bundle))
}

/// Every decision, oldest first.
pub fn history(hub: &Hub) -> Result<Vec<Decision>> {
    let listed = ledger::listed(&hub.root)?;
    let mut found = Vec::new();
    for path in bundles::paths_of(hub)? {
        let bytes = files::read(&hub.path(&path)?, files::MAX_DOCUMENT).ok().flatten();
        found.extend(bytes.and_then(|bytes| read(&path, &bytes, &listed)));
    }
    found.sort_by_key(|decision: &Decision| decision.at);
    Ok(found)
}

/// Writes a decision down, with whatever else the act holds; gives back the receipt's path.
pub fn perform(writer: &mut Writer<'_>, mut act: Act, decision: &Decision) -> Result<String> {
    let hub = writer.hub();
    let manager = hub.settings()?.coordinator.manager.clone();
    let path = free(hub, &manager, decision)?;
    let Value::Object(payload) = json!(decision) else { anyhow::bail!("a decision is an object") };
    receipts::write(writer, &mut act, &manager, &path, payload)?;
    let kind = decision.decision.as_str();
    let summary = match &decision.note {
        Some(note) => format!("{} {kind} {}: {note}", decision.by, decision.task_id),
        None => format!("{} {kind} {}", decision.by, decision.task_id),
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
    event.plan_id.clone_from(&decision.plan_id);
    event.pr = decision.pr.map(|number| number.to_string());
    event.receipts = vec![path.clone(), decision.bundle.clone()];
    if decision.decision != Kind::Approved {
        event.severity = Some(Severity::Medium);
    }
    events::stage(writer, &mut act, &event)?;
    if decision.decision.is_remembered() {
        act.append(paths::MEMORY, &line(decision, &event.receipts));
    }
    writer.perform(act)?;
    Ok(path)
}

/// The line in the log of approvals.
fn line(decision: &Decision, receipts: &[String]) -> Vec<u8> {
    let fields = [
        ("ts", json!(decision.at)),
        ("actor", json!(decision.by)),
        ("recognised", json!(decision.recognised)),
        ("work_of", json!(decision.agent_id)),
        ("event", json!(decision.decision)),
        ("job", json!(decision.job)),
        ("task_id", json!(decision.task_id)),
        ("plan_id", json!(decision.plan_id)),
        ("commit", json!(decision.reviewed_commit)),
        ("merge_commit", json!(decision.merge_commit)),
        ("receipts", json!(receipts)),
        ("note", json!(decision.note)),
    ];
    let map: Map<_, _> = fields.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.to_owned(), v)).collect();
    (json::compact(&map) + "\n").into_bytes()
}

fn free(hub: &Hub, manager: &str, decision: &Decision) -> Result<String> {
    let folder = format!("{}/reviews", paths::agent(manager));
    let stem = format!("{folder}/{}-{}-{}", decision.at.compact(), decision.job, decision.decision.as_str());
    for n in 1..1000 {
        let path = if n == 1 { format!("{stem}.json") } else { format!("{stem}-{n}.json") };
        if hub.path(&path)?.symlink_metadata().is_err() {
            return Ok(path);
        }
    }
    anyhow::bail!("no free name like {stem}.json")
}
