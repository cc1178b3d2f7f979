//! Small pieces that several pages show: times, amounts, badges, links to jobs.

use std::time::Duration;

use chrono::{DateTime, Local};
use maud::{Markup, html};

use crate::base::Stamp;
use crate::base::time::duration;
use crate::board::Snapshot;
use crate::board::jobs::Job;

/// What a colour means. A word always says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Quiet,
    Active,
    Good,
    Attention,
    Bad,
}

impl Tone {
    pub fn class(self) -> &'static str {
        match self {
            Tone::Quiet => "quiet",
            Tone::Active => "active",
            Tone::Good => "good",
            Tone::Attention => "attention",
            Tone::Bad => "bad",
        }
    }

    /// Of a job at this moment: one that has done nothing for long needs a look.
    pub fn at(job: &Job, now: Stamp) -> Tone {
        if job.stuck_seconds(now).is_some() { Tone::Attention } else { Tone::of(job) }
    }

    /// Of the tests of a result.
    pub fn of_tests(passed: usize, all: usize) -> Tone {
        match all {
            0 => Tone::Attention,
            all if all == passed => Tone::Good,
            _ => Tone::Bad,
        }
    }

    /// Of a job's phase.
    pub fn of(job: &Job) -> Tone {
        match job.phase {
            "running" => Tone::Active,
            _ if job.needs_review() => Tone::Attention,
            "question" => Tone::Attention,
            "blocked" if job.is_blocked() => Tone::Bad,
            "done" => Tone::Good,
            _ => Tone::Quiet,
        }
    }
}

pub fn badge(tone: Tone, words: &str) -> Markup {
    html! { span class={ "badge " (tone.class()) } { (words) } }
}

/// A moment: the time of day here, and the date on other days. The script turns it into `3 min ago`.
pub fn ago(at: Stamp) -> Markup {
    html! { time datetime=(at) data-ago { (clock(at)) } }
}

/// How long something has lasted since `at`. Without the script, since when.
pub fn lasting(at: Stamp) -> Markup {
    html! { time datetime=(at) data-lasting { "since " (clock(at)) } }
}

/// `14:30`, or `5 Jan 14:30` on other days than the machine's today.
pub fn clock(at: Stamp) -> String {
    let local = local(at);
    #[allow(clippy::disallowed_methods)] // It decides how a time is written, nothing else.
    let is_today = local.date_naive() == Local::now().date_naive();
    local.format(if is_today { "%H:%M" } else { "%-d %b %H:%M" }).to_string()
}

pub fn local(at: Stamp) -> DateTime<Local> {
    DateTime::from_timestamp(at.unix(), 0).unwrap_or_default().with_timezone(&Local)
}

pub fn seconds(seconds: f64) -> String {
    match seconds {
        s if s.is_finite() && s >= 10.0 => duration(Duration::from_secs_f64(s.min(1e9))),
        s if s.is_finite() && s >= 0.0 => format!("{s:.1}s"),
        _ => "–".to_owned(),
    }
}

/// `950`, `12 k`, `1.2 M`.
pub fn amount(n: u64) -> String {
    match n {
        0..1000 => n.to_string(),
        1000..10_000 => format!("{:.1} k", n as f64 / 1000.0),
        10_000..1_000_000 => format!("{} k", n / 1000),
        _ => format!("{:.1} M", n as f64 / 1e6),
    }
}

pub fn money(dollars: f64) -> String {
    format!("${dollars:.2}")
}

/// Tokens and cost in a few words; empty for nothing.
pub fn used(tokens: u64, cost: Option<f64>) -> String {
    let tokens = (tokens > 0).then(|| format!("{} tokens", amount(tokens)));
    let cost = cost.filter(|cost| *cost > 0.0).map(money);
    tokens.into_iter().chain(cost).collect::<Vec<_>>().join(" · ")
}

/// A tool's call for people: `Read {"file_path":"src/a.rs"}` is `Read src/a.rs`. Other lines stay as they are.
pub fn said(line: &str) -> String {
    let call = || {
        let (tool, arguments) = line.split_once(' ')?;
        let arguments: serde_json::Map<String, serde_json::Value> = serde_json::from_str(arguments).ok()?;
        let values = arguments.values().filter_map(|value| value.as_str()).collect::<Vec<_>>();
        (!values.is_empty()).then(|| format!("{tool} {}", values.join(" ")))
    };
    call().unwrap_or_else(|| line.to_owned())
}

/// A name that leads to the job's page, if there is such a job.
pub fn link(snapshot: &Snapshot, name: &str) -> Markup {
    let is_job = snapshot.job(name).is_some() || snapshot.review.iter().any(|one| one.short == name || one.job == name);
    html! {
        @if is_job { a href={ "/jobs/" (name) } { (name) } } @else { (name) }
    }
}

/// How far something is, as a bar; the words beside it say the same.
pub fn bar(done: usize, of: usize) -> Markup {
    html! { progress value=(done) max=(of.max(1)) aria-hidden="true" {} }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_spans_are_short() {
        assert_eq!([7, 9_949, 12_345, 1_234_567].map(amount), ["7", "9.9 k", "12 k", "1.2 M"]);
        assert_eq!([0.25, 9.0, 75.0, f64::NAN].map(seconds), ["0.2s", "9.0s", "1m 15s", "–"]);
        assert_eq!(said(r#"Read {"file_path":"src/a.rs"}"#), "Read src/a.rs");
        assert_eq!(
            [r#"Read {"file_path":"src/a"#, "I read {}"].map(said),
            [r#"Read {"file_path":"src/a"#, "I read {}"]
        );
        assert_eq!(used(0, None), "");
        assert_eq!(used(1500, Some(0.5)), "1.5 k tokens · $0.50");
    }
}
