//! `teof trust …`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::base::Result;
use crate::cli::App;
use crate::cli::support::help::MORE;
use crate::guard::trust::remotes;
use crate::guard::{operator, secrets, trust};
use crate::hub::git::programs::Setting;
use crate::ops;

/// Trust the programs and remotes of the git configuration
///
/// Whoever works in this repository can write into its .git/config. teof's git runs no program named there
/// (filters, merge drivers, ssh commands, credential helpers) until a person trusts exactly these, and once consent was
/// granted it fetches and pushes only where the remotes pointed then.
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

/// Trust the programs and remotes that the git configuration names now
///
/// With --json: {programs: [{key, value}], remotes: [{key, value}], trusted}.
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
    let named = if args.dry_run {
        ops::consent::named_by_git(hub)?
    } else {
        operator::require("trust git's configuration")?;
        ops::consent::trust_git(hub, &operator::name(hub, args.by.as_deref())?)?
    };
    let programs = trust::untrusted_programs(hub, &hub.git())?.is_empty();
    let remotes = remotes::are_trusted(hub)?;
    let listed = |settings: &[Setting]| -> Vec<_> {
        let value = |setting: &Setting| secrets::redact(&setting.value);
        settings.iter().map(|setting| json!({"key": setting.key, "value": value(setting)})).collect()
    };
    let document = json!({
        "programs": listed(&named.programs),
        "remotes": listed(&named.remotes),
        "trusted": programs && remotes,
    });
    app.result(&document, || {
        let of = [("Programs", &named.programs, programs), ("Remotes", &named.remotes, remotes)];
        of.map(|(what, settings, trusted)| section(what, settings, trusted)).join("\n")
    });
    Ok(ExitCode::SUCCESS)
}

fn section(what: &str, settings: &[Setting], trusted: bool) -> String {
    let head = match (settings.is_empty(), trusted) {
        (true, true) => format!("{what}: none"),
        (_, true) => format!("{what}, trusted:"),
        (_, false) => format!("{what}, not trusted:"),
    };
    let lines = settings.iter().map(|setting| format!("  {}", remotes::show(setting)));
    std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n")
}
