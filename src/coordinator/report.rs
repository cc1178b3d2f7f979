//! Reports what happened since a time: merged, waiting, blocked, questions, usage. Read from the record, so it works
//! in a clone, too; the coordinator's own state adds jobs without an envelope.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::executor::reviews;
use super::metrics::runs::{Run, Runs};
use super::state::{Ending, Phase, State};
use crate::base::{Result, Stamp, files};
use crate::hub::Hub;
use crate::model::agent::Usage;
use crate::model::run::job_name::short;
use crate::model::run::order::Goal;
use crate::model::run::outcome::Verdict;
use crate::review::{Decision, Kind, bundles, decision};

/// The report. Times are those of the record.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Report {
    pub since: Stamp,
    pub until: Stamp,
    /// What was merged and not reverted since.
    pub merged: Vec<Decided>,
    /// What was reverted and not merged again.
    pub reverted: Vec<Decided>,
    /// Finished work without a decision, of any age.
    pub review: Vec<Waiting>,
    pub blocked: Vec<Stopped>,
    /// Finished work that a person rejected.
    pub rejected: Vec<Decided>,
    /// Work that stopped before its end and continues when a person or the coordinator starts it again.
    pub held: Vec<Stopped>,
    pub questions: Vec<Stopped>,
    pub usage: Used,
    pub by_seat: BTreeMap<String, Used>,
    pub by_agent: BTreeMap<String, Used>,
    /// Usage that no finished call of an agent accounts for, such as that of a call that was stopped.
    pub unfinished_calls: Used,
}

/// A job that a person merged or reverted.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Decided {
    pub job: String,
    pub short: String,
    pub task_id: String,
    pub title: String,
    pub by: String,
    pub at: Stamp,
    pub commit: Option<String>,
    pub note: Option<String>,
}

#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Waiting {
    pub job: String,
    pub short: String,
    pub task_id: String,
    pub title: String,
    pub since: Stamp,
    /// How many findings it has, notes included.
    pub findings: usize,
    pub command: String,
}

/// A job that needs a person to continue.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Stopped {
    pub job: String,
    pub short: String,
    /// What it was to do; its task where that is not known.
    pub title: String,
    pub task_id: String,
    /// The reason or the question.
    pub text: String,
    pub at: Stamp,
    /// Shows the output, or takes the answer.
    pub command: String,
}

#[derive(Clone, Copy, Debug, Default, Serialize, schemars::JsonSchema)]
pub struct Used {
    pub jobs: u64,
    pub tokens: u64,
    pub cost_usd: Option<f64>,
    pub seconds: u64,
}

impl Used {
    /// Adds a run; `is_new`: its job is not counted yet.
    fn add(&mut self, usage: Usage, seconds: u64, is_new: bool) {
        self.jobs += u64::from(is_new);
        self.tokens = self.tokens.saturating_add(usage.tokens());
        self.seconds = self.seconds.saturating_add(seconds);
        if let Some(cost) = usage.cost_usd {
            *self.cost_usd.get_or_insert(0.0) += cost;
        }
    }
}

/// Reads what happened after `since`.
///
/// # Errors
/// When the ledger cannot be read; single unreadable files are skipped.
pub fn read(hub: &Hub, state: &State, since: Stamp) -> Result<Report> {
    let entries = bundles::all(hub)?;
    let titles: HashMap<&str, &str> = entries.iter().map(|one| (&*one.bundle.job, &*one.bundle.goal.title)).collect();
    let mut runs = Runs::default();
    let envelopes = runs.since(hub, since);
    let decisions = decision::history(hub)?;
    let last: HashMap<&str, Kind> = decisions.iter().map(|one| (&*one.job, one.decision)).collect();
    // The last decisions of a kind about their jobs.
    let decided = |kind: Kind| {
        let stands = |one: &&Decision| one.decision == kind && last.get(&*one.job) == Some(&kind) && one.at >= since;
        let describe = |one: &Decision| Decided {
            job: one.job.clone(),
            short: one.short().into_owned(),
            task_id: one.task_id.clone(),
            title: titles.get(&*one.job).unwrap_or(&&*one.task_id).to_string(),
            by: one.by.clone(),
            at: one.at,
            commit: one.merge_commit.clone(),
            note: one.note.clone(),
        };
        decisions.iter().filter(stands).map(describe).collect()
    };
    let pending = entries.iter().filter(|entry| reviews::is_waiting(hub, state, entry));
    let review = pending.map(|entry| Waiting {
        job: entry.bundle.job.clone(),
        short: entry.bundle.short().into_owned(),
        task_id: entry.bundle.task_id.clone(),
        title: entry.bundle.goal.title.clone(),
        since: entry.bundle.generated_at,
        findings: entry.bundle.findings.len(),
        command: format!("teof review show {}", entry.bundle.short()),
    });
    let mut report = Report {
        since,
        until: hub.now(),
        merged: decided(Kind::Approved),
        reverted: decided(Kind::Reverted),
        review: review.collect(),
        blocked: Vec::new(),
        rejected: decided(Kind::Rejected),
        held: Vec::new(),
        questions: Vec::new(),
        usage: Used::default(),
        by_seat: BTreeMap::new(),
        by_agent: BTreeMap::new(),
        unfinished_calls: Used::default(),
    };
    let decided: HashSet<&str> = decisions.iter().map(|decision| &*decision.job).collect();
    report.stopped(hub, state, &envelopes, &decided);
    report.used(state, &envelopes);
    Ok(report)
}

impl Report {
    pub fn is_empty(&self) -> bool {
        let decided = self.merged.len() + self.reverted.len() + self.rejected.len();
        let waits = self.review.len() + self.blocked.len() + self.questions.len() + self.held.len();
        decided + waits == 0 && self.usage.jobs == 0
    }

    /// Adds stopped jobs: from the coordinator's state, else from their last envelope.
    fn stopped(&mut self, hub: &Hub, state: &State, envelopes: &[&Run], decided: &HashSet<&str>) {
        for job in &state.jobs {
            let Some(last) = &job.last else { continue };
            let stopped = |text: &str, at, command| Stopped {
                job: job.id.clone(),
                short: job.short(),
                title: job.title.clone(),
                task_id: job.task.clone(),
                text: text.to_owned(),
                at,
                command,
            };
            match job.phase {
                Phase::Question { since } => {
                    let command = format!("teof coordinator answer {} \"...\"", job.short());
                    self.questions.push(stopped(last.question.as_deref().unwrap_or(&last.reason), since, command));
                }
                Phase::Held => {
                    self.held.push(stopped(&last.reason, job.chosen_at, format!("teof do {}", job.task)));
                }
                // A person decided about it.
                Phase::Over { .. } if job.decision.is_some() || reviews::dismissed(hub, state, job).is_some() => {}
                Phase::Over { ending: Ending::Blocked, at } if at >= self.since && !state.is_superseded(job) => {
                    let command = format!("teof logs {}", job.short());
                    self.blocked.push(stopped(&last.reason, at, command));
                }
                _ => {}
            }
        }
        for envelope in newest(envelopes, |envelope| envelope.job().to_owned()) {
            let job = envelope.job();
            if state.job(job).is_some() || decided.contains(job) {
                continue;
            }
            let stopped = |text: &str, command| Stopped {
                job: job.to_owned(),
                short: short(job).into_owned(),
                title: title(hub, envelope),
                task_id: envelope.task_id.clone(),
                text: text.to_owned(),
                at: envelope.finished_at,
                command,
            };
            let shown = short(job);
            match (&envelope.question, envelope.verdict) {
                (Some(question), _) => {
                    self.questions.push(stopped(question, format!("teof coordinator answer {shown} \"...\"")));
                }
                (None, Verdict::Blocked | Verdict::Refused | Verdict::Failed) => {
                    self.blocked.push(stopped(&envelope.reason, format!("teof logs {shown}")));
                }
                _ => {}
            }
        }
    }

    /// A run that went on after an answer or a stop has several envelopes; the newest has its usage, and each has its
    /// own time and calls.
    fn used(&mut self, state: &State, envelopes: &[&Run]) {
        let mut of_runs: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
        for envelope in envelopes {
            of_runs.entry(&envelope.run).or_default().push(envelope);
        }
        // A job has several runs; it is counted once.
        let mut counted: HashSet<(String, String)> = HashSet::new();
        for all in of_runs.values() {
            let Some(newest) = all.last() else { continue };
            let took = all.iter().map(|envelope| envelope.seconds()).sum();
            let job = newest.job();
            let mut is_new = |of: &str| counted.insert((of.to_owned(), job.to_owned()));
            self.usage.add(newest.usage, took, is_new(""));
            let seat = self.by_seat.entry(newest.agent_id.clone()).or_default();
            seat.add(newest.usage, took, is_new(&format!("seat {}", newest.agent_id)));
            let mut agents: BTreeMap<&str, (Usage, f64)> = BTreeMap::new();
            let mut calls = Usage::default();
            let stages = all.iter().flat_map(|envelope| &envelope.stages).filter(|stage| !stage.done_before);
            for call in stages.flat_map(|stage| &stage.calls) {
                let (usage, took) = agents.entry(&call.agent).or_default();
                (*usage, *took) = (usage.plus(call.usage), *took + call.duration_seconds);
                calls = calls.plus(call.usage);
            }
            for (agent, (usage, took)) in agents {
                let is_new = is_new(&format!("agent {agent}"));
                self.by_agent.entry(agent.to_owned()).or_default().add(usage, took as u64, is_new);
            }
            if newest.usage.tokens() > calls.tokens() {
                let cost_usd = newest.usage.cost_usd.map(|cost| (cost - calls.cost_usd.unwrap_or(0.0)).max(0.0));
                let rest = Usage { input_tokens: newest.usage.tokens() - calls.tokens(), cost_usd, ..Usage::default() };
                self.unfinished_calls.add(rest, 0, true);
            }
        }
        // A worker that was stopped or still works has left no envelope; the coordinator counted what it used.
        for job in state.jobs.iter().filter(|job| job.chosen_at >= self.since && job.counted != Usage::default()) {
            if !of_runs.contains_key(&*job.run_id()) {
                self.usage.add(job.counted, 0, counted.insert((String::new(), job.id.clone())));
                let is_new = counted.insert((format!("seat {}", job.seat), job.id.clone()));
                self.by_seat.entry(job.seat.clone()).or_default().add(job.counted, 0, is_new);
                self.unfinished_calls.add(job.counted, 0, true);
            }
        }
    }
}

/// What a run was to do, as its order says; its task where that cannot be read.
fn title(hub: &Hub, envelope: &Run) -> String {
    #[derive(Deserialize)]
    struct Ordered {
        goal: Goal,
    }
    let path = hub.path(&envelope.order.path);
    let bytes = path.and_then(|path| files::read(&path, files::MAX_DOCUMENT)).ok().flatten();
    let order = bytes.and_then(|bytes| serde_json::from_slice::<Ordered>(&bytes).ok());
    order.map_or_else(|| envelope.task_id.clone(), |order| order.goal.title)
}

/// The newest envelope of each key; they come oldest first.
fn newest<'a>(envelopes: &[&'a Run], key: impl Fn(&Run) -> String) -> impl Iterator<Item = &'a Run> {
    let newest: BTreeMap<String, &Run> = envelopes.iter().map(|envelope| (key(envelope), *envelope)).collect();
    newest.into_values()
}
