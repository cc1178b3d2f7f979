//! Stores the receipts and findings of a job on this machine until they are in the record.
//!
//! A stage with a checkpoint does not run again, so its evidence must be on disk before the checkpoint. A worker that
//! dies between the two finds it here on the next attempt.

use serde::{Deserialize, Serialize};

use crate::base::{Result, files, json};
use crate::hub::Hub;
use crate::model::run::outcome::Finding;

/// The evidence of a job.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Evidence {
    pub receipts: Vec<Receipt>,
    /// Findings about the receipts. Missing receipts are determined later, against the order at that time.
    pub findings: Vec<Finding>,
}

/// A receipt that may enter the record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Receipt {
    /// Relative to the hub.
    pub target: String,
    pub text: String,
    pub sha256: String,
}

/// Machine-local.
fn file(job: &str) -> String {
    format!("evidence/{job}.json")
}

/// Saves the evidence of a job; empty evidence has no file.
pub fn save(hub: &Hub, job: &str, evidence: &Evidence) -> Result<()> {
    let path = hub.local(&file(job));
    if evidence.receipts.is_empty() && evidence.findings.is_empty() {
        return files::remove(&path);
    }
    files::create_parent(&path)?;
    files::replace(&path, json::compact(evidence).as_bytes())
}

/// The evidence that an earlier attempt of the job saved, if it got that far.
pub fn load(hub: &Hub, job: &str) -> Result<Option<Evidence>> {
    let bytes = files::read(&hub.local(&file(job)), u64::MAX >> 1)?;
    // The file is replaced as a whole; an unreadable one counts as missing.
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Removes the saved evidence, once it is in the record.
pub fn forget(hub: &Hub, job: &str) {
    if let Err(e) = files::discard(&hub.local(&file(job))) {
        tracing::debug!("cannot remove saved evidence: {e:#}");
    }
}
