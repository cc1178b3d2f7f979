//! Sends a command to the coordinator as a file in its inbox, and waits for the answer when it runs.

use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use notify::{RecursiveMode, Watcher as _};
use serde_json::json;

use crate::base::{Refusal, Result, text};
use crate::cli::App;
use crate::coordinator::inbox::{self, Answer, Letter};
use crate::coordinator::process;
use crate::coordinator::process::vouch;
use crate::coordinator::state::Word;
use crate::coordinator::state::input::Command;
use crate::guard::{operator, secrets};
use crate::hub::Hub;

/// How long a running coordinator is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// The watch is only faster than this, not safer.
const GLANCE: Duration = Duration::from_millis(200);

/// Puts the command into the inbox and tells what became of it.
pub fn send(app: &App, command: Command, note: Option<String>) -> Result<ExitCode> {
    send_all(app, vec![command], note)
}

/// Puts commands into the inbox, one after the other, and tells what became of each.
///
/// # Errors
/// `coordinator.refused` when one was; those after it are sent all the same.
pub fn send_all(app: &App, commands: Vec<Command>, note: Option<String>) -> Result<ExitCode> {
    secrets::check_text("note", note.as_deref().unwrap_or_default())?;
    let hub = app.hub()?;
    let by = app.person()?;
    let (mut told, mut refused) = (Vec::new(), Vec::new());
    for command in commands {
        let word = Word { by: by.clone(), at: app.now(), recognised: operator::seen(), note: note.clone() };
        let letter = Letter { word, command };
        let id = inbox::post_after(hub, &letter, |id| match letter.command {
            Command::ResetBreaker => {
                let recognised = operator::require("reset the breaker")?;
                vouch::tell(hub, id, "reset the breaker", &by, recognised)
            }
            _ => Ok(()),
        })?;
        match answer(hub, &id)? {
            Some(Answer { ok: true, text }) => told.push(json!({"command": id, "answered": true, "text": text})),
            Some(Answer { ok: false, text }) => refused.push(text),
            None => {
                told.push(json!({"command": id, "answered": false, "text": unanswered(app, hub)?}));
            }
        }
    }
    let lines = || told.iter().filter_map(|one| one["text"].as_str()).map(text::safe).collect::<Vec<_>>().join("\n");
    match (told.as_slice(), refused.is_empty()) {
        (_, false) => {
            told.iter().filter_map(|one| one["text"].as_str()).for_each(|text| app.say(text::safe(text)));
            Err(Refusal::guard("coordinator.refused", refused.join("\n"))
                .next("see how things stand: teof coordinator status")
                .with("done", json!(told))
                .into())
        }
        ([one], true) => {
            app.result(one, lines);
            Ok(ExitCode::SUCCESS)
        }
        (several, true) => {
            app.result(&json!({"commands": several}), lines);
            Ok(ExitCode::SUCCESS)
        }
    }
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

/// What becomes of a command that was posted: told by the coordinator that runs, else by a one-shot run.
fn answer(hub: &Hub, id: &str) -> Result<Option<Answer>> {
    let mut say = |progress: &process::Progress| tracing::info!("{}", progress.text);
    if process::holder(hub)?.is_none() && process::one_shot(hub, &mut say)? {
        return inbox::take_answer(hub, id);
    }
    wait(hub, id)
}

/// What to say of a command without an answer: why, and since when the coordinator answers nothing.
fn unanswered(app: &App, hub: &Hub) -> Result<String> {
    let Some(holder) = process::holder(hub)? else {
        return Ok("recorded; it takes effect when the coordinator runs: teof coordinator run".to_owned());
    };
    let first = inbox::read(hub)?.into_iter().map(|(_, letter)| letter.word.at).min();
    let since =
        first.map(|at| format!("; commands have been waiting since {}", app.times().at(at))).unwrap_or_default();
    let noted = format!("recorded, but the coordinator ({holder}) did not answer: it is busy or stuck{since}");
    Ok(match process::frozen(hub)? {
        Some((why, next)) => format!("{noted}: {why}\n{next}"),
        None => format!("{noted}\nsee what it is doing: teof coordinator status"),
    })
}

/// Waits for the answer of a running coordinator; `None` when it gives none in time.
fn wait(hub: &Hub, id: &str) -> Result<Option<Answer>> {
    let (send, changed) = mpsc::channel();
    let watcher = notify::recommended_watcher(move |_| {
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
