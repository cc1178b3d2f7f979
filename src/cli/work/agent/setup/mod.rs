//! `teof agent setup`: installs hooks, MCP server and skill into the settings of agent programs.

mod change;
mod targets;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Command;
use serde::Serialize;

use crate::agents;
use crate::base::{Refusal, Result, env, text};
use crate::cli::App;
use crate::cli::support::ask;
use crate::guard::operator;
use crate::hub::Worktree;

use change::{Change, State};
pub use targets::Program;

/// Install teof's hooks, MCP server and skill into agent programs
///
/// It shows what it would write, and asks. Only teof's own entries are added or changed; everything else in those
/// files stays as it is. Without a name it takes the programs that are on the PATH. Run it again after an update of
/// teof.
///
/// With --json: {scope, ok, files: [{program, path, what, state}]}; state is `same`, `new` or `differs`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof agent setup claude --yes\n\
\x20 teof agent setup claude --check   # exit code 1 when something differs\n\
\x20 teof agent setup codex --project --yes  # for everybody in this repository")]
pub struct Args {
    /// The programs [default: those on the PATH]
    #[arg(value_enum)]
    programs: Vec<Program>,
    /// Write into this repository, for everybody who works in it, instead of your home folder
    #[arg(long)]
    project: bool,
    /// Write without asking
    #[arg(long, short)]
    yes: bool,
    /// Write nothing; compare what is installed with what this version installs
    #[arg(long, conflicts_with = "yes")]
    check: bool,
}

/// What `teof agent setup --json` prints.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Report {
    /// `user` or `project`.
    scope: &'static str,
    /// Everything is as this version installs it.
    ok: bool,
    files: Vec<FileState>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct FileState {
    program: &'static str,
    path: PathBuf,
    /// `hooks`, `mcp server` or `skill`.
    what: &'static str,
    state: State,
}

pub fn run(args: &Args, app: &App, tree: &Command) -> Result<ExitCode> {
    if !args.check {
        operator::run::refuse("change the settings of agent programs")?;
    }
    let programs = programs(args)?;
    let place = place(args, app)?;
    let mut changes = Vec::new();
    for program in programs {
        changes.extend(targets::changes(program, &place, tree)?);
    }
    let differ = changes.iter().any(|change| change.state != State::Same);
    if args.check || !differ {
        report(args, app, &changes);
        return Ok(if differ { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    if !args.yes {
        confirm(args, app, &changes)?;
    }
    for change in changes.iter().filter(|change| change.state != State::Same) {
        change.write()?;
    }
    let done: Vec<Change> = changes.into_iter().map(Change::done).collect();
    report(args, app, &done);
    if done.iter().any(|change| change.program == "codex") {
        app.say("codex asks you once, at its next start, to trust the new hooks.");
    }
    Ok(ExitCode::SUCCESS)
}

/// Those that are named, else those that are there.
fn programs(args: &Args) -> Result<Vec<Program>> {
    if !args.programs.is_empty() {
        return Ok(args.programs.clone());
    }
    let is_there = |program: &Program| agents::find_program(program.command(), &PathBuf::from("/")).is_some();
    let found: Vec<Program> = Program::ALL.into_iter().filter(is_there).collect();
    if found.is_empty() {
        return Err(Refusal::not_found("setup.no_program", "no agent program is on the PATH")
            .because("looked for claude, codex, cursor-agent and gemini")
            .next("name the one that you use: teof agent setup claude")
            .into());
    }
    Ok(found)
}

fn place(args: &Args, app: &App) -> Result<targets::Place> {
    if args.project {
        let start = app.global.root.clone().unwrap_or_else(|| PathBuf::from("."));
        return Ok(targets::Place::Project(Worktree::containing(&start)?.root));
    }
    let home = env::var("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    home.map(targets::Place::User).ok_or_else(|| {
        Refusal::usage("setup.no_home", "HOME is not set, so there is no place for settings of yours")
            .next("write into the repository instead: teof agent setup --project --yes")
            .into()
    })
}

fn confirm(args: &Args, app: &App, changes: &[Change]) -> Result<()> {
    let words: Vec<String> = changes.iter().filter(|change| change.state != State::Same).map(line).collect();
    if !ask::is_possible(app) {
        return Err(Refusal::usage("setup.unconfirmed", "nothing was written: this needs a confirmation")
            .because(format!("it would write:\n{}", words.join("\n")))
            .next(format!("write it: {} --yes", command(args)))
            .into());
    }
    words.iter().for_each(|line| app.say(line));
    if ask::yes("Write this?", true)? {
        return Ok(());
    }
    Err(Refusal::guard("setup.declined", "nothing was written")
        .next(format!("see it again: {} --check", command(args)))
        .into())
}

/// The command line without its last flag.
fn command(args: &Args) -> String {
    let mut words = vec!["teof agent setup"];
    words.extend(args.programs.iter().map(|program| program.name()));
    words.extend(args.project.then_some("--project"));
    words.join(" ")
}

fn report(args: &Args, app: &App, changes: &[Change]) {
    let files = changes.iter().map(|change| FileState {
        program: change.program,
        path: change.path.clone(),
        what: change.what,
        state: change.state,
    });
    let scope = if args.project { "project" } else { "user" };
    let ok = changes.iter().all(|change| change.state == State::Same);
    app.result(&Report { scope, ok, files: files.collect() }, || {
        changes.iter().map(line).collect::<Vec<_>>().join("\n")
    });
}

fn line(change: &Change) -> String {
    let state = match change.state {
        State::Same => "installed",
        State::New => "new",
        State::Differs => "differs",
    };
    text::safe(&format!("{:<7} {:<11} {state:<10} {}", change.program, change.what, change.path.display()))
}
