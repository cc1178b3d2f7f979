//! Sends a command to the coordinator as a file in its inbox, and waits for the answer when it runs.

use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use notify::{RecursiveMode, Watcher as _};
use serde_json::{Value, json};

use crate::base::{Refusal, Result, text};
use crate::cli::App;
use crate::coordinator::inbox::{self, Answer, Letter};
use crate::coordinator::process;
use crate::coordinator::process::vouch;
use crate::coordinator::state::input::{Command, ReviewWord};
use crate::coordinator::state::{Job, Word};
use crate::guard::{operator, secrets};
use crate::hub::{Hub, watch};
use crate::review::ReviewInput;

/// How long a running coordinator is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// The watch is only faster than this, not safer.
const GLANCE: Duration = Duration::from_millis(200);

/// Puts the command into the inbox and tells what became of it.
pub fn send(app: &App, command: Command, note: Option<String>) -> Result<ExitCode> {
    send_all(app, [Ok(command)], note)
}

/// Puts the command into the inbox and returns what became of it, for screens.
///
/// # Errors
/// As [`send`].
pub fn told(app: &App, command: Command, note: Option<String>) -> Result<Vec<String>> {
    let answer = send_one(app, &app.speaker()?, command, note)?;
    Ok(answer["text"].as_str().unwrap_or_default().lines().map(text::safe).collect())
}

/// Puts commands into the inbox, each as soon as it is made, and tells what became of each.
///
/// # Errors
/// That of the one that failed, or `coordinator.refused` for several; the others are sent all the same, and `data.done`
/// holds their answers.
pub fn send_all(
    app: &App,
    commands: impl IntoIterator<Item = Result<Command>>,
    note: Option<String>,
) -> Result<ExitCode> {
    secrets::check_text("note", note.as_deref().unwrap_or_default())?;
    let by = app.speaker()?;
    let (mut told, mut failed) = (Vec::new(), Vec::new());
    for command in commands {
        match command.and_then(|command| send_one(app, &by, command, note.clone())) {
            Ok(answer) => told.push(answer),
            Err(e) => failed.push(e),
        }
    }
    let lines = || told.iter().filter_map(|one| one["text"].as_str()).map(text::safe).collect::<Vec<_>>();
    match (told.as_slice(), failed.is_empty()) {
        (_, false) => {
            if !app.json() {
                lines().into_iter().for_each(|line| app.say(line));
            }
            Err(failure(failed, &told))
        }
        ([one], true) => {
            app.result(one, || lines().join("\n"));
            Ok(ExitCode::SUCCESS)
        }
        (several, true) => {
            app.result(&json!({"commands": several}), || lines().join("\n"));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What became of one command: `{command, answered, text}`.
fn send_one(app: &App, by: &str, command: Command, note: Option<String>) -> Result<Value> {
    let hub = app.hub()?;
    let word = Word { by: by.to_owned(), at: app.now(), recognised: operator::seen(), note };
    let letter = Letter { word, command };
    let id = inbox::post_after(hub, &letter, |id| match letter.command {
        Command::ResetBreaker => {
            let recognised = operator::require(vouch::RESET)?;
            vouch::tell(hub, id, vouch::RESET, by, recognised)
        }
        _ => Ok(()),
    })?;
    match answer(hub, &id)? {
        Some(Answer { ok: true, text }) => Ok(json!({"command": id, "answered": true, "text": text})),
        Some(Answer { ok: false, text }) => Err(refused(&text).into()),
        None => Ok(json!({"command": id, "answered": false, "text": unanswered(app, hub)?})),
    }
}

/// The refusal of a command that the coordinator does not accept. Its answer may end with what to do: `…; to retry it:
/// teof review retry j6`.
pub fn refused(why: &str) -> Refusal {
    let (what, step) = what_and_step(why);
    Refusal::guard("coordinator.refused", what).next(step.unwrap_or("see how things stand: teof status"))
}

/// An answer without the command with which it ends, and that command.
pub fn what_and_step(why: &str) -> (&str, Option<&str>) {
    match why.rsplit_once("; ").filter(|(_, step)| step.contains(": teof ") && !why.contains('\n')) {
        Some((what, step)) => (what, Some(step)),
        None => (why, None),
    }
}

/// One error for all commands that failed, with the answers to the others.
fn failure(mut failed: Vec<anyhow::Error>, told: &[Value]) -> anyhow::Error {
    if failed.len() == 1 {
        return match failed.remove(0).downcast::<Refusal>() {
            Ok(refusal) => refusal.with("done", told).into(),
            Err(fault) => fault,
        };
    }
    let said = failed.iter().map(|e| match Refusal::of(e) {
        Some(Refusal { message, reason: Some(reason), .. }) => format!("{message} ({reason})"),
        Some(refusal) => refusal.message.clone(),
        None => format!("{e:#}"),
    });
    refused(&said.collect::<Vec<_>>().join("\n")).with("done", told).into()
}

/// Has a command done at once: by the coordinator that runs, else by a one-shot run of our own, which begins
/// nothing. `None` when a running coordinator gives no answer in time: then it will be done.
pub fn have_done(app: &App, by: &str, command: Command, note: Option<String>) -> Result<Option<Answer>> {
    let hub = app.hub()?;
    let id = inbox::post(
        hub,
        &Letter { word: Word { by: by.to_owned(), at: app.now(), recognised: operator::seen(), note }, command },
    )?;
    answer(hub, &id)
}

/// Has a person's rejection of blocked work done as [`have_done`] does, and confirms it in the record.
pub fn have_rejected(app: &App, job: &Job, input: &ReviewInput) -> Result<Option<Answer>> {
    let hub = app.hub()?;
    let command = Command::Reviewed { job: job.id.clone(), run: job.run_id(), word: ReviewWord::Rejected };
    let (by, recognised) = (&input.by, input.recognised);
    let word = Word { by: by.clone(), at: app.now(), recognised, note: input.note.clone() };
    let id = inbox::post_after(hub, &Letter { word, command }, |id| {
        vouch::tell(hub, id, &vouch::rejection(&job.id), by, recognised)
    })?;
    answer(hub, &id)
}

/// What becomes of a command that was posted: told by the coordinator that runs, else by a one-shot run.
///
/// # Errors
/// `coordinator.unfinished`: not everything that follows from it could be written.
fn answer(hub: &Hub, id: &str) -> Result<Option<Answer>> {
    let mut say = |progress: &process::Progress| tracing::info!("{}", progress.text);
    let Some(ended) = process::one_shot(hub, &mut say)? else { return wait(hub, id) };
    let answer = inbox::take_answer(hub, id)?;
    match (ended.unwritten, answer) {
        (Some(why), None) => Err(unfinished("the command is recorded", why).into()),
        (Some(why), Some(Answer { ok: true, text })) => Err(unfinished(&text, why).into()),
        (_, answer) => Ok(answer),
    }
}

/// `what` is done, and what follows from it is not.
fn unfinished(what: &str, why: String) -> Refusal {
    let what = format!("{}, but what follows from it could not be written", text::safe(what));
    Refusal::guard("coordinator.unfinished", what)
        .because(why)
        .next("remove the cause; the next command of the coordinator completes it, as does teof run: teof status")
}

/// What to say of a command without an answer: why, and since when the coordinator answers nothing.
fn unanswered(app: &App, hub: &Hub) -> Result<String> {
    let Some(holder) = process::holder(hub)? else {
        return Ok("recorded; it takes effect when the coordinator runs: teof run".to_owned());
    };
    let first = inbox::read(hub)?.into_iter().map(|(_, letter)| letter.word.at).min();
    let since =
        first.map(|at| format!("; commands have been waiting since {}", app.times().at(at))).unwrap_or_default();
    let noted = format!("recorded, but the coordinator ({holder}) did not answer: it is busy or stuck{since}");
    Ok(match process::frozen(hub)? {
        Some((why, next)) => format!("{noted}: {why}\n{next}"),
        None => format!("{noted}\nsee what it is doing: teof status"),
    })
}

/// Waits for the answer of a running coordinator; `None` when it gives none in time.
fn wait(hub: &Hub, id: &str) -> Result<Option<Answer>> {
    let (send, changed) = mpsc::channel();
    let watcher = watch::watcher(move |_| {
        let _ = send.send(());
    });
    let folder = hub.local(inbox::ANSWERS);
    std::fs::create_dir_all(&folder)?;
    // Without a watch there is still the glance.
    let _watcher =
        watcher.and_then(|mut watcher| watcher.watch(&folder, RecursiveMode::NonRecursive).map(|()| watcher));
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(answer) = inbox::take_answer(hub, id)? {
            return Ok(Some(answer));
        }
        if process::holder(hub)?.is_none() {
            return Ok(None);
        }
        let _ = changed.recv_timeout(GLANCE);
    }
    Ok(None)
}
