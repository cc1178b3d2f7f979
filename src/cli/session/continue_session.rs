//! `teof session continue`: a person's words for the agent of a session, over or running.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{note, show};
use crate::base::{Refusal, Result, files, text};
use crate::cli::App;
use crate::cli::review::retry;
use crate::cli::unattended::coordinator::{commands, send};
use crate::coordinator::state::{Job, State, store};
use crate::foreman::calls::notes;
use crate::guard::operator;
use crate::model::run::job_name::short;
use crate::sessions::SessionRecord;

/// The longest prompt in a file, in bytes.
const MAX_PROMPT: u64 = 256 * 1024;

/// Continue the work of a session, with a note
///
/// The agent goes on in its own session and worktree where it can. Answers the question of a job that asks, sends a job
/// under review back, and queues a blocked one again. While the agent works, it gets the note in its session, if it
/// takes messages.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof session continue j1 --note \"Handle the empty list, too\"")]
pub struct Args {
    /// A session; or a run, job or task (its newest session)
    session: String,
    /// What to tell the agent
    #[arg(long, required_unless_present = "prompt_file")]
    note: Option<String>,
    /// Read what to tell the agent from a file
    #[arg(long, value_name = "FILE", conflicts_with = "note")]
    prompt_file: Option<PathBuf>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    operator::run::refuse("continue a session")?;
    let words = match &args.prompt_file {
        Some(file) => read_prompt(file)?,
        None => args.note.unwrap_or_default(),
    };
    check_words(&words)?;
    let hub = app.hub()?;
    let found = show::find(hub, &args.session)?;
    let name = short(&found.id).into_owned();
    let state = store::load(hub)?;
    if !found.status.is_over() {
        if let Some(job) = job_of(&state, &found) {
            let to = note::Receiver::of(hub, job)?;
            if to.takes_notes {
                let (document, text) = note::send(app, job, &to, &words)?;
                app.result(&document, || text.clone());
                return Ok(ExitCode::SUCCESS);
            }
        }
        return Err(Refusal::guard("session.running", format!("session {name} is {}", found.status.as_str()))
            .because("a session that is not over is continued only if its agent takes messages while it works")
            .next(format!("give it a note for its next call: teof session note {name} \"...\""))
            .next(format!("or stop it first: teof session cancel {name}"))
            .into());
    }
    let Some(job) = job_of(&state, &found) else { return Err(no_job(&found).into()) };
    match job.asks() {
        true => send::send(app, commands::allowed_answer(job.id.clone(), &words)?, None),
        false => retry::run(retry::Args::of(&job.id, words), app),
    }
}

/// The job that a session belongs to, or the later job that does its task again.
fn job_of<'s>(state: &'s State, found: &SessionRecord) -> Option<&'s Job> {
    let job = state.job(found.job.as_deref()?)?;
    Some(state.successor(job).unwrap_or(job))
}

fn no_job(found: &SessionRecord) -> Refusal {
    let name = short(&found.id);
    let refusal = Refusal::guard("session.no_job", format!("the coordinator has no job for session {name}"));
    match &found.task_id {
        Some(task) => refusal
            .because("only the coordinator continues the sessions of its jobs")
            .next(format!("have the task done: teof coordinator submit {}", text::shell_word(task))),
        None => refusal.next(format!("see the session: teof session show {name}")),
    }
}

/// Refuses words that say nothing or hold a secret.
fn check_words(words: &str) -> Result<()> {
    if words.trim().is_empty() {
        return Err(Refusal::usage("note.empty", "the note is empty").next("say what the agent should know").into());
    }
    notes::check("note", words)
}

/// The text of a prompt's file.
///
/// # Errors
/// `session.prompt` (exit 2) when it cannot be read as text.
pub fn read_prompt(file: &Path) -> Result<String> {
    let refuse = |why: String| {
        Refusal::usage("session.prompt", format!("cannot read {}", file.display()))
            .because(why)
            .next("name a text file: --prompt-file prompt.md")
    };
    let bytes = files::read(file, MAX_PROMPT).map_err(|e| refuse(format!("{e:#}")))?;
    let bytes = bytes.ok_or_else(|| refuse("there is no such file".to_owned()))?;
    Ok(String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8".to_owned()))?)
}
