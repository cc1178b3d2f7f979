//! `teof task sync`

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::base::{Result, text};
use crate::cli::App;
use crate::cli::support::author::Flags;
use crate::guard::operator;
use crate::ops::Answer;
use crate::ops::tasks::sync;

/// Bring the backlog and the task list in line with the claims
///
/// The claim decides. It also names the tasks whose claim and assignment disagree, which a manager must settle, and
/// keeps a receipt under _report/agent/<seat>/task_sync/.
///
/// With --json: {changes: [{task_id, path, from, to}], left: [{task_id, why}], disagreements: [{task_id, engineer,
/// manager, holder, claim_status, assigned_plan, claimed_plan, why}], receipt, event}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof task sync --dry-run\n\
\x20 teof task sync")]
pub struct Args {
    /// Show what would change, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    author: Flags,
}

pub fn run(args: &Args, app: &App) -> Result<ExitCode> {
    if args.dry_run {
        let plan = sync::compare(app.hub_to_read()?)?;
        app.result(&plan, || render(&json!(plan)));
        advise(plan.disagreements.len(), app);
        app.say("Nothing was written.");
        return Ok(ExitCode::SUCCESS);
    }
    operator::run::refuse("sync the tasks")?;
    let hub = app.hub()?;
    let Answer { document, remarks, .. } = sync::sync(hub, &args.author.author(hub, None)?)?;
    remarks.iter().for_each(|remark| app.warn(remark));
    app.result(&document, || render(&document));
    advise(document["disagreements"].as_array().map_or(0, Vec::len), app);
    app.say(format!("Receipt: {}", document["receipt"].as_str().unwrap_or_default()));
    Ok(ExitCode::SUCCESS)
}

fn advise(disagreements: usize, app: &App) {
    if disagreements > 0 {
        let what = text::counted(disagreements, "claim");
        let fix = "teof task assign <task> --engineer <seat> --no-auto-claim";
        app.say(format!("{what} and assignments disagree; a manager settles it: {fix}"));
    }
}

fn render(plan: &Value) -> String {
    let rows = |key: &str| plan[key].as_array().cloned().unwrap_or_default();
    let part = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let mut lines = Vec::new();
    for row in rows("changes") {
        let [task, path, from, to] = ["task_id", "path", "from", "to"].map(|key| part(&row, key));
        lines.push(format!("{task}: {from} -> {to} ({path})"));
    }
    for key in ["left", "disagreements"] {
        lines.extend(rows(key).iter().map(|row| format!("{}: {}", part(row, "task_id"), part(row, "why"))));
    }
    if lines.is_empty() {
        lines.push("Everything agrees.".to_owned());
    }
    lines.into_iter().map(|line| text::safe(&line)).collect::<Vec<_>>().join("\n")
}
