//! `teof service …`: the coordinator as a service of the machine.

mod definition;
mod health;
mod install;
mod launchd;
mod place;
mod systemd;

use std::process::ExitCode;

use crate::base::Result;
use crate::cli::App;
use crate::cli::support::lazy::commands;
use definition::{Definition, Kind};

/// Run the coordinator as a service of this machine, and check it
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof service unit --user      # print the unit\n\
\x20 teof service install --user   # write it, and say how to start it\n\
\x20 teof service health")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

commands! {
    enum Command {
        "unit" => Unit(UnitArgs),
        "install" => Install(install::Args),
        "health" => Health(health::Args),
    }
}

/// Print a service definition that fits this machine
///
/// A systemd unit, or a launchd property list on macOS. It restarts a coordinator that fails or hangs, lets workers
/// outlive it, and lets them finish their stage when it is stopped.
///
/// With --json: {name, path, text}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof service unit          # of the machine; an administrator installs it\n\
\x20 teof service unit --user   # of your account")]
pub struct UnitArgs {
    #[command(flatten)]
    kind: Kind,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::Unit(args) => unit(&args, app),
        Command::Install(args) => install::run(&args, app),
        Command::Health(args) => health::run(&args, app),
    }
}

fn unit(args: &UnitArgs, app: &App) -> Result<ExitCode> {
    let Definition { name, path, text, .. } = args.kind.define(app)?;
    match app.json() {
        true => app.result(&serde_json::json!({"name": name, "path": path, "text": text}), String::new),
        false => app.out(text.trim_end()),
    }
    Ok(ExitCode::SUCCESS)
}
