//! What the work of the last two weeks cost, how long it took, and how much of it succeeded.

use std::collections::BTreeMap;
use std::time::Duration;

use maud::{Markup, html};

use super::charts::{self, Bar};
use super::parts::{amount, link, money};
use super::view::View;
use crate::base::Stamp;
use crate::board::Snapshot;
use crate::board::history::{DAYS, Day};
use crate::board::runtime::Spent;
use crate::model::run::job_name::short;

/// The stages in their order.
const PIPELINE: [&str; 4] = ["planner", "coder", "tester", "reviewer"];

/// How many of the most expensive jobs are listed.
const EXPENSIVE: usize = 5;

pub fn parts(view: &View<'_>) -> Vec<(&'static str, Markup)> {
    vec![("today", today(view.snapshot)), ("charts", drawings(view.snapshot))]
}

fn today(snapshot: &Snapshot) -> Markup {
    let (runtime, history) = (&snapshot.runtime, &snapshot.history);
    let days = days(snapshot);
    let today = days.last().cloned().unwrap_or_default();
    let cost: f64 = days.iter().map(|day| day.cost_usd).sum();
    // Jobs that still run have not passed yet.
    let ended = cost - runtime.spent_running.cost_usd.unwrap_or(0.0);
    let per_job = (history.succeeded > 0).then(|| ended / history.succeeded as f64);
    let counted = runtime.spent_today.cost_usd.unwrap_or(0.0);
    // Runs that a person started without the coordinator are not part of its budget.
    let is_more = today.cost_usd - counted >= 0.005;
    html! {
        section #today aria-label="Sums" {
            dl.sums {
                div { dt { "Today" } dd {
                    (money(today.cost_usd))
                    @match (runtime.budget.day_cost > 0.0, is_more) {
                        (true, false) => { " " span.when { "of " (money(runtime.budget.day_cost)) } },
                        (true, true) => { " " span.when { (money(counted)) " of the budget of " (money(runtime.budget.day_cost)) } },
                        (false, _) => {},
                    }
                    (so_far(runtime.spent_running.cost_usd.filter(|cost| *cost >= 0.005).map(money)))
                } }
                div { dt { "Tokens today" } dd {
                    (amount(today.tokens))
                    (so_far(Some(runtime.spent_running.tokens).filter(|tokens| *tokens > 0).map(amount)))
                } }
                div { dt { (DAYS) " days" } dd { (money(cost)) } }
                div { dt { "Jobs that passed" } dd {
                    (history.succeeded) " " span.when { "of " (history.jobs) }
                    @if let Some(rate) = history.success_rate { span.when { ", " (format!("{:.0} %", rate * 100.0)) } }
                } }
                div { dt { "Cost per passed job, failures included" } dd { @if let Some(cost) = per_job { (money(cost)) } @else { "–" } } }
            }
        }
    }
}

/// The part of a sum that jobs have used which still run.
fn so_far(used: Option<String>) -> Markup {
    html! { @if let Some(used) = used { br; span.when { (used) " of it by running jobs" } } }
}

fn drawings(snapshot: &Snapshot) -> Markup {
    let days = days(snapshot);
    let bars = |value: fn(&Day) -> (f64, f64)| -> Vec<Bar> {
        let bar = |(at, day): (usize, &Day)| {
            let (value, rest) = value(day);
            let label = if at % 3 == 1 { short_date(&day.date) } else { String::new() };
            Bar { label, name: day.date.clone(), value, rest }
        };
        days.iter().enumerate().map(bar).collect()
    };
    let cents = |value: f64| if value < 10.0 { money(value) } else { format!("${value:.0}") };
    let mut stages: Vec<_> = snapshot.history.stages.iter().collect();
    stages.sort_by_key(|times| order(&times.stage));
    let has_cost = snapshot.history.runs.iter().flat_map(|run| &run.stages).any(|stage| stage.cost_usd.is_some());
    let is_long = stages.iter().any(|times| times.p90 >= 120.0);
    let (unit, of_unit) = if is_long { ("min", 60.0) } else { ("s", 1.0) };
    let times = stages.iter().map(|times| (times.stage.clone(), times.median / of_unit, times.p90 / of_unit));
    let show_time = |n: f64| match (n * 10.0).round() / 10.0 {
        n if n >= 10.0 => format!("{n:.0} {unit}"),
        n => format!("{n} {unit}"),
    };
    html! {
        section #charts aria-label="Charts" {
            @if days.iter().all(|day| day.jobs == 0 && day.tokens == 0) { p.none { "No run ended in the last " (DAYS) " days." } }
            @else {
                div.figures {
                    (charts::bars("Cost per day", "US dollars", &bars(|day| (day.cost_usd, 0.0)), cents, "active"))
                    (charts::bars("Tokens per day", "", &bars(|day| (day.tokens as f64, 0.0)), |n| amount(n as u64), "active"))
                    (charts::bars("Jobs per day", "green: passed, red: not",
                        &bars(|day| (day.succeeded as f64, (day.jobs - day.succeeded) as f64)), |n| format!("{}", (n * 10.0).round() / 10.0), "good"))
                    @let used = by_stage(snapshot);
                    @if !used.is_empty() {
                        (charts::rows("Cost per stage", &format!("{DAYS} days together"), &used, |value| if has_cost { money(value) } else { amount(value as u64) }))
                    }
                    (charts::spans("Time of a stage", "bar: half take at most this long; line: nine of ten", &times.collect::<Vec<_>>(), show_time))
                    (most_expensive(snapshot))
                }
            }
        }
    }
}

/// What each stage cost in the whole time, in the order of the pipeline; without costs, its tokens.
fn by_stage(snapshot: &Snapshot) -> Vec<(String, f64)> {
    let stages = || snapshot.history.runs.iter().flat_map(|run| &run.stages);
    let has_cost = stages().any(|stage| stage.cost_usd.is_some());
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for stage in stages() {
        *sums.entry(&stage.stage).or_default() +=
            if has_cost { stage.cost_usd.unwrap_or(0.0) } else { stage.tokens as f64 };
    }
    let mut sums: Vec<_> = sums.into_iter().map(|(stage, sum)| (stage.to_owned(), sum)).collect();
    sums.retain(|(_, sum)| *sum > 0.0);
    sums.sort_by_key(|(stage, _)| order(stage));
    sums
}

/// The jobs that used the most, all their runs together.
fn most_expensive(snapshot: &Snapshot) -> Markup {
    let mut jobs: BTreeMap<&str, (&str, Spent)> = BTreeMap::new();
    for run in &snapshot.history.runs {
        let (_, sum) = jobs.entry(&run.job).or_insert((&run.task, Spent::default()));
        *sum = sum.plus(Spent { tokens: run.tokens, cost_usd: run.cost_usd });
    }
    let mut jobs: Vec<_> = jobs.into_iter().filter(|(_, (_, sum))| *sum != Spent::default()).collect();
    let cost = |sum: &Spent| sum.cost_usd.unwrap_or(0.0);
    jobs.sort_by(|(_, (_, a)), (_, (_, b))| cost(b).total_cmp(&cost(a)).then(b.tokens.cmp(&a.tokens)));
    html! {
        @if !jobs.is_empty() {
            figure {
                figcaption { b { "Most expensive jobs" } " " span.when { "all their runs together" } }
                table {
                    thead { tr { th scope="col" { "Job" } th scope="col" { "Task" } th.n scope="col" { "Tokens" } th.n scope="col" { "Cost" } } }
                    tbody {
                        @for (job, (task, sum)) in jobs.into_iter().take(EXPENSIVE) {
                            tr {
                                th scope="row" { (link(snapshot, &short(job))) }
                                td { (snapshot.job(job).map_or(task, |job| job.title.as_str())) }
                                td.n { (amount(sum.tokens)) }
                                td.n { @if let Some(cost) = sum.cost_usd { (money(cost)) } @else { "–" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A stage's place in the pipeline; commands and others last.
fn order(stage: &str) -> usize {
    PIPELINE.iter().position(|known| *known == stage).unwrap_or(PIPELINE.len())
}

/// Every day of the time, those without runs too. Today has what running jobs used, as the budget counts it.
fn days(snapshot: &Snapshot) -> Vec<Day> {
    let date = |back: u64| snapshot.generated_at.minus(Duration::from_secs(back * 24 * 3600)).date();
    let empty = |date: String| Day { date, ..Day::default() };
    let known = |date: &str| snapshot.history.days.iter().find(|day| day.date == date).cloned();
    let mut days: Vec<Day> =
        (0..DAYS).rev().map(date).map(|date| known(&date).unwrap_or_else(|| empty(date))).collect();
    if let Some(today) = days.last_mut() {
        let (running, counted) = (snapshot.runtime.spent_running, snapshot.runtime.spent_today);
        // An envelope may be gone; what the coordinator counted stays.
        today.tokens = (today.tokens + running.tokens).max(counted.tokens);
        today.cost_usd = (today.cost_usd + running.cost_usd.unwrap_or(0.0)).max(counted.cost_usd.unwrap_or(0.0));
    }
    days
}

/// `5 Jan`.
fn short_date(date: &str) -> String {
    let at = Stamp::parse(&format!("{date}T12:00:00Z"));
    at.map_or_else(|| date.to_owned(), |at| super::parts::local(at).format("%-d %b").to_string())
}
