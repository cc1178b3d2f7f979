//! An event or a message that is to be published, and what it is about.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::base::{Result, names};
use crate::guard::operator::OPERATOR;
use crate::hub::Hub;
use crate::model::event::{self, Event};
use crate::model::message::{self, Message, is_task_channel};
use crate::seats;

/// An event or a message.
#[derive(Clone, Debug, Serialize)]
pub enum Content {
    Event(Event),
    Message { channel: String, message: Message },
}

/// One line to write, and its epoch.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    #[serde(rename = "entry")]
    pub content: Content,
    /// The epoch of the author's claim; recorded with it.
    pub epoch: Option<u64>,
    /// Its line in a batch; a refusal names it.
    pub line: Option<u64>,
    /// The decision that the event is about; a record of it is written with the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Deciding>,
}

/// A decision, and more data for its record.
#[derive(Clone, Debug, Serialize)]
pub struct Deciding {
    pub id: String,
    pub meta: Map<String, Value>,
}

impl Entry {
    pub fn event(event: Event, epoch: Option<u64>) -> Entry {
        Entry { content: Content::Event(event), epoch, line: None, decision: None }
    }

    pub fn message(channel: &str, message: Message, epoch: Option<u64>) -> Entry {
        Entry { content: Content::Message { channel: channel.to_owned(), message }, epoch, line: None, decision: None }
    }

    /// Its task, if any.
    pub fn task(&self) -> Option<&str> {
        let task = match &self.content {
            Content::Event(event) => event.task_id.as_deref(),
            Content::Message { channel, .. } => Some(channel.as_str()),
        };
        task.filter(|task| is_task_channel(task))
    }

    /// The task whose state it reports or changes, and a description for a refusal. Of the messages only a hold
    /// changes a task.
    pub(super) fn changes_task(&self) -> Option<(&str, &'static str)> {
        match &self.content {
            Content::Event(event) => Some((event.task_id.as_deref()?, "write an event about another task")),
            Content::Message { channel, message } if message.kind == message::HOLD => {
                Some((channel, "hold another task"))
            }
            Content::Message { .. } => None,
        }
    }

    /// The task whose hold it sets or lifts.
    pub fn held_task(&self) -> Option<&str> {
        let Content::Message { message, .. } = &self.content else { return None };
        self.task().filter(|_| [message::HOLD, message::LIFT].contains(&message.kind.as_str()))
    }

    /// A message about another task, in that one's channel.
    #[must_use]
    pub fn moved_to(mut self, task: &str) -> Entry {
        if let Content::Message { channel, message } = &mut self.content {
            task.clone_into(channel);
            task.clone_into(&mut message.task_id);
        }
        self
    }

    /// Whether it lifts a hold.
    pub(super) fn lifts(&self) -> bool {
        matches!(&self.content, Content::Message { message, .. } if message.kind == message::LIFT)
    }

    /// A type of message close to a known one: a `hlod` has no effect.
    pub(super) fn likely_typo(&self) -> Option<String> {
        let Content::Message { message, .. } = &self.content else { return None };
        let (kind, known) = (message.kind.as_str(), message::KNOWN);
        let meant = known.iter().filter(|_| !known.contains(&kind)).find(|word| names::is_near(kind, word))?;
        Some(format!("unknown type {kind}, written anyway (did you mean {meant}? then write it again)"))
    }

    /// A warning about a message to a seat or role that does not exist.
    pub(super) fn unknown_recipient(&self, hub: &Hub) -> Result<Option<String>> {
        let Content::Message { channel, .. } = &self.content else { return Ok(None) };
        let Some(name) = channel.strip_prefix("agent-").filter(|name| names::is_id(name)) else { return Ok(None) };
        let seats = seats::manifest::all(hub)?;
        let has = |seat: &seats::manifest::Manifest| seat.agent() == name || seat.seat.desired_roles().contains(&name);
        let known = seats::known::ids(hub)?;
        if name == OPERATOR || seats.iter().any(has) || known.iter().any(|seat| seat == name) {
            return Ok(None);
        }
        let meant = names::did_you_mean(name, known.iter().map(String::as_str));
        let list = "list seats: teof agent list";
        Ok(Some(format!("no seat or role {name}{meant} ({list}); the message stays in its channel")))
    }

    pub(super) fn noun(&self) -> &'static str {
        match &self.content {
            Content::Event(_) => "event",
            Content::Message { .. } => "message",
        }
    }

    pub(super) fn receipts(&self) -> &[String] {
        match &self.content {
            Content::Event(event) => &event.receipts,
            Content::Message { message, .. } => &message.receipts,
        }
    }

    pub(super) fn kind(&self) -> &str {
        match &self.content {
            Content::Event(event) => &event.event,
            Content::Message { message, .. } => &message.kind,
        }
    }

    /// The seat that reviews another's task, if the entry is such an audit.
    pub(super) fn reviewer(&self) -> Option<&str> {
        match &self.content {
            Content::Event(event) if event.event == event::AUDIT => event.meta.get(event::REVIEWER)?.as_str(),
            _ => None,
        }
    }

    /// Whether it needs the right to write to the task: kinds bound to a claim, and everything with an epoch.
    pub(super) fn is_bound(&self) -> bool {
        let bound = match &self.content {
            Content::Event(_) => &event::CLAIM_BOUND,
            Content::Message { .. } => &message::CLAIM_BOUND,
        };
        self.epoch.is_some() || bound.contains(&self.kind())
    }
}
