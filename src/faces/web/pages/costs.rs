//! What the work of the last two weeks cost, how long it took, and how much of it succeeded.

use std::time::Duration;

use maud::{Markup, html};

use super::charts::{self, Bar};
use super::parts::{amount, money};
use super::view::View;
use crate::base::Stamp;
use crate::board::Snapshot;
use crate::board::history::{DAYS, Day};

/// The stages in their order.
const PIPELINE: [&str; 4] = ["planner", "coder", "tester", "reviewer"];

pub fn parts(view: &View<'_>) -> Vec<(&'static str, Markup)> {
    vec![("today", today(view.snapshot)), ("charts", drawings(view.snapshot))]
}

fn today(snapshot: &Snapshot) -> Markup {
    let (runtime, history) = (&snapshot.runtime, &snapshot.history);
    let cost: f64 = history.days.iter().map(|day| day.cost_usd).sum();
    let per_job = (history.succeeded > 0).then(|| cost / history.succeeded as f64);
    html! {
        section #today aria-label="Sums" {
            dl.sums {
                div { dt { "Today" } dd {
                    (money(runtime.spent_today.cost_usd.unwrap_or(0.0)))
                    @if runtime.budget.day_cost > 0.0 { span.when { " of " (money(runtime.budget.day_cost)) } }
                } }
                div { dt { "Tokens today" } dd { (amount(runtime.spent_today.tokens)) } }
                div { dt { (DAYS) " days" } dd { (money(cost)) } }
                div { dt { "Jobs that passed" } dd {
                    (history.succeeded) span.when { " of " (history.jobs) }
                    @if let Some(rate) = history.success_rate { span.when { ", " (format!("{:.0} %", rate * 100.0)) } }
                } }
                div { dt { "Cost per passed job, failures included" } dd { @if let Some(cost) = per_job { (money(cost)) } @else { "–" } } }
            }
        }
    }
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
    // As a job goes through them; commands and others last.
    stages.sort_by_key(|times| PIPELINE.iter().position(|stage| *stage == times.stage).unwrap_or(PIPELINE.len()));
    let is_long = stages.iter().any(|times| times.p90 >= 120.0);
    let (unit, of_unit) = if is_long { ("min", 60.0) } else { ("s", 1.0) };
    let times = stages.iter().map(|times| (times.stage.clone(), times.median / of_unit, times.p90 / of_unit));
    let show_time = |n: f64| match (n * 10.0).round() / 10.0 {
        n if n >= 10.0 => format!("{n:.0} {unit}"),
        n => format!("{n} {unit}"),
    };
    html! {
        section #charts aria-label="Charts" {
            @if snapshot.history.runs.is_empty() { p.none { "No run ended in the last " (DAYS) " days." } }
            @else {
                div.figures {
                    (charts::bars("Cost per day", "US dollars", &bars(|day| (day.cost_usd, 0.0)), cents, "active"))
                    (charts::bars("Tokens per day", "", &bars(|day| (day.tokens as f64, 0.0)), |n| amount(n as u64), "active"))
                    (charts::bars("Jobs per day", "green: passed, red: not",
                        &bars(|day| (day.succeeded as f64, (day.jobs - day.succeeded) as f64)), |n| format!("{}", (n * 10.0).round() / 10.0), "good"))
                    (charts::spans("Time of a stage", "bar: half take at most this long; line: nine of ten", &times.collect::<Vec<_>>(), show_time))
                }
            }
        }
    }
}

/// Every day of the time, those without runs too.
fn days(snapshot: &Snapshot) -> Vec<Day> {
    let date = |back: u64| snapshot.generated_at.minus(Duration::from_secs(back * 24 * 3600)).date();
    let empty = |date: String| Day { date, ..Day::default() };
    let known = |date: &str| snapshot.history.days.iter().find(|day| day.date == date).cloned();
    (0..DAYS).rev().map(date).map(|date| known(&date).unwrap_or_else(|| empty(date))).collect()
}

/// `5 Jan`.
fn short_date(date: &str) -> String {
    let at = Stamp::parse(&format!("{date}T12:00:00Z"));
    at.map_or_else(|| date.to_owned(), |at| super::parts::local(at).format("%-d %b").to_string())
}
