//! `teof session cancel`

use std::time::{Duration, Instant};

use super::show;
use crate::base::{Exit, Refusal, Result, text};
use crate::cli::App;
use crate::coordinator::sessions;
use crate::foreman::calls::notes;
use crate::foreman::commands::terminals;
use crate::guard::{operator, secrets};
use crate::hub::watch::Watch;
use crate::model::run::job_name::short;
use crate::sessions::{LocalStorage, Mode, SessionRecord, SessionStorage, Status, StopRequest};

/// Stop one session; its job tries the stage again
///
/// The program is stopped at once. This counts as a failed attempt of the job: the next one continues from what is in
/// the worktree, and its agent reads your note. To stop the job itself: teof coordinator cancel <job>.
///
/// With --json: the record.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof session list --status running\n\
\x20 teof session cancel QUEUE-004 --note \"Do not touch the parser\"")]
pub struct Args {
    /// A session; or a run, job or task (its newest session)
    session: String,
    /// Why; the next attempt reads it
    #[arg(long)]
    note: Option<String>,
}

/// How long to wait for the end of the session, besides the time that its program gets to stop.
const PATIENCE: Duration = Duration::from_secs(10);
const SAFETY: Duration = Duration::from_millis(100);

pub fn run(args: Args, app: &App) -> Result<()> {
    operator::run::refuse("cancel a session")?;
    notes::check("note", args.note.as_deref().unwrap_or_default())?;
    let hub = app.hub()?;
    let found = show::find(hub, &args.session)?;
    if found.status.is_over() {
        return Err(over(&found).into());
    }
    if found.mode == Mode::Dispatch {
        let request = StopRequest { by: app.speaker()?, at: app.now(), note: args.note };
        let ended = terminals::end(hub, &found, &secrets::redact(&request.describe()))?;
        app.result(&ended, || told(&ended));
        return Ok(());
    }
    if found.mode == Mode::Hooked {
        return Err(not_ours(&found).into());
    }
    let storage = LocalStorage::of(hub);
    let folder = storage.folder(&found.id);
    let watch = Watch::on([folder.as_path()]);
    StopRequest { by: app.speaker()?, at: app.now(), note: args.note }.post(&folder)?;
    let until = Instant::now() + PATIENCE + hub.settings()?.worker.grace;
    let ended = loop {
        let now = sessions::find(hub, &found.id)?;
        if now.status.is_over() || Instant::now() >= until {
            break now;
        }
        watch.wait(SAFETY);
    };
    if !ended.status.is_over() {
        return Err(Refusal::new(
            Exit::TimedOut,
            "session.not_ended",
            format!("session {} has not ended yet", short(&found.id)),
        )
        .because("the request is recorded, but its worker has not stopped the program")
        .next(format!("see it: teof session show {}", short(&found.id)))
        .into());
    }
    app.result(&ended, || told(&ended));
    Ok(())
}

/// It may have ended by itself meanwhile.
fn told(ended: &SessionRecord) -> String {
    let name = short(&ended.id);
    match ended.status {
        Status::Cancelled => format!("Cancelled session {name}"),
        other => format!("Session {name} is {}", other.as_str()),
    }
}

/// A person started it, and nobody looks for a request to end it.
fn not_ours(found: &SessionRecord) -> Refusal {
    let program = text::safe(found.program.as_deref().unwrap_or("its program"));
    Refusal::guard("session.not_ours", format!("teof did not start session {}", short(&found.id)))
        .because(format!("a person started {program}, and its hooks tell of it"))
        .next(format!("end it where it runs; what it is: teof session show {}", short(&found.id)))
}

fn over(found: &SessionRecord) -> Refusal {
    let name = short(&found.id);
    Refusal::guard("session.over", format!("session {name} is {} already", found.status.as_str()))
        .because(found.reason.as_deref().map_or_else(|| "nothing of it runs".to_owned(), text::safe))
        .next(format!("see it: teof session show {name}"))
}
