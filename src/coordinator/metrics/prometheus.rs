//! The metrics in the text format of Prometheus. Names and labels stay as they are.

use std::fmt::{Display, Write};

use super::{DAYS, Metrics};
use crate::coordinator::state::tally::Wait;
use crate::coordinator::state::{Ending, Job, Phase, State};

/// Whether a job is in a phase.
type IsIn = fn(&Job) -> bool;

/// Prints the counters of a state, and the metrics of the last days. `running`: a coordinator runs; `slots` and
/// `queue`: how many jobs may run and wait at most.
pub fn text(state: &State, metrics: &Metrics, running: bool, slots: usize, queue: usize) -> String {
    let mut page = Page::default();
    counters(state, &mut page);
    now(state, running, slots, queue, &mut page);
    recent(metrics, &mut page);
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{name}{labels} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn wait(&mut self, name: &str, help: &str, wait: &Wait) {
        self.family(name, "summary", help);
        self.sample(&format!("{name}_sum"), &[], wait.seconds);
        self.sample(&format!("{name}_count"), &[], wait.count);
    }
}

/// A label's value: a name that an agent or a person chose.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn counters(state: &State, page: &mut Page) {
    let totals = &state.totals;
    page.family("teof_jobs_total", "counter", "Jobs that are over, by how they ended.");
    for (outcome, count) in [
        (Ending::Done.as_str(), totals.done),
        (Ending::Blocked.as_str(), totals.blocked),
        (Ending::Cancelled.as_str(), totals.cancelled),
        (Ending::Dropped.as_str(), totals.dropped),
    ] {
        page.sample("teof_jobs_total", &[("outcome", outcome)], count);
    }
    for (name, help, count) in [
        ("teof_jobs_chosen_total", "Jobs that were started.", totals.chosen),
        ("teof_retries_total", "Attempts after a job's first one.", totals.retries),
        ("teof_reworks_total", "Finished jobs that were sent back.", totals.reworks),
        ("teof_guard_refusals_total", "Results that a guard refused.", totals.guard_refusals),
        ("teof_breaker_trips_total", "Times that the circuit breaker opened.", totals.breaker_trips),
        ("teof_tokens_total", "Tokens that agents used.", state.spent.total.tokens()),
    ] {
        page.one(name, "counter", help, count);
    }
    let cost = state.spent.total.cost_usd.unwrap_or(0.0);
    page.one("teof_cost_dollars_total", "counter", "What agents cost, in US dollars.", cost);
    page.wait("teof_queue_wait_seconds", "From the submission of work to its start.", &totals.queue_wait);
    page.wait("teof_person_wait_seconds", "From a question or a finished job to the decision.", &totals.person_wait);
}

fn now(state: &State, running: bool, slots: usize, queue: usize, page: &mut Page) {
    page.one("teof_coordinator_up", "gauge", "1 while a coordinator runs.", u8::from(running));
    page.one(
        "teof_coordinator_paused",
        "gauge",
        "1 while an operator's pause lasts.",
        u8::from(state.paused.is_some()),
    );
    let is_open = u8::from(state.breaker.open.is_some());
    page.one("teof_breaker_open", "gauge", "1 while the circuit breaker is open.", is_open);
    page.family("teof_jobs", "gauge", "Jobs that are not over, by phase.");
    let phases: [(&str, IsIn); 5] = [
        ("working", Job::takes_a_slot),
        ("retry_wait", |job| matches!(job.phase, Phase::Waiting { .. })),
        ("held", |job| matches!(job.phase, Phase::Held)),
        ("question", Job::asks),
        ("review", Job::is_under_review),
    ];
    for (phase, is_in) in phases {
        page.sample("teof_jobs", &[("phase", phase)], state.live_jobs().filter(|job| is_in(job)).count());
    }
    page.one("teof_slots", "gauge", "Jobs that may work at the same time.", slots);
    page.one("teof_queue_length", "gauge", "Submitted work that waits.", state.submissions.len());
    page.one("teof_queue_limit", "gauge", "Submissions that may wait.", queue);
    page.family("teof_agent_suspended", "gauge", "1 for an agent that is not called for a while.");
    for agent in state.suspended.keys() {
        page.sample("teof_agent_suspended", &[("agent", agent)], 1);
    }
    page.one("teof_tokens_today", "gauge", "Tokens used on the last day with work (UTC).", state.spent.today.tokens());
    let cost = state.spent.today.cost_usd.unwrap_or(0.0);
    page.one("teof_cost_dollars_today", "gauge", "Cost on the last day with work (UTC), in US dollars.", cost);
}

/// Gauges, because old runs drop out.
fn recent(metrics: &Metrics, page: &mut Page) {
    let recent = |what: &str| format!("{what} in the last {DAYS} days.");
    page.one("teof_recent_jobs", "gauge", &recent("Jobs whose last run ended"), metrics.jobs.ended);
    if let Some(rate) = metrics.jobs.success_rate {
        page.one("teof_recent_success_ratio", "gauge", &recent("Part of the jobs that succeeded"), rate);
    }
    if let Some(per_day) = metrics.jobs.per_day {
        page.one("teof_recent_jobs_per_day", "gauge", &recent("Jobs a day"), per_day);
    }
    let mut times = |name: &str, help: &str, each: &[(Vec<(&str, &str)>, &super::Times)]| {
        page.family(name, "gauge", &recent(help));
        for (labels, times) in each.iter().filter(|(_, times)| times.count > 0) {
            for (quantile, value) in [("0.5", times.median), ("0.9", times.p90), ("0.99", times.p99)] {
                page.sample(name, &[&labels[..], &[("quantile", quantile)]].concat(), value);
            }
        }
    };
    times("teof_job_duration_seconds", "How long jobs took", &[(Vec::new(), &metrics.job_seconds)]);
    let stages: Vec<_> =
        metrics.stage_seconds.iter().map(|(stage, times)| (vec![("stage", &**stage)], times)).collect();
    times("teof_stage_duration_seconds", "How long stages took", &stages);
    page.family("teof_agent_calls", "gauge", &recent("Calls of agents"));
    for (agent, calls) in &metrics.agent_calls {
        page.sample("teof_agent_calls", &[("agent", agent)], calls);
    }
    page.family("teof_seat_utilisation_ratio", "gauge", &recent("Part of the time in which a seat worked"));
    for (seat, used) in &metrics.seats {
        page.sample("teof_seat_utilisation_ratio", &[("seat", seat)], used.utilisation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_people_chose_cannot_break_a_line() {
        let mut page = Page::default();
        page.sample("x", &[("seat", "a\"b\\c\nd")], 1);
        assert_eq!(page.text, "x{seat=\"a\\\"b\\\\c\\nd\"} 1\n");
    }

    #[test]
    fn every_sample_follows_its_help_and_type() {
        let text = text(&State::new(), &Metrics::default(), true, 3, 10);
        let mut family = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# ") {
                let mut words = rest.split(' ');
                let (kind, name) = (words.next().unwrap(), words.next().unwrap());
                assert!(kind == "HELP" || (kind == "TYPE" && name == family), "{line}");
                family = name;
            } else {
                let name = line.split(['{', ' ']).next().unwrap();
                assert!(name.starts_with(family), "{line} after {family}");
                assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{line}");
            }
        }
        assert!(text.contains("\nteof_jobs_total{outcome=\"done\"} 0\n"), "{text}");
    }
}
