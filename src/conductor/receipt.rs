//! The receipt of a cycle: task, guardrails, evidence for the prerequisites, and the exact prompt, so that an auditor
//! can see what was asked and that it was allowed.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::prompt::{Guardrails, Task};
use super::select::Skipped;
use crate::base::{Result, digest};
use crate::guard::prerequisites::Prerequisites;
use crate::hub::Hub;

const VERSION: u64 = 1;
/// How many passed-over tasks are listed; more are only counted.
const LISTED: usize = 40;

/// How a cycle that selected an item ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The prompt was handed out, and the task is claimed.
    Prompted,
    /// The prompt was shown; the item stays pending.
    DryRun,
    /// The item does not belong to the requested plan; nothing was handed out, and it stays pending.
    PlanMismatch,
}

/// Everything that goes into a receipt.
#[derive(Debug)]
pub struct Evidence<'a> {
    pub agent: &'a str,
    pub outcome: Outcome,
    /// The requested plan.
    pub wanted_plan: Option<&'a str>,
    pub task: &'a Task,
    /// The epoch of the claim for the prompt.
    pub epoch: Option<u64>,
    pub guardrails: &'a Guardrails,
    pub prerequisites: &'a Prerequisites,
    pub skipped: &'a [Skipped],
    pub prompt: &'a str,
}

/// The receipt, without its own hash. `task`, `guardrails`, `prompt` and `preflight` are called as in
/// the playbook's receipts.
pub fn payload(hub: &Hub, evidence: &Evidence<'_>) -> Map<String, Value> {
    let snapshot = &evidence.prerequisites.snapshot;
    let fields = [
        ("version", json!(VERSION)),
        ("generated_at", json!(hub.now())),
        ("agent_id", json!(evidence.agent)),
        ("outcome", json!(evidence.outcome)),
        ("plan_id", json!(evidence.wanted_plan)),
        ("task", json!(evidence.task)),
        ("epoch", json!(evidence.epoch)),
        ("guardrails", json!(evidence.guardrails)),
        ("preflight", json!(snapshot)),
        ("preflight_sha256", json!(snapshot.sha256())),
        ("skipped", json!(evidence.skipped.iter().take(LISTED).collect::<Vec<_>>())),
        ("skipped_more", json!(evidence.skipped.len().saturating_sub(LISTED))),
        ("prompt", json!(evidence.prompt)),
        ("prompt_sha256", json!(digest::sha256(evidence.prompt.as_bytes()))),
    ];
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The first free name in the folder: `conductor-<time>.json`, then `…-2.json`. Valid only under the bus lock.
pub fn path(hub: &Hub, folder: &str) -> Result<String> {
    let stem = format!("{folder}/conductor-{}", hub.now().compact());
    let mut path = format!("{stem}.json");
    let mut number = 2;
    while hub.path(&path)?.symlink_metadata().is_ok() {
        path = format!("{stem}-{number}.json");
        number += 1;
    }
    Ok(path)
}
