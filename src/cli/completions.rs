//! `teof completions` and `teof man`: what shells and manual readers want, made from the command tree.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory;

use super::{App, Cli};
use crate::base::{Result, files};

#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell to complete for
    shell: clap_complete::Shell,
}

/// Prints a completion script.
pub fn completions(args: CompletionsArgs, app: &App) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "teof", &mut script);
    app.out(String::from_utf8_lossy(&script).trim_end());
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Write one page per command into this folder, instead of printing the first page
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Prints or writes manual pages.
pub fn man(args: ManArgs, app: &App) -> Result<ExitCode> {
    let Some(folder) = args.output else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        app.out(String::from_utf8_lossy(&page).trim_end());
        return Ok(ExitCode::SUCCESS);
    };
    std::fs::create_dir_all(&folder).map_err(|e| files::io_refusal(e, "create", &folder))?;
    clap_mangen::generate_to(Cli::command(), &folder).map_err(|e| files::io_refusal(e, "write into", &folder))?;
    app.say(format!("wrote the pages into {}", folder.display()));
    Ok(ExitCode::SUCCESS)
}
