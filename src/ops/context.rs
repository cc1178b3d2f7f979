//! The context in which a seat writes: its session, the lock, idempotent requests, and the record of overrides.

use serde_json::Value;

use crate::base::Result;
use crate::guard::claim::{Author, admit, check_epochs};
use crate::guard::operator::{self, OPERATOR};
use crate::hub::{Hub, Request, Transaction, Writer};
use crate::model::event::Event;

/// The caller and the command.
pub(super) struct Call<'a> {
    /// The command, shown to processes that wait for the lock and in the guard's log, such as "bus claim".
    pub command: &'a str,
    pub author: &'a Author,
    /// The task that it is about.
    pub task: &'a str,
    /// Whether the epoch of that task's claim can replace a session.
    pub bound: bool,
    pub request: Option<&'a Request>,
}

/// The answer to a call: what the command prints.
#[derive(Clone, Debug)]
pub struct Answer {
    pub document: Value,
    /// Notes for people: stores that could not be synced, and overrides.
    pub remarks: Vec<String>,
    /// The request was answered before; nothing was written this time.
    pub repeated: bool,
}

/// Runs `stage` under the lock and commits its transaction. Returns the answer's document and remarks.
pub(super) fn run(
    hub: &Hub,
    call: &Call<'_>,
    stage: impl FnOnce(&mut Writer<'_>, &mut Transaction) -> Result<(Value, Vec<String>)>,
) -> Result<Answer> {
    if let Some(answer) = answered(hub, call.request)? {
        return Ok(answer);
    }
    let stale = admit(hub, call.author, Some(call.task).filter(|_| call.bound), call.command)?;
    let what = format!("{} {}", call.command, call.task).trim_end().to_owned();
    let mut writer = hub.lock(&what)?;
    if let Some(answer) = answered(hub, call.request)? {
        return Ok(answer);
    }
    check_epochs(hub, call.task, call.author.epoch)?;
    let mut transaction = Transaction::new(what);
    let (document, mut remarks) = stage(&mut writer, &mut transaction)?;
    if let Some(stale) = stale {
        stale.record(&mut transaction);
        remarks.push(format!("continued anyway: {}", stale.message));
    }
    if let Some(request) = call.request {
        request.keep(hub, &mut transaction, &document);
    }
    writer.commit(transaction)?;
    Ok(Answer { document, remarks, repeated: false })
}

/// The stored answer of the request, if any.
pub fn answered(hub: &Hub, request: Option<&Request>) -> Result<Option<Answer>> {
    let answer = request.map_or(Ok(None), |request| request.answered(hub))?;
    Ok(answer.map(|document| Answer { document, remarks: Vec::new(), repeated: true }))
}

/// Adds to a person's event who they are for git, and how they were recognised; a seat's event stays as it is.
pub(super) fn with_recognition(hub: &Hub, author: &Author, mut event: Event) -> Event {
    if event.agent_id != OPERATOR {
        return event;
    }
    let person = author.person.clone().unwrap_or_else(|| operator::person(hub));
    for (key, value) in [("by", person.name.as_str()), ("recognised", person.recognised.as_str())] {
        if !event.meta.contains_key(key) {
            event = event.meta(key, value);
        }
    }
    event
}
