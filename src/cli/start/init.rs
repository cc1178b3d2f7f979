//! `teof init`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::init_prompt::{self, Existing, MOST_WORKERS};
use crate::agents;
use crate::base::{Clock, Result, files, text};
use crate::cli::App;
use crate::cli::support::command_line;
use crate::cli::support::help::MORE;
use crate::cli::work::agent::plugin::docs;
use crate::guard::operator;
use crate::hub::paths::{CONSENT, SETTINGS};
use crate::hub::{Hub, Settings, Worktree};
use crate::ops::setup::init::{self, Done, Options};
use crate::ops::setup::proposal::{self, Proposal, Record};

/// Set up teof in a repository, without touching your files
///
/// On a terminal, init looks for agents on your PATH and for the project's test command, shows what it would set
/// up, and asks once. --yes takes that without asking. Without a terminal and without --yes it asks nothing, uses
/// only the flags, and commits nothing. Where teof is set up it says where the record is, and adds what is missing.
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
    #[arg(long, value_name = "COMMAND", value_parser = command_line::parse)]
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
    /// Write the section about teof into AGENTS.md, and into CLAUDE.md where there is one
    #[arg(long)]
    agent_docs: bool,
    /// The seat to create for yourself
    #[arg(long, value_name = "SEAT", help_heading = MORE)]
    agent: Option<String>,
    /// List every file
    #[arg(long, short, help_heading = MORE)]
    verbose: bool,
}

/// `tree`: every command, for what is made of their help.
pub fn run(args: Args, app: &App, tree: fn() -> clap::Command) -> Result<ExitCode> {
    operator::run::refuse("set a repository up")?;
    if let Ok(hub) = Hub::locate(app.global.root.as_deref(), app.clock) {
        // The installed git may be older than the repository's format.
        hub.git().run(&["rev-parse", "--git-dir"])?;
    }
    let names_settings = !(args.role.is_empty() && args.test.is_empty());
    let settings = match settings_here(app) {
        // What they lack may be described in the part that is wrong.
        Err(e) if names_settings => return Err(e),
        settings => settings.unwrap_or_default(),
    };
    if names_settings && has_settings(app) {
        operator::require("change teof.toml")?;
    }
    for (_, agent) in &args.role {
        agents::find(&settings, agent)?;
    }
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
    let mut there = Existing::default();
    if args.yes || asks {
        let found = proposal::propose(app.global.root.as_deref(), app.clock, &installed_agents())?;
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
        let stays = !options.dedicated && options.hub.is_none();
        let record = found.record.filter(|_| stays);
        let record = record.map(|record| place(&record));
        let Proposal { target, has_settings, is_unborn, .. } = found;
        there = Existing { record, has_settings, target, is_unborn, ..Existing::default() };
        if has_settings {
            there = there.with(&settings);
        }
    }
    if asks {
        let missing = |options: &Options| match there.record {
            Some(_) => init::missing(app.global.root.as_deref(), app.clock, options),
            None => Ok(Vec::new()),
        };
        options = init_prompt::confirm(options, &there, &settings, &missing)?;
    }
    let mut done = init::init(app.global.root.as_deref(), app.clock, &options)?;
    if args.agent_docs {
        let folder = Worktree::containing(&app.global.root.clone().unwrap_or_else(|| PathBuf::from(".")))?.root;
        let changed = docs::write(&folder, &tree())?;
        let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        done.notes.push(match changed.iter().map(name).collect::<Vec<_>>().join(" and ") {
            names if names.is_empty() => "the section about teof in AGENTS.md is up to date".to_owned(),
            names => format!("wrote the section about teof into {names}; commit it"),
        });
    }
    app.result(&done, || match args.yes || asks {
        true => render_short(&done, &options, &there, asks, args.verbose),
        false => render(&done, &options),
    });
    Ok(ExitCode::SUCCESS)
}

/// Whether there is a `teof.toml` that somebody may rely on.
fn has_settings(app: &App) -> bool {
    let hub = Hub::locate(app.global.root.as_deref(), app.clock);
    hub.is_ok_and(|hub| hub.root.join(SETTINGS).symlink_metadata().is_ok())
}

/// The settings that count here; the defaults where there are none yet.
fn settings_here(app: &App) -> Result<Settings> {
    match Hub::locate(app.global.root.as_deref(), app.clock) {
        Ok(hub) => hub.settings().cloned(),
        Err(_) => Ok(Settings::default()),
    }
}

/// `../calc.record on teof/record`
fn place(record: &Record) -> String {
    format!("{} on {}", seen(&record.root), text::safe(&record.branch))
}

/// A folder as a person in the current one calls it.
fn seen(folder: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    match files::seen_from(&here, folder) {
        path if path.as_os_str().is_empty() => "this folder".to_owned(),
        path => text::safe(&path.display().to_string()),
    }
}

/// The preset agents whose programs are on the `PATH`, in the presets' order; the first one of each program.
fn installed_agents() -> Vec<String> {
    let mut programs = BTreeSet::new();
    let found = agents::known(&Settings::default()).into_iter().filter_map(|(name, agent)| {
        let program = agent.ok()?.command.first()?.clone();
        agents::find_program(&program, Path::new("."))?;
        programs.insert(program).then_some(name)
    });
    found.collect()
}

/// For clap: `coder=claude`, a role that exists and the name of an agent.
fn role(text: &str) -> Result<(String, String), String> {
    const ROLES: [&str; 4] = ["planner", "coder", "tester", "reviewer"];
    let (role, agent) = text.split_once('=').ok_or("write it as ROLE=AGENT, such as coder=claude")?;
    if !ROLES.contains(&role) {
        return Err(format!("no such role {role:?}; roles are {}", ROLES.join(", ")));
    }
    Ok((role.to_owned(), agent.to_owned()))
}

fn render_short(done: &Done, options: &Options, there: &Existing, was_shown: bool, verbose: bool) -> String {
    let hub = place(&Record { root: done.hub.clone(), branch: done.branch.clone() });
    let files = text::counted(done.wrote.len(), "file");
    let changes_settings = init_prompt::changes_settings(there, &done.wrote);
    let mut lines = vec![match (done.wrote.is_empty(), &there.record) {
        (true, _) => format!("Already set up: the record is in {hub}"),
        (false, Some(_)) if changes_settings => format!("Changed {SETTINGS} in {hub}"),
        (false, Some(_)) => format!("Added {files} in {hub}"),
        (false, None) => format!("Set up teof: wrote {files} in {hub}"),
    }];
    if verbose {
        lines.extend(done.wrote.iter().map(|path| format!("  wrote {path}")));
        lines.extend(done.kept.iter().map(|path| format!("  kept  {path}")));
    }
    if !done.wrote.is_empty() && !was_shown {
        lines.extend(init_prompt::summary(options, there, &done.wrote));
    }
    if let Some(commit) = &done.commit {
        lines.push(format!("Committed {} on {}", commit.get(..9).unwrap_or(commit), text::safe(&done.branch)));
    }
    let is_shown = |path: &&String| path.starts_with("seat") || [SETTINGS, CONSENT].contains(&path.as_str());
    let left: Vec<_> = done.kept.iter().filter(is_shown).map(String::as_str).collect();
    if !left.is_empty() && !done.wrote.is_empty() && !changes_settings {
        lines.push(format!("Not changed: {}", text::safe(&left.join(", "))));
    }
    lines.extend(done.notes.iter().map(|note| format!("note: {note}")));
    if done.commit.is_none() && !done.wrote.is_empty() {
        lines.push("next: commit what was written, so that every clone has it".to_owned());
    }
    lines.push(format!("next: {}", next(done, options)));
    lines.join("\n")
}

/// What is left to do before work can start, as a command where there is one.
fn next(done: &Done, options: &Options) -> String {
    if let Some(seat) = &options.agent {
        return format!("teof session-boot --agent {seat}");
    }
    let hub = Hub::locate(Some(&done.hub), Clock::Machine).ok();
    let settings = hub.and_then(|hub| hub.settings().ok().cloned()).unwrap_or_default();
    let is_bound = settings.roles.get("coder").is_some_and(|coder| coder.agent.is_some() || coder.command.is_some());
    if !is_bound && settings.commands.default.is_empty() {
        return match installed_agents().first() {
            Some(agent) => format!("let {agent} do the work: teof init --role coder={agent}"),
            None => {
                "install an agent program, or describe your own under [agents.NAME] in teof.toml (teof agent doctor \
                     lists them), then: teof init --role coder=NAME"
                    .into()
            }
        };
    }
    let coder = settings.roles.get("coder").and_then(|coder| coder.agent.as_deref());
    let agent = coder.and_then(|name| agents::find(&settings, name).ok());
    if let Some(agent) = agent.filter(|agent| agents::find_program(agent.program(), &done.hub).is_none()) {
        return format!("install {}, the program of the coder; then: teof do \"…what you want…\"", agent.program());
    }
    match settings.guard.tests.is_empty() {
        true => "name a command that every result must pass: teof init --test \"make test\"".to_owned(),
        false => "teof do \"…what you want…\"".to_owned(),
    }
}

/// Every file, for scripts that call init without --yes.
fn render(done: &Done, options: &Options) -> String {
    let mut lines = vec![format!("hub: {} on {}", done.hub.display(), text::safe(&done.branch))];
    lines.extend(done.wrote.iter().map(|path| format!("  wrote {path}")));
    lines.extend(done.kept.iter().map(|path| format!("  kept  {path}")));
    lines.extend(done.notes.iter().map(|note| format!("note: {note}")));
    if done.commit.is_none() && !done.wrote.is_empty() {
        lines.push(format!("next: teof bus commit (saves the new files on {})", text::safe(&done.branch)));
    }
    if done.wrote.iter().any(|path| path == SETTINGS) && options.roles.is_empty() && options.tests.is_empty() {
        lines.push("note: no agents and no tests are set: without a terminal, only --yes looks for them".to_owned());
    }
    let seat = options.agent.as_ref().map(|seat| format!(" --agent {seat}")).unwrap_or_default();
    lines.push(format!("next: teof session-boot{seat}"));
    lines.join("\n")
}
