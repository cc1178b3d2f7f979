//! `teof review show`

use std::borrow::Cow;
use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::base::{Result, text};
use crate::cli::App;
use crate::cli::support::findings;
use crate::cli::support::terminal::{Meaning, Times, paint, style};
use crate::cli::unattended::coordinator::last_output;
use crate::coordinator::state::store;
use crate::hub::Hub;
use crate::model::run::bundle::Bundle;
use crate::model::run::job_name::short;
use crate::review::diff::Patch;
use crate::review::pull_request::PullRequest;
use crate::review::target::{merge, newer};
use crate::review::{Entry, bundles, diff, pull_request};

/// Show one job: request, change, tests and findings
///
/// With --json: {short, path, sha256, bundle, decision, altered, pull_request, diff?}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof review show j1\n\
\x20 teof review show j1 --diff")]
pub struct Args {
    /// A job: j1, its run or its task
    job: String,
    /// Show the diff from the base to the reviewed commit
    #[arg(long)]
    diff: bool,
}

impl Args {
    /// To show a job without its diff.
    pub fn of(job: &str) -> Args {
        Args { job: job.to_owned(), diff: false }
    }
}

/// What `teof review show --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Document<'a> {
    #[serde(flatten)]
    entry: &'a Entry,
    short: Cow<'a, str>,
    pull_request: Option<PullRequest>,
    /// Commits on the branch that were not reviewed.
    newer_commits: &'a [newer::Commit],
    /// With `--diff`.
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<&'a str>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub_to_read()?;
    let entry = match bundles::find(hub, &args.job) {
        Ok(entry) => entry,
        // Work without a result has a reason.
        Err(e) => return unfinished(app, hub, &args, e),
    };
    let newer = newer_commits(hub, &entry);
    let patch = args.diff.then(|| diff::patch(hub, &entry.bundle)).transpose()?;
    let document = Document {
        entry: &entry,
        short: entry.bundle.short(),
        pull_request: pull_request::read(hub, &entry.bundle.job)?,
        newer_commits: &newer,
        diff: patch.as_ref().map(|patch| patch.text.as_str()),
    };
    app.long_result(&document, || match &patch {
        Some(patch) => with_secrets(hub, patch, &entry.bundle.commit),
        None => style::prose(&render(hub, &entry, &newer, app.times())).into_owned(),
    });
    Ok(ExitCode::SUCCESS)
}

/// Shows why a job has no result to review.
fn unfinished(app: &App, hub: &Hub, args: &Args, unknown: anyhow::Error) -> Result<ExitCode> {
    let state = store::load(hub)?;
    let Ok(job) = state.find(&args.job) else { return Err(unknown) };
    let commit = job.commit().filter(|_| args.diff);
    let patch = commit.map(|commit| diff::of_commit(hub, commit)).transpose()?;
    let diff = patch.as_ref().map(|patch| &patch.text);
    app.result(&json!({"job": last_output::document(job), "bundle": null, "diff": diff}), || {
        let mut lines = last_output::describe(hub, &state, job);
        lines.push(match (&patch, job.commit()) {
            (Some(_), _) => "  not approved by the checks; what it changed so far:".to_owned(),
            (None, Some(_)) if !args.diff => {
                format!("  no result to review; what it changed: teof review show {} --diff", job.short())
            }
            _ => "  no result to review".to_owned(),
        });
        if let (Some(patch), Some(commit)) = (&patch, commit) {
            lines.push(with_secrets(hub, patch, commit));
        }
        lines.join("\n")
    });
    Ok(ExitCode::SUCCESS)
}

/// The patch, and where a secret that it hides still is.
pub fn with_secrets(hub: &Hub, patch: &Patch, commit: &str) -> String {
    let shown = style::diff(patch.text.trim_end());
    if !patch.adds_secret {
        return shown;
    }
    let note = diff::secret_note(hub, commit);
    let command = note.command.map(|command| format!(":\n  {command}")).unwrap_or_default();
    format!("{shown}\n{}", paint(Meaning::Attention, format!("{}{command}", note.text)))
}

/// The commits on the branch that are newer than what was reviewed.
pub fn newer_commits(hub: &Hub, entry: &Entry) -> Vec<newer::Commit> {
    merge::open(hub).and_then(|repo| newer::commits(&repo, &entry.bundle)).unwrap_or_default()
}

/// Names the commits on the branch that nobody reviewed: the next attempt does not have them.
pub fn left_behind(hub: &Hub, entry: &Entry) -> Option<String> {
    let newer = newer_commits(hub, entry);
    let (last, branch) = (newer.first()?, text::safe(&entry.bundle.branch));
    let count = text::counted(newer.len(), "newer commit");
    Some(format!("left out of the next attempt: {count} on {branch}, the last by {}: {}", last.author, last.subject))
}

pub fn render(hub: &Hub, entry: &Entry, newer: &[newer::Commit], times: Times) -> String {
    let bundle = &entry.bundle;
    let mut lines =
        vec![format!("{} [{}]", paint(Meaning::Heading, text::safe(&bundle.goal.title)), text::safe(&bundle.task_id))];
    if let Some(why) = &entry.altered {
        lines.push(paint(Meaning::Bad, format!("ALTERED: {why}; it will not be merged")));
    }
    if !newer.is_empty() && entry.is_pending() {
        lines.push(format!(
            "not part of what was reviewed: {} on the branch, newer:",
            text::counted(newer.len(), "commit")
        ));
        lines.extend(newer::lines(newer).into_iter().map(|line| format!("  {line}")));
    }
    // What a person has to look at comes first.
    let mut found: Vec<_> = bundle.findings.iter().collect();
    found.sort_by_key(|finding| !finding.needs_person());
    lines.extend(
        found.iter().map(|finding| format!("  {}", findings::with_severity(finding, &findings::line(finding)))),
    );
    lines.extend([
        format!("job        {} (run {})", text::safe(&bundle.short()), text::safe(&short(&bundle.run))),
        format!("by         {}", text::safe(&bundle.agent_id)),
    ]);
    // The manager looks after every job; only another seat is news.
    let reviewer = bundle.reviewer.as_deref().filter(|seat| *seat != "manager");
    lines.extend(reviewer.map(|seat| format!("reviewer   {}", text::safe(seat))));
    lines.extend([
        format!("commit     {} on {}", brief(&bundle.commit), text::safe(&bundle.branch)),
        format!("target     {} (from {})", text::safe(&bundle.target_branch), brief(&bundle.base_commit)),
    ]);
    lines.push(section("Objective", Some(&bundle.goal.objective)));
    lines.push(section("Acceptance", bundle.goal.acceptance.as_deref()));
    lines.push(section("Plan", bundle.plan.as_deref()));
    let before: Vec<_> = bundle.sent_back.iter().map(findings::line).collect();
    lines.push(section("Sent back earlier for", Some(&before.join("\n"))));
    lines.push(stages(bundle));
    lines.push(changes(bundle));
    lines.extend(bundle.receipts.iter().map(|receipt| format!("receipt {}", text::safe(&hub.shown(&receipt.path)))));
    if let Some(done) = &entry.decision {
        let note = done.note.as_ref().map_or_else(String::new, |note| format!(": {}", text::safe(note)));
        let (by, at) = (text::safe(&done.by), times.ago(done.at));
        lines.push(format!("{} by {by}, {at}{note}", done.decision.as_str()));
    } else {
        let job = text::safe(&bundle.short());
        lines.push(format!("the change: teof review show {job} --diff; merge it: teof review approve {job}"));
        lines.push(format!("or: teof review retry {job} --note …; teof review reject {job} --note …"));
    }
    lines.retain(|line| !line.is_empty());
    lines.join("\n")
}

/// A commit as people read it.
fn brief(commit: &str) -> String {
    text::safe(commit.get(..12).unwrap_or(commit))
}

fn section(title: &str, body: Option<&str>) -> String {
    match body.map(str::trim).filter(|body| !body.is_empty()) {
        Some(body) => {
            format!("{}\n  {}", paint(Meaning::Heading, title), text::safe_block(body).replace('\n', "\n  "))
        }
        None => String::new(),
    }
}

fn stages(bundle: &Bundle) -> String {
    let mut lines = vec![paint(Meaning::Heading, format!("Stages, {}", text::counted(bundle.passes, "coder pass")))];
    for stage in &bundle.stages {
        let who = stage.agent.as_deref().map_or_else(String::new, |agent| format!(" by {}", text::safe(agent)));
        let how = if stage.passed { "passed" } else { "failed" };
        lines.push(format!(
            "  {} {}{who}: {how}, {}",
            text::safe(if stage.name == "carry" { "move to the target" } else { &stage.name }),
            stage.round,
            text::safe(&stage.outcome)
        ));
    }
    for test in &bundle.tests {
        let how = if test.passed { "passed" } else { "failed" };
        lines.push(format!("  test {how} in {:.1}s: {}", test.duration_seconds, text::safe(&test.command)));
    }
    lines.extend(bundle.confidence.map(|confidence| format!("  reviewer's confidence {confidence}")));
    let cost = bundle.usage.cost_usd.map_or_else(String::new, |cost| format!(", ${cost:.2}"));
    lines.push(format!("  {}{cost}", text::counted(bundle.usage.tokens(), "token")));
    lines.join("\n")
}

fn changes(bundle: &Bundle) -> String {
    let diff = &bundle.diff;
    let mut lines = vec![format!("Changes +{} -{} (limit {})", diff.added, diff.removed, diff.limit)];
    lines.extend(
        diff.files.iter().map(|file| format!("  +{} -{} {}", file.added, file.removed, text::safe(&file.path))),
    );
    if diff.more_files > 0 {
        lines.push(format!("  and {}", text::counted(diff.more_files, "more file")));
    }
    lines.join("\n")
}
