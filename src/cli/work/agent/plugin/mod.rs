//! `teof agent plugin`: the plugin that agent programs install, made from the commands' own help.

pub mod docs;
pub mod hooks;
pub mod manifests;
mod skill;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Command;
use serde::Serialize;

use crate::base::{Result, files, text};
use crate::cli::App;
use crate::guard::operator;
use crate::hub::output::{self, Output};

use hooks::For;
pub use skill::skill;

/// Write the plugin for Claude Code, Codex, Cursor and Gemini CLI
///
/// One folder that each of them installs: its manifest, the hooks, the MCP server and a skill. A repository that
/// offers it commits the folder; for yourself, `teof agent setup` is enough.
///
/// With --json: {folder, files}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof agent plugin                       # list its files\n\
\x20 teof agent plugin --output teof-plugin  # write them")]
pub struct Args {
    /// The folder to write; other files in it stay
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Replace files of the same names that this command did not write
    #[arg(long, requires = "output")]
    force: bool,
}

/// What was written.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Written {
    /// `null`: nothing was written.
    folder: Option<PathBuf>,
    /// Relative to the folder.
    files: Vec<String>,
}

/// The files of the plugin, by path.
pub fn files(tree: &Command) -> Vec<(&'static str, String)> {
    let mut found = manifests::all();
    found.push(("hooks/hooks.json", hooks::file(For::Claude)));
    found.push(("hooks/cursor.json", hooks::file(For::Cursor)));
    found.push(("gemini/hooks/hooks.json", hooks::file(For::Gemini)));
    let skill = skill(tree);
    found.push(("skills/teof/SKILL.md", skill.clone()));
    found.push(("gemini/skills/teof/SKILL.md", skill));
    found
}

pub fn run(args: &Args, app: &App, tree: &Command) -> Result<ExitCode> {
    let made = files(tree);
    if let Some(folder) = &args.output {
        operator::run::refuse("write the plugin")?;
        write(folder, &made, args.force)?;
    }
    let written =
        Written { folder: args.output.clone(), files: made.iter().map(|(path, _)| (*path).to_owned()).collect() };
    app.result(&written, || match &written.folder {
        None => written.files.join("\n"),
        Some(folder) => {
            let shown = text::safe(&folder.display().to_string());
            format!("Wrote {} of the plugin to {shown}", text::counted(written.files.len(), "file"))
        }
    });
    Ok(ExitCode::SUCCESS)
}

/// Writes the files whose contents differ, after every path is checked.
fn write(folder: &Path, made: &[(&'static str, String)], force: bool) -> Result<()> {
    let output = Output { flag: "--output", homes: &[], force: Some(force), is_own: manifests::is_own };
    output::check_folder(output.flag, folder)?;
    let mut changed = Vec::new();
    for (path, contents) in made {
        let path = folder.join(path);
        path.ancestors()
            .skip(1)
            .take_while(|below| *below != folder)
            .try_for_each(|below| output::check_folder(output.flag, below))?;
        let is_link = path.symlink_metadata().is_ok_and(|found| !found.is_file());
        if is_link || files::read(&path, files::MAX_DOCUMENT)?.as_deref() != Some(contents.as_bytes()) {
            output.check_anywhere(&path)?;
            changed.push((path, contents));
        }
    }
    for (path, contents) in changed {
        files::create_parent(&path)?;
        files::replace(&path, contents.as_bytes())?;
    }
    Ok(())
}
