//! `teof plan attach`

use std::process::ExitCode;

use serde_json::{Map, json};

use super::shared;
use crate::base::Result;
use crate::cli::App;
use crate::cli::support::author::Flags;
use crate::guard::operator::{self, OPERATOR};
use crate::guard::secrets;
use crate::hub::repository::clone_fidelity::{self, Need};
use crate::ops::tasks::plan_edit::{self, Edit, Editor};
use crate::plans::{Evidence, edit, evidence, store};
use crate::receipts::{entry, ledger};
use crate::seats;

/// Attach a receipt to a step and its plan
///
/// Use it to add evidence that a step is done. The receipt must be a regular file of the repository, and JSON
/// must parse. A receipt under _report/ that git does not track is entered into the ledger; anywhere else it is
/// refused. A seat needs a session and a claim of the step; a person needs neither.
///
/// With --json: {plan_id, path, step_id, receipt, entered}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof plan attach 2026-01-05-docs S1 --file _report/agent/codex-1/proof.txt")]
pub struct Args {
    /// The plan's id or path
    plan: String,
    /// The step's id
    step: String,
    /// The receipt, relative to the repository
    #[arg(long, value_name = "PATH")]
    file: String,
    #[command(flatten)]
    author: Flags,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let path = store::locate(hub, &args.plan)?;
    let (receipt, sha256) = entry::hashed(hub, &args.file)?;
    let mut found = evidence::find(&hub.root, &receipt, &shared::tracked(hub)?);
    let entered = found == Evidence::Untracked && entry::is_place(&receipt);
    secrets::check_files(hub, [receipt.as_str()])?;
    let editor = shared::editor(app, &args.author)?;
    let agent = match (&editor, entered) {
        (_, false) => None,
        (Editor::Seat(author), true) => Some(author.agent.clone()),
        (Editor::Person(_), true) => Some(seats::resolve(hub, None).unwrap_or_else(|_| OPERATOR.to_owned())),
    };
    match &agent {
        Some(agent) => entry::check(hub, &[(receipt.clone(), sha256.clone())], agent)?,
        None => clone_fidelity::check(hub, &[(receipt.as_str(), Need::There)])?,
    }
    operator::run::check_step(hub, store::id_of(&path), None, "attach evidence to another plan")?;
    let edit = Edit { command: "plan attach", plan: &path, step: Some(&args.step), done: false };
    let remarks = plan_edit::apply(hub, &editor, edit, |writer, transaction| {
        if let Some(agent) = &agent {
            ledger::enter(writer, transaction, agent, &[(receipt.clone(), sha256)])?;
            found = Evidence::Tracked;
        }
        edit::attach(writer, transaction, &path, &args.step, &receipt, found)?;
        let meta = Map::from_iter([("receipt".to_owned(), json!(receipt))]);
        Ok((format!("attached {receipt} to {}", args.step), meta))
    })?;
    remarks.iter().for_each(|remark| app.say(remark));
    let id = store::id_of(&path);
    let document = json!({"plan_id": id, "path": path, "step_id": args.step, "receipt": receipt, "entered": entered});
    app.result(&document, || format!("attached {receipt} to {id} {}", args.step));
    Ok(ExitCode::SUCCESS)
}
