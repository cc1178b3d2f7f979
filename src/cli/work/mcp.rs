//! `teof mcp`

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use rustix::termios::isatty;

use crate::base::{Refusal, Result, time};
use crate::cli::App;
use crate::cli::support::author::span;
use crate::faces::mcp::{Options, serve};
use crate::model::claim::MAX_LEASE;

/// Serve the bus to an agent over the Model Context Protocol
///
/// An agent's program starts it and calls its tools: claim, event, message, receipt and others. They do what the
/// commands do, as the seat, and nothing that belongs to an operator. It ends with the program that started it. While
/// that runs, the leases of its claims are renewed. How to register it with claude, codex, cursor and gemini:
/// docs/mcp.md.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof mcp --agent codex-1 </dev/null   # ends at once: no client is there")]
pub struct Args {
    /// Act as this seat [default: TEOF_AGENT, else this worktree's]
    #[arg(long, value_name = "SEAT")]
    agent: Option<String>,
    /// Lease of a claim that asks for none; it is renewed at half of it
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = lease)]
    lease: Duration,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    if isatty(io::stdin()) {
        return Err(Refusal::usage("mcp.terminal", "teof mcp talks to an MCP client, not to a terminal")
            .because("the program of an agent starts it, with pipes")
            .next("register it, such as: claude mcp add teof -- teof mcp")
            .into());
    }
    let Args { agent, lease } = args;
    serve(Options { root: app.global.root.clone(), clock: app.clock, agent, lease })?;
    Ok(ExitCode::SUCCESS)
}

/// A lease that a claim may have.
fn lease(text: &str) -> std::result::Result<Duration, String> {
    match span(text)? {
        Duration::ZERO => Err("a lease takes more than 0s".to_owned()),
        lease if lease > MAX_LEASE => Err(format!("the longest is {}", time::show_span(MAX_LEASE))),
        lease => Ok(lease),
    }
}
