//! `teof init`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::init_prompt::{self, MOST_WORKERS};
use crate::agents;
use crate::base::{Result, text};
use crate::cli::App;
use crate::cli::support::help::MORE;
use crate::guard::operator;
use crate::hub::Settings;
use crate::hub::paths::{CONSENT, SETTINGS};
use crate::ops::setup::init::{self, Done, Options};
use crate::ops::setup::proposal;

/// Set up teof in a repository, without touching your files
///
/// On a terminal, init looks for agents on your PATH and for the project's test command, shows what it would set
/// up, and asks once. --yes takes that without asking. Without a terminal and without --yes it asks nothing, uses
/// only the flags, and commits nothing.
///
/// It creates the folders of the record, git attributes that keep its bytes, a consent file with everything off, a
/// teof.toml with every setting, and seats. Safe to run again: what is there stays as it is.
///
/// --dedicated gives the record its own branch (teof/record) and worktree beside the repository; --yes does so in a
/// new set-up. Your branch then holds your work alone. --in-place keeps the record on your branch.
///
/// With --json: {hub, branch, wrote, kept, commit, notes}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof init                        # look, propose, ask\n\
\x20 teof init --yes --workers 2      # take what is proposed, with two seats\n\
\x20 teof init --agent codex-1        # with a seat of this name")]
pub struct Args {
    /// Take what is proposed, the set-up commit included
    #[arg(long, short)]
    yes: bool,
    /// How many workers get a seat
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST_WORKERS))]
    workers: Option<u64>,
    /// Which agent plays a role (repeatable)
    #[arg(long, value_name = "ROLE=AGENT", value_parser = role)]
    role: Vec<(String, String)>,
    /// A command that every result must pass (repeatable)
    #[arg(long, value_name = "COMMAND")]
    test: Vec<String>,
    /// Create a separate worktree and branch for the record
    #[arg(long, conflicts_with = "in_place")]
    dedicated: bool,
    /// Keep the record on your branch
    #[arg(long)]
    in_place: bool,
    /// Commit what init writes, and nothing else
    #[arg(long)]
    commit: bool,
    /// Commit nothing on your branch
    #[arg(long, conflicts_with = "commit")]
    no_commit: bool,
    /// Make this worktree the hub (needed in bare repositories, submodules, or after a move)
    #[arg(long, value_name = "PATH", conflicts_with_all = ["dedicated", "in_place"], help_heading = MORE)]
    hub: Option<PathBuf>,
    /// The seat to create for yourself
    #[arg(long, value_name = "SEAT", help_heading = MORE)]
    agent: Option<String>,
    /// List every file
    #[arg(long, short, help_heading = MORE)]
    verbose: bool,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    operator::run::refuse("set a repository up")?;
    let asks = !args.yes && init_prompt::can_ask(app);
    let mut options = Options {
        hub: args.hub,
        dedicated: args.dedicated,
        agent: args.agent,
        workers: args.workers.unwrap_or_default() as usize,
        roles: args.role,
        tests: args.test,
        setup: Vec::new(),
        commit: args.commit,
    };
    let mut has_settings = false;
    if args.yes || asks {
        let found = proposal::propose(app.global.root.as_deref(), app.clock, &installed_agents())?;
        has_settings = found.has_settings;
        options.dedicated |= found.dedicated && !args.in_place && options.hub.is_none();
        options.commit = !args.no_commit;
        options.setup = found.setup;
        if options.roles.is_empty() {
            options.roles = found.roles;
        }
        if options.tests.is_empty() {
            options.tests = found.tests;
        }
        if args.workers.is_none() && options.agent.is_none() {
            options.workers = found.workers;
        }
    }
    if asks {
        options = init_prompt::confirm(options, has_settings)?;
    }
    let done = init::init(app.global.root.as_deref(), app.clock, &options)?;
    app.result(&done, || match args.yes || asks {
        true => render_short(&done, &options, asks, args.verbose),
        false => render(&done, options.agent.as_deref()),
    });
    Ok(ExitCode::SUCCESS)
}

/// The preset agents whose programs are on the `PATH`, in the presets' order.
fn installed_agents() -> Vec<String> {
    let found = agents::known(&Settings::default()).into_iter().filter_map(|(name, agent)| {
        let program = agent.ok()?.command.first()?.clone();
        agents::find_program(&program, Path::new(".")).map(|_| name)
    });
    found.collect()
}

/// For clap: `coder=claude`, a role and an agent that exist.
fn role(text: &str) -> Result<(String, String), String> {
    const ROLES: [&str; 4] = ["planner", "coder", "tester", "reviewer"];
    let (role, agent) = text.split_once('=').ok_or("write it as ROLE=AGENT, such as coder=claude")?;
    if !ROLES.contains(&role) {
        return Err(format!("no such role {role:?}; roles are {}", ROLES.join(", ")));
    }
    match agents::known(&Settings::default()).iter().any(|(name, _)| name == agent) {
        true => Ok((role.to_owned(), agent.to_owned())),
        false => Err(format!("no such agent {agent:?}; see them with: teof agent doctor")),
    }
}

fn render_short(done: &Done, options: &Options, was_shown: bool, verbose: bool) -> String {
    let mut lines = vec![match done.wrote.len() {
        0 => format!("Already set up: {} on {}", done.hub.display(), text::safe(&done.branch)),
        n => {
            let files = text::counted(n, "file");
            format!("Set up teof: wrote {files} in {} on {}", done.hub.display(), text::safe(&done.branch))
        }
    }];
    if verbose {
        lines.extend(done.wrote.iter().map(|path| format!("  wrote {path}")));
        lines.extend(done.kept.iter().map(|path| format!("  kept  {path}")));
    }
    let wrote_settings = done.wrote.iter().any(|path| path == SETTINGS);
    if !done.wrote.is_empty() && !was_shown {
        lines.extend(init_prompt::summary(options, !wrote_settings));
    }
    if let Some(commit) = &done.commit {
        lines.push(format!("Committed {} on {}", commit.get(..9).unwrap_or(commit), text::safe(&done.branch)));
    }
    let is_shown = |path: &&String| path.starts_with("seat") || [SETTINGS, CONSENT].contains(&path.as_str());
    let left: Vec<_> = done.kept.iter().filter(is_shown).map(String::as_str).collect();
    if !left.is_empty() && !done.wrote.is_empty() {
        lines.push(format!("Not changed: {}", text::safe(&left.join(", "))));
    }
    lines.extend(done.notes.iter().map(|note| format!("note: {note}")));
    if done.commit.is_none() && !done.wrote.is_empty() {
        lines.push("next: commit what was written, so that every clone has it".to_owned());
    }
    lines.push(match options.roles.is_empty() {
        true => "next: teof agent doctor".to_owned(),
        false => "next: teof do \"…what you want…\"".to_owned(),
    });
    lines.join("\n")
}

/// Every file, for scripts that call init without --yes.
fn render(done: &Done, seat: Option<&str>) -> String {
    let mut lines = vec![format!("hub: {} on {}", done.hub.display(), text::safe(&done.branch))];
    lines.extend(done.wrote.iter().map(|path| format!("  wrote {path}")));
    lines.extend(done.kept.iter().map(|path| format!("  kept  {path}")));
    lines.extend(done.notes.iter().map(|note| format!("note: {note}")));
    if done.commit.is_none() && !done.wrote.is_empty() {
        lines.push("next: check the new files and commit them, so that every clone has them".to_owned());
    }
    let seat = seat.map(|seat| format!(" --agent {seat}")).unwrap_or_default();
    lines.push(format!("next: teof session-boot{seat}"));
    lines.join("\n")
}
