//! `teof trust …`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::base::{Result, text};
use crate::cli::App;
use crate::cli::support::help::MORE;
use crate::guard::{operator, trust};
use crate::hub::git::programs;
use crate::ops;

/// Trust the programs that the git configuration names
///
/// Whoever works in this repository can write into its .git/config. teof's git runs no program named there
/// (filters, merge drivers, ssh commands, credential helpers) until a person trusts exactly these.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof trust git --dry-run   # list them\n\
\x20 teof trust git")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Git(Git),
}

/// Trust the programs that the git configuration names now
///
/// With --json: {programs: [{key, value}], trusted}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof trust git --dry-run   # list them\n\
\x20 teof trust git")]
struct Git {
    /// List them, and whether they are trusted; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Your name [default: git's user.name]
    #[arg(long, value_name = "NAME", help_heading = MORE)]
    by: Option<String>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let Command::Git(args) = args.command;
    let hub = app.hub()?;
    let programs = if args.dry_run {
        hub.git().programs()?
    } else {
        operator::require("trust git's programs")?;
        ops::consent::trust_git(hub, &operator::name(hub, args.by.as_deref())?)?
    };
    let trusted = trust::untrusted_programs(hub, &hub.git())?.is_empty();
    let listed: Vec<_> = programs.iter().map(|program| json!({"key": program.key, "value": program.value})).collect();
    app.result(&json!({"programs": listed, "trusted": trusted}), || {
        let line = |program: &programs::Program| text::safe(&format!("  {} = {}", program.key, program.value));
        let head = match (programs.is_empty(), trusted) {
            (true, _) => "The repository's git configuration names no programs",
            (false, true) => "Trusted:",
            (false, false) => "Not trusted:",
        };
        std::iter::once(head.to_owned()).chain(programs.iter().map(line)).collect::<Vec<_>>().join("\n")
    });
    Ok(ExitCode::SUCCESS)
}
