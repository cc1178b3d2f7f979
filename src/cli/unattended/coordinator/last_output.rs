//! Why a job ended, the end of its output, and where the rest of it is.

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::text;
use crate::board::jobs::UNMERGED;
use crate::coordinator::executor::reviews;
use crate::coordinator::executor::workers::LOGS;
use crate::coordinator::pauses;
use crate::coordinator::state::{Ending, Job, Last, Phase, State};
use crate::hub::Hub;
use crate::model::run::job_name::short;
use crate::model::run::outcome::Verdict;

/// The longest line of what is said in brief, in characters.
const BRIEF: usize = 200;

/// A job as documents hold it: as it is saved, with its short name and its state as people see it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Document<'a> {
    #[serde(flatten)]
    job: &'a Job,
    short: String,
    pub state: &'static str,
}

pub fn document(job: &Job) -> Document<'_> {
    Document { job, short: job.short(), state: job.label() }
}

/// What a job last said, while that matters: not while it works again, and not when it ended well.
fn last(job: &Job) -> Option<&Last> {
    let ended_well = matches!(job.phase, Phase::Over { ending: Ending::Done, .. } | Phase::Review { .. });
    // A result that was sent back is good until it is worked on again.
    let is_sent_back = |last: &Last| job.rework.is_some() && last.verdict == Some(Verdict::Succeeded);
    job.last.as_ref().filter(|last| !ended_well && !job.takes_a_slot() && (job.is_over() || !is_sent_back(last)))
}

/// Why a job needs a person, in a line or two: the reason, and the question or the last line of the output.
pub fn in_brief(job: &Job) -> Vec<String> {
    if let Some(other) = job.yields_to.as_ref().filter(|_| job.takes_a_slot()) {
        return vec![text::safe(&format!("pauses after this stage for {other}, which is more urgent"))];
    }
    let Some(last) = last(job) else { return Vec::new() };
    let mut lines = Vec::new();
    if let Some(question) = last.question.as_deref().filter(|_| job.asks()) {
        lines.push(format!("question: {}", text::clip(telling(question), BRIEF)));
        lines.push(format!("answer: teof coordinator answer {} \"...\"", job.short()));
    } else if let Some(answer) = &job.answer {
        lines.push(format!("answered: {}", text::clip(answer, BRIEF)));
    } else {
        lines.extend((!last.reason.is_empty()).then(|| text::clip(&last.reason, BRIEF)));
        let said = last.output.as_ref().map(|output| telling(&output.text)).unwrap_or_default();
        // The reason may say the same.
        lines.extend(
            (!said.is_empty() && !last.reason.ends_with(said)).then(|| format!("| {}", text::clip(said, BRIEF))),
        );
    }
    lines.iter().map(|line| text::safe(line)).collect()
}

/// The last line that says something, rather than that a program around it failed too.
fn telling(body: &str) -> &str {
    let lines = || body.lines().rev().map(str::trim).filter(|line| line.chars().any(char::is_alphanumeric));
    let is_wrapper =
        |line: &&str| line.starts_with("make") || line.starts_with("npm ") || line.starts_with("error: test failed");
    let names_error =
        |line: &&str| line.contains("Error: ") || line.contains("error: ") || line.contains("panicked at");
    let own = || lines().filter(|line| !is_wrapper(line));
    own().find(names_error).or_else(|| own().next()).or_else(|| lines().next()).unwrap_or_default()
}

/// The open question or the last output, each line behind `indent`; empty for a job that works or ended well.
pub fn output(job: &Job, indent: &str) -> Vec<String> {
    let Some(last) = last(job) else { return Vec::new() };
    let block = |body: &str| body.lines().map(|line| format!("{indent}  | {line}")).collect::<Vec<_>>();
    let mut lines = Vec::new();
    if let Some(question) = last.question.as_deref().filter(|_| job.asks()) {
        lines.push(format!("{indent}question:"));
        lines.extend(block(question));
        lines.push(format!("{indent}answer: teof coordinator answer {} \"...\"", job.short()));
    } else if let Some(output) = last.output.as_ref().filter(|output| !output.text.trim().is_empty()) {
        lines.push(format!("{indent}last output of {}:", output.of));
        lines.extend(block(&output.text));
    }
    lines.extend(last.output.iter().map(|output| format!("{indent}full output: {}", output.file)));
    lines.iter().map(|line| text::safe(line)).collect()
}

/// Everything that is known about a job, one line each.
pub fn describe(hub: &Hub, state: &State, job: &Job) -> Vec<String> {
    let is_unmerged = reviews::is_unmerged(hub, state, job);
    let label = if is_unmerged { UNMERGED } else { job.label() };
    // A job that works has a reason only of its earlier attempt.
    let reason = pauses::of_job(hub, job).or_else(|| job.reason().filter(|_| !job.takes_a_slot()));
    let standing = match reason {
        Some(reason) if reason.starts_with(label) => reason,
        Some(reason) => format!("{label}: {reason}"),
        None => label.to_owned(),
    };
    let head = format!("{} {} ({}), run {}", job.short(), job.task, job.seat, short(&job.run_id()));
    let mut lines = vec![text::safe(&head), text::safe(&format!("  {standing}"))];
    lines.extend(output(job, "  "));
    lines.extend(
        job.last
            .iter()
            .filter_map(|last| last.envelope.as_ref())
            .map(|path| format!("  details  {}", text::safe(&hub.shown(path)))),
    );
    let log = hub.local(&format!("{LOGS}/{}.log", job.run_id()));
    if log.is_file() {
        lines.push(format!("  log      teof logs {}", job.short()));
    }
    if is_unmerged {
        lines.push(format!("  merge    teof review approve {}", job.short()));
    }
    match (&job.phase, state.successor(job)) {
        (Phase::Over { ending, .. }, Some(later)) if *ending != Ending::Done => {
            lines.push(format!("  retried  as {}: teof logs {}", later.short(), later.short()));
        }
        (Phase::Over { .. }, None) if state.is_superseded(job) => {
            lines.push("  retried  queued again: teof run".to_owned())
        }
        (Phase::Over { ending: ending @ (Ending::Blocked | Ending::Reverted), .. }, None) => {
            lines.push(format!("  again    teof review retry {} --note \"...\"", job.short()));
            if *ending == Ending::Blocked && job.decision.is_none() {
                lines.push(match reviews::dismissed(hub, state, job) {
                    Some(how) => format!("  dismissed  {how}"),
                    None => format!("  dismiss  teof review reject {} --note \"...\"", job.short()),
                });
            }
        }
        _ => {}
    }
    lines
}
