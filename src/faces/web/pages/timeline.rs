//! Who worked on what: the runs of the last hours by seat, and as a list.

use std::collections::BTreeMap;
use std::time::Duration;

use maud::{Markup, html};

use super::address::{Address, Range};
use super::parts::{Tone, ago, badge, lasting, link, local, used};
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
/// The least width of a bar.
const LEAST: f64 = 4.0;
/// So many runs in eight hours are enough to show no more of the past.
const ENOUGH: usize = 3;
/// How many bars beside each other a person must not miss.
const BESIDE: usize = 8;

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

pub fn parts(view: &View<'_>, range: Option<Range>) -> Vec<(&'static str, Markup)> {
    let range = range.unwrap_or_else(|| {
        let recent = by_seat(view.snapshot, Range::EightHours).values().map(Vec::len).sum::<usize>();
        if recent >= ENOUGH { Range::EightHours } else { Range::Day }
    });
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
            tone: Tone::at(job, now),
            words: if job.stuck_seconds(now).is_some() { "stuck" } else { "running" },
        };
        seats.entry(&job.seat).or_default().push(work);
    }
    for work in seats.values_mut() {
        work.sort_by_key(|one| rank(one.tone));
    }
    seats
}

/// The later one is drawn over the others: what needs a person is never hidden.
fn rank(tone: Tone) -> u8 {
    match tone {
        Tone::Quiet | Tone::Good => 0,
        Tone::Active => 1,
        Tone::Attention => 2,
        Tone::Bad => 3,
    }
}

/// Where the bars of a seat begin, and how wide they are. The smallest that need a person stand beside each other.
fn places(work: &[Work<'_>], x: impl Fn(i64) -> f64) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let place = |one: &Work<'_>| {
        let width = (x(one.to.unix()) - x(one.from.unix())).max(LEAST);
        let mut from = x(one.from.unix()).min(WIDTH - width);
        if rank(one.tone) >= rank(Tone::Attention) {
            for _ in 0..BESIDE {
                let Some(other) = kept.iter().find(|(at, wide)| from < at + wide && *at < from + width) else { break };
                if width > LEAST {
                    break;
                }
                from = other.0 - width - 1.0;
            }
            kept.push((from, width));
        }
        (from, width)
    };
    work.iter().map(place).collect()
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
                    a href=(Address::Timeline(Some(other)).path()) aria-current=[(other == range).then_some("true")] { (other.hours()) " h" } " "
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
                            @for (one, (from, width)) in work.iter().zip(places(work, x)) { (block(one, from, width, y)) }
                        }
                    }
                }
                p.when.legend { (badge(Tone::Good, "passed")) " " (badge(Tone::Active, "running")) " " (badge(Tone::Attention, "needs you, or stuck")) " " (badge(Tone::Bad, "blocked or failed")) " " (badge(Tone::Quiet, "paused")) }
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

fn block(work: &Work<'_>, from: f64, width: f64, y: f64) -> Markup {
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
    let running: Vec<_> = snapshot.jobs.iter().filter(|job| job.is_running()).collect();
    html! {
        section #runs aria-labelledby="runs-title" {
            h2 #runs-title { "Runs" }
            @if runs.is_empty() && running.is_empty() { p.none { "No run ended in the last two weeks." } }
            @else {
                div.scroll tabindex="0" role="region" aria-labelledby="runs-title" {
                    table {
                        thead { tr {
                            th scope="col" { "Job" } th scope="col" { "Task" } th scope="col" { "Seat" } th scope="col" { "Ended" }
                            th.n scope="col" { "Took" } th scope="col" { "Result" } th scope="col" { "Used" }
                        } }
                        tbody {
                            @for job in running {
                                tr {
                                    th scope="row" { (link(snapshot, &job.short)) }
                                    td { (job.task) }
                                    td { (job.seat) }
                                    td { "–" }
                                    td.n { @if let Some(since) = job.since { (lasting(since)) } }
                                    td { (badge(Tone::at(job, snapshot.generated_at), job.label)) }
                                    td.nowrap { (used(job.tokens, job.cost_usd)) }
                                }
                            }
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

/// The job's state, as everywhere else; for one that is over and for an earlier run of it, how the run ended.
fn standing(snapshot: &Snapshot, run: &Run) -> (Tone, &'static str) {
    if let Some(job) = snapshot.job(&run.job).filter(|job| job.run == run.run && job.phase != "done") {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_that_needs_a_person_is_hidden_by_no_other() {
        let work = |from: i64, to: i64, tone: Tone| Work {
            job: "j1".into(),
            has_page: true,
            title: "",
            from: Stamp::from_unix(from),
            to: Stamp::from_unix(to),
            tone,
            words: "",
        };
        let mut all = [
            work(500, 501, Tone::Bad),
            work(500, 501, Tone::Attention),
            work(500, 502, Tone::Good),
            work(100, 200, Tone::Active),
        ];
        all.sort_by_key(|one| rank(one.tone));
        let places = places(&all, |at| at as f64);
        assert_eq!(places, [(500.0, LEAST), (100.0, 100.0), (500.0, LEAST), (495.0, LEAST)]);
    }
}
