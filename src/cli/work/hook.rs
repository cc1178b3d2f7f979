//! `teof hook`: agent programs call it.

use std::io::{self, Read};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clap::ValueEnum;

use crate::base::{Refusal, Result, text};
use crate::cli::App;
use crate::cli::support::app::Global;
use crate::guard::operator;
use crate::hooks::{self, Answer, Call, Moment};

/// Answer a hook of an agent program, such as Claude Code or Codex
///
/// Agent programs call it: they write what happens as JSON to stdin, and read the answer from stdout. `teof agent
/// setup` installs it. The section [hooks] of teof.toml says what is refused.
///
/// A session's start boots its seat and gives the agent a brief. An edit without a claim on a task is warned of or
/// refused, and so are denied paths and dangerous commands. What is edited is shown by `teof bus status`. An agent that
/// wants to stop is told once what its seat has not reported. Outside of teof's repositories and inside a run of the
/// coordinator it answers nothing.
///
/// The exit code is 0, whatever it answers: an error of teof is a warning on stderr and stops no agent, unless
/// [hooks] refuse_on_error is set. It is 1 when stdin holds no call of a hook, or 2 before a tool with that setting:
/// then the program does not run the tool.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 echo '{\"session_id\": \"s1\", \"source\": \"startup\"}' | teof hook session-start\n\
\x20 echo '{\"session_id\": \"s1\", \"tool_name\": \"Bash\", \"tool_input\": {\"command\": \"sudo ls\"}}' | teof hook before-tool")]
pub struct Args {
    /// What happens
    #[arg(value_enum)]
    event: Event,
}

/// The event of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Event {
    /// A session starts, or goes on
    SessionStart,
    /// A person sent a prompt
    Prompt,
    /// A tool is about to run
    BeforeTool,
    /// A tool ran
    AfterTool,
    /// A subagent starts
    SubagentStart,
    /// A subagent wants to stop
    SubagentStop,
    /// The agent wants to stop
    Stop,
    /// The session ends
    SessionEnd,
    /// The program wants a worktree (claude); the answer is its path
    WorktreeCreate,
}

/// The most that a program may write, in bytes: tools' results are part of it.
const MAX_INPUT: u64 = 64 << 20;

impl Event {
    fn moment(self) -> Moment {
        match self {
            Event::SessionStart => Moment::SessionStart,
            Event::Prompt => Moment::Prompt,
            Event::BeforeTool => Moment::BeforeTool,
            Event::AfterTool => Moment::AfterTool,
            Event::SubagentStart => Moment::SubagentStart,
            Event::SubagentStop => Moment::SubagentStop,
            Event::Stop => Moment::Stop,
            Event::SessionEnd => Moment::SessionEnd,
            Event::WorktreeCreate => Moment::WorktreeCreate,
        }
    }
}

pub fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let moment = args.event.moment();
    let read = read();
    // A run has a worker, which guards it, watches its agent and reports.
    if operator::run::inside().is_some() {
        return Ok(ExitCode::SUCCESS);
    }
    let call = match read {
        // Which program asks is unknown, and so is the form of its answers. All of them take exit code 2 for a refusal.
        Err(e) if moment == Moment::BeforeTool && refuses_on_error(app) => {
            return Err(Refusal::usage("hook.unchecked", "teof cannot check this tool call")
                .because(format!("{e:#}, and [hooks] refuse_on_error is set"))
                .next("teof doctor")
                .into());
        }
        read => read?,
    };
    let root = app.global.root.clone().or_else(|| call.cwd.clone());
    let app = App::new(&Global { root, ..app.global.clone() })?;
    let answered = panic::catch_unwind(AssertUnwindSafe(|| answer(moment, &call, &app)));
    let answered = answered.unwrap_or_else(|_| Err(anyhow::anyhow!("a fault of teof")));
    let answer = match answered {
        Ok(answer) => answer,
        // There the answer is needed: without it the program has no worktree, and says why.
        Err(e) if moment == Moment::WorktreeCreate => return Err(e),
        Err(e) => broken(moment, &e, &app),
    };
    if let Some(line) = answer.render(moment, &call) {
        app.out(line);
    }
    Ok(ExitCode::SUCCESS)
}

fn read() -> Result<Call> {
    let mut bytes = Vec::new();
    io::stdin().take(MAX_INPUT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err(Refusal::guard("hook.input", format!("the hook got more than {} MiB on stdin", MAX_INPUT >> 20))
            .next("let the tool write less at once")
            .into());
    }
    Call::parse(&bytes)
}

fn answer(moment: Moment, call: &Call, app: &App) -> Result<Answer> {
    match app.hub() {
        Ok(hub) => hooks::answer(hub, moment, call),
        Err(e) if is_elsewhere(&e) && moment != Moment::WorktreeCreate => Ok(Answer::default()),
        Err(e) => Err(e),
    }
}

/// Whether teof has nothing to do here: the hooks of a person run in every folder.
fn is_elsewhere(error: &anyhow::Error) -> bool {
    const ELSEWHERE: [&str; 4] = ["repository.missing", "root.missing", "hub.not_initialised", "hub.unknown"];
    Refusal::of(error).is_some_and(|refusal| ELSEWHERE.contains(&refusal.code))
}

/// What a hook answers when teof fails.
fn broken(moment: Moment, error: &anyhow::Error, app: &App) -> Answer {
    if moment == Moment::BeforeTool && refuses_on_error(app) {
        let why = format!("teof cannot check this tool call: {error:#}");
        return Answer::refused(format!(
            "{}\ncause: [hooks] refuse_on_error is set\nfix: teof doctor",
            text::safe(&why)
        ));
    }
    app.warn(format!("teof hook: {error:#}; the agent goes on"));
    Answer::default()
}

fn refuses_on_error(app: &App) -> bool {
    let setting = || Ok::<_, anyhow::Error>(app.hub()?.settings()?.hooks.refuse_on_error);
    setting().unwrap_or(false)
}
