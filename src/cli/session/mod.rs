//! `teof session …`

mod archive;
mod attach;
mod brief;
mod cancel;
mod continue_session;
mod dispatch;
mod list;
mod logs;
pub mod note;
mod show;
mod start;
mod watch;
mod wrap;

use std::process::ExitCode;

use clap::Subcommand;

use crate::base::Result;
use crate::cli::App;

/// Show and control agent sessions; brief a seat, and wrap up its work
///
/// Each call of an agent and each command of a job is a session, with its own metadata and raw output on this machine.
/// A seat's handshake is `teof session-boot`; `teof seat show` tells its age.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof session list\n\
\x20 teof session logs QUEUE-004 -f\n\
\x20 teof session brief QUEUE-001 --preset operator")]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Args),
    Show(show::Args),
    Logs(logs::Args),
    Start(start::Args),
    Attach(attach::Args),
    Watch(watch::Args),
    Note(note::Args),
    Cancel(cancel::Args),
    Continue(continue_session::Args),
    Archive(archive::Args),
    Brief(brief::Args),
    Wrap(wrap::Args),
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command.unwrap_or_else(|| Command::List(list::Args::default())) {
        Command::List(args) => list::run(&args, app)?,
        Command::Show(args) => show::run(&args, app)?,
        Command::Logs(args) => logs::run(&args, app)?,
        Command::Start(args) => return start::run(args, app),
        Command::Attach(args) => attach::run(&args, app)?,
        Command::Watch(args) => watch::run(&args, app)?,
        Command::Note(args) => note::run(args, app)?,
        Command::Cancel(args) => cancel::run(args, app)?,
        Command::Continue(args) => return continue_session::run(args, app),
        Command::Archive(args) => archive::run(&args, app)?,
        Command::Brief(args) => return brief::run(&args, app),
        Command::Wrap(args) => wrap::run(args, app)?,
    }
    Ok(ExitCode::SUCCESS)
}
