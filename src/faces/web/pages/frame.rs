//! The frame around every page: head, menu, the coordinator's state, and what is said to screen readers.

use maud::{DOCTYPE, Markup, html};

use super::address::{Address, MENU};
use super::parts::{Tone, ago, amount, badge, money};
use super::view::View;
use crate::base::text;
use crate::board::Snapshot;

/// The parts that all pages have.
pub fn common(view: &View<'_>, here: &Address) -> Vec<(&'static str, Markup)> {
    vec![
        ("menu", menu(view.snapshot, here)),
        ("state", state(view.snapshot)),
        ("trouble", trouble(None)),
        ("spoken", spoken(view.snapshot)),
    ]
}

/// The whole document.
pub fn document(
    address: &Address,
    project: &str,
    title: &str,
    common: &[(&'static str, Markup)],
    parts: &[(&'static str, Markup)],
) -> Markup {
    let part = |wanted: &str| {
        let found = common.iter().find(|(id, _)| *id == wanted);
        found.map(|(_, html)| html.clone()).unwrap_or_default()
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · " (project) " · teof" }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/app.css";
                script src="/app.js" defer {}
            }
            body data-page=(address.path()) {
                a.skip href="#main" { "Skip to the content" }
                header {
                    p.brand { a href="/" { "teof" } " " span { (project) } }
                    (part("menu"))
                    p #live role="status" { "Reload to update" }
                }
                (part("state"))
                (part("trouble"))
                main #main tabindex="-1" class={ "page-" (address.class()) } {
                    @if !matches!(address, Address::Job(_)) { h1.hidden { (title) } }
                    @for (_, html) in parts { (html) }
                }
                (part("spoken"))
            }
        }
    }
}

fn menu(snapshot: &Snapshot, here: &Address) -> Markup {
    html! {
        nav #menu aria-label="Pages" {
            @for (address, name) in MENU {
                a href=(address.path()) aria-current=[(address.class() == here.class()).then_some("page")] {
                    (name)
                    @if address == Address::Review && !snapshot.review.is_empty() {
                        " " span.count { (snapshot.review.len()) span.hidden { " to review" } }
                    }
                }
            }
        }
    }
}

/// What the coordinator does and may do.
fn state(snapshot: &Snapshot) -> Markup {
    let runtime = &snapshot.runtime;
    let running = snapshot.jobs.iter().filter(|job| job.is_running()).count();
    let (tone, words) = match (&runtime.stuck, runtime.running, &runtime.paused, runtime.breaker.open_since) {
        (Some(_), ..) => (Tone::Bad, "Coordinator stuck"),
        (.., Some(_)) => (Tone::Bad, "Breaker open"),
        (_, true, ..) if runtime.stopping => (Tone::Attention, "Coordinator stops after the current stages"),
        (_, true, Some(_), _) => (Tone::Attention, "Coordinator paused"),
        (_, true, None, _) => (Tone::Good, "Coordinator running"),
        (_, false, ..) => (Tone::Quiet, "Coordinator not running"),
    };
    let (spent, budget) = (runtime.spent_today, runtime.budget);
    let limit = |is_set: bool, limit: String| if is_set { format!(" of {limit}") } else { String::new() };
    let left = match (runtime.consent.given, runtime.consent.jobs_left) {
        (false, _) => "none".to_owned(),
        (true, None) => "any number of jobs may start".to_owned(),
        (true, Some(left)) => format!("{} may start", text::counted(left, "more job")),
    };
    let left_of = |limit: f64, spent: f64| match limit > 0.0 {
        true => format!(" ({} left)", money((limit - spent).max(0.0))),
        false => String::new(),
    };
    html! {
        dl #state.state aria-label="Coordinator" {
            div { dt.hidden { "Coordinator" } dd { (badge(tone, words)) } }
            div { dt { "Running" } dd { (running) " of " (text::counted(runtime.slots, "slot")) } }
            div { dt { "Cost today" } dd {
                (money(spent.cost_usd.unwrap_or(0.0))) (left_of(budget.day_cost, spent.cost_usd.unwrap_or(0.0)))
            } }
            div { dt { "Tokens today" } dd {
                (amount(spent.tokens)) (limit(budget.day_tokens > 0, amount(budget.day_tokens)))
            } }
            div { dt { "Consent" } dd { (left) } }
            @if let Some(why) = runtime.no_job_starts() {
                div { dt.hidden { "Obstacle" } dd { (badge(Tone::Attention, &why)) } }
            }
            @if let Some(paused) = &runtime.paused {
                div { dt { "Paused by" } dd { (paused.by) ", " (ago(paused.at)) } }
            }
        }
    }
}

/// Why the board cannot be read, if so.
pub fn trouble(error: Option<&anyhow::Error>) -> Markup {
    html! {
        div #trouble role="alert" {
            @if let Some(error) = error { p.notice.bad { "The board cannot be read: " (format!("{error:#}")) } }
        }
    }
}

/// What a screen reader says when it changes.
fn spoken(snapshot: &Snapshot) -> Markup {
    let running = snapshot.jobs.iter().filter(|job| job.is_running()).count();
    let asking = snapshot.jobs.iter().filter(|job| job.phase == "question").count();
    html! {
        p #spoken.hidden aria-live="polite" {
            (running) " running, " (snapshot.review.len()) " to review, " (text::counted(asking, "question")) ", "
            (text::counted(snapshot.problems.len(), "problem"))
        }
    }
}
