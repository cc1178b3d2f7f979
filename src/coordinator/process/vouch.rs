//! Which letters in the inbox a person's word stands for.
//!
//! The inbox is a folder, and any program of the same user can put a file there. What only a person decides is
//! taken when the record says so: a decision about work by its receipt, a reset of the breaker by its event.

use crate::base::{Result, jsonl};
use crate::bus::events;
use crate::coordinator::inbox::{self, Answer, Letter};
use crate::coordinator::state::input::{Command, ReviewWord};
use crate::guard::operator::{OPERATOR, Recognised};
use crate::hub::{Hub, Transaction};
use crate::model::event::{Event, EventView, Severity};
use crate::review::{Kind, decision};

/// What the event of an operator's command is called.
const KIND: &str = "command";

/// The letters that are taken now, oldest first, and what there is to tell about the others.
pub fn read(hub: &Hub) -> (Vec<(String, Letter)>, Vec<String>) {
    let letters = match inbox::read(hub) {
        Ok(letters) => letters,
        Err(e) => return (Vec::new(), vec![format!("the inbox cannot be read: {e:#}")]),
    };
    let (mut taken, mut told) = (Vec::new(), Vec::new());
    for (id, letter) in letters {
        match doubt(hub, &id, &letter) {
            Ok(None) => taken.push((id, letter)),
            Ok(Some(why)) => {
                told.push(format!("the command {id} was not taken: {why}"));
                refuse(hub, &id, why);
            }
            Err(e) => told.push(format!("the command {id} waits: the record cannot be read: {e:#}")),
        }
    }
    (taken, told)
}

/// Why a letter is not taken; `None` when it is.
fn doubt(hub: &Hub, id: &str, letter: &Letter) -> Result<Option<&'static str>> {
    Ok(match &letter.command {
        Command::Reviewed { job, run, word } => {
            let decided = decision::history(hub)?;
            let stands = decided.iter().any(|done| done.job == *job && done.run == *run && says(done.decision, word));
            (!stands).then_some("no person decided so about this work")
        }
        Command::ResetBreaker => (!is_told(hub, id)?).then_some("no person gave this command"),
        _ => None,
    })
}

fn says(decision: Kind, word: &ReviewWord) -> bool {
    match word {
        ReviewWord::Merged { .. } => decision == Kind::Approved,
        ReviewWord::Rejected => decision == Kind::Rejected,
        ReviewWord::Rework { .. } => matches!(decision, Kind::Retry | Kind::Conflict),
    }
}

/// Writes the event that stands for a person's command; `id` is that of its letter.
///
/// # Errors
/// When the record takes no writes now.
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

/// Tells the log that a letter was not taken, answers it, and takes it out of the inbox.
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
    let mut event = Event::new(manager, "alert", format!("the command {id} was not taken: {why}"));
    event.severity = Some(Severity::High);
    events::stage(&writer, &mut transaction, &event)?;
    writer.commit(transaction)
}

fn is_told(hub: &Hub, id: &str) -> Result<bool> {
    let mut told = false;
    for log in events::logs(hub)?.iter().rev().take(2) {
        jsonl::for_each_line(&hub.path(log)?, 0, |_, _, line| {
            // Most lines are others', and need not be parsed.
            let names = line.windows(id.len()).any(|part| part == id.as_bytes());
            let event = names.then(|| EventView::parse(line).ok()).flatten();
            told |= event.is_some_and(|event| {
                event.agent_id.as_deref() == Some(OPERATOR) && event.event.as_deref() == Some(KIND)
            });
            Ok(!told)
        })?;
    }
    Ok(told)
}
