//! `teof session start`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::json;

use super::continue_session;
use super::dispatch::{self, Dispatch};
use crate::base::{Refusal, Result, names, text};
use crate::cli::App;
use crate::cli::support::command_line;
use crate::cli::support::help::MORE;
use crate::cli::unattended::coordinator::objective::{self, Details};
use crate::cli::unattended::coordinator::{send, submit, submit_names};
use crate::coordinator::state::input::Command;
use crate::coordinator::state::{Job, store};
use crate::coordinator::{process, sessions};
use crate::guard::{operator, secrets};
use crate::hub::Hub;
use crate::hub::watch::Watch;
use crate::model::run::job_name::short;
use crate::plans;
use crate::sessions::{Mode, SessionRecord};

/// Start an agent session for a task, in the task's own worktree
///
/// Autonomous: the coordinator runs it as a job, under the same consent, claim and checks as other unattended work. A
/// new task is made of the prompt; it needs tests, from here or from the settings.
///
/// Dispatch: a terminal in a tmux window that you join with `teof session attach`, with an interactive agent or your
/// shell. The seat must have booted, and have the task or its assignment (`teof task pickup`). The terminal is in no
/// queue, and outlives this command and the coordinator.
///
/// With --json: {task, session}; session is null when it starts later. Dispatch: also {worktree, branch}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof session start --mode autonomous --task QUEUE-001\n\
\x20 teof session start --mode dispatch --task QUEUE-003 --agent codex-1\n\
\x20 echo \"Document the parser\" > p.md && teof session start --mode autonomous --task doc-7 --prompt-file p.md --test true")]
pub struct Args {
    /// How it runs
    #[arg(long, value_enum)]
    mode: StartMode,
    /// A task; with --mode autonomous and --prompt-file, the name of a new one
    #[arg(long)]
    task: String,
    /// Make a new task of the text in this file; with --mode dispatch, the agent's first prompt
    #[arg(long, value_name = "FILE")]
    prompt_file: Option<PathBuf>,
    /// With --mode dispatch: the agent program, such as claude [default: your shell]
    #[arg(long, value_name = "NAME")]
    program: Option<String>,
    /// With --mode dispatch: the seat that works there [default: TEOF_AGENT, else this worktree's]
    #[arg(long, value_name = "SEAT")]
    agent: Option<String>,
    /// A test command that must pass, besides those of the settings; repeatable
    #[arg(long = "test", value_name = "COMMAND", value_parser = command_line::parse, requires = "prompt_file")]
    tests: Vec<String>,
    /// With --mode dispatch: claim although the seat's session is missing or stale; recorded
    #[arg(long, help_heading = MORE)]
    allow_stale_session: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum StartMode {
    /// By an agent program, unattended
    Autonomous,
    /// In a terminal that you can join
    Dispatch,
}

/// How long to wait for the session after the coordinator accepted the task.
const PATIENCE: Duration = Duration::from_secs(10);
const SAFETY: Duration = Duration::from_millis(250);

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    args.check_flags()?;
    if args.mode == StartMode::Dispatch {
        let asked = Dispatch {
            task: &args.task,
            prompt_file: args.prompt_file.as_deref(),
            program: args.program.as_deref(),
            seat: args.agent.as_deref(),
            allow_stale_session: args.allow_stale_session,
        };
        return dispatch::run(&asked, app);
    }
    operator::run::refuse("start other work")?;
    let hub = app.hub()?;
    let before = app.now();
    let command = submission(&args, app, hub)?;
    let Command::Submit { task, plan, .. } = &command else { anyhow::bail!("expected a submission") };
    let (task, plan) = (task.clone(), plan.clone());
    let answer = send::have_done(app, &app.speaker()?, command, None)?;
    // A coordinator that watches the plans may have started it before it read the command.
    let is_ours = |job: &Job| job.task == task || (plan.is_some() && job.plan == plan);
    let is_under_way = || store::load(hub).is_ok_and(|state| state.live_jobs().any(is_ours));
    if let Some(answer) = answer.filter(|answer| !answer.ok && !is_under_way()) {
        return Err(send::refused(&answer.text).into());
    }
    let started = if process::holder(hub)?.is_some() { first_session(hub, &task, before)? } else { None };
    let document = json!({ "task": task, "session": started.as_ref().map(|one| &one.id) });
    app.result(&document, || match &started {
        Some(one) => format!("Started session {}", short(&one.id)),
        None => format!("Queued {}", text::safe(&task)),
    });
    if started.is_none() {
        app.say(match process::holder(hub)? {
            Some(_) => format!("it has not started yet; see why: teof coordinator explain {}", text::safe(&task)),
            None => "it starts when the coordinator runs: teof run".to_owned(),
        });
    }
    Ok(ExitCode::SUCCESS)
}

impl Args {
    /// Refuses flags of the other mode.
    fn check_flags(&self) -> Result<()> {
        let (misplaced, mode) = match self.mode {
            StartMode::Autonomous => {
                (self.program.is_some() || self.agent.is_some() || self.allow_stale_session, "dispatch")
            }
            StartMode::Dispatch => (!self.tests.is_empty(), "autonomous"),
        };
        if !misplaced {
            return Ok(());
        }
        let flags = match mode {
            "dispatch" => "--program, --agent and --allow-stale-session",
            _ => "--test",
        };
        Err(Refusal::usage("session.mode", format!("{flags} belong to --mode {mode}"))
            .because("the coordinator chooses agents and seats; a terminal runs no tests")
            .next("see what each mode takes: teof session start --help")
            .into())
    }
}

/// What is submitted: the task, or a plan that is made of the prompt.
fn submission(args: &Args, app: &App, hub: &Hub) -> Result<Command> {
    let Some(file) = &args.prompt_file else {
        let asked = submit_names::resolve(hub, &args.task)?;
        submit::check_room(hub, 1)?;
        return submit::task(app, hub, asked, None);
    };
    names::check_id("task", &args.task)?;
    if submit_names::resolve(hub, &args.task).is_ok() {
        return Err(Refusal::usage("session.task_exists", format!("{} is a task already", text::safe(&args.task)))
            .because("--prompt-file makes a new task")
            .next(format!("start it as it is: teof session start --mode autonomous --task {}", args.task))
            .into());
    }
    let prompt = continue_session::read_prompt(file)?;
    secrets::check_text("prompt", &prompt)?;
    let (first, rest) = prompt.trim().split_once('\n').unwrap_or((prompt.trim(), ""));
    let title = first.trim_start_matches('#').trim();
    if title.is_empty() {
        return Err(Refusal::usage("session.prompt", format!("{} is empty", file.display()))
            .next("write what you want on its first line, details below")
            .into());
    }
    let notes = Some(rest.trim().to_owned()).filter(|rest| !rest.is_empty());
    let details = Details { name: Some(args.task.clone()), tests: args.tests.clone(), notes, ..Details::default() };
    objective::check(hub, &details)?;
    submit::check_room(hub, 1)?;
    objective::submission(app, hub, title, &details)
}

/// The first session of a task since a time, once there is one.
fn first_session(hub: &Hub, task: &str, since: crate::base::Stamp) -> Result<Option<SessionRecord>> {
    let task = plans::find(hub, task)
        .ok()
        .and_then(|plan| plan.plan.short_task().map(str::to_owned))
        .unwrap_or_else(|| task.to_owned());
    let watch = Watch::on([hub.local("live").as_path()]);
    let until = Instant::now() + PATIENCE;
    loop {
        let found = sessions::all(hub)?.sessions.into_iter().find(|one| {
            one.task_id.as_ref() == Some(&task) && one.started_at >= Some(since) && one.mode == Mode::Autonomous
        });
        if found.is_some() || Instant::now() >= until {
            return Ok(found);
        }
        watch.wait(SAFETY);
    }
}
