//! Who worked on what: the runs of the last hours by seat, and as a list.

use std::collections::BTreeMap;
use std::time::Duration;

use maud::{Markup, html};

use super::address::{Address, Range};
use super::parts::{Tone, ago, badge, link, local, used};
use super::view::View;
use crate::base::time::duration;
use crate::base::{Stamp, text};
use crate::board::Snapshot;
use crate::board::history::Run;
use crate::model::run::job_name::short;
use crate::model::run::outcome::Verdict;

/// How many runs the list has.
const LISTED: usize = 40;
const WIDTH: f64 = 960.0;
const LEFT: f64 = 110.0;
const ROW: f64 = 30.0;
const BELOW: f64 = 24.0;

/// A run, or a job that runs.
struct Work<'s> {
    job: String,
    /// Older jobs may have none.
    has_page: bool,
    title: &'s str,
    from: Stamp,
    to: Stamp,
    tone: Tone,
    words: &'static str,
}

pub fn parts(view: &View<'_>, range: Range) -> Vec<(&'static str, Markup)> {
    vec![("timeline", drawing(view.snapshot, range)), ("runs", runs(view.snapshot))]
}

/// The work of these hours by seat.
fn by_seat(snapshot: &Snapshot, range: Range) -> BTreeMap<&str, Vec<Work<'_>>> {
    let now = snapshot.generated_at;
    let since = now.minus(Duration::from_secs((range.hours() * 3600).unsigned_abs()));
    let mut seats: BTreeMap<&str, Vec<Work<'_>>> = BTreeMap::new();
    for run in snapshot.history.runs.iter().filter(|run| run.finished_at >= since) {
        let (tone, words) = standing(snapshot, run);
        let title = snapshot.job(&run.job).map_or(run.task.as_str(), |job| job.title.as_str());
        let work = Work {
            job: short(&run.job).into_owned(),
            has_page: snapshot.job(&run.job).is_some(),
            title,
            from: run.started_at,
            to: run.finished_at,
            tone,
            words,
        };
        seats.entry(&run.seat).or_default().push(work);
    }
    for job in snapshot.jobs.iter().filter(|job| job.is_running()) {
        let work = Work {
            job: job.short.clone(),
            has_page: true,
            title: &job.title,
            from: job.since.unwrap_or(now),
            to: now,
            tone: Tone::Active,
            words: "running",
        };
        seats.entry(&job.seat).or_default().push(work);
    }
    seats
}

fn drawing(snapshot: &Snapshot, range: Range) -> Markup {
    let seats = by_seat(snapshot, range);
    let hours = range.hours();
    let now = snapshot.generated_at.unix();
    let height = seats.len() as f64 * ROW + BELOW;
    let x = |at: i64| {
        let part = 1.0 - (now - at) as f64 / (hours * 3600) as f64;
        LEFT + (WIDTH - LEFT) * part.clamp(0.0, 1.0)
    };
    html! {
        section #timeline aria-labelledby="timeline-title" {
            h2 #timeline-title { "Last " (text::counted(hours as usize, "hour")) }
            p.ranges {
                @for other in Range::ALL {
                    a href=(Address::Timeline(other).path()) aria-current=[(other == range).then_some("true")] { (other.hours()) " h" } " "
                }
            }
            @if seats.is_empty() { p.none { "No seat worked." } }
            @else {
                div.scroll tabindex="0" role="region" aria-labelledby="timeline-title" {
                    svg.timeline viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label="Runs by seat; the list below says the same" {
                        @for at in marks(now, range) {
                            line.grid x1=(x(at)) x2=(x(at)) y1="0" y2=(height - BELOW) {}
                            text.axis x=(x(at)) y=(height - 8.0) text-anchor="middle" { (local(Stamp::from_unix(at)).format("%H:%M")) }
                        }
                        text.axis x=(WIDTH) y=(height - 8.0) text-anchor="end" { "now" }
                        @for (row, (seat, work)) in seats.iter().enumerate() {
                            @let y = row as f64 * ROW;
                            text.seat x="0" y=(y + 20.0) { (text::clip(seat, 16)) }
                            line.grid x1="0" x2=(WIDTH) y1=(y + ROW) y2=(y + ROW) {}
                            @for one in work { (block(one, x(one.from.unix()), x(one.to.unix()), y)) }
                        }
                    }
                }
                p.when.legend { (badge(Tone::Good, "passed")) " " (badge(Tone::Active, "running")) " " (badge(Tone::Attention, "needs you")) " " (badge(Tone::Bad, "blocked or failed")) " " (badge(Tone::Quiet, "paused")) }
            }
        }
    }
}

/// Round times of these hours, by the clock on the wall, but none too close to now.
fn marks(now: i64, range: Range) -> Vec<i64> {
    let step = match range {
        Range::Hour => 600,
        Range::EightHours => 3600,
        Range::Day => 3 * 3600,
    };
    let zone = i64::from(local(Stamp::from_unix(now)).offset().local_minus_utc());
    let last = now - (now + zone).rem_euclid(step);
    let all = (0..).map(|back| last - back * step).take_while(|at| now - at < range.hours() * 3600);
    all.filter(|at| now - at > step / 3).collect()
}

fn block(work: &Work<'_>, from: f64, to: f64, y: f64) -> Markup {
    let width = (to - from).max(4.0);
    let from = from.min(WIDTH - width);
    html! {
        a href=[work.has_page.then(|| format!("/jobs/{}", work.job))] {
            title { (work.job) " " (work.title) ": " (work.words) ", " (duration(work.to.since(work.from))) }
            rect class={ "mark " (work.tone.class()) } x=(from) width=(width) y=(y + 6.0) height="18" rx="3" {}
            @if width > 12.0 + 7.0 * work.job.len() as f64 { text.inside x=(from + 6.0) y=(y + 19.0) { (work.job) } }
        }
    }
}

fn runs(snapshot: &Snapshot) -> Markup {
    let runs = &snapshot.history.runs;
    html! {
        section #runs aria-labelledby="runs-title" {
            h2 #runs-title { "Runs" }
            @if runs.is_empty() { p.none { "No run ended in the last two weeks." } }
            @else {
                div.scroll tabindex="0" role="region" aria-labelledby="runs-title" {
                    table {
                        thead { tr {
                            th scope="col" { "Job" } th scope="col" { "Task" } th scope="col" { "Seat" } th scope="col" { "Ended" }
                            th.n scope="col" { "Took" } th scope="col" { "Result" } th scope="col" { "Used" }
                        } }
                        tbody {
                            @for run in runs.iter().rev().take(LISTED) {
                                @let (tone, words) = standing(snapshot, run);
                                tr {
                                    th scope="row" { (link(snapshot, &short(&run.job))) }
                                    td { (run.task) }
                                    td { (run.seat) }
                                    td.nowrap { (ago(run.finished_at)) }
                                    td.n { (duration(run.finished_at.since(run.started_at))) }
                                    td { (badge(tone, words)) }
                                    td.nowrap { (used(run.tokens, run.cost_usd)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The job's state, as everywhere else; for an earlier run of it, how that ended.
fn standing(snapshot: &Snapshot, run: &Run) -> (Tone, &'static str) {
    if let Some(job) = snapshot.job(&run.job).filter(|job| job.run == run.run) {
        return (Tone::of(job), job.label);
    }
    match run.verdict {
        Verdict::Succeeded => (Tone::Good, "passed"),
        Verdict::Failed => (Tone::Bad, "failed"),
        Verdict::Blocked => (Tone::Bad, "blocked"),
        Verdict::Paused => (Tone::Quiet, "paused"),
        Verdict::Refused => (Tone::Quiet, "refused"),
    }
}
