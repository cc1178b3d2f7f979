//! The result of a job as its bundle describes it: findings, tests, stages, cost, objective.

use maud::{Markup, html};

use crate::board::history::StageRun;
use crate::board::jobs::Job;
use crate::faces::web::pages::parts::{Tone, ago, amount, badge, money, seconds, used};
use crate::faces::web::pages::view::View;
use crate::guard::operator::Recognised;
use crate::model::run::bundle::Bundle;
use crate::model::run::outcome::Finding;
use crate::review::Entry;
use crate::review::target::{merge, newer};

pub fn part(view: &View<'_>, job: Option<&Job>, entry: Option<&Entry>) -> Markup {
    html! {
        section #result aria-label="Result" {
            @match entry {
                Some(entry) => (of(view, entry)),
                None => (stages_so_far(view, job)),
            }
        }
    }
}

fn of(view: &View<'_>, entry: &Entry) -> Markup {
    let bundle = &entry.bundle;
    html! {
        @if let Some(done) = &entry.decision {
            p.notice.quiet {
                "Decided: " b { (done.decision.as_str()) } " by " (done.by) @if done.recognised != Recognised::Neither { ", recognised by " (done.recognised) } ", " (ago(done.at))
                @if let Some(note) = &done.note { br; (note) }
            }
        } @else { (newer_commits(view, entry)) }
        @if entry.decision.is_some() { (findings("Findings", &bundle.findings)) }
        (findings("Sent back earlier for", &bundle.sent_back))
        (tests(bundle))
        (stages(bundle))
        details {
            summary { "Objective and plan" }
            h3 { "Objective" } p.text { (bundle.goal.objective) }
            @if let Some(acceptance) = &bundle.goal.acceptance { h3 { "Acceptance" } p.text { (acceptance) } }
            @if let Some(plan) = &bundle.plan { h3 { "Plan" } p.text { (plan) } }
            h3 { "Commit" }
            p { code { (bundle.commit) } " on " code { (bundle.branch) } ", from " code { (bundle.base_commit) } " of " code { (bundle.target_branch) } }
        }
    }
}

/// Commits on the branch that are not part of what is approved.
fn newer_commits(view: &View<'_>, entry: &Entry) -> Markup {
    let newer = merge::open(view.hub).and_then(|repo| newer::commits(&repo, &entry.bundle)).unwrap_or_default();
    html! {
        @if !newer.is_empty() {
            div.notice.attention {
                p { b { "Not part of what was reviewed: " } "newer commits on the branch" }
                ul { @for line in newer::lines(&newer) { li { code { (line) } } } }
            }
        }
    }
}

pub(super) fn findings(title: &str, found: &[Finding]) -> Markup {
    let mut found: Vec<&Finding> = found.iter().collect();
    found.sort_by_key(|finding| match finding.severity.as_str() {
        "high" => 0,
        "medium" => 1,
        _ => 2,
    });
    html! {
        @if !found.is_empty() {
            h2 { (title) }
            ul.problems {
                @for finding in found {
                    @let (tone, word) = match finding.severity.as_str() {
                        "high" => (Tone::Bad, "High"),
                        "medium" => (Tone::Attention, "Medium"),
                        _ => (Tone::Quiet, "Low"),
                    };
                    li class=(tone.class()) {
                        (badge(tone, word))
                        div.what {
                            p { (finding.describe()) }
                            @if let Some(path) = &finding.path {
                                code { (path) @if let Some(line) = finding.line { ":" (line) } }
                            }
                            @if let Some(hint) = &finding.hint { p.when { (hint) } }
                        }
                    }
                }
            }
        }
    }
}

fn tests(bundle: &Bundle) -> Markup {
    html! {
        h2 { "Tests" }
        @if bundle.tests.is_empty() { p.notice.attention { "Nothing tested this result." } }
        @else {
            table {
                thead { tr { th scope="col" { "Command" } th scope="col" { "Result" } th.n scope="col" { "Time" } } }
                tbody {
                    @for test in &bundle.tests {
                        tr {
                            td { code { (test.command) } }
                            td { (passed(test.passed)) }
                            td.n { (seconds(test.duration_seconds)) }
                        }
                    }
                }
            }
        }
    }
}

fn stages(bundle: &Bundle) -> Markup {
    let listed = bundle.stages.iter().map(|stage| stage.usage.tokens()).sum();
    html! {
        h2 { "Stages" }
        table.stages {
            thead { tr {
                th scope="col" { "Stage" } th scope="col" { "Result" } th.n scope="col" { "Time" }
                th.n scope="col" { "Tokens" } th.n scope="col" { "Cost" }
            } }
            tbody {
                @for stage in &bundle.stages {
                    tr {
                        th scope="row" {
                            (stage.name) @if stage.round > 1 { " " (stage.round) }
                            @if let Some(agent) = &stage.agent { br; span.when { (agent) @if let Some(model) = &stage.model { ", " (model) } } }
                        }
                        td { (passed(stage.passed)) " " (stage.outcome) }
                        td.n { (seconds(stage.duration_seconds)) }
                        td.n { (amount(stage.usage.tokens())) }
                        td.n { @if let Some(cost) = stage.usage.cost_usd { (money(cost)) } @else { "–" } }
                    }
                }
            }
            tfoot {
                tr {
                    th scope="row" { "Together" }
                    td {
                        @if let Some(confidence) = bundle.confidence { "reviewer's confidence " (confidence) " %" }
                        @if bundle.usage.tokens() > listed { p.when { "tokens and cost of the whole job" } }
                    }
                    td.n { (seconds(bundle.stages.iter().map(|stage| stage.duration_seconds).sum())) }
                    td.n { (amount(bundle.usage.tokens())) }
                    td.n { @if let Some(cost) = bundle.usage.cost_usd { (money(cost)) } @else { "–" } }
                }
            }
        }
    }
}

/// The stages of the runs that ended, for a job without a result.
fn stages_so_far(view: &View<'_>, job: Option<&Job>) -> Markup {
    let runs = view.snapshot.history.runs.iter().filter(|run| job.is_some_and(|job| run.job == job.id));
    let stages: Vec<&StageRun> = runs.flat_map(|run| &run.stages).collect();
    html! {
        @if let Some(job) = job.filter(|_| !stages.is_empty()) {
            h2 { "Stages of earlier runs" }
            table {
                thead { tr { th scope="col" { "Stage" } th scope="col" { "Result" } th.n scope="col" { "Time" } } }
                tbody {
                    @for stage in stages {
                        tr {
                            th scope="row" { (stage.stage) @if stage.round > 1 { " " (stage.round) } }
                            td {
                                // It may have asked a question, or was stopped.
                                @if stage.passed { (passed(true)) } @else { (badge(Tone::Quiet, "not passed")) }
                                @if let Some(agent) = &stage.agent { " " (agent) } }
                            td.n { (seconds(stage.seconds)) }
                        }
                    }
                }
            }
            p.when { (used(job.tokens, job.cost_usd)) }
        }
    }
}

fn passed(passed: bool) -> Markup {
    if passed { badge(Tone::Good, "passed") } else { badge(Tone::Bad, "failed") }
}
