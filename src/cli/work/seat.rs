//! `teof seat …`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::base::{Refusal, Result, text, time};
use crate::cli::App;
use crate::cli::support::author::{Flags, Repeat};
use crate::cli::support::terminal::{Cell, Column, Meaning, Table, Times};
use crate::cli::work::agent;
use crate::cli::work::bus::claims::report;
use crate::guard::operator;
use crate::ops::presence::retirement::{Request, decide};
use crate::ops::presence::seats::{Known, known};
use crate::ops::session::seat;
use crate::seats::{self, freshness};

/// Show seats and their handshakes, retire dormant ones
///
/// A retired seat raises no alert, gets no unattended work and cannot claim. A manager or a person decides; the
/// decision is an event.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof seat list\n\
\x20 teof seat retire observer --agent operator --reason \"dormant\"\n\
\x20 teof seat revive observer --agent operator")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List every seat, whether it is retired, and its last sign of life
    #[command(after_help = "Examples:\n\
\x20 teof seat list")]
    List,
    Show(Show),
    Retire(Retire),
    Revive(Revive),
}

/// Show a seat and the age of its handshake
///
/// A seat needs a fresh session before it writes to the bus; `teof session-boot` starts one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof seat show codex-1")]
struct Show {
    /// The seat [default: the one that acts here]
    agent: Option<String>,
}

/// Retire a seat: no alerts, no unattended work, no claims
///
/// The seat must hold no active claim.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof seat retire observer --agent operator --reason \"dormant\"")]
struct Retire {
    #[command(flatten)]
    decision: Decision,
}

/// Revive a retired seat
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof seat revive observer --agent operator")]
struct Revive {
    #[command(flatten)]
    decision: Decision,
}

#[derive(Debug, clap::Args)]
struct Decision {
    /// The seat
    seat: String,
    /// Why; recorded
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    author: Flags,
    #[command(flatten)]
    repeat: Repeat,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::List => {
            let seats = known(app.hub_to_read()?)?;
            app.result(&json!({ "seats": seats }), || table(&seats, app.times()).show());
        }
        Command::Show(args) => show(&args, app)?,
        Command::Retire(args) => change(args.decision, app, true)?,
        Command::Revive(args) => change(args.decision, app, false)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn change(args: Decision, app: &App, retire: bool) -> Result<()> {
    operator::run::refuse("decide about seats")?;
    let hub = app.hub()?;
    let author = args.author.author(hub, None)?;
    let request = Request { author, agent: args.seat, reason: args.reason, retire };
    let command = if retire { "seat retire" } else { "seat revive" };
    let answer = decide(hub, &request, args.repeat.request(command, &request.arguments())?.as_ref())?;
    report::show(app, &answer, |document| {
        let seat = document["agent_id"].as_str().unwrap_or_default();
        match (document["event"].is_null(), retire) {
            (false, true) => format!("Retired {seat}; back with: teof seat revive {seat}"),
            (false, false) => format!("Revived {seat}"),
            (true, true) => format!("{seat} is retired already"),
            (true, false) => format!("{seat} is not retired"),
        }
    });
    Ok(())
}

fn table(seats: &[Known], times: Times) -> Table {
    let mut table = Table::new([
        Column::text("SEAT"),
        Column::word("STATE"),
        Column::word("LAST SIGN"),
        Column::text("ROLES").optional(),
        Column::text("HOLDS"),
    ]);
    for seat in seats {
        let state = match &seat.retired {
            Some(_) => Cell::painted(Meaning::Quiet, "retired"),
            None if seat.claims.is_empty() => "free".into(),
            None => Cell::painted(Meaning::Active, "works"),
        };
        let seen = seat.last_seen.map_or_else(|| "never".to_owned(), |at| times.ago(at));
        table.row([
            (&seat.agent_id).into(),
            state,
            seen.into(),
            seat.roles.join(",").into(),
            seat.claims.join(", ").into(),
        ]);
        if let Some(retired) = &seat.retired {
            let by = retired.by.as_deref().unwrap_or("somebody");
            let since = retired.since.map(|at| format!(", {}", times.ago(at))).unwrap_or_default();
            let reason = retired.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            table.note(crate::base::text::safe(&format!("retired by {by}{since}{reason}")));
        }
    }
    table
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
            .next("see all seats: teof seat list")
            .into());
    };
    let age = found.session_at.map(|at| hub.now().since(at));
    app.result(&json!({ "session": found, "age_seconds": age.map(|age| age.as_secs()) }), || {
        let mut lines = vec![agent::table(std::slice::from_ref(&found), app.times()).show()];
        lines.extend(age.map(|age| format!("  age {}", time::show_span(age))));
        lines.push(format!("  manifest {}", text::safe(found.manifest.as_deref().unwrap_or("none"))));
        lines.push(format!("  receipt  {}", freshness::receipt(&found.agent_id)));
        lines.join("\n")
    });
    Ok(())
}
