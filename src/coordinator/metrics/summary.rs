//! Adds up the runs of the last two weeks. Pure.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::runs::Run;
use crate::base::Stamp;
use crate::model::agent::Usage;
use crate::model::run::outcome::Verdict;

/// How far back the metrics go, in days.
pub const DAYS: u64 = 14;

/// What the runs of a while came to. Times are seconds, costs US dollars.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Metrics {
    /// From the start of the first run to the end of the last one; `None` without runs.
    pub from: Option<Stamp>,
    pub to: Option<Stamp>,
    pub jobs: Jobs,
    /// From the start of a job's first run to the end of its last one.
    pub job_seconds: Times,
    /// By the stage's name.
    pub stage_seconds: BTreeMap<String, Times>,
    /// By seat.
    pub seats: BTreeMap<String, SeatUse>,
    /// Calls of agents, by the agent's name.
    pub agent_calls: BTreeMap<String, u64>,
    pub tokens: u64,
    pub cost_usd: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Jobs {
    /// Whose last run ended.
    pub ended: u64,
    pub succeeded: u64,
    /// `succeeded / ended`.
    pub success_rate: Option<f64>,
    /// Jobs that ended a day, on the days from the first to the last.
    pub per_day: Option<f64>,
    /// Runs after a failed one.
    pub retries: u64,
}

/// How long something takes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Times {
    pub count: u64,
    pub mean: f64,
    pub median: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct SeatUse {
    pub runs: u64,
    pub busy_seconds: u64,
    /// The busy part of the time from `from` to `to`.
    pub utilisation: f64,
}

impl Times {
    pub fn of(mut times: Vec<f64>) -> Times {
        if times.is_empty() {
            return Times::default();
        }
        times.sort_by(f64::total_cmp);
        let at = |part: f64| times[((times.len() as f64 * part) as usize).min(times.len() - 1)];
        Times {
            count: times.len() as u64,
            mean: rounded(times.iter().sum::<f64>() / times.len() as f64),
            median: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: at(1.0),
        }
    }
}

/// Files are compared as text, so that sums do not differ in their last digits.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// The metrics of runs, which are sorted by their ends.
pub fn of(runs: &[&Run]) -> Metrics {
    let mut found = Metrics {
        from: runs.iter().map(|run| run.started_at).min(),
        to: runs.iter().map(|run| run.finished_at).max(),
        ..Metrics::default()
    };
    let mut stages: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut of_jobs: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
    let mut usage: BTreeMap<&str, Usage> = BTreeMap::new();
    for run in runs {
        of_jobs.entry(run.job()).or_default().push(run);
        // A run that went on after an answer or a stop has several envelopes; the newest has all its usage.
        usage.insert(&run.run, run.usage);
        let seat = found.seats.entry(run.agent_id.clone()).or_default();
        seat.runs += 1;
        seat.busy_seconds += run.seconds();
        for stage in run.stages.iter().filter(|stage| !stage.done_before) {
            stages.entry(&stage.name).or_default().push(stage.duration_seconds);
            for call in &stage.calls {
                *found.agent_calls.entry(call.agent.clone()).or_default() += 1;
            }
        }
    }
    found.stage_seconds = stages.into_iter().map(|(name, times)| (name.to_owned(), Times::of(times))).collect();
    found.tokens = usage.values().map(|usage| usage.tokens()).sum();
    found.cost_usd = rounded(usage.values().filter_map(|usage| usage.cost_usd).sum());
    if let (Some(from), Some(to)) = (found.from, found.to) {
        let whole = to.since(from).as_secs().max(1) as f64;
        for seat in found.seats.values_mut() {
            seat.utilisation = rounded((seat.busy_seconds as f64 / whole).min(1.0));
        }
    }
    found.count(&of_jobs);
    found
}

impl Metrics {
    fn count(&mut self, of_jobs: &BTreeMap<&str, Vec<&Run>>) {
        let mut times = Vec::new();
        for runs in of_jobs.values() {
            self.jobs.retries += runs.windows(2).filter(|pair| pair[0].verdict == Verdict::Failed).count() as u64;
            let (Some(first), Some(last)) = (runs.first(), runs.last()) else { continue };
            if last.verdict == Verdict::Paused {
                continue;
            }
            self.jobs.ended += 1;
            self.jobs.succeeded += u64::from(last.verdict == Verdict::Succeeded);
            times.push(last.finished_at.since(first.started_at).as_secs() as f64);
        }
        self.job_seconds = Times::of(times);
        if self.jobs.ended > 0 {
            let ended = self.jobs.ended as f64;
            self.jobs.success_rate = Some(rounded(self.jobs.succeeded as f64 / ended));
            let day = |at: Option<Stamp>| at.map_or(0, |at| at.unix().div_euclid(24 * 3600));
            self.jobs.per_day = Some(rounded(ended / (day(self.to) - day(self.from) + 1) as f64));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(job: &str, number: u32, at: i64, seconds: i64, verdict: &str, tokens: u64) -> Run {
        let stage = json!({"name": "coder", "round": 1, "duration_seconds": seconds,
            "calls": [{"agent": "fake", "duration_seconds": seconds}]});
        let before = json!({"name": "coder", "done_before": true, "duration_seconds": 9999});
        serde_json::from_value(json!({
            "agent_id": "worker-1", "run": format!("{job}.{number}"), "job": job, "task_id": job,
            "order": {"path": format!("{job}.json")}, "verdict": verdict,
            "started_at": Stamp::from_unix(at), "finished_at": Stamp::from_unix(at + seconds),
            "usage": {"input_tokens": tokens, "cached_tokens": 0, "output_tokens": 0, "cost_usd": 0.5},
            "stages": [before, stage],
        }))
        .unwrap()
    }

    #[test]
    fn only_a_run_after_a_failed_one_is_a_retry() {
        let verdicts = ["paused", "failed", "succeeded", "succeeded"];
        let runs: Vec<_> = (1..).zip(verdicts).map(|(n, verdict)| run("j1", n, 1000, 10, verdict, 0)).collect();
        assert_eq!(of(&runs.iter().collect::<Vec<_>>()).jobs.retries, 1);
    }

    #[test]
    fn jobs_stages_seats_and_usage_are_counted_once() {
        let runs = [
            run("j1", 1, 1000, 10, "failed", 100),
            run("j1", 2, 1100, 20, "succeeded", 150),
            run("j2", 1, 1200, 30, "blocked", 50),
            run("j3", 1, 1300, 100, "paused", 10),
        ];
        let found = of(&runs.iter().collect::<Vec<_>>());
        assert_eq!((found.jobs.ended, found.jobs.succeeded, found.jobs.retries), (2, 1, 1));
        assert_eq!((found.jobs.success_rate, found.jobs.per_day), (Some(0.5), Some(2.0)));
        let coder = &found.stage_seconds["coder"];
        assert_eq!((coder.count, coder.mean, coder.median, coder.p90, coder.max), (4, 40.0, 30.0, 100.0, 100.0));
        assert_eq!((found.job_seconds.count, found.job_seconds.max), (2, 120.0));
        assert_eq!((found.tokens, found.cost_usd), (310, 2.0), "a failed run counts too");
        let again = [run("j1", 1, 1000, 10, "paused", 100), run("j1", 1, 1100, 20, "succeeded", 150)];
        let resumed = of(&again.iter().collect::<Vec<_>>());
        assert_eq!((resumed.tokens, resumed.cost_usd), (150, 0.5), "a run's newest envelope has all of it");
        let seat = &found.seats["worker-1"];
        assert_eq!((seat.runs, seat.busy_seconds, seat.utilisation), (4, 160, 0.4));
        assert_eq!(found.agent_calls["fake"], 4);
        assert_eq!(of(&[]), Metrics::default());
    }
}
