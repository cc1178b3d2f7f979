//! `teof guide`: explains teof to an agent or a person who has only the binary.

use std::process::ExitCode;

use clap::Command;
use serde_json::json;

use crate::base::Result;
use crate::cli::App;

mod commands;
mod tables;

/// Print how to work with teof, for agents or as a reference
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof guide                          # the working loop of an agent\n\
\x20 teof guide codes | grep diff.too_large\n\
\x20 teof guide commands > commands.md")]
pub struct Args {
    /// What to print
    #[arg(value_enum, default_value = "agent")]
    topic: Topic,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Topic {
    /// The working loop of an agent
    Agent,
    /// Every command with its flags, as Markdown (docs/commands.md)
    Commands,
    /// Every setting with its default, as Markdown (docs/settings.md)
    Settings,
    /// What each code of findings, refusals and reasons means, as Markdown (docs/codes.md)
    Codes,
}

const AGENT: &str = include_str!("../../../../docs/agent-guide.md");

/// Prints the guide.
pub fn run(args: Args, app: &App, tree: Command) -> Result<ExitCode> {
    let text = match args.topic {
        Topic::Agent => AGENT.to_owned(),
        Topic::Commands => commands::reference(tree),
        Topic::Settings => tables::settings()?,
        Topic::Codes => tables::codes(),
    };
    app.result(&json!({ "markdown": text }), || text.trim_end().to_owned());
    Ok(ExitCode::SUCCESS)
}
