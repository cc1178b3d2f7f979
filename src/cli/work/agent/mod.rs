//! `teof agent …`

mod doctor;
pub(in crate::cli) mod plugin;
pub(in crate::cli) mod setup;
mod trial;

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::base::Result;
use crate::cli::App;
use crate::cli::support::author::Flags;
use crate::cli::support::help::MORE;
use crate::cli::support::terminal::{Cell, Column, Meaning, Table, Times};
use crate::cli::work::bus::write::pairs;
use crate::guard::operator;
use crate::ops::session::seat::{self, Overview, SaveRequest, Taken};
use crate::seats::{self, saved};

/// Manage seats; check the agent programs, and install teof in them
///
/// A seat is an agent's identity. A worktree has one seat, its AGENT_MANIFEST.json; other seats are in
/// AGENT_MANIFEST.<id>.json or saved under a label. Where several agents work in one folder, TEOF_AGENT names
/// the seat instead.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof agent list\n\
\x20 teof agent doctor   # which agent programs can run\n\
\x20 teof agent try my-agent   # one call of it")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List seats, saved ones too
    #[command(after_help = "Examples:\n\
\x20 teof agent list")]
    List,
    Use(Use),
    Save(Save),
    Restore(Restore),
    Doctor(doctor::Args),
    Try(trial::Args),
    Setup(setup::Args),
    Plugin(plugin::Args),
}

/// Switch this worktree to a seat
///
/// The manifest of the seat before it is kept; `teof agent restore` brings it back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof agent use codex-2")]
struct Use {
    /// The seat
    agent: String,
}

/// Save this worktree's seat under a label
///
/// Use it before another seat works here. The other seats are told.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof agent save codex-1 --allow-dirty")]
struct Save {
    /// The label
    label: String,
    /// Save although the tree has uncommitted changes (they are not saved)
    #[arg(long)]
    allow_dirty: bool,
    /// Replace the seat saved under this label
    #[arg(long)]
    force: bool,
    /// More data for the heartbeat, such as shift=mid; repeatable
    #[arg(long, value_name = "KEY=VALUE", conflicts_with = "no_heartbeat", help_heading = MORE)]
    heartbeat_meta: Vec<String>,
    /// Send no heartbeat
    #[arg(long, help_heading = MORE)]
    no_heartbeat: bool,
    #[command(flatten)]
    author: Flags,
}

/// Switch back to a saved seat, or to the one before
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof agent save morning --allow-dirty && teof agent use codex-2 && teof agent restore --manifest-only")]
struct Restore {
    /// The label [default: the seat before the last switch]
    label: Option<String>,
    /// Do not switch the branch
    #[arg(long)]
    manifest_only: bool,
    /// Switch the branch although the tree has uncommitted changes
    #[arg(long)]
    allow_dirty: bool,
}

/// `tree`: every command, for what is made of their help.
pub fn run(args: Args, app: &App, tree: fn() -> clap::Command) -> Result<ExitCode> {
    match args.command {
        Command::List => list(app)?,
        Command::Use(args) => take(&args, app)?,
        Command::Save(args) => save(args, app)?,
        Command::Restore(args) => restore(&args, app)?,
        Command::Doctor(args) => return doctor::run(&args, app),
        Command::Try(args) => return trial::run(&args, app),
        Command::Setup(args) => return setup::run(&args, app, &tree()),
        Command::Plugin(args) => return plugin::run(&args, app, &tree()),
    }
    Ok(ExitCode::SUCCESS)
}

fn list(app: &App) -> Result<()> {
    let hub = app.hub_to_read()?;
    let (seats, saved) = (seat::overview(hub)?, saved::labels(hub));
    app.result(&json!({ "seats": seats, "saved": saved }), || {
        let mut lines = vec![table(&seats, app.times()).show()];
        lines.extend(saved.iter().map(|label| format!("saved: {label}")));
        lines.join("\n")
    });
    Ok(())
}

/// Seats, one row each; `*` marks this worktree's.
pub(in crate::cli) fn table(seats: &[Overview], times: Times) -> Table {
    let mut table = Table::new([
        Column::word(""),
        Column::text("SEAT"),
        Column::text("ROLES").optional(),
        Column::word("SESSION"),
        Column::word("STARTED").optional(),
        Column::text("HOLDS"),
    ]);
    for seat in seats {
        let mark = if seat.current { "*" } else { "" };
        let session = if seat.retired { "retired" } else { seat.session };
        let meaning = if session == "fresh" { Meaning::Good } else { Meaning::Quiet };
        table.row([
            mark.into(),
            (&seat.agent_id).into(),
            seat.roles.join(",").into(),
            Cell::painted(meaning, session),
            seat.session_at.map(|at| times.ago(at)).unwrap_or_default().into(),
            seat.claims.join(", ").into(),
        ]);
    }
    table
}

fn take(args: &Use, app: &App) -> Result<()> {
    operator::run::refuse("change the seat of a folder")?;
    let unknown = seats::known::unknown(app.hub()?, &args.agent)?;
    let taken = seat::take(app.hub()?, &args.agent)?;
    let (agent, new) = (&args.agent, taken != Taken::Known);
    app.result(&json!({ "agent_id": agent, "new": new }), || {
        let how = if new { "is new: it was made, and taken" } else { "taken" };
        format!("seat {agent} {how}; start with: teof session-boot")
    });
    if let Taken::Made { back } = taken {
        let undo = if back { "teof agent restore" } else { "rm AGENT_MANIFEST.json" };
        let unknown = unknown.unwrap_or_else(|| format!("no such seat: {agent}"));
        app.warn(format!("{unknown}; it is new. To undo that: {undo}"));
    }
    Ok(())
}

fn save(args: Save, app: &App) -> Result<()> {
    operator::run::refuse("save the seat of a folder")?;
    let hub = app.hub()?;
    let author = if args.no_heartbeat { None } else { Some(args.author.author(hub, None)?) };
    let request = SaveRequest {
        allow_dirty: args.allow_dirty,
        force: args.force,
        heartbeat: author.as_ref(),
        meta: pairs("--heartbeat-meta", &args.heartbeat_meta)?,
    };
    let saved = seat::save(hub, &args.label, &request)?;
    app.result(&saved, || format!("seat {} saved as {}", saved.agent_id, saved.label));
    Ok(())
}

fn restore(args: &Restore, app: &App) -> Result<()> {
    operator::run::refuse("change the seat of a folder")?;
    let hub = app.hub()?;
    let agent = match &args.label {
        Some(label) => seat::restore(hub, label, args.manifest_only, args.allow_dirty)?.agent_id,
        None => seat::back(hub)?,
    };
    app.result(&json!({ "agent_id": agent }), || format!("using seat {agent}; start with: teof session-boot"));
    Ok(())
}
