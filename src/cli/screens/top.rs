//! `teof top`

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use rustix::termios::isatty;

use super::operator::Commands;
use crate::base::{Refusal, Result};
use crate::cli::App;
use crate::cli::support::terminal::style;
use crate::faces::tui::{self, Left, Options};

/// Show everything on one screen, and steer it
///
/// Problems first, then jobs, the review queue, claims and events, always up to date. Press ? for the keys. Decisions
/// ask first, and have the checks of `teof review` and `teof coordinator`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof top            # needs a terminal
\x20 teof top --mouse    # click selects a row")]
pub struct Args {
    /// Let the mouse select and scroll
    #[arg(long)]
    mouse: bool,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    if app.json() || !isatty(io::stdin()) || !style::can_redraw(&io::stdout()) {
        return Err(Refusal::usage("top.terminal", "teof top needs a terminal")
            .because("it draws on the whole screen and reads keys")
            .next("teof status --watch  # in a pipe or a file")
            .into());
    }
    let options = Options { mouse: args.mouse, colours: style::takes_colour(&io::stdout()) };
    match tui::run(app.hub()?, Arc::new(Commands::of(app)?), options)? {
        Left::ByThePerson => Ok(ExitCode::SUCCESS),
        // The process ends as if the signal had not been caught.
        Left::BySignal(signal) => {
            signal_hook::low_level::emulate_default_handler(signal)?;
            Ok(ExitCode::from(128 + signal as u8))
        }
    }
}
