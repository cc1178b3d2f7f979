//! Stores the pull requests that this machine opened, in one file per job.

use serde::{Deserialize, Serialize};

use crate::base::{Result, files, json};
use crate::hub::Hub;
use crate::model::run::bundle::Bundle;

/// A job's pull request as stored on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PullRequest {
    /// 0 while it is pushed but not opened yet.
    pub number: u64,
    pub url: String,
    pub branch: String,
    /// The last pushed commit.
    pub commit: String,
}

/// The number of a job's pull request, if one was opened from here.
pub fn of_job(hub: &Hub, job: &str) -> Result<Option<u64>> {
    Ok(read(hub, job)?.map(|ours| ours.number).filter(|number| *number > 0))
}

/// The entry of a pull request that is not opened yet.
pub fn unopened(work: &Bundle) -> PullRequest {
    PullRequest { number: 0, url: String::new(), branch: work.branch.clone(), commit: String::new() }
}

fn file(job: &str) -> String {
    format!("review/{job}.json")
}

/// The stored entry of a job's pull request.
pub fn read(hub: &Hub, job: &str) -> Result<Option<PullRequest>> {
    let bytes = files::read(&hub.local(&file(job)), files::MAX_DOCUMENT)?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Replaces the stored entry.
pub fn write(hub: &Hub, job: &str, ours: &PullRequest) -> Result<()> {
    let path = hub.local(&file(job));
    files::create_parent(&path)?;
    files::replace(&path, json::pretty(ours).as_bytes())
}
