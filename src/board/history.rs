//! What was done in the last two weeks: throughput, success rate, cost, and how long stages take. From envelopes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::cached::{Documents, subfolders};
use crate::base::Stamp;
use crate::coordinator::metrics::{Times, runs};
use crate::hub::Hub;
use crate::model::agent::Usage;
use crate::model::run::outcome::Verdict;

/// How far back it goes, in days.
pub const DAYS: u64 = crate::coordinator::metrics::DAYS;

/// The recent past.
#[derive(Clone, Debug, Default, Serialize)]
pub struct History {
    /// The days with runs, oldest first.
    pub days: Vec<Day>,
    /// Jobs whose last run ended, in the whole time.
    pub jobs: u64,
    /// Those of them that succeeded.
    pub succeeded: u64,
    /// `succeeded / jobs`; `None` without jobs.
    pub success_rate: Option<f64>,
    /// By name of the stage.
    pub stages: Vec<StageTimes>,
    /// The runs, oldest first: who worked on what, and when.
    pub runs: Vec<Run>,
}

/// A day, by the time at which runs ended.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Day {
    /// `2026-01-05`, UTC.
    pub date: String,
    /// Jobs whose last run ended on that day.
    pub jobs: u64,
    pub succeeded: u64,
    pub tokens: u64,
    /// US dollars; 0 when no agent told a cost.
    pub cost_usd: f64,
    /// Of all runs.
    pub seconds: u64,
}

/// How long one stage takes, in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct StageTimes {
    pub stage: String,
    /// How often it ran.
    pub count: usize,
    pub median: f64,
    /// Nine of ten were not longer.
    pub p90: f64,
}

/// A run that ended.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    pub run: String,
    pub job: String,
    pub task: String,
    pub plan: Option<String>,
    pub seat: String,
    pub verdict: Verdict,
    pub started_at: Stamp,
    pub finished_at: Stamp,
    pub tokens: u64,
    pub cost_usd: Option<f64>,
    pub stages: Vec<StageRun>,
    /// What all runs of its order used together up to its end; [`Run::tokens`] is the part that is new.
    #[serde(skip)]
    order: String,
    #[serde(skip)]
    usage: Usage,
}

/// A stage of a run.
#[derive(Clone, Debug, Serialize)]
pub struct StageRun {
    pub stage: String,
    pub round: u32,
    pub agent: Option<String>,
    pub passed: bool,
    pub seconds: f64,
    /// Of its calls of agents.
    pub tokens: u64,
    pub cost_usd: Option<f64>,
}

/// Envelopes as read last.
#[derive(Default)]
pub(super) struct Envelopes {
    files: Documents<Run>,
    shown: Arc<History>,
    since: Option<Stamp>,
}

impl Envelopes {
    /// The recent past, and whether it changed.
    pub fn read(&mut self, hub: &Hub) -> (Arc<History>, bool) {
        let since = hub.now().minus(Duration::from_secs(DAYS * 24 * 3600));
        let today = since.date();
        // Their names begin with the time at which they were written.
        let recent =
            |name: &str| name.ends_with(".json") && runs::written_at(name).is_some_and(|at| at.date() >= today);
        let folders = subfolders(&hub.root.join("_report/agent"), "runs");
        let is_changed = self.files.refresh(&folders, recent, read) || self.since.is_none_or(|at| at.date() != today);
        if is_changed {
            self.since = Some(since);
            let mut runs: Vec<Run> = self.files.values().filter(|run| run.finished_at >= since).cloned().collect();
            runs.sort_by_key(|run| run.finished_at);
            self.shown = Arc::new(History::of(runs));
        }
        (Arc::clone(&self.shown), is_changed)
    }
}

fn read(path: &Path) -> Option<Run> {
    let found = runs::read(path)?;
    let stages = found.stages.into_iter().filter(|stage| !stage.done_before).map(|stage| {
        let used = stage.calls.iter().fold(Usage::default(), |sum, call| sum.plus(call.usage));
        StageRun {
            stage: stage.name,
            round: stage.round,
            agent: stage.agent,
            passed: stage.passed,
            seconds: stage.duration_seconds,
            tokens: used.tokens(),
            cost_usd: used.cost_usd,
        }
    });
    Some(Run {
        job: found.job.unwrap_or_else(|| found.run.clone()),
        run: found.run,
        task: found.task_id,
        plan: found.plan_id,
        seat: found.agent_id,
        verdict: found.verdict,
        started_at: found.started_at,
        finished_at: found.finished_at,
        tokens: 0,
        cost_usd: None,
        stages: stages.collect(),
        order: found.order.path,
        usage: found.usage,
    })
}

impl History {
    /// `runs` are sorted by their ends.
    fn of(mut runs: Vec<Run>) -> History {
        share_usage(&mut runs);
        let mut days: BTreeMap<String, Day> = BTreeMap::new();
        let mut last: BTreeMap<&str, &Run> = BTreeMap::new();
        let mut times: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for run in &runs {
            let day = days.entry(run.finished_at.date()).or_default();
            day.tokens += run.tokens;
            day.cost_usd += run.cost_usd.unwrap_or(0.0);
            day.seconds += run.finished_at.since(run.started_at).as_secs();
            last.insert(&run.job, run);
            for stage in &run.stages {
                times.entry(&stage.stage).or_default().push(stage.seconds);
            }
        }
        let is_end = |run: &&&Run| run.verdict != Verdict::Paused;
        for run in last.values().filter(is_end) {
            let day = days.entry(run.finished_at.date()).or_default();
            day.jobs += 1;
            day.succeeded += u64::from(run.verdict == Verdict::Succeeded);
        }
        for (date, day) in &mut days {
            day.date.clone_from(date);
        }
        let days: Vec<Day> = days.into_values().collect();
        let (jobs, succeeded) = (days.iter().map(|day| day.jobs).sum(), days.iter().map(|day| day.succeeded).sum());
        let stages = times.into_iter().map(|(stage, times)| StageTimes::of(stage, times)).collect();
        let success_rate = (jobs > 0).then(|| succeeded as f64 / jobs as f64);
        History { jobs, succeeded, success_rate, stages, days, runs }
    }
}

/// An envelope has the usage of all runs of its order so far; each run gets its own part.
fn share_usage(runs: &mut [Run]) {
    let mut before: BTreeMap<String, Usage> = BTreeMap::new();
    for run in runs {
        let known = before.insert(run.order.clone(), run.usage).unwrap_or_default();
        run.tokens = run.usage.tokens().saturating_sub(known.tokens());
        let cost = run.usage.cost_usd.map(|cost| (cost - known.cost_usd.unwrap_or(0.0)).max(0.0));
        run.cost_usd = cost;
    }
}

impl StageTimes {
    fn of(stage: &str, times: Vec<f64>) -> StageTimes {
        let Times { count, median, p90, .. } = Times::of(times);
        StageTimes { stage: stage.to_owned(), count: count as usize, median, p90 }
    }
}
