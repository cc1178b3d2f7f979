//! `teof session note`

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::base::{Refusal, Result, text};
use crate::board::{Parts, Reader};
use crate::cli::App;
use crate::cli::unattended::coordinator::send::{refused, what_and_step};
use crate::coordinator::state::{Job, State, store};
use crate::foreman::calls::notes::{self, Stored};
use crate::foreman::results::call_record::How;
use crate::guard::operator;
use crate::hub::Hub;
use crate::hub::watch::Watch;
use crate::sessions::{self, LocalStorage, SessionStorage};

/// Send a note to the agent of a job
///
/// An agent that takes messages while it works gets it at once: codex-app, and claude where its settings say
/// `prompt = "stream"`. Any other gets it with its next call. The answer says which. To answer a question, use
/// `teof coordinator answer`.
///
/// With --json: {job, task, agent, given, text}; given is "session", "next_call", or null while the note waits.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof session note QUEUE-006 \"Leave the parser as it is\"")]
pub struct Args {
    /// A job, a run, a task or its plan, or a session
    target: String,
    /// What to tell the agent
    text: String,
}

/// How long to wait until the agent has it.
const PATIENCE: Duration = Duration::from_secs(5);
const GLANCE: Duration = Duration::from_millis(200);

pub fn run(args: Args, app: &App) -> Result<()> {
    let (document, text) = send_to(app, &args.target, &args.text)?;
    app.result(&document, || text.clone());
    Ok(())
}

/// Sends a note and returns what became of it, for screens.
///
/// # Errors
/// As the command.
pub fn send_for_screen(app: &App, target: &str, words: &str) -> Result<Vec<String>> {
    Ok(vec![send_to(app, target, words)?.1])
}

fn send_to(app: &App, target: &str, words: &str) -> Result<(Value, String)> {
    operator::run::refuse("send a note to an agent")?;
    check(words)?;
    let hub = app.hub()?;
    let state = store::load(hub)?;
    let job = find(hub, &state, target)?;
    send(app, job, &Receiver::of(hub, job)?, words)
}

/// Refuses words that are too long, say nothing or hold a secret.
pub(super) fn check(words: &str) -> Result<()> {
    if words.trim().is_empty() {
        return Err(Refusal::usage("note.empty", "the note is empty")
            .next("see what the agent does: teof session watch --once")
            .into());
    }
    notes::check("note", words)
}

/// Gives a note to the agent of a job, and says whether it has it: for programs and for people.
pub(super) fn send(app: &App, job: &Job, to: &Receiver, words: &str) -> Result<(Value, String)> {
    let stored = notes::add(app.hub()?, &job.known_as(), &app.speaker()?, words)?;
    let given = if to.takes_notes { wait(&stored) } else { notes::given(&stored) };
    let whom = to.agent.clone().unwrap_or_else(|| "its agent".to_owned());
    let text = match given {
        Some(How::Session) => format!("Gave the note to {whom} in its session"),
        Some(How::NextCall) => format!("Gave the note to {whom} with its next call"),
        None if to.takes_notes => {
            format!(
                "Kept the note: {whom} has not taken it yet, and gets it at the latest with the next call of {}",
                job.short()
            )
        }
        None => format!("Kept the note: {whom} gets it with the next call of {}", job.short()),
    };
    let text = text::safe(&text);
    Ok((json!({"job": job.id, "task": job.task, "agent": to.agent, "given": given, "text": text}), text))
}

/// The live job of this name, or that of the session of this name.
fn find<'s>(hub: &Hub, state: &'s State, name: &str) -> Result<&'s Job> {
    let unknown = match state.find_live(name) {
        Ok(job) => return Ok(job),
        Err(why) => {
            let (what, step) = what_and_step(&why);
            let next = step.unwrap_or("see what agents do: teof session watch --once");
            match state.find(name) {
                Ok(_) => refused(&why),
                Err(_) => Refusal::not_found("job.unknown", what).next(next),
            }
        }
    };
    let listing = LocalStorage::of(hub).list()?;
    let session = sessions::find(&listing.sessions, name).ok();
    let job = session.and_then(|session| state.find_live(session.job.as_deref()?).ok());
    Ok(job.ok_or(unknown)?)
}

/// Who gets a note.
pub(super) struct Receiver {
    /// It takes notes while it works.
    pub takes_notes: bool,
    agent: Option<String>,
}

impl Receiver {
    /// The agent that works for the job now.
    pub fn of(hub: &Hub, job: &Job) -> Result<Self> {
        let snapshot = Reader::new().read(hub, Parts::JOBS)?;
        let found = snapshot.job(&job.id);
        let takes_notes = found.is_some_and(|job| job.takes_notes);
        Ok(Receiver { takes_notes, agent: found.and_then(|job| job.agent.clone()) })
    }
}

fn wait(stored: &Stored) -> Option<How> {
    let watch = Watch::on(stored.path.parent());
    let until = Instant::now() + PATIENCE;
    loop {
        match notes::given(stored) {
            None if Instant::now() < until => drop(watch.wait(GLANCE)),
            given => return given,
        }
    }
}
