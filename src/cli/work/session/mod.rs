//! `teof session …`

mod brief;
mod note;
mod watch;
mod wrap;

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::base::{Refusal, Result, text, time};
use crate::cli::App;
use crate::cli::work::agent;
use crate::ops::session::seat::{self, Overview};
use crate::seats::{self, freshness};

/// List sessions, brief a seat on a task, and end a session
///
/// A seat needs a fresh session before it writes to the bus; `teof session-boot` starts one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof session list\n\
\x20 teof session brief QUEUE-001 --preset operator\n\
\x20 teof session wrap --worked \"Tests first\" --stalled \"Waited for a review\"")]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List seats with their sessions (the default)
    #[command(after_help = "Examples:\n\
\x20 teof session list")]
    List,
    Show(Show),
    Watch(watch::Args),
    Note(note::Args),
    Brief(brief::Args),
    Wrap(wrap::Args),
}

/// Show the session of one seat
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof session show codex-1")]
struct Show {
    /// The seat [default: the one that acts here]
    agent: Option<String>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command.unwrap_or(Command::List) {
        Command::List => {
            let seats = seat::overview(app.hub_to_read()?)?;
            app.result(&json!({ "sessions": seats }), || agent::table(&seats, app.times()).show());
        }
        Command::Show(args) => show(&args, app)?,
        Command::Watch(args) => watch::run(&args, app)?,
        Command::Note(args) => note::run(args, app)?,
        Command::Brief(args) => return brief::run(&args, app),
        Command::Wrap(args) => wrap::run(args, app)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(args: &Show, app: &App) -> Result<()> {
    let hub = app.hub_to_read()?;
    let agent = match &args.agent {
        Some(agent) => agent.clone(),
        None => seats::resolve(hub, None)?,
    };
    let Some(found) = seat::overview(hub)?.into_iter().find(|seat| seat.agent_id == agent) else {
        let unknown = seats::known::unknown(hub, &agent)?.unwrap_or_else(|| format!("no such seat: {agent}"));
        return Err(Refusal::not_found("seat.unknown", unknown)
            .because("no manifest and no session has this name")
            .next("see all seats: teof session list")
            .into());
    };
    let age = found.session_at.map(|at| hub.now().since(at));
    app.result(&json!({ "session": found, "age_seconds": age.map(|age| age.as_secs()) }), || {
        let mut lines = vec![agent::table(std::slice::from_ref(&found), app.times()).show()];
        lines.extend(age.map(|age| format!("  age {}", time::show_span(age))));
        lines.extend(more(&found));
        lines.join("\n")
    });
    Ok(())
}

fn more(found: &Overview) -> Vec<String> {
    let manifest = found.manifest.as_deref().unwrap_or("none");
    vec![format!("  manifest {}", text::safe(manifest)), format!("  receipt  {}", freshness::receipt(&found.agent_id))]
}
