//! `teof plan show`

use std::collections::HashMap;
use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::list::step_line;
use super::shared;
use crate::base::{Result, text};
use crate::cli::App;
use crate::cli::support::findings;
use crate::cli::support::terminal::{Meaning, paint, style};
use crate::coordinator::state::Ending;
use crate::hub::Hub;
use crate::model::plan::{Status, Step};
use crate::model::run::outcome::Finding;
use crate::plans::new::NO_CHECKPOINT;
use crate::plans::{self, PlanFile, validate};
use crate::review::{Kind, decision};

/// Show one plan and what is wrong with it
///
/// With --json: {path, plan, findings: [{code, severity, path, line, message, hint}], commands_digest}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof plan show 2026-01-05-docs")]
pub struct Args {
    /// The plan's id or path
    plan: String,
    /// Also check that its receipts exist and are tracked
    #[arg(long)]
    strict: bool,
}

/// What `teof plan show --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Document<'a> {
    path: &'a str,
    /// As in its file.
    plan: &'a Map<String, Value>,
    findings: &'a [Finding],
    /// Of the commands, tests and rollbacks that an approval covers.
    commands_digest: Option<String>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub_to_read()?;
    let file = plans::find(hub, &args.plan)?;
    let found = shared::check(hub, args.strict, |evidence| validate::check(&file.path, &file.bytes, evidence))?;
    let document = Document {
        path: &file.path,
        plan: &file.plan.raw,
        findings: &found,
        commands_digest: plans::commands_digest(&file.plan),
    };
    let merged = merged(hub, &file)?;
    app.long_result(&document, || style::prose(&render(&file, &merged)).into_owned());
    if !app.json() {
        found.iter().for_each(|finding| app.say(findings::line(finding)));
    }
    Ok(ExitCode::SUCCESS)
}

/// The jobs of its steps whose result a person merged, with the commit.
fn merged(hub: &Hub, file: &PlanFile) -> Result<HashMap<String, String>> {
    if !file.plan.steps().iter().any(|step| step.status() == Some(Status::Done)) {
        return Ok(HashMap::new());
    }
    let mut merged = HashMap::new();
    for one in decision::history(hub)?.into_iter().filter(|one| one.plan_id.as_deref() == Some(file.id())) {
        match one.decision {
            Kind::Approved => merged.insert(one.job, one.merge_commit.unwrap_or(one.reviewed_commit)),
            _ => merged.remove(&one.job),
        };
    }
    Ok(merged)
}

/// The outcome of the last run, its reason and the end of its output. `merged`: jobs with the commits of their merges.
fn last_run(step: &Step<'_>, merged: &HashMap<String, String>) -> Vec<String> {
    let Some(last) = step.raw.get("last_run") else { return Vec::new() };
    let part = |key: &str| last.pointer(key).and_then(Value::as_str);
    let Some(outcome) = part("/outcome") else { return Vec::new() };
    let job = part("/run").and_then(|run| run.rsplit_once('.')).map(|(job, _)| job);
    let commit = job.filter(|_| outcome == Ending::Done.as_str()).and_then(|job| merged.get(job));
    let said = commit.map(|commit| format!("merged as {}", commit.get(..12).unwrap_or(commit)));
    let reason = said.as_deref().or(part("/reason")).unwrap_or_default();
    let mut lines = vec![format!("      last run {}: {}", text::safe(outcome), text::clip(&text::safe(reason), 300))];
    if let Some(said) = part("/last_output/text").filter(|said| !said.trim().is_empty()) {
        lines.push(format!("      last output of {}:", text::safe(part("/last_output/of").unwrap_or_default())));
        lines.extend(text::safe_block(said).lines().map(|line| format!("        | {line}")));
    }
    lines.extend(part("/last_output/file").map(|file| format!("      full output: {}", text::safe(file))));
    lines
}

fn render(file: &PlanFile, merged: &HashMap<String, String>) -> String {
    let plan = &file.plan;
    let shown = |text: Option<&str>| text.map_or_else(|| "-".to_owned(), text::safe);
    let status = plan.status().map_or("?", Status::as_str);
    let mut lines = vec![
        format!("{} [{status}]", paint(Meaning::Heading, file.id())),
        format!("  {}", shown(plan.summary())),
        format!(
            "  priority {}, layer {}, systemic targets {}",
            plan.priority(),
            shown(plan.layer()),
            text::safe(&plan.systemic_targets().join(" "))
        ),
        format!("  by {}, {}", shown(plan.actor()), plan.created().map_or_else(|| "-".to_owned(), |at| at.to_string())),
    ];
    for step in plan.steps() {
        lines.push(format!("  {}", step_line(&step)));
        lines.extend(step.notes().map(|notes| format!("      {}", text::clip(&text::safe(notes), 160))));
        match step.commands() {
            Ok(commands) => {
                lines.extend(commands.iter().map(|command| format!("      $ {}", text::safe(&command.to_string()))))
            }
            Err(why) => lines.push(format!("      unusable commands: {}", text::safe(&why))),
        }
        lines.extend(step.tests().iter().map(|test| format!("      test: $ {}", text::safe(test))));
        let rollback = step.rollback().unwrap_or_default();
        lines.extend(rollback.iter().map(|command| format!("      rollback: $ {}", text::safe(&command.to_string()))));
        lines.extend(last_run(&step, merged));
        lines.extend(step.receipts().iter().map(|receipt| format!("      receipt {}", text::safe(receipt))));
    }
    let checkpoint = plan.checkpoint();
    let description = match checkpoint.description() {
        Some(NO_CHECKPOINT) => "how to tell that the goal is reached: not written yet".to_owned(),
        written => shown(written),
    };
    lines.push(format!("  checkpoint [{}] {description}", shown(checkpoint.status())));
    lines.extend(shared::to_close(file).map(|how| format!("  {how}")));
    lines.extend(plan.links().iter().map(|(kind, to)| format!("  {} {}", text::safe(kind), text::safe(to))));
    lines.extend(plan.receipts().iter().map(|receipt| format!("  receipt {}", text::safe(receipt))));
    lines.join("\n")
}
