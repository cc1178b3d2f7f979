//! A job: where it stands, what a person can decide, its result, and its log.

pub mod decide;
mod diff;
mod result;
mod syntax;

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use maud::{Markup, html};

use super::parts::{Tone, ago, badge, lasting, local, said, used};
use super::view::View;

use crate::base::{Stamp, text};
use crate::board::jobs::Job;
use crate::coordinator::worker_log::{Said, said as said_by};
use crate::model::run::noticed::Class;
use crate::review::{Entry, bundles};
use crate::sessions::{self, LocalStorage};

/// The end of the log that is shown, in bytes and lines.
const LOG: u64 = 64 * 1024;
const LINES: usize = 250;

/// The long and the short id of the job of a name; of a result without a job, those of the result.
pub fn names(view: &View<'_>, name: &str) -> Option<(String, String)> {
    if let Some(job) = view.snapshot.job(name) {
        return Some((job.id.clone(), job.short.clone()));
    }
    if let Some(result) = view.snapshot.review.iter().find(|one| one.job == name || one.short == name) {
        return Some((result.job.clone(), result.short.clone()));
    }
    // Decided long ago, or run by hand. A part of a name is no name here.
    let bundle = bundles::find(view.hub, name).ok()?.bundle;
    let short = bundle.short().into_owned();
    (bundle.job == name || short == name).then_some((bundle.job, short))
}

pub fn page(view: &View<'_>, name: &str) -> Option<(String, Vec<(&'static str, Markup)>)> {
    let (id, short) = names(view, name)?;
    let job = view.snapshot.job(&id);
    let entry = match job {
        Some(job) => job.bundle.as_deref().and_then(|path| bundles::at(view.hub, path).ok()),
        None => bundles::find(view.hub, &id).ok(),
    };
    let entry = entry.as_ref();
    let title = entry.map(|entry| entry.bundle.goal.title.clone()).or_else(|| job.map(|job| job.title.clone()));
    let title = title.unwrap_or_default();
    let is_at_work = job.is_some_and(Job::is_running);
    let mut parts = vec![
        ("head", head(view, &short, &title, job, entry)),
        ("decision", decide::about(view, &short, job, entry)),
        ("result", result::part(view, job, entry)),
        ("diff", diff::part(view, &short, job, entry)),
        ("log", log(view, job, entry.is_some_and(Entry::is_pending))),
    ];
    if is_at_work {
        // What it does comes first; the way to stop it last.
        let decision = parts.remove(1);
        parts.push(decision);
    }
    Some((format!("{short} {}", text::clip(&title, 80)), parts))
}

fn head(view: &View<'_>, short: &str, title: &str, job: Option<&Job>, entry: Option<&Entry>) -> Markup {
    let now = view.snapshot.generated_at;
    let task = job.map(|job| job.task.as_str()).or(entry.map(|entry| entry.bundle.task_id.as_str()));
    let seat = job.map(|job| job.seat.as_str()).or(entry.map(|entry| entry.bundle.agent_id.as_str()));
    html! {
        section #head aria-labelledby="job-title" {
            h1 #job-title { span.id { (short) } " " (title) }
            p.facts {
                @if let Some(job) = job {
                    (badge(Tone::at(job, now), job.label))
                    @if let Some(since) = job.since { span { @if job.is_running() { (lasting(since)) } @else { (ago(since)) } } }
                } @else { (badge(Tone::Attention, "to review")) }
                @if let Some(seat) = seat { span { "by " b { (seat) } } }
                @if let Some(task) = task { span { "task " code { (task) } } }
                @if let Some(plan) = job.and_then(|job| job.plan.as_deref()) { span { "plan " code { (plan) } } }
                @if let Some(number) = job.and_then(|job| job.pull_request) { span { "pull request " (number) } }
                @let used = job.map(|job| used(job.tokens, job.cost_usd)).unwrap_or_default();
                @if !used.is_empty() { span { (used) } }
            }
            @if let Some(job) = job {
                @if job.is_running() { (at_work(job, Tone::at(job, now))) }
                @else if let Some(reason) = job.reason.as_ref().filter(|_| job.is_held || !matches!(job.phase, "done" | "review" | "question")) {
                    p.notice class=(Tone::of(job).class()) { (reason) }
                }
                @if let Some(output) = job.last_output.as_ref().filter(|output| !output.text.trim().is_empty()) {
                    details { summary { "Last output of " (output.of) } pre { (output.text) } }
                }
            }
        }
    }
}

/// What it does at this moment.
fn at_work(job: &Job, tone: Tone) -> Markup {
    html! {
        p class={ "notice " (tone.class()) } {
            b { (job.stage.as_deref().unwrap_or("starting")) @if let Some(round) = job.round { ", round " (round) } }
            @if let Some(agent) = &job.agent { " with " (agent) }
            @if let Some(since) = job.stage_since { ", " (lasting(since)) }
            @if let Some(line) = job.last_tool.as_ref().or(job.last_line.as_ref()) { br; span.said { (said(line)) } }
            @if !job.tools.is_empty() {
                br; span.when {
                    @for (at, (tool, times)) in job.tools.iter().enumerate() { @if at > 0 { ", " } (tool) " " (times) }
                    @if job.errors.total() > 0 { "; " (text::counted(job.errors.total(), "error")) }
                }
            }
            @for noticed in &job.noticed {
                br; span class=(if noticed.class == Class::Critical { "attention" } else { "when" }) { "noticed " (noticed.describe()) }
            }
            @if let Some(at) = job.last_at { br; span.when { "last sign of work " (ago(at)) } }
        }
    }
}

fn log(view: &View<'_>, job: Option<&Job>, is_folded: bool) -> Markup {
    let Some((lines, is_cut)) = job.and_then(|job| tail(&job.log)).filter(|(lines, _)| !lines.is_empty()) else {
        return html! { section #log aria-label="Log" {} };
    };
    let raw = raw_folder(&lines);
    html! {
        section #log aria-label="Log" {
            details open[!is_folded] {
                summary { h2 { "Log" } }
                @if is_cut { p.none { "The end of it; all of it: " code { "teof logs " (job.map(|job| job.short.as_str()).unwrap_or_default()) } } }
                @if let Some(folder) = &raw { p.none { "Raw output of the calls below: in " code { (folder) } } }
                pre.log tabindex="0" role="region" aria-label="Lines of the log" data-follow {
                    @for (at, line) in lines.iter().enumerate() {
                        span class=[meaning(line)] { (short_path(line, raw.as_deref())) }
                        @if let Some(began) = lines.get(at + 1).filter(|_| meaning(line) == Some("stage")).and_then(|next| began(view, next)) {
                            "  " span.when { (local(began).format("%H:%M:%S")) }
                        }
                        "\n"
                    }
                }
            }
        }
    }
}

/// When a call began. The log does not say; the record of its session does, which the line after the stage names.
fn began(view: &View<'_>, line: &str) -> Option<Stamp> {
    let path = Path::new(line.split_once(": ").filter(|_| said_by(line) == Said::RawOutput)?.1);
    let session = path.parent()?.file_name()?.to_str()?;
    sessions::read_record(&LocalStorage::of(view.hub).record(session)).ok()??.started_at
}

/// The folder that has the raw output of every call, where the log names one.
fn raw_folder(lines: &[String]) -> Option<String> {
    let mut paths =
        lines.iter().filter(|line| said_by(line) == Said::RawOutput).filter_map(|line| line.split_once(": "));
    let first = Path::new(paths.next()?.1).parent()?.parent()?.to_str()?;
    paths.all(|(_, path)| path.starts_with(first)).then(|| first.to_owned())
}

/// The line without the folder that is said above the log.
fn short_path<'l>(line: &'l str, folder: Option<&str>) -> Cow<'l, str> {
    match folder.filter(|_| said_by(line) == Said::RawOutput) {
        Some(folder) => line.replacen(&format!("{folder}/"), "", 1).into(),
        None => line.into(),
    }
}

/// Stages stand out; what is said about them is indented.
fn meaning(line: &str) -> Option<&'static str> {
    let Some(inner) = line.strip_prefix("      ") else { return (!line.is_empty()).then_some("stage") };
    [("passed: ", "good"), ("ok ", "good"), ("sent back: ", "attention"), ("raw output", "quiet")]
        .into_iter()
        .find_map(|(begin, class)| inner.starts_with(begin).then_some(class))
}

/// The last lines of a file, and whether there are more; `None` when it cannot be read.
fn tail(path: &Path) -> Option<(Vec<String>, bool)> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let from = length.saturating_sub(LOG);
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut bytes = Vec::new();
    file.take(LOG).read_to_end(&mut bytes).ok()?;
    let said = String::from_utf8_lossy(&bytes).into_owned();
    // The first line may be a part of one.
    let whole = if from > 0 { said.split_once('\n').map_or("", |(_, rest)| rest) } else { &said };
    let lines: Vec<String> = whole.lines().map(|line| text::clip(line, 2000)).collect();
    let skipped = lines.len().saturating_sub(LINES);
    Some((lines.into_iter().skip(skipped).collect(), from > 0 || skipped > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_raw_output_is_said_once() {
        let lines = ["coder, round 1", "      raw output: /state/sessions/r-coder-1/stream.log", "      ok in 3s"];
        let lines = lines.map(str::to_owned);
        let folder = raw_folder(&lines);
        assert_eq!(folder.as_deref(), Some("/state/sessions"));
        let shown = lines.each_ref().map(|line| short_path(line, folder.as_deref()));
        assert_eq!(shown, ["coder, round 1", "      raw output: r-coder-1/stream.log", "      ok in 3s"]);
        let other = [lines[1].clone(), "      raw output: /elsewhere/x/stream.log".to_owned()];
        assert_eq!(raw_folder(&other), None);
    }
}
