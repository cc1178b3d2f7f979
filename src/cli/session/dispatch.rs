//! `teof session start --mode dispatch`

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use super::continue_session;
use crate::agents;
use crate::base::lock::{self, FileLock};
use crate::base::{Refusal, Result, env, names, text};
use crate::bus::claims;
use crate::cli::App;
use crate::cli::support::author::Flags;
use crate::cli::unattended::worktree::{find, open};
use crate::foreman::commands::terminals::{self, Program, Wanted};
use crate::guard::{operator, secrets};
use crate::hub::worktrees::convention;
use crate::hub::{Hub, paths};
use crate::model::claim::ClaimStatus;
use crate::model::run::job_name::short;
use crate::ops::claims::claim::{Request, claim};

/// What a person asks for.
pub struct Dispatch<'a> {
    pub task: &'a str,
    /// The agent's first prompt.
    pub prompt_file: Option<&'a Path>,
    /// The agent program; `None` is the person's shell.
    pub program: Option<&'a str>,
    /// The seat that claims the task; `None` is the seat of this place.
    pub seat: Option<&'a str>,
    /// Claim the task although the seat's session is missing or stale.
    pub allow_stale_session: bool,
}

/// How long to wait for others that start terminals; each may claim, make a worktree and start tmux.
const WAIT: Duration = Duration::from_secs(60);

/// Claims the task, opens its worktree, and starts the program there in a terminal.
pub fn run(args: &Dispatch, app: &App) -> Result<ExitCode> {
    operator::run::refuse("start a session")?;
    let hub = app.hub()?;
    let task = names::check_id("task", args.task)?;
    let _one_at_a_time = FileLock::acquire(&hub.local("locks/terminals.lock"), WAIT, "lock.wait", "start a terminal")?;
    check_free(hub, task)?;
    let agent = args.seat.map(str::to_owned);
    let author = Flags { agent, allow_stale_session: args.allow_stale_session, ..Flags::default() };
    let author = author.claimant(hub, Some(task))?;
    let seat = Some(author.agent.clone()).filter(|seat| seat != operator::OPERATOR);
    let program = program(args, hub, seat.is_some())?;
    terminals::check(&program, &hub.root)?;
    let mut request = Request::new(author, task);
    request.allow_unassigned = seat.is_none();
    let own = claims::load(hub, task)?.map(|found| found.claim(hub)).transpose()?;
    let is_own = own.as_ref().is_some_and(|own| {
        let holds = own.agent_id == request.author.agent && own.status == ClaimStatus::Active;
        holds && own.lease_expires_at.is_none_or(|at| at > hub.now())
    });
    // A claim of one's own stays as it is, lease included.
    let held = match own.filter(|_| is_own) {
        Some(own) => own,
        None => {
            let answer = claim(hub, &request, None)?;
            answer.remarks.iter().for_each(|remark| app.warn(remark));
            let found = claims::load(hub, task)?.context("the claim that was just made")?;
            found.claim(hub)?
        }
    };
    let (worktree, branch) = match find::existing(hub, task, &held.branch)? {
        Some(row) => (row.path.into(), row.branch.unwrap_or_default()),
        None => {
            let opened = convention::open(hub, task, &held.branch)?;
            if opened.made {
                open::furnish(app, hub, &opened.path)?;
            }
            (opened.path, opened.branch)
        }
    };
    let wanted =
        Wanted { task, seat: seat.as_deref(), epoch: held.epoch, worktree: &worktree, branch: &branch, program };
    let record = terminals::start(hub, &wanted)?;
    let name = short(&record.id).into_owned();
    app.result(&json!({ "task": task, "session": record.id, "worktree": worktree, "branch": branch }), || {
        format!("Started session {name} in {}", text::safe(&worktree.display().to_string()))
    });
    app.say(format!("join it: teof session attach {}", text::shell_word(task)));
    Ok(ExitCode::SUCCESS)
}

/// Refuses when somebody works on the task: it would be in the same worktree.
fn check_free(hub: &Hub, task: &str) -> Result<()> {
    if let Some(open) = terminals::all_open(hub)?.iter().find(|one| one.task_id.as_deref() == Some(task)) {
        return Err(Refusal::held("session.running", format!("{task} has a terminal already"))
            .because(format!("session {} is {}", short(&open.id), open.status.as_str()))
            .next(format!("join it: teof session attach {}", short(&open.id)))
            .into());
    }
    if lock::is_held(&hub.local(&paths::run_lock(task)))? {
        return Err(Refusal::held("session.running", format!("an agent is working on {task}"))
            .because("a terminal would be in the same worktree")
            .next(format!("tell the agent what you want: teof session note {} \"...\"", text::shell_word(task)))
            .next(format!("or stop its job: teof coordinator cancel {}", text::shell_word(task)))
            .into());
    }
    Ok(())
}

fn program(args: &Dispatch, hub: &Hub, has_seat: bool) -> Result<Program> {
    let prompt = args.prompt_file.map(prompt).transpose()?;
    let Some(name) = args.program else {
        if prompt.is_some() {
            return Err(Refusal::usage("session.no_agent", "a shell takes no prompt")
                .because("--prompt-file is for an agent program")
                .next(format!(
                    "name one: teof session start --mode dispatch --task {} --program claude --prompt-file FILE",
                    args.task
                ))
                .into());
        }
        return Ok(Program::Shell(env::var(env::SHELL).unwrap_or_else(|| "/bin/sh".to_owned())));
    };
    if !has_seat {
        return Err(Refusal::usage("session.no_seat", "an agent needs a seat to work for")
            .because("what it writes to the record is written by its seat")
            .next(format!(
                "name one: teof session start --mode dispatch --task {} --program {name} --agent codex-1",
                args.task
            ))
            .into());
    }
    Ok(Program::Agent { agent: Box::new(agents::find(hub.settings()?, name)?), prompt })
}

fn prompt(file: &Path) -> Result<String> {
    let text = continue_session::read_prompt(file)?;
    secrets::check_text("prompt", &text)?;
    Ok(text)
}
