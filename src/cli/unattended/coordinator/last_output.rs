//! Why a job ended, the end of its output, and where the rest of it is.

use serde_json::{Value, json};

use crate::base::text;
use crate::coordinator::executor::workers::LOGS;
use crate::coordinator::state::{Ending, Job, Phase};
use crate::hub::Hub;
use crate::model::run::job_name::short;

/// A job as documents hold it: as it is saved, with its short name.
pub fn document(job: &Job) -> Value {
    let mut document = json!(job);
    document["short"] = json!(job.short());
    document
}

/// The open question or the last output, each line behind `indent`; empty for a job that ended well.
pub fn output(job: &Job, indent: &str) -> Vec<String> {
    if matches!(job.phase, Phase::Over { ending: Ending::Done, .. } | Phase::Review { .. }) {
        return Vec::new();
    }
    let Some(last) = &job.last else { return Vec::new() };
    let block = |body: &str| body.lines().map(|line| format!("{indent}  | {line}")).collect::<Vec<_>>();
    let mut lines = Vec::new();
    if let Some(question) = last.question.as_deref().filter(|_| job.asks()) {
        lines.push(format!("{indent}question:"));
        lines.extend(block(question));
        lines.push(format!("{indent}answer: teof coordinator answer {} \"...\"", job.short()));
    } else if let Some(output) = &last.output {
        lines.push(format!("{indent}last output of {}:", output.of));
        lines.extend(block(&output.text));
    }
    lines.extend(last.output.iter().map(|output| format!("{indent}full output: {}", output.file)));
    lines.iter().map(|line| text::safe(line)).collect()
}

/// Everything that is known about a job, one line each.
pub fn describe(hub: &Hub, job: &Job) -> Vec<String> {
    let reason = job.last.as_ref().map(|last| format!(": {}", last.reason)).unwrap_or_default();
    let head = format!("{} {} ({}), run {}", job.short(), job.task, job.seat, short(&job.run_id()));
    let mut lines = vec![text::safe(&head), text::safe(&format!("  {}{reason}", job.phase.label()))];
    lines.extend(output(job, "  "));
    lines.extend(
        job.last
            .iter()
            .filter_map(|last| last.envelope.as_ref())
            .map(|path| format!("  envelope {}", text::safe(&hub.shown(path)))),
    );
    let log = hub.local(&format!("{LOGS}/{}.log", job.run_id()));
    if log.is_file() {
        lines.push(format!("  log      teof logs {}", job.short()));
    }
    if matches!(job.phase, Phase::Over { ending: Ending::Blocked, .. }) {
        lines.push(format!("  again    teof review retry {} --note \"...\"", job.short()));
    }
    lines
}
