//! Plans with their progress, and how the open ones burn down.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::charts;
use super::parts::{Tone, ago, badge, bar, clock};
use super::view::View;
use crate::base::Stamp;
use crate::board::plans::Plan;
use crate::model::plan::Status;
use crate::review::Kind;
use crate::review::decision;

/// How many plans are drawn, and how many finished ones are listed.
const DRAWN: usize = 12;
const FINISHED: usize = 20;

pub fn parts(view: &View<'_>) -> Vec<(&'static str, Markup)> {
    vec![("burn", burn(view)), ("plans", list(view))]
}

fn list(view: &View<'_>) -> Markup {
    let (open, finished): (Vec<&Plan>, Vec<&Plan>) = view.snapshot.plans.iter().partition(|plan| plan.is_open);
    html! {
        section #plans aria-labelledby="plans-title" {
            h2 #plans-title { "Open plans " span.count { (open.len()) } }
            @if open.is_empty() { p.none { "No open plan." } } @else { (table(view, &open)) }
            @if !finished.is_empty() {
                details {
                    summary { "Finished plans " span.count { (finished.len()) } }
                    (table(view, &finished.iter().rev().take(FINISHED).copied().collect::<Vec<_>>()))
                    @if finished.len() > FINISHED { p.none { "The newest " (FINISHED) "; all: " code { "teof plan list" } } }
                }
            }
        }
    }
}

fn table(view: &View<'_>, plans: &[&Plan]) -> Markup {
    html! {
        table {
            thead { tr { th scope="col" { "Plan" } th scope="col" { "Status" } th scope="col" { "Steps" } th scope="col" { "Changed" } } }
            tbody {
                @for plan in plans {
                    tr {
                        th scope="row" {
                            (plan.id)
                            @if !plan.summary.is_empty() { br; span.when { (plan.summary) } }
                        }
                        td { (status(view, plan)) }
                        td { (bar(plan.steps_done, plan.steps_total)) " " span.nowrap { (plan.steps_done) " of " (plan.steps_total) } }
                        td { @if let Some(at) = plan.updated { (ago(at)) } }
                    }
                }
            }
        }
    }
}

/// Work in progress that was cancelled, blocked or rejected, and that nobody goes on with, is called so.
fn status(view: &View<'_>, plan: &Plan) -> Markup {
    let is_begun = Status::meant(&plan.status) == Some(Status::InProgress);
    let jobs = view.snapshot.jobs.iter().filter(|job| job.plan.as_ref() == Some(&plan.id));
    let newest = jobs.max_by_key(|job| (job.chosen_at, !job.is_over)).filter(|_| is_begun);
    match newest.filter(|job| job.is_over && job.phase != "done" && !job.is_superseded) {
        Some(job) if job.is_blocked() => badge(Tone::Bad, job.label),
        Some(job) => badge(Tone::Quiet, job.label),
        None => badge(tone(&plan.status), &plan.status.replace('_', " ")),
    }
}

fn tone(status: &str) -> Tone {
    match Status::meant(status) {
        Some(Status::InProgress) => Tone::Active,
        Some(Status::Blocked) => Tone::Bad,
        Some(Status::Done) => Tone::Good,
        Some(Status::Queued) | None => Tone::Quiet,
    }
}

fn burn(view: &View<'_>) -> Markup {
    let done_at = done_at(view);
    let open = view.snapshot.plans.iter().filter(|plan| plan.is_open && plan.steps_total > 1 && plan.created.is_some());
    let drawn: Vec<&Plan> = open.take(DRAWN).collect();
    html! {
        section #burn aria-labelledby="burn-title" {
            @if !drawn.is_empty() {
                h2 #burn-title { "Burn-down" }
                div.figures { @for plan in drawn { (chart(plan, &done_at, view.snapshot.generated_at)) } }
            }
        }
    }
}

/// When each step was approved, by plan and step.
fn done_at(view: &View<'_>) -> BTreeMap<(String, String), Stamp> {
    let decisions = decision::history(view.hub).unwrap_or_default();
    let approved = decisions.into_iter().filter(|decision| decision.decision == Kind::Approved);
    approved.filter_map(|decision| Some(((decision.plan_id?, decision.step_id?), decision.at))).collect()
}

/// A step without an approval counts from when the plan last changed.
fn chart(plan: &Plan, done_at: &BTreeMap<(String, String), Stamp>, now: Stamp) -> Markup {
    let start = plan.created.unwrap_or(now);
    let end = now.unix().max(start.unix() + 1);
    let whole = (end - start.unix()) as f64;
    let part = |at: Stamp| ((at.unix() - start.unix()) as f64 / whole).clamp(0.0, 1.0);
    let of_step =
        |step: &str| done_at.get(&(plan.id.clone(), step.to_owned())).copied().or(plan.updated).unwrap_or(now);
    let mut done: Vec<f64> =
        plan.steps.iter().filter(|step| step.is_done).map(|step| part(of_step(&step.id))).collect();
    done.sort_by(f64::total_cmp);
    let mut points = vec![(0.0, plan.steps_total)];
    points.extend(done.iter().enumerate().map(|(n, at)| (*at, plan.steps_total - n - 1)));
    points.push((1.0, plan.steps_total - done.len()));
    let note = format!("{} of {} steps left", plan.steps_total - done.len(), plan.steps_total);
    charts::burn_down(&plan.id, &note, plan.steps_total, &points, [clock(start), "now".to_owned()])
}
