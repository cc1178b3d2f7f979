//! What a person can decide on a page, and what came of it. Plain forms: they work without script.

use maud::{Markup, html};

use super::result;
use crate::base::{Refusal, text};
use crate::board::jobs::Job;
use crate::board::review::tested;
use crate::faces::web::commands::CommandStatus;
use crate::faces::web::pages::parts::{Tone, ago, badge, lasting};
use crate::faces::web::pages::view::View;
use crate::model::run::bundle::Bundle;
use crate::review::Entry;

/// Pause and resume, for the board.
pub fn controls(view: &View<'_>) -> Markup {
    let is_paused = view.snapshot.runtime.paused.is_some();
    html! {
        section #controls aria-labelledby="controls-title" {
            h2 #controls-title { "Coordinator" }
            (told(view.commands.of(None).as_ref()))
            @if is_paused {
                (form(view, "/coordinator/resume", html! { button { "Resume: start new jobs again" } }))
            } @else {
                (form(view, "/coordinator/pause", html! { button { "Pause: start no new jobs" } }))
            }
            p.when { "You decide as " (view.operator) "." }
        }
    }
}

/// What a person can do about a job.
pub fn about(view: &View<'_>, short: &str, job: Option<&Job>, entry: Option<&Entry>) -> Markup {
    let id = job.map(|job| job.id.as_str()).or(entry.map(|entry| entry.bundle.job.as_str()));
    let known = view.commands.of(id);
    let is_busy = known.as_ref().is_some_and(|told| told.result.is_none());
    let phase = job.map(|job| job.phase);
    let waits = entry.is_some_and(Entry::is_pending) && job.is_none_or(Job::needs_review);
    html! {
        section #decision aria-label="Decision" {
            (told(known.as_ref()))
            @if !is_busy {
                @match (phase, entry.filter(|_| waits)) {
                    (Some("question"), _) => (answer(view, short, job)),
                    (_, Some(entry)) => (review(view, short, entry, job.is_some_and(Job::can_go_on))),
                    (Some("blocked"), _) if job.is_some_and(|job| !job.is_superseded) => (again(view, short, job)),
                    (Some(_), _) if job.is_some_and(Job::can_be_told) => {
                        (tell(view, short, job))
                        (cancel(view, short))
                    },
                    _ => {},
                }
            }
        }
    }
}

/// `can_go_on`: the coder can be given the work again.
fn review(view: &View<'_>, short: &str, entry: &Entry, can_go_on: bool) -> Markup {
    let bundle = &entry.bundle;
    let run = of_run(&bundle.run);
    html! {
        h2 { "Your decision" }
        (standing(entry))
        // Before the button: who approves has seen them.
        (result::findings("Findings", &bundle.findings))
        @match &entry.altered {
            Some(why) => p.notice.bad { "This result was changed after it was written, so it cannot be merged: " (why) },
            None => (form(view, &path(short, "approve"), html! {
                (run)
                button.primary.attention[!bundle.is_passing()] { (merges(bundle)) }
            })),
        }
        div.others {
        @if can_go_on {
            details {
                summary { "Send it back" }
                (form(view, &path(short, "retry"), html! {
                    (run)
                    (note("retry-note", "What should change?", true))
                    button { "Retry with this note" }
                }))
            }
        }
        details {
            summary { "Reject it" }
            (form(view, &path(short, "reject"), html! {
                (run)
                (note("reject-note", "Why?", true))
                button.danger { "Reject; the branch is kept" }
            }))
        }
        }
        p.when { "You decide as " (view.operator) "." }
    }
}

/// The words on the button that merges.
fn merges(bundle: &Bundle) -> String {
    let open = bundle.findings.iter().filter(|finding| finding.needs_person() || finding.stops()).count();
    match open {
        0 => format!("Approve and merge to {}", bundle.target_branch),
        n => format!("Approve despite {} and merge to {}", text::counted(n, "finding"), bundle.target_branch),
    }
}

/// What there is to know before the decision, in one line.
fn standing(entry: &Entry) -> Markup {
    let bundle = &entry.bundle;
    let passed = bundle.tests.iter().filter(|test| test.passed).count();
    let all = bundle.tests.len();
    let needs_person = bundle.findings.iter().any(|finding| finding.needs_person() || finding.stops());
    html! {
        p.facts {
            (badge(Tone::of_tests(passed, all), &tested(passed, all)))
            @match (bundle.findings.len(), needs_person) {
                (0, _) => (badge(Tone::Good, "no findings")),
                (n, true) => (badge(Tone::Attention, &format!("{} to look at", text::counted(n, "finding")))),
                (n, false) => (badge(Tone::Quiet, &text::counted(n, "finding"))),
            }
            span { span.plus { "+" (bundle.diff.added) } " " span.minus { "−" (bundle.diff.removed) } " in " (text::counted(bundle.diff.count(), "file")) }
        }
    }
}

fn answer(view: &View<'_>, short: &str, job: Option<&Job>) -> Markup {
    html! {
        h2 { "Its question" }
        @if let Some(asked) = job.and_then(|job| job.question.as_deref()) { blockquote { (asked) } }
        (form(view, &path(short, "answer"), html! {
            @if let Some(job) = job { (of_run(&job.run)) }
            (note("answer-text", "Your answer", true))
            button.primary { "Answer" }
        }))
        p.when { "You decide as " (view.operator) "." }
    }
}

fn again(view: &View<'_>, short: &str, job: Option<&Job>) -> Markup {
    html! {
        h2 { "Try again" }
        (form(view, &path(short, "retry"), html! {
            @if let Some(job) = job { (of_run(&job.run)) }
            (note("retry-note", "What should change? (optional)", false))
            button { "Queue it again" }
        }))
        @if let Some(job) = job.filter(|job| job.dismissed.is_none()) {
            details {
                summary { "Dismiss it" }
                (form(view, &path(short, "reject"), html! {
                    (of_run(&job.run))
                    (note("reject-note", "Why?", true))
                    button.danger { "Dismiss; the branch is kept" }
                }))
            }
        }
    }
}

/// A note to an agent that works.
fn tell(view: &View<'_>, short: &str, job: Option<&Job>) -> Markup {
    let at_once = job.is_some_and(|job| job.takes_notes);
    html! {
        details {
            summary { "Tell its agent something" }
            (form(view, &path(short, "note"), html! {
                (note("note-text", if at_once { "It reads this at once" } else { "It reads this with its next call" }, true))
                button { "Send" }
            }))
        }
    }
}

fn cancel(view: &View<'_>, short: &str) -> Markup {
    html! {
        details {
            summary { "Cancel this job" }
            (form(view, &path(short, "cancel"), html! {
                button.danger { "Stop it, and do not choose its task again" }
            }))
        }
    }
}

/// What is being done, or what came of it.
fn told(known: Option<&CommandStatus>) -> Markup {
    html! {
        @match known {
            None => {},
            Some(CommandStatus { doing, since, progress, result: None }) => p.notice.active role="status" {
                (doing) "… " (lasting(*since)) @if let Some(line) = progress { br; (line) }
            },
            Some(CommandStatus { since, result: Some(Ok(lines)), .. }) =>
                p.notice.good role="status" { (lines.join("\n")) " " span.when { (ago(*since)) } },
            Some(CommandStatus { doing, result: Some(Err(refusal)), .. }) => (refused(doing, refusal)),
        }
    }
}

fn refused(doing: &str, refusal: &Refusal) -> Markup {
    html! {
        div.notice.bad role="alert" {
            p { b { (doing) " was refused: " } (refusal.message) }
            @if let Some(reason) = &refusal.reason { p { (reason) } }
            @for step in &refusal.next { p { code { (step) } } }
        }
    }
}

fn form(view: &View<'_>, action: &str, fields: Markup) -> Markup {
    html! {
        form method="post" action=(action) {
            input type="hidden" name="form" value=(view.form);
            (fields)
        }
    }
}

/// What is decided about: a newer result or question is another run.
fn of_run(run: &str) -> Markup {
    html! { input type="hidden" name="run" value=(run); }
}

fn note(id: &str, label: &str, required: bool) -> Markup {
    html! {
        label for=(id) { (label) }
        textarea #(id) name="text" rows="2" maxlength="16000" required[required] {}
    }
}

fn path(short: &str, act: &str) -> String {
    format!("/jobs/{short}/{act}")
}
