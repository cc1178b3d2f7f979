//! `teof seat …`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::base::Result;
use crate::cli::App;
use crate::cli::support::author::{Flags, Repeat};
use crate::cli::support::terminal::{Cell, Column, Meaning, Table, Times};
use crate::cli::work::bus::claims::report;
use crate::guard::operator;
use crate::ops::presence::retirement::{Request, decide};
use crate::ops::presence::seats::{Known, known};

/// Retire seats that are dormant, and bring them back
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
    Retire(Retire),
    Revive(Revive),
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
