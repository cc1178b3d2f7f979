//! `teof session note`

use std::time::{Duration, Instant};

use serde_json::json;

use crate::base::{Refusal, Result, text};
use crate::board::{Parts, Reader};
use crate::cli::App;
use crate::cli::unattended::coordinator::send::{refused, what_and_step};
use crate::coordinator::state::{Job, State, store};
use crate::foreman::calls::notes::{self, MAX_NOTE, Stored};
use crate::foreman::results::call_record::How;
use crate::guard::{operator, secrets};
use crate::hub::Hub;
use crate::hub::watch::Watch;
use crate::sessions::{self, LocalStorage, SessionStorage};

/// Send a note to the agent of a job
///
/// The agent gets it with its next call; claude gets it at once where its settings say `prompt = "stream"`. The answer
/// says which. To answer a question, use `teof coordinator answer`.
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
    operator::run::refuse("send a note to an agent")?;
    secrets::check_text("note", &args.text)?;
    let length = args.text.trim().chars().count();
    if length == 0 || length > MAX_NOTE {
        return Err(Refusal::usage(
            "note.length",
            format!("a note has 1 to {MAX_NOTE} characters, and this one {length}"),
        )
        .next("see what the agent does: teof session watch --once")
        .into());
    }
    let hub = app.hub()?;
    let state = store::load(hub)?;
    let job = find(hub, &state, &args.target)?;
    let (takes_notes, agent) = now(hub, job)?;
    let stored = notes::add(hub, &job.known_as(), &app.person()?, &args.text)?;
    let given = if takes_notes { wait(&stored) } else { notes::given(&stored) };
    let whom = agent.clone().unwrap_or_else(|| "its agent".to_owned());
    let text = match given {
        Some(How::Session) => format!("Gave the note to {whom} in its session"),
        Some(How::NextCall) => format!("Gave the note to {whom} with its next call"),
        None => format!("Kept the note: {whom} gets it with the next call of {}", job.short()),
    };
    let document = json!({"job": job.id, "task": job.task, "agent": agent, "given": given, "text": text::safe(&text)});
    app.result(&document, || text::safe(&text));
    Ok(())
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

/// Whether the agent takes notes while it works, and its name.
fn now(hub: &Hub, job: &Job) -> Result<(bool, Option<String>)> {
    let snapshot = Reader::new().read(hub, Parts::JOBS)?;
    let found = snapshot.job(&job.id);
    Ok((found.is_some_and(|job| job.takes_notes), found.and_then(|job| job.agent.clone())))
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
