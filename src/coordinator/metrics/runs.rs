//! Reads the envelopes of runs: what reports, metrics and screens need of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::base::{Stamp, files};
use crate::hub::{Hub, paths};
use crate::model::agent::Usage;
use crate::model::run::outcome::Verdict;

/// A run that ended, as its envelope tells it.
#[derive(Clone, Debug, Deserialize)]
pub struct Run {
    pub agent_id: String,
    pub run: String,
    pub job: Option<String>,
    pub task_id: String,
    #[serde(default)]
    pub plan_id: Option<String>,
    pub order: Order,
    pub verdict: Verdict,
    #[serde(default)]
    pub reason: String,
    pub started_at: Stamp,
    pub finished_at: Stamp,
    /// What this run used up to its end, before an answer or a stop too.
    #[serde(default)]
    pub usage: Usage,
    #[serde(default)]
    pub question: Option<String>,
    #[serde(default)]
    pub stages: Vec<Stage>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Order {
    pub path: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Stage {
    pub name: String,
    #[serde(default)]
    pub round: u32,
    #[serde(default)]
    pub agent: Option<String>,
    #[serde(default)]
    pub passed: bool,
    #[serde(default)]
    pub duration_seconds: f64,
    /// An earlier run did it.
    #[serde(default)]
    pub done_before: bool,
    #[serde(default)]
    pub calls: Vec<Call>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    pub agent: String,
    #[serde(default)]
    pub usage: Usage,
    #[serde(default)]
    pub duration_seconds: f64,
}

impl Run {
    pub fn job(&self) -> &str {
        self.job.as_deref().unwrap_or(&self.run)
    }

    pub fn seconds(&self) -> u64 {
        self.finished_at.since(self.started_at).as_secs()
    }
}

/// The run of an envelope; `None` when it cannot be read, or is not in the folder of the seat that it names.
pub fn read(path: &Path) -> Option<Run> {
    let bytes = files::read(path, files::MAX_DOCUMENT).ok()??;
    let found: Run = serde_json::from_slice(&bytes).ok()?;
    // Each foreman writes in its seat's folder.
    let seat = path.parent()?.parent()?.file_name()?.to_str()?;
    (found.agent_id == seat).then_some(found)
}

/// When the file was written, as its name begins.
pub fn written_at(name: &str) -> Option<Stamp> {
    name.split('-').next().and_then(Stamp::parse)
}

/// The runs that were read so far. An envelope never changes, so each is read once.
#[derive(Debug, Default)]
pub struct Runs {
    known: BTreeMap<PathBuf, Option<Run>>,
}

impl Runs {
    /// The runs that ended after `since`, oldest first.
    pub fn since(&mut self, hub: &Hub, since: Stamp) -> Vec<&Run> {
        let mut known = std::mem::take(&mut self.known);
        for path in envelopes(hub, since) {
            let run = known.remove(&path).unwrap_or_else(|| read(&path));
            self.known.insert(path, run);
        }
        let mut found: Vec<&Run> = self.known.values().flatten().filter(|run| run.finished_at >= since).collect();
        found.sort_by_key(|run| run.finished_at);
        found
    }
}

/// The files of envelopes that were written after `since`, or whose name does not say when.
fn envelopes(hub: &Hub, since: Stamp) -> Vec<PathBuf> {
    let entries = |folder: &str| {
        let entries = hub.path(folder).ok().and_then(|path| std::fs::read_dir(path).ok()).into_iter().flatten();
        entries.flatten().filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
    };
    let mut found = Vec::new();
    for (seat, _) in entries("_report/agent") {
        let recent = |name: &str| name.ends_with(".json") && written_at(name).is_none_or(|at| at >= since);
        let runs = entries(&format!("{}/runs", paths::agent(&seat)));
        found.extend(runs.filter(|(name, _)| recent(name)).map(|(_, path)| path));
    }
    found
}
