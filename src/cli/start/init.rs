//! `teof init`

use std::path::PathBuf;
use std::process::ExitCode;

use crate::base::{Result, text};
use crate::cli::App;
use crate::guard::operator;
use crate::ops::setup::init::{self, Done, Options};

/// Set up teof in a repository, without touching your files
///
/// Creates the folders of the record, git attributes that keep its bytes, a consent file with everything off, a
/// teof.toml with every setting as a comment, and a seat. It remembers which worktree is the hub. Safe to run
/// again.
///
/// The record is in the main worktree unless --hub or --dedicated says otherwise. --dedicated gives it its own
/// worktree and branch (teof/record) beside the repository: best where people also work in the main worktree,
/// because they can switch, stash and rebase there.
///
/// With --json: {hub, branch, wrote, kept, commit, notes}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof init\n\
\x20 teof init --agent codex-1   # with a seat of this name")]
pub struct Args {
    /// Make this worktree the hub (needed in bare repositories, submodules, or after a move)
    #[arg(long, value_name = "PATH", conflicts_with = "dedicated")]
    hub: Option<PathBuf>,
    /// Create a separate worktree and branch for the record
    #[arg(long)]
    dedicated: bool,
    /// The seat to create
    #[arg(long, value_name = "SEAT")]
    agent: Option<String>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    operator::run::refuse("set a repository up")?;
    let options = Options { hub: args.hub, dedicated: args.dedicated, agent: args.agent };
    let done = init::init(app.global.root.as_deref(), app.clock, &options)?;
    app.result(&done, || render(&done, options.agent.as_deref()));
    Ok(ExitCode::SUCCESS)
}

fn render(done: &Done, seat: Option<&str>) -> String {
    let mut lines = vec![format!("hub: {} on {}", done.hub.display(), text::safe(&done.branch))];
    lines.extend(done.wrote.iter().map(|path| format!("  wrote {path}")));
    lines.extend(done.kept.iter().map(|path| format!("  kept  {path}")));
    lines.extend(done.notes.iter().map(|note| format!("note: {note}")));
    if done.commit.is_none() && !done.wrote.is_empty() {
        lines.push("next: look at what was written and commit it, so that every clone has it".to_owned());
    }
    let seat = seat.map(|seat| format!(" --agent {seat}")).unwrap_or_default();
    lines.push(format!("next: teof session-boot{seat}"));
    lines.join("\n")
}
