//! The board: problems first (on a phone, after the results that are ready), then jobs by stage, seats and the last
//! events.

use maud::{Markup, html};

use super::job::decide;
use super::parts::{Tone, ago, badge, lasting, link, said, used};
use super::view::View;
use crate::base::text;
use crate::board::Snapshot;
use crate::board::jobs::Job;
use crate::board::problems::{Problem, Severity};
use crate::board::review::Reviewable;

/// How many finished jobs are shown.
const FINISHED: usize = 8;
/// How many events are.
const EVENTS: usize = 12;
/// How many jobs a column has.
const COLUMN: usize = 30;

pub fn parts(view: &View<'_>) -> Vec<(&'static str, Markup)> {
    vec![
        ("ready", ready(view.snapshot)),
        ("problems", problems(view.snapshot)),
        ("jobs", jobs(view.snapshot)),
        ("seats", seats(view.snapshot)),
        ("feed", feed(view.snapshot)),
        ("controls", decide::controls(view)),
    ]
}

/// The results that passed all checks, for a phone: there the column of jobs that need a person is far below.
fn ready(snapshot: &Snapshot) -> Markup {
    let ready: Vec<_> = snapshot.review.iter().filter(|one| one.is_passing).collect();
    html! {
        section #ready aria-labelledby=[(!ready.is_empty()).then_some("ready-title")] {
            @if !ready.is_empty() {
                h2 #ready-title { "Ready to approve" }
                ul.problems {
                    @for one in ready.iter().take(COLUMN) {
                        li class=(Tone::Good.class()) {
                            div.what {
                                p { span.id { (one.short) } " " (one.title) }
                                (checks(one))
                                p.act { a.button href={ "/jobs/" (one.short) "#decision" } { "Review" span.hidden { " " (one.short) } } }
                            }
                        }
                    }
                }
                @if ready.len() > COLUMN { p.none { a href="/review" { "and " (ready.len() - COLUMN) " more" } } }
            }
        }
    }
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
                                (words(snapshot, problem))
                                // Its words say how long.
                                @if let Some(since) = problem.since.filter(|_| problem.kind != "job.quiet") { " " span.when { (ago(since)) } }
                            }
                            p.act {
                                @if let Some(command) = &problem.command { code { (command) } }
                                @if let Some((path, word)) = action(snapshot, problem) {
                                    a.button href=(path) { (word) @if let Some(about) = &problem.about { span.hidden { " " (about) } } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A question with the sentence before it, which says what it is about.
fn words(snapshot: &Snapshot, problem: &Problem) -> String {
    let job = problem.about.as_deref().filter(|_| problem.kind == "job.question").and_then(|about| snapshot.job(about));
    let asked = job.and_then(|job| Some(format!("{} asks: {}", job.short, job.asked()?)));
    asked.unwrap_or_else(|| problem.what.clone())
}

/// Where a person acts on a problem, and the words of the link.
fn action(snapshot: &Snapshot, problem: &Problem) -> Option<(String, &'static str)> {
    match problem.kind {
        "review.waiting" => return Some(("/review".to_owned(), "Review")),
        "coordinator.paused" => return Some(("#controls".to_owned(), "Resume")),
        _ => {}
    }
    let about = problem.about.as_deref().filter(|about| is_job(snapshot, about))?;
    let (part, word) = match problem.kind {
        "job.question" => ("#decision", "Answer"),
        "job.blocked" | "job.quiet" | "job.retry" | "agent.noticed" => ("#log", "Open the log"),
        _ => ("", "Open the job"),
    };
    Some((format!("/jobs/{about}{part}"), word))
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
        ("question", _) => 4,
        _ if job.needs_review() || job.is_blocked() => 4,
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
    columns[4].sort_by_key(|job| ["question", "blocked"].iter().position(|phase| *phase == job.phase).unwrap_or(2));
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
    let now = snapshot.generated_at;
    let (tone, is_stuck) = (Tone::at(job, now), job.stuck_seconds(now).is_some());
    let result = snapshot.review.iter().find(|one| one.job == job.id);
    let used = used(job.tokens, job.cost_usd);
    html! {
        article class={ "card " (tone.class()) } {
            h4 { a href={ "/jobs/" (job.short) } { span.id { (job.short) } " " (job.title) } }
            p.meta {
                @if job.is_running() {
                    (job.stage.as_deref().unwrap_or("starting"))
                    @if let Some(round) = job.round.filter(|round| *round > 1) { ", round " (round) }
                    " · "
                    @match (is_stuck, job.since, job.last_at) {
                        (true, _, Some(at)) => span.attention { "nothing for " (lasting(at)) },
                        (_, Some(since), _) => (lasting(since)),
                        _ => {},
                    }
                } @else {
                    (badge(Tone::of(job), job.label))
                    @if let Some(since) = job.since { " " (ago(since)) }
                    @if let Some(until) = job.until { " until " (ago(until)) }
                }
            }
            @if let Some(result) = result {
                (checks(result))
            }
            @if job.is_running() {
                @if let Some(line) = job.last_tool.as_ref().or(job.last_line.as_ref()) { p.said { (said(line)) } }
            } @else if let Some(line) = job.asked().or_else(|| job.reason.clone()) {
                @if job.is_held || (job.phase != "done" && job.phase != "review") { p.why { (text::clip(&line, 240)) } }
            }
            p.meta { (job.seat) @if !used.is_empty() { " · " (used) } }
        }
    }
}

/// What there is to know before a decision: tests, findings, size.
fn checks(result: &Reviewable) -> Markup {
    let tests = Tone::of_tests(result.tests_passed, result.tests);
    html! {
        p.meta {
            span class=(tests.class()) { (result.tests_said()) }
            @if result.findings() == 0 { ", no findings" }
            " · " span.plus { "+" (result.added) } " " span.minus { "−" (result.removed) }
        }
        @if result.findings() > 0 {
            p.why { span.attention[!result.is_passing] { (text::clip(&result.findings_said(), 160)) } }
        }
    }
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
