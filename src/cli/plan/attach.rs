//! `teof plan attach`

use std::process::ExitCode;

use serde_json::json;

use crate::base::Result;
use crate::cli::App;
use crate::hub::Act;
use crate::hub::kept::{self, Need};
use crate::plans::{Evidence, edit, evidence, store};
use crate::receipts::{entry, ledger};
use crate::seats;

/// Attach a receipt to a step and to its plan; the receipt itself is left as it is.
///
/// The receipt must be a regular file of the repository, and JSON must parse. One that git does not
/// keep yet is entered into the ledger when it lies in _report/, and refused elsewhere, where files are
/// edited.
///
/// With --json: {plan_id, path, step_id, receipt, entered}.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The plan's id or path
    plan: String,
    /// The step's id
    step: String,
    /// The receipt, relative to the root of the repository
    #[arg(long, value_name = "PATH")]
    file: String,
    /// The seat that enters it into the ledger
    #[arg(long, value_name = "SEAT")]
    agent: Option<String>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let path = store::locate(hub, &args.plan)?;
    let (receipt, sha256) = entry::hashed(hub, &args.file)?;
    let mut found = evidence::look(&hub.root, &receipt, &super::tracked(hub)?);
    let entered = found == Evidence::Untracked && entry::is_place(&receipt);
    let agent = if entered { Some(seats::resolve(hub, args.agent.as_deref())?) } else { None };
    match &agent {
        Some(agent) => entry::check(hub, &[(receipt.clone(), sha256.clone())], agent)?,
        None => kept::check(hub, &[(receipt.as_str(), Need::There)])?,
    }
    let mut writer = hub.lock("plan attach")?;
    let mut act = Act::new(format!("plan attach {} {}", store::id_of(&path), args.step));
    if let Some(agent) = &agent {
        ledger::enter(&writer, &mut act, agent, &[(receipt.clone(), sha256)])?;
        found = Evidence::Tracked;
    }
    edit::attach(&writer, &mut act, &path, &args.step, &receipt, found)?;
    writer.perform(act)?;
    let id = store::id_of(&path);
    let document = json!({"plan_id": id, "path": path, "step_id": args.step, "receipt": receipt, "entered": entered});
    app.result(&document, || format!("attached {receipt} to {id} {}", args.step));
    Ok(ExitCode::SUCCESS)
}
