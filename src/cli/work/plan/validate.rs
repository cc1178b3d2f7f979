//! `teof plan validate`

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::shared;
use crate::base::{Exit, Refusal, Result, Stamp, files, json};
use crate::cli::App;
use crate::cli::support::findings;
use crate::cli::support::help::MORE;
use crate::guard::capped;
use crate::hub::output::Output;
use crate::hub::{Hub, Transaction};
use crate::model::run::outcome::Finding;
use crate::plans::requests::queue::Warning;
use crate::plans::{Evidence, store, validate};

/// Check plans by the rules of the playbook
///
/// Exit code 1 when a plan fails.
///
/// With --json: {generated_at, strict, exit_code, plans: [{path, ok, errors: [text], findings: [{code,
/// severity, path, line, message, hint}], plan_id, queue_warnings}]}; --output writes the same.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof plan validate                            # all plans\n\
\x20 teof plan validate 2026-01-05-docs --strict")]
pub struct Args {
    /// Plan ids or paths [default: all plans]
    plans: Vec<String>,
    /// Also check that receipts exist, are whole, listed once, and tracked
    #[arg(long)]
    strict: bool,
    /// Also write the summary to this file (CI reads _report/planner/validate/summary-latest.json)
    #[arg(long, value_name = "PATH", help_heading = MORE)]
    output: Option<String>,
    /// Replace the file of --output although teof did not write it
    #[arg(long, requires = "output", help_heading = MORE)]
    force: bool,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub_to_read()?;
    if let Some(output) = &args.output {
        let homes = &["_report/planner/"];
        Output { flag: "--output", homes, force: Some(args.force), is_own: is_summary }.check(hub, output)?;
    }
    let paths = match args.plans.is_empty() {
        true => store::paths(&hub.root),
        false => args.plans.iter().map(|plan| store::locate(hub, plan)).collect::<Result<_>>()?,
    };
    if paths.is_empty() {
        return Err(Refusal::guard("plan.none", "no plans to check").next("make one: teof plan new --help").into());
    }
    let checked: Vec<(String, Vec<Finding>)> = shared::check(hub, args.strict, |evidence| {
        paths.iter().map(|path| (path.clone(), check(hub, path, evidence))).collect()
    })?;
    let failed: BTreeSet<String> =
        checked.iter().filter(|(_, found)| !found.is_empty()).map(|(path, _)| path.clone()).collect();
    let checked = capped(checked);
    let exit = if failed.is_empty() { Exit::Done } else { Exit::Refused };
    let summary = Document {
        generated_at: hub.now(),
        strict: args.strict,
        exit_code: exit as u8,
        plans: checked.iter().map(|(path, found)| entry(hub, path, !failed.contains(path), found)).collect(),
    };
    if let Some(output) = &args.output {
        let mut transaction = Transaction::new("plan validate --output");
        transaction.replace(output.as_str(), json::pretty(&summary) + "\n");
        hub.lock("plan validate")?.commit(transaction)?;
    }
    app.result(&summary, || render(&checked, &failed));
    Ok(ExitCode::from(exit as u8))
}

/// What it prints with `--json`, and writes with `--output`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Document<'a> {
    generated_at: Stamp,
    strict: bool,
    exit_code: u8,
    plans: Vec<Checked<'a>>,
}

/// A plan and what is wrong with it.
#[derive(Debug, Serialize, JsonSchema)]
struct Checked<'a> {
    path: &'a str,
    ok: bool,
    /// The messages of the findings.
    errors: Vec<&'a str>,
    findings: &'a [Finding],
    plan_id: &'a str,
    queue_warnings: Vec<Warning>,
}

fn is_summary(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Value>(bytes).is_ok_and(|document| document.get("exit_code").is_some())
}

fn check(hub: &Hub, path: &str, evidence: Option<&dyn Fn(&str) -> Evidence>) -> Vec<Finding> {
    let bytes = hub.path(path).and_then(|file| files::read(&file, files::MAX_DOCUMENT));
    match bytes {
        Ok(Some(bytes)) => validate::check(path, &bytes, evidence),
        Ok(None) => vec![Finding::high("plan.unreadable", path, "the plan does not exist")],
        Err(e) => vec![Finding::high("plan.unreadable", path, format!("{e:#}"))],
    }
}

/// Of many findings of a kind, the first, over all plans; the last of them tells how many more there are.
fn capped(checked: Vec<(String, Vec<Finding>)>) -> Vec<(String, Vec<Finding>)> {
    let (paths, found): (Vec<_>, Vec<_>) = checked.into_iter().unzip();
    let mut of_path: BTreeMap<Option<String>, Vec<Finding>> = BTreeMap::new();
    for finding in capped::per_code(found.concat()) {
        of_path.entry(finding.path.clone()).or_default().push(finding);
    }
    paths.into_iter().map(|path| (path.clone(), of_path.remove(&Some(path)).unwrap_or_default())).collect()
}

fn entry<'a>(hub: &Hub, path: &'a str, ok: bool, findings: &'a [Finding]) -> Checked<'a> {
    let warnings = store::find(hub, path).map(|file| shared::queue_warnings(hub, path, &file.plan)).unwrap_or_default();
    Checked {
        path,
        ok,
        errors: findings.iter().map(|finding| finding.message.as_str()).collect(),
        findings,
        plan_id: store::id_of(path),
        queue_warnings: warnings,
    }
}

fn render(checked: &[(String, Vec<Finding>)], failed: &BTreeSet<String>) -> String {
    let mut lines = Vec::new();
    for (path, found) in checked {
        lines.push(format!(
            "{} {}",
            if failed.contains(path) { "FAIL" } else { "OK  " },
            crate::base::text::safe(path)
        ));
        lines.extend(found.iter().map(|finding| format!("  {}", findings::line(finding))));
    }
    lines.push(format!("{} checked, {} failed", checked.len(), failed.len()));
    lines.join("\n")
}
