//! How a command reaches the coordinator: a file in its inbox, and an answer when it runs.

use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use notify::{RecursiveMode, Watcher as _};
use serde_json::json;

use crate::base::{Refusal, Result, text};
use crate::cli::App;
use crate::coordinator::inbox::{self, Answer, Letter};
use crate::coordinator::input::Command;
use crate::coordinator::shell;
use crate::coordinator::state::Word;
use crate::hub::Hub;

/// How long a running coordinator is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// The watch is only faster than this, not safer.
const GLANCE: Duration = Duration::from_millis(200);

/// Puts the command into the inbox and tells what became of it.
pub fn send(app: &App, command: Command, note: Option<String>) -> Result<ExitCode> {
    let hub = app.hub()?;
    let word = Word { by: app.person()?, at: app.now(), note };
    let id = inbox::post(hub, &Letter { word, command })?;
    match answer(hub, &id)? {
        Some(Answer { ok: true, text }) => {
            app.result(&json!({"command": id, "answered": true, "text": text}), || text::safe(&text));
            Ok(ExitCode::SUCCESS)
        }
        Some(Answer { ok: false, text }) => Err(Refusal::guard("coordinator.refused", text)
            .next("see how things stand: teof coordinator status")
            .into()),
        None => {
            let text = "noted; it takes effect when the coordinator runs: teof coordinator run";
            app.result(&json!({"command": id, "answered": false, "text": text}), || text.to_owned());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Has a command done at once: by the coordinator that runs, else by an errand of our own, which begins
/// nothing. `None` when a running coordinator gives no answer in time: then it will be done.
pub fn have_done(app: &App, by: &str, command: Command, note: Option<String>) -> Result<Option<Answer>> {
    let hub = app.hub()?;
    let id = inbox::post(hub, &Letter { word: Word { by: by.to_owned(), at: app.now(), note }, command })?;
    answer(hub, &id)
}

/// What becomes of a command that was posted: told by the coordinator that runs, else by an errand.
fn answer(hub: &Hub, id: &str) -> Result<Option<Answer>> {
    let mut say = |progress: &shell::Progress| tracing::info!("{}", progress.text);
    if shell::holder(hub)?.is_none() && shell::errand(hub, &mut say)? {
        return inbox::take_answer(hub, id);
    }
    wait(hub, id)
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
        if shell::holder(hub)?.is_none() {
            return Ok(None);
        }
        let _ = changed.recv_timeout(GLANCE);
    }
    Ok(None)
}
