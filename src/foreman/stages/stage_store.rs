//! Stores the results of a job's stages on this machine until the record has them.
//!
//! A stage's result is on disk before its checkpoint is made: after a death between the two the stage runs again, and
//! after a death behind both the next attempt finds the checkpoint's result here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::next_stage::{Done, REVIEWER, TESTER};
use crate::base::{Result, files, json};
use crate::foreman::reporting::report::StageReport;
use crate::hub::Hub;
use crate::hub::worktrees::checkpoint::Checkpoint;
use crate::model::agent::Usage;

/// The last call of a stage that has no checkpoint yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unfinished {
    pub stage: String,
    pub round: u32,
    pub agent: String,
    pub run: String,
    /// The agent's session; `None` when there is none to go on with.
    pub session: Option<String>,
    /// Where it worked: agents find their sessions again only there.
    pub worktree: PathBuf,
    /// Its raw output, until what it used is counted.
    pub output: Option<PathBuf>,
    /// Whether the agent had answered anything.
    pub worked: bool,
    /// How the call ended, in words.
    pub why: String,
    /// How often this stage was continued after a limit of the agent's own.
    pub continued: u32,
    /// What people say to the agent, for the next call.
    pub words: Vec<String>,
}

impl Unfinished {
    pub fn is_outside_change(&self, stage: &str, round: u32) -> bool {
        self.stage == stage && self.round == round
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StageStore {
    /// What all calls of the job used, those of stages without a checkpoint too.
    pub spent: Usage,
    /// Calls so far, by stage and round: no two have the same session.
    calls: BTreeMap<String, u32>,
    /// What each run used, over all its legs: one that pauses or dies goes on under its own name.
    #[serde(default)]
    runs: BTreeMap<String, Usage>,
    /// The call that has not ended its stage, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Unfinished>,
    /// What each session used.
    sessions: BTreeMap<String, Usage>,
    results: Vec<StageReport>,
}

fn file(job: &str) -> String {
    format!("stages/{job}.json")
}

impl StageStore {
    pub fn load(hub: &Hub, job: &str) -> Result<StageStore> {
        let bytes = files::read(&hub.local(&file(job)), u64::MAX >> 1)?;
        // It is replaced as a whole; one that cannot be read is none.
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
    }

    pub fn save(&self, hub: &Hub, job: &str) -> Result<()> {
        let path = hub.local(&file(job));
        files::create_parent(&path)?;
        files::replace(&path, json::compact(self).as_bytes())
    }

    /// The number of the next call of a stage: no two have the same session or output.
    pub fn next_call(&self, stage: &str, round: u32) -> u32 {
        self.calls.get(&format!("{stage}-{round}")).copied().unwrap_or_default() + 1
    }

    /// Counts a call before it is made, and keeps what the next one needs if this one does not end its stage.
    pub fn start_call(&mut self, hub: &Hub, job: &str, call: Unfinished) -> Result<()> {
        *self.calls.entry(format!("{}-{}", call.stage, call.round)).or_default() += 1;
        self.unfinished = Some(call);
        self.save(hub, job)
    }

    pub fn add_usage(&mut self, hub: &Hub, job: &str, run: &str, session: Option<&str>, usage: Usage) -> Result<()> {
        self.spent = self.spent.plus(usage);
        let known = self.runs.entry(run.to_owned()).or_default();
        *known = known.plus(usage);
        if let Some(session) = session {
            let known = self.sessions.entry(session.to_owned()).or_default();
            *known = known.plus(usage);
        }
        self.save(hub, job)
    }

    pub fn run_usage(&self, run: &str) -> Usage {
        self.runs.get(run).copied().unwrap_or_default()
    }

    pub fn session_usage(&self, session: &str) -> Option<Usage> {
        self.sessions.get(session).copied()
    }

    pub fn add_result(&mut self, hub: &Hub, job: &str, result: StageReport) -> Result<()> {
        self.results.push(result);
        self.save(hub, job)
    }

    /// The last result has its checkpoint: it is worth nothing under another commit.
    pub fn mark_committed(&mut self, hub: &Hub, job: &str, commit: &str) -> Result<()> {
        if let Some(last) = self.results.last_mut() {
            last.commit = Some(commit.to_owned());
        }
        self.unfinished = None;
        self.save(hub, job)
    }

    /// The results of the stages that have a checkpoint, in order.
    ///
    /// A tester's or reviewer's stage whose result was lost counts as not done, any other as done.
    pub fn results(&self, checkpoints: &[Checkpoint]) -> Vec<StageReport> {
        let mut found = Vec::new();
        for done in checkpoints {
            let same = |kept: &&StageReport| {
                let commit = done.commit.to_string();
                let own = kept.commit.as_ref().is_none_or(|known| *known == commit);
                own && kept.name == done.stage && kept.round == done.round && kept.run.as_deref() == Some(&done.run)
            };
            let mut result = match self.results.iter().rev().find(same) {
                Some(kept) => kept.clone(),
                None if [TESTER, REVIEWER].contains(&done.stage.as_str()) => continue,
                None => StageReport { passed: true, ..StageReport::new(&done.stage, done.round) },
            };
            result.commit = Some(done.commit.to_string());
            result.done_before = true;
            found.push(result);
        }
        found
    }
}

/// The stages that have a checkpoint, as the pipeline needs them.
pub fn history(stages: &[StageReport]) -> Vec<Done> {
    let done = |stage: &StageReport| Done {
        stage: stage.name.clone(),
        round: stage.round,
        passed: stage.passed,
        findings: stage.findings.clone(),
    };
    stages.iter().filter(|stage| stage.commit.is_some()).map(done).collect()
}

/// Removes the stored results: the record has them now.
pub fn forget(hub: &Hub, job: &str) {
    if let Err(e) = files::remove(&hub.local(&file(job))) {
        tracing::debug!("kept results were not removed: {e:#}");
    }
}
