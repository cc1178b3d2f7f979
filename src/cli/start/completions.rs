//! `teof completions` and `teof man`: generated from the command tree.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Command;
use serde_json::json;

use super::complete::scripts;
use super::install;
use crate::base::{Result, files};
use crate::cli::App;
use crate::guard::operator;
use crate::hub::output::{self, Output};

/// Print a completion script for a shell, or install it
///
/// In bash, zsh and fish the ids of jobs, tasks, plans and seats complete too.
///
/// With --install: writes the script and the manual pages into your own folders, where the shell and man look
/// for them. Run it again after an update.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof completions --install\n\
\x20 teof completions bash > teof.bash")]
pub struct CompletionsArgs {
    /// The shell to complete for [default with --install: the one that $SHELL names]
    #[arg(required_unless_present = "install")]
    shell: Option<clap_complete::Shell>,
    /// Install the script and the manual pages for this user
    #[arg(long)]
    install: bool,
    /// Replace files of the same names that something else wrote
    #[arg(long, requires = "install")]
    force: bool,
}

/// Prints or installs a completion script for the command tree.
pub fn completions(args: CompletionsArgs, app: &App, mut tree: Command) -> Result<ExitCode> {
    if args.install {
        // It writes into the person's home folder.
        operator::run::refuse("install completions")?;
    }
    let shell = args.shell.map_or_else(install::current_shell, Ok)?;
    let script = match scripts::of(shell) {
        Some(script) => script.to_owned(),
        None => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut tree, "teof", &mut script);
            String::from_utf8_lossy(&script).into_owned()
        }
    };
    if !args.install {
        app.out(script.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let folders = install::Folders::from_env()?;
    let pages = pages(&tree.disable_help_subcommand(true))?;
    let target = install::install(&folders, shell, &script, &pages, args.force)?;
    let (written, man) = (target.display().to_string(), folders.pages().display().to_string());
    app.result(&json!({"shell": shell.to_string(), "script": written, "man": man, "pages": pages.len()}), || {
        format!("Installed completions for {shell}: {written}\nInstalled {} manual pages: {man}", pages.len())
    });
    app.say(install::hint(shell, &target));
    Ok(ExitCode::SUCCESS)
}

/// Print the manual page, or write one per command
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof man | head -20\n\
\x20 teof man --output man/")]
pub struct ManArgs {
    /// Write one page per command into this folder
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Replace files of the same names that are not manual pages
    #[arg(long, requires = "output")]
    force: bool,
}

/// Prints or writes the manual pages of the command tree.
pub fn man(args: ManArgs, app: &App, tree: Command) -> Result<ExitCode> {
    let Some(folder) = args.output else {
        let mut page = Vec::new();
        clap_mangen::Man::new(tree).render(&mut page)?;
        app.out(String::from_utf8_lossy(&page).trim_end());
        return Ok(ExitCode::SUCCESS);
    };
    output::check_folder("--output", &folder)?;
    let output = Output { flag: "--output", homes: &[], force: Some(args.force), is_own: is_page };
    let pages = pages(&tree.disable_help_subcommand(true))?;
    pages.iter().try_for_each(|(name, _)| output.check_anywhere(&folder.join(name)))?;
    std::fs::create_dir_all(&folder).map_err(|e| files::io_refusal(e, "create", &folder))?;
    pages.iter().try_for_each(|(name, page)| files::replace(&folder.join(name), page))?;
    app.say(format!("wrote the pages into {}", folder.display()));
    Ok(ExitCode::SUCCESS)
}

/// The pages of a command and of those below it, with the names of their files.
fn pages(command: &Command) -> Result<Vec<(String, Vec<u8>)>> {
    fn add(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
            add(below, pages)?;
        }
        let man = clap_mangen::Man::new(command.clone());
        let mut page = Vec::new();
        man.render(&mut page)?;
        pages.push((man.get_filename(), page));
        Ok(())
    }
    let mut command = command.clone();
    command.build();
    let mut pages = Vec::new();
    add(&command, &mut pages)?;
    Ok(pages)
}

fn is_page(bytes: &[u8]) -> bool {
    bytes.starts_with(b".ie \\n(.g")
}
