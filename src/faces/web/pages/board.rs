//! The board: problems first, then jobs by stage, then seats and the last events.

use maud::{Markup, html};

use super::job::decide;
use super::parts::{Tone, ago, badge, lasting, link, said, used};
use super::view::View;
use crate::base::text;
use crate::board::Snapshot;
use crate::board::jobs::Job;
use crate::board::problems::{QUIET, Severity};

/// How many finished jobs are shown.
const FINISHED: usize = 8;
/// How many events are.
const EVENTS: usize = 12;
/// How many jobs a column has.
const COLUMN: usize = 30;

pub fn parts(view: &View<'_>) -> Vec<(&'static str, Markup)> {
    vec![
        ("problems", problems(view.snapshot)),
        ("jobs", jobs(view.snapshot)),
        ("seats", seats(view.snapshot)),
        ("feed", feed(view.snapshot)),
        ("controls", decide::controls(view)),
    ]
}

fn problems(snapshot: &Snapshot) -> Markup {
    html! {
        section #problems aria-labelledby="problems-title" {
            h2 #problems-title { "Problems" }
            @if snapshot.problems.is_empty() { p.none { "Nothing needs you." } }
            ul.problems {
                @for problem in &snapshot.problems {
                    @let (tone, word) = grade(problem.severity);
                    li class=(tone.class()) {
                        (badge(tone, word))
                        div.what {
                            p {
                                @match problem.about.as_deref() {
                                    Some(about) if is_job(snapshot, about) => a href={ "/jobs/" (about) } { (problem.what) },
                                    _ => @if problem.kind == "review.waiting" { a href="/review" { (problem.what) } }
                                        @else { (problem.what) },
                                }
                                @if let Some(since) = problem.since { " " span.when { (ago(since)) } }
                            }
                            @if let Some(command) = &problem.command { code { (command) } }
                        }
                    }
                }
            }
        }
    }
}

fn grade(severity: Severity) -> (Tone, &'static str) {
    match severity {
        Severity::High => (Tone::Bad, "High"),
        Severity::Medium => (Tone::Attention, "Medium"),
        Severity::Low => (Tone::Quiet, "Low"),
    }
}

fn is_job(snapshot: &Snapshot, name: &str) -> bool {
    snapshot.job(name).is_some() || snapshot.review.iter().any(|one| one.short == name)
}

/// A column of the board.
const COLUMNS: [&str; 6] = ["Waiting", "Planning", "Coding", "Checking", "Needs you", "Finished"];

/// The column of a job; `None` for one that is not shown.
fn column(job: &Job) -> Option<usize> {
    Some(match (job.phase, job.stage.as_deref()) {
        ("running", Some("planner")) => 1,
        ("running", Some("tester" | "reviewer")) => 3,
        ("running" | "reporting", _) => 2,
        ("review" | "question", _) => 4,
        ("blocked", _) if !job.is_superseded => 4,
        _ if job.is_over && job.is_superseded => return None,
        _ if job.is_over => 5,
        _ => 0,
    })
}

fn jobs(snapshot: &Snapshot) -> Markup {
    let mut columns: [Vec<&Job>; 6] = Default::default();
    for job in &snapshot.jobs {
        if let Some(at) = column(job) {
            columns[at].push(job);
        }
    }
    let finished = columns[5].len();
    columns[5].truncate(FINISHED);
    let queued = &snapshot.runtime.queued;
    html! {
        section #jobs aria-labelledby="jobs-title" {
            h2 #jobs-title { "Jobs by stage" }
            div.columns {
                @for (at, (name, jobs)) in COLUMNS.iter().zip(&columns).enumerate() {
                    @let extra = if at == 0 { queued.len() } else { 0 };
                    @let total = if at == 5 { finished } else { jobs.len() + extra };
                    div.column.empty[total == 0] {
                        h3 { (name) " " span.count { (total) } }
                        @if total == 0 { p.none { "–" } }
                        @for job in jobs.iter().take(COLUMN) { (card(snapshot, job)) }
                        @if at == 0 {
                            @for one in queued.iter().take(COLUMN) {
                                article.card {
                                    h4 { (one.task) }
                                    p.meta { "queued by " (one.by) ", " (ago(one.at)) }
                                }
                            }
                        }
                        @if jobs.len() > COLUMN { p.none { "and " (jobs.len() - COLUMN) " more" } }
                        @if at == 5 && finished > FINISHED { p.none { "and " (finished - FINISHED) " before" } }
                    }
                }
            }
        }
    }
}

fn card(snapshot: &Snapshot, job: &Job) -> Markup {
    let quiet = job.quiet_seconds(snapshot.generated_at).filter(|quiet| *quiet >= QUIET);
    let tone = if quiet.is_some() { Tone::Attention } else { Tone::of(job) };
    let result = snapshot.review.iter().find(|one| one.job == job.id);
    let used = used(job.tokens, job.cost_usd);
    html! {
        article class={ "card " (tone.class()) } {
            h4 { a href={ "/jobs/" (job.short) } { span.id { (job.short) } " " (job.title) } }
            p.meta {
                @if job.is_running() {
                    (job.stage.as_deref().unwrap_or("starting"))
                    @if let Some(round) = job.round.filter(|round| *round > 1) { ", round " (round) }
                    @if let Some(since) = job.since { " · " (lasting(since)) }
                } @else {
                    (badge(Tone::of(job), job.label))
                    @if let Some(since) = job.since { " " (ago(since)) }
                    @if let Some(until) = job.until { " until " (ago(until)) }
                }
            }
            @if let Some(result) = result {
                p.meta {
                    (tested(result.tests_passed, result.tests)) " · "
                    span.plus { "+" (result.added) } " " span.minus { "−" (result.removed) }
                    @let found = result.high_findings + result.other_findings;
                    @if found > 0 {
                        " · " span class=(if result.is_passing { "" } else { "attention" }) { (text::counted(found, "finding")) }
                    }
                }
            }
            @if job.is_running() {
                @if let Some(quiet) = quiet { p.why { "no sign of work for " (quiet / 60) " min" } }
                @if let Some(line) = job.last_tool.as_ref().or(job.last_line.as_ref()) { p.said { (said(line)) } }
            } @else if let Some(line) = asked(job).or(job.reason.as_deref()) {
                @if job.phase != "done" && job.phase != "review" { p.why { (text::clip(line, 160)) } }
            }
            p.meta { (job.seat) @if !used.is_empty() { " · " (used) } }
        }
    }
}

/// How many tests passed.
fn tested(passed: usize, all: usize) -> Markup {
    let (tone, words) = match all {
        0 => (Tone::Attention, "not tested".to_owned()),
        1 if passed == 1 => (Tone::Good, "test passed".to_owned()),
        _ if passed == all => (Tone::Good, format!("all {all} tests passed")),
        _ => (Tone::Bad, format!("{passed} of {} passed", text::counted(all, "test"))),
    };
    html! { span class=(tone.class()) { (words) } }
}

/// The last line of the question.
fn asked(job: &Job) -> Option<&str> {
    job.question.as_deref()?.lines().rev().find(|line| !line.trim().is_empty())
}

fn seats(snapshot: &Snapshot) -> Markup {
    html! {
        section #seats aria-labelledby="seats-title" {
            h2 #seats-title { "Seats" }
            @if snapshot.seats.is_empty() { p.none { "No seat yet." } }
            @else {
                table {
                    thead { tr { th scope="col" { "Seat" } th scope="col" { "Doing" } th scope="col" { "Seen" } } }
                    tbody {
                        @for seat in &snapshot.seats {
                            tr {
                                th scope="row" { (seat.id) @if seat.is_manager && seat.id != "manager" { " " span.when { "manager" } } }
                                td {
                                    @match (&seat.job, &seat.doing) {
                                        (Some(job), Some(doing)) => a href={ "/jobs/" (job) } { (doing) },
                                        (_, Some(doing)) => (doing),
                                        _ => span.none { "nothing" },
                                    }
                                }
                                td.nowrap { @if let Some(seen) = seat.last_seen { (ago(seen)) } @else { "never" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn feed(snapshot: &Snapshot) -> Markup {
    html! {
        section #feed aria-labelledby="feed-title" {
            h2 #feed-title { "Events" }
            @if snapshot.events.is_empty() { p.none { "No event yet." } }
            ol.feed {
                @for event in snapshot.events.iter().rev().take(EVENTS) {
                    li {
                        span.when { @if let Some(at) = event.at { (ago(at)) } }
                        p {
                            b { (event.seat) } " " span.when { (event.event) }
                            @if let Some(task) = &event.task { " " (link(snapshot, task)) }
                            @if event.severity.as_deref() == Some("high") { " " (badge(Tone::Bad, "High")) }
                            br; (event.summary)
                        }
                    }
                }
            }
        }
    }
}
