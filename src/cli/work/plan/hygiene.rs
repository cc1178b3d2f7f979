//! `teof plan hygiene`

use std::process::ExitCode;

use serde_json::json;

use crate::base::{Exit, Refusal, Result, text};
use crate::cli::App;
use crate::cli::support::author::Flags;
use crate::cli::support::findings;
use crate::guard::operator;
use crate::ops::tasks::hygiene;
use crate::plans::hygiene::Checked;
use crate::plans::store;

/// Find and respell statuses that are not the playbook's
///
/// Such as completed for done, or in-progress for in_progress. --apply changes the statuses alone, and keeps each plan
/// before and after under _report/agent/<seat>/plan-hygiene/. Exit code 1 while something is left to fix.
///
/// With --json: {plans: [{path, fixes: [{at, from, to}], problems: [{code, severity, path, line, message, hint}]}],
/// receipt, event}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof plan hygiene            # as --check\n\
\x20 teof plan hygiene --apply")]
pub struct Args {
    /// Plan ids or paths [default: all plans]
    plans: Vec<String>,
    /// Only show what would change (the default)
    #[arg(long, conflicts_with = "apply")]
    check: bool,
    /// Respell the statuses
    #[arg(long)]
    apply: bool,
    #[command(flatten)]
    author: Flags,
}

pub fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let hub = if args.apply { app.hub()? } else { app.hub_to_read()? };
    let plans: Vec<String> = match args.plans.is_empty() {
        true => store::paths(&hub.root),
        false => args.plans.iter().map(|plan| store::locate(hub, plan)).collect::<Result<_>>()?,
    };
    if plans.is_empty() {
        return Err(Refusal::guard("plan.none", "no plans to check").next("make one: teof plan new --help").into());
    }
    let mut checked = hygiene::check(hub, &plans)?;
    let mut receipt = None;
    if args.apply {
        operator::run::refuse("respell plans")?;
        let answer = hygiene::apply(hub, &args.author.author(hub, None)?, &plans)?;
        answer.remarks.iter().for_each(|remark| app.warn(remark));
        receipt = answer.document["receipt"].as_str().map(str::to_owned);
        app.result(&answer.document, || render(&checked, "FIXED"));
        checked.iter_mut().for_each(|plan| plan.fixes.clear());
    } else {
        app.result(&json!({"plans": checked, "receipt": null, "event": null}), || render(&checked, "FIXABLE"));
    }
    let fixes: usize = checked.iter().map(|plan| plan.fixes.len()).sum();
    let problems: usize = checked.iter().map(|plan| plan.problems.len()).sum();
    app.say(format!(
        "{} checked: {} to respell, {} for a person",
        text::counted(plans.len(), "plan"),
        text::counted(fixes, "status"),
        text::counted(problems, "problem"),
    ));
    receipt.iter().for_each(|receipt| app.say(format!("Receipt: {receipt}")));
    Ok(ExitCode::from(if fixes + problems == 0 { Exit::Done } else { Exit::Refused } as u8))
}

fn render(checked: &[Checked], verb: &str) -> String {
    let mut lines = Vec::new();
    for plan in checked {
        for fix in &plan.fixes {
            lines.push(text::safe(&format!("{verb} {} :: {}: '{}' -> '{}'", plan.path, fix.at, fix.from, fix.to)));
        }
        lines.extend(plan.problems.iter().map(|problem| format!("ERROR {}", findings::line(problem))));
    }
    lines.join("\n")
}
