//! The review queue: finished work that waits for a person.

use maud::{Markup, html};

use super::parts::{Tone, ago, badge, seconds, used};
use super::view::View;
use crate::base::text;
use crate::board::review::Reviewable;

pub fn parts(view: &View<'_>) -> Vec<(&'static str, Markup)> {
    vec![("queue", queue(view))]
}

fn queue(view: &View<'_>) -> Markup {
    let waiting = &view.snapshot.review;
    html! {
        section #queue aria-label="Waiting results" {
            @if waiting.is_empty() { p.none { "Nothing waits for your review." } }
            @else { p.when { "Oldest first. Open one to see its diff and to decide." } }
            @for one in waiting.iter() { (row(one)) }
        }
    }
}

fn row(one: &Reviewable) -> Markup {
    let (tone, words) = match (&one.altered, one.is_passing, one.tests) {
        (Some(_), ..) => (Tone::Bad, "altered"),
        (None, true, _) => (Tone::Good, "passed all checks"),
        (None, false, 0) => (Tone::Attention, "not tested"),
        (None, false, _) if one.tests_passed < one.tests => (Tone::Bad, "tests failed"),
        (None, false, _) => (Tone::Attention, "look at the findings"),
    };
    let used = used(one.tokens, one.cost_usd);
    html! {
        article class={ "card wide " (tone.class()) } {
            h2 { a href={ "/jobs/" (one.short) } { span.id { (one.short) } " " (one.title) } }
            p.facts {
                (badge(tone, words))
                span { span.plus { "+" (one.added) } " " span.minus { "−" (one.removed) } " in " (text::counted(one.files, "file")) }
                @if one.tests > 0 { span { (one.tests_said()) } }
                @if one.findings() == 0 { span { "no findings" } } @else { span { (text::counted(one.findings(), "finding")) } }
                span { "by " (one.seat) ", " (text::counted(one.passes, "pass")) ", " (seconds(one.seconds)) }
                @if !used.is_empty() { span { (used) } }
                span.when { "finished " (ago(one.since)) }
            }
            @if let Some(finding) = &one.finding { p.why { (finding) } }
        }
    }
}
