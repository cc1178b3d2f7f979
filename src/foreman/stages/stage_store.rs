//! Stores the results of a job's stages on this machine until they are in the record.
//!
//! A stage's result is on disk before its checkpoint. After a crash between the two the stage runs again; after a
//! crash later, the next attempt finds the result here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::next_stage::{self, Done, Next, Plan};
use crate::base::{Result, files, json};
use crate::foreman::reporting::envelope::StageReport;
use crate::hub::Hub;
use crate::hub::worktrees::checkpoint::Checkpoint;
use crate::model::agent::Usage;
use crate::model::run::noticed::{Decided, Noticed};
use crate::model::run::order::Order;
use crate::model::run::outcome::Finding;
use crate::model::run::stage::{REVIEWER, TESTER};

/// The last call of a stage that has no checkpoint yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unfinished {
    pub stage: String,
    pub round: u32,
    pub agent: String,
    pub run: String,
    /// The agent's session; `None` when there is none to resume.
    pub session: Option<String>,
    /// Its worktree: agents find their sessions only in the same folder.
    pub worktree: PathBuf,
    /// Its raw output, until its usage is counted.
    pub output: Option<PathBuf>,
    /// Whether the agent had returned any output.
    pub worked: bool,
    /// How the call ended, for people.
    pub why: String,
    /// How often this stage was continued after the agent reached its own limit.
    pub continued: u32,
    /// What the agent asked permission for, until a person answers, and its digest.
    pub asks: Option<Noticed>,
    pub asks_digest: String,
    /// What a person decided about such questions in this stage.
    pub decided: Decided,
}

impl Unfinished {
    /// Whether it is a call of this stage.
    pub fn is_of(&self, stage: &str, round: u32) -> bool {
        self.stage == stage && self.round == round
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StageStore {
    /// Usage of all calls of the job, including stages without a checkpoint.
    pub spent: Usage,
    /// Calls so far, by stage and round, so that each call has its own session.
    calls: BTreeMap<String, u32>,
    /// Usage per run over all its attempts: a run that pauses or dies continues under the same name.
    #[serde(default)]
    runs: BTreeMap<String, Usage>,
    /// The call that did not finish its stage, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Unfinished>,
    /// How often in a row its text agent said that its service is down.
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub outages: u32,
    /// Usage per session.
    sessions: BTreeMap<String, Usage>,
    results: Vec<StageReport>,
}

fn file(job: &str) -> String {
    format!("stages/{job}.json")
}

impl StageStore {
    pub fn load(hub: &Hub, job: &str) -> Result<StageStore> {
        let bytes = files::read(&hub.local(&file(job)), u64::MAX >> 1)?;
        // The file is replaced as a whole; an unreadable one counts as missing.
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
    }

    pub fn save(&self, hub: &Hub, job: &str) -> Result<()> {
        let path = hub.local(&file(job));
        files::create_parent(&path)?;
        files::replace(&path, json::compact(self).as_bytes())
    }

    /// The number of the next call of a stage; each call has its own session and output.
    pub fn next_call(&self, stage: &str, round: u32) -> u32 {
        self.calls.get(&format!("{stage}-{round}")).copied().unwrap_or_default() + 1
    }

    /// Counts a call before it starts, and saves what the next call needs if this one does not finish the stage.
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

    /// Binds the last result to its checkpoint; it is not valid for another commit.
    pub fn mark_committed(&mut self, hub: &Hub, job: &str, commit: &str) -> Result<()> {
        if let Some(last) = self.results.last_mut() {
            last.commit = Some(commit.to_owned());
        }
        self.unfinished = None;
        self.outages = 0;
        self.save(hub, job)
    }

    /// Whether every stage of the order has its checkpoint: only the result is left to report.
    pub fn is_finished(&self, order: &Order, sent_back: &[Finding]) -> bool {
        next_stage::next(&Plan::of(order), &history(&self.results), sent_back) == Next::Finished
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

/// The stages with a checkpoint, in the form the pipeline needs.
pub fn history(stages: &[StageReport]) -> Vec<Done> {
    let done = |stage: &StageReport| Done {
        stage: stage.name.clone(),
        round: stage.round,
        passed: stage.passed,
        findings: stage.findings.clone(),
    };
    stages.iter().filter(|stage| stage.commit.is_some()).map(done).collect()
}

/// Removes the stored results, once they are in the record.
pub fn forget(hub: &Hub, job: &str) {
    if let Err(e) = files::remove(&hub.local(&file(job))) {
        tracing::debug!("cannot remove stored results: {e:#}");
    }
}
