//! Checks which inbox commands a person confirmed in the record.
//!
//! Any program of the same user can put a file into the inbox. Commands that only a person may give are accepted when
//! the record confirms them: a decision about work by its receipt, a reset of the breaker by its event.

use crate::base::{Result, jsonl};
use crate::bus::events;
use crate::coordinator::inbox::{self, Answer, Letter};
use crate::coordinator::state::input::{Command, ReviewWord};
use crate::guard::operator::{OPERATOR, Recognised};
use crate::hub::{Hub, Transaction};
use crate::model::event::{Event, EventView, Severity};
use crate::review::{Decision, Kind, bundles, decision};

/// The event kind of an operator's command.
const KIND: &str = "command";
/// What the event of [`Command::ResetBreaker`] says.
pub const RESET: &str = "reset the breaker";

/// What the event says that rejects a blocked job without a result.
pub fn rejection(job: &str) -> String {
    format!("reject {job}")
}

/// The accepted commands, oldest first, and messages about the others.
pub fn read(hub: &Hub) -> (Vec<(String, Letter)>, Vec<String>) {
    let letters = match inbox::read(hub) {
        Ok(letters) => letters,
        Err(e) => return (Vec::new(), vec![format!("cannot read the inbox: {e:#}")]),
    };
    let (mut taken, mut told) = (Vec::new(), Vec::new());
    for (id, letter) in letters {
        match doubt(hub, &id, &letter) {
            Ok(None) => taken.push((id, letter)),
            Ok(Some(why)) => {
                told.push(format!("command {id} rejected: {why}"));
                refuse(hub, &id, why);
            }
            Err(e) => told.push(format!("command {id} waits: cannot read the record: {e:#}")),
        }
    }
    (taken, told)
}

/// Why a command is rejected; `None` when it is accepted.
fn doubt(hub: &Hub, id: &str, letter: &Letter) -> Result<Option<&'static str>> {
    Ok(match &letter.command {
        Command::Reviewed { job, run, word } => {
            let decided = decision::history(hub)?;
            let stands = decided.iter().any(|done| done.job == *job && done.run == *run && says(done.decision, word));
            // Blocked work has no result that a receipt could name; its rejection is an event.
            let stands = stands || (*word == ReviewWord::Rejected && is_told(hub, id, &rejection(job))?);
            (!stands).then_some("no person's decision about this work is in the record")
        }
        Command::ResetBreaker => {
            let is_told = is_told(hub, id, RESET)?;
            (!is_told).then_some("no person's event for this command is in the record")
        }
        _ => None,
    })
}

/// The decision about a run's result that a command tells of, and the title of the work.
///
/// # Errors
/// When the record cannot be read.
pub fn decision(hub: &Hub, job: &str, run: &str, word: &ReviewWord) -> Result<Option<(Decision, String)>> {
    let is_its = |done: &Decision| done.job == job && done.run == run && says(done.decision, word);
    let Some(found) = decision::history(hub)?.into_iter().rfind(is_its) else { return Ok(None) };
    let title = bundles::at(hub, &found.bundle).map(|entry| entry.bundle.goal.title);
    let title = title.unwrap_or_else(|_| found.task_id.clone());
    Ok(Some((found, title)))
}

fn says(decision: Kind, word: &ReviewWord) -> bool {
    match word {
        ReviewWord::Merged { .. } => decision == Kind::Approved,
        ReviewWord::Rejected => decision == Kind::Rejected,
        ReviewWord::Rework { .. } => decision.sends_back(),
        ReviewWord::Reverted => decision == Kind::Reverted,
    }
}

/// Writes the event that confirms a person's command; `id` is the command's id.
///
/// # Errors
/// When the record accepts no writes now.
pub fn tell(hub: &Hub, id: &str, command: &str, by: &str, recognised: Recognised) -> Result<()> {
    let mut writer = hub.lock(command)?;
    let mut transaction = Transaction::new(command);
    let event = Event::new(OPERATOR, KIND, format!("{by}: {command}"))
        .meta("command", command)
        .meta("letter", id)
        .meta("by", by)
        .meta("recognised", recognised.as_str());
    events::stage(&writer, &mut transaction, &event)?;
    writer.commit(transaction)
}

/// Logs a rejected command, answers it, and removes it from the inbox.
fn refuse(hub: &Hub, id: &str, why: &str) {
    let answered = inbox::answer(hub, id, &Answer { ok: false, text: why.to_owned() });
    for e in [alert(hub, id, why).err(), answered.err()].into_iter().flatten() {
        tracing::warn!("{e:#}");
    }
}

fn alert(hub: &Hub, id: &str, why: &str) -> Result<()> {
    let manager = &hub.settings()?.coordinator.manager;
    let mut writer = hub.lock("refuse a command")?;
    let mut transaction = Transaction::new("refuse a command");
    let mut event = Event::new(manager, "alert", format!("command {id} rejected: {why}"));
    event.severity = Some(Severity::High);
    events::stage(&writer, &mut transaction, &event)?;
    writer.commit(transaction)
}

/// Whether the record has the event of this command.
fn is_told(hub: &Hub, id: &str, command: &str) -> Result<bool> {
    let mut told = false;
    for log in events::logs(hub)?.iter().rev().take(2) {
        jsonl::for_each_line(&hub.path(log)?, 0, |_, _, line| {
            // Most lines are not relevant and need not be parsed.
            let names = line.windows(id.len()).any(|part| part == id.as_bytes());
            let event = names.then(|| EventView::parse(line).ok()).flatten();
            told |= event.is_some_and(|event| {
                event.agent_id.as_deref() == Some(OPERATOR)
                    && event.event.as_deref() == Some(KIND)
                    && event.summary.as_deref().is_some_and(|summary| summary.ends_with(&format!(": {command}")))
            });
            Ok(!told)
        })?;
    }
    Ok(told)
}
