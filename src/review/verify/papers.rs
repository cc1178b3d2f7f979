//! The papers of a commit: decision, bundle, envelope and order, as the record has them.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::record::{Filed, Record};
use crate::base::{Result, text};
use crate::foreman::reporting::envelope::StageReport;
use crate::foreman::results::command_result::CommandResult;
use crate::model::run::bundle::{Bundle, Receipt, VERSION};
use crate::model::run::outcome::{Finding, Verdict};
use crate::review::decision::{Decision, Kind};

/// A paper with its content.
#[derive(Clone, Debug)]
pub struct Paper<T> {
    pub filed: Filed,
    pub says: T,
}

impl<T> Paper<T> {
    pub fn receipt(&self) -> Receipt {
        Receipt { path: self.filed.path.clone(), sha256: self.filed.sha256.clone() }
    }
}

/// What is read of an envelope.
#[derive(Clone, Debug, Deserialize)]
pub struct EnvelopeRead {
    pub run: String,
    #[serde(default)]
    pub job: Option<String>,
    pub task_id: String,
    pub agent_id: String,
    pub order: OrderRead,
    pub verdict: Verdict,
    pub git: CommitsRead,
    pub stages: Vec<StageReport>,
    #[serde(default)]
    pub setup: Vec<CommandResult>,
    pub tests: Vec<CommandResult>,
    #[serde(default)]
    pub receipts: Vec<Receipt>,
    #[serde(default)]
    pub findings: Vec<Finding>,
    #[serde(default)]
    pub bundle: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct OrderRead {
    pub path: String,
    pub sha256: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct CommitsRead {
    pub base: Option<String>,
    pub commit: Option<String>,
}

/// What is read of an order, of either version.
#[derive(Clone, Debug, Deserialize)]
pub struct OrderTask {
    #[serde(default)]
    pub job: Option<String>,
    #[serde(default)]
    pub task_id: Option<String>,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub objective: Option<String>,
}

/// The paper at a path; `None` when it is neither in the ledger nor in the record, or cannot be read.
///
/// # Errors
/// When the repository cannot be read.
pub fn paper<T: DeserializeOwned>(record: &Record, path: &str) -> Result<Option<Paper<T>>> {
    let Some(filed) = record.receipt(path)? else { return Ok(None) };
    Ok(serde_json::from_slice(&filed.bytes).ok().map(|says| Paper { filed, says }))
}

/// The decisions that the ledger lists, in its order: of a kind or of all, about a job or about all.
///
/// # Errors
/// When the repository cannot be read.
pub fn decisions(record: &Record, kind: Option<Kind>, job: Option<&str>) -> Result<Vec<Paper<Decision>>> {
    let of_kind = kind.map(|kind| format!("-{}", kind.as_str())).unwrap_or_default();
    let fits = |path: &str| path.contains("/reviews/") && path.contains(&of_kind) && path.contains(job.unwrap_or(""));
    let mut found: Vec<Paper<Decision>> = Vec::new();
    for path in record.listed(fits) {
        let read = paper::<Decision>(record, path)?;
        let is_meant =
            |said: &Decision| kind.is_none_or(|kind| said.decision == kind) && job.is_none_or(|job| said.job == job);
        found.extend(read.filter(|paper| is_meant(&paper.says)));
    }
    found.sort_by_key(|paper| record.position(&paper.filed.path));
    Ok(found)
}

/// The bundle of a run.
///
/// # Errors
/// When the repository cannot be read.
pub fn bundle_of(record: &Record, run: &str) -> Result<Option<Paper<Bundle>>> {
    let fits = |path: &str| path.contains("/reviews/") && path.contains(run) && path.ends_with(".json");
    for path in record.listed(fits) {
        let found = paper::<Bundle>(record, path)?;
        if let Some(found) = found.filter(|found| found.says.version == VERSION && found.says.run == run) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The envelope of a run that made a bundle.
///
/// # Errors
/// When the repository cannot be read.
pub fn envelope_of(record: &Record, run: &str, bundle: &str) -> Result<Option<Paper<EnvelopeRead>>> {
    let fits = |path: &str| path.contains("/runs/") && path.contains(run) && path.ends_with(".json");
    for path in record.listed(fits) {
        let found = paper::<EnvelopeRead>(record, path)?;
        let is_its = |read: &EnvelopeRead| read.run == run && read.bundle.as_deref() == Some(bundle);
        if let Some(found) = found.filter(|found| is_its(&found.says)) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The paths of the ledger about a run, for a message about a paper that is gone.
pub fn not_there(what: &str, run: &str) -> String {
    format!("the record has no {what} of {} that is in the ledger", text::clip(&text::safe(run), 80))
}
