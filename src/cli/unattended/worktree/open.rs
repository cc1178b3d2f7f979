//! `teof worktree new`, `teof worktree shell`

use std::path::Path;
use std::process::{Command, ExitCode};

use super::find;
use crate::base::{Refusal, Result, env, names, text};
use crate::bus::claims;
use crate::cli::App;
use crate::guard::operator;
use crate::hub::worktrees::convention::{self, Opened};
use crate::hub::worktrees::setup;
use crate::hub::{Hub, Worktree};
use crate::ops::claims::{claim, known};
use crate::seats;

/// Print the path of a task's worktree; make one if there is none
///
/// For interactive work. It is the worktree of the task's job, else the one on the branch of the seat's claim
/// (`task/<task>` where no seat acts), else the one whose branch ends like the task and its number. The coordinator
/// does not remove it.
///
/// With --json: {path, branch, made}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 cd \"$(teof worktree new QUEUE-004)\"\n\
\x20 teof worktree new QUEUE-005 --agent codex-1")]
pub struct New {
    #[command(flatten)]
    of: Of,
}

/// Start a shell in a task's worktree; make one if there is none
///
/// The shell is SHELL. TEOF_AGENT names the seat, if one acts; TEOF_SLOT and TEOF_PORT_BASE are the worktree's. It ends
/// with the shell's exit code.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof worktree shell QUEUE-004")]
pub struct Shell {
    #[command(flatten)]
    of: Of,
}

#[derive(Debug, clap::Args)]
struct Of {
    /// The task
    task: String,
    /// Whose worktree it is [default: TEOF_AGENT, else this worktree's seat]
    #[arg(long, value_name = "SEAT")]
    agent: Option<String>,
}

impl Of {
    /// The seat that works there; `None` for a person.
    fn seat(&self, hub: &Hub) -> Result<Option<String>> {
        if let Some(seat) = &self.agent {
            seats::known::require(hub, seat)?;
            return Ok(Some(seat.clone()));
        }
        match seats::resolve(hub, None) {
            Err(e) if Refusal::of(&e).is_some_and(|refusal| refusal.code == "agent.unknown") => Ok(None),
            found => Ok(Some(found?).filter(|seat| seat != operator::OPERATOR)),
        }
    }

    fn open(&self, app: &App, seat: Option<&str>) -> Result<Opened> {
        let hub = app.hub()?;
        operator::run::refuse("make a worktree")?;
        let task = names::check_id("task", &self.task)?;
        let branch = match seat {
            Some(seat) => branch_of(hub, seat, task)?,
            None => format!("task/{task}"),
        };
        if let Some(row) = find::existing(hub, task, &branch)? {
            let branch = row.branch.clone().unwrap_or_default();
            return Ok(Opened { path: row.path.into(), branch, made: false });
        }
        let opened = convention::open(hub, task, &branch)?;
        if opened.made {
            known::remark_unknown(hub, task)?.iter().for_each(|remark| app.warn(remark));
            furnish(app, hub, &opened.path)?;
        }
        Ok(opened)
    }
}

/// Copies what `.worktreeinclude` names into a worktree for a person.
pub fn furnish(app: &App, hub: &Hub, root: &Path) -> Result<()> {
    let Some(found) = Worktree::at(root) else { return Ok(()) };
    let brought = setup::bring(hub, root, &found.git_dir, None)?;
    for (path, why) in brought.left_out.iter().take(10) {
        app.warn(format!("not copied: {}: {why}", text::safe(path)));
    }
    if !brought.names.is_empty() {
        let names: Vec<_> = brought.names.iter().take(10).map(|name| text::safe(name)).collect();
        let more = brought.names.len().saturating_sub(10);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        app.say(format!("Copied {}{more}", names.join(", ")));
    }
    Ok(())
}

/// The branch of the seat's claim, or that a claim of the seat gets.
fn branch_of(hub: &Hub, seat: &str, task: &str) -> Result<String> {
    let claimed = claims::load(hub, task)?.filter(|found| found.file.agent_id() == Some(seat));
    let claimed = claimed.and_then(|found| found.file.branch().map(str::to_owned));
    Ok(claimed.unwrap_or_else(|| claim::branch_of(seat, task)))
}

pub fn new(args: New, app: &App) -> Result<ExitCode> {
    let opened = args.of.open(app, args.of.seat(app.hub()?)?.as_deref())?;
    say(app, &opened);
    app.result(&opened, || text::safe(&opened.path.display().to_string()));
    Ok(ExitCode::SUCCESS)
}

pub fn shell(args: Shell, app: &App) -> Result<ExitCode> {
    let seat = args.of.seat(app.hub()?)?;
    let opened = args.of.open(app, seat.as_deref())?;
    say(app, &opened);
    let shell = env::var(env::SHELL).unwrap_or_else(|| "/bin/sh".to_owned());
    let mut command = Command::new(&shell);
    command.current_dir(&opened.path).env_remove(env::ROOT);
    if let Some(found) = Worktree::at(&opened.path) {
        command.envs(setup::slot_of(app.hub()?, &found.git_dir)?.variables());
    }
    if let Some(seat) = &seat {
        command.env(env::AGENT, seat);
    }
    let status = command.status().map_err(|e| {
        Refusal::guard("shell.not_started", format!("cannot start the shell {}", text::safe(&shell)))
            .because(e.to_string())
            .next(format!("name another one: SHELL=/bin/sh teof worktree shell {}", args.of.task))
    })?;
    // As a shell says it of a program that a signal ended.
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(128)))
}

fn say(app: &App, opened: &Opened) {
    if opened.made {
        app.say(format!("Made a worktree on {}", text::safe(&opened.branch)));
    }
}
