//! Publishes events and messages to the bus, one or many: checked, under one lock and in one transaction.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::{Value, json};

use super::claims::held;
use super::context::recognised;
use crate::base::{Refusal, Result, names};
use crate::bus::{events, messages};
use crate::guard::claim::{self, Author};
use crate::guard::{operator, secrets};
use crate::hub::git::clone_fidelity::{self, Need};
use crate::hub::{Act, Hub, Request, Writer, paths};
use crate::model::event::{self, Event};
use crate::model::message::{self, LIFT, Message, is_task_channel};
use crate::seats;

/// What is to be written.
#[derive(Clone, Debug, Serialize)]
pub enum Entry {
    Event(Event),
    Message { channel: String, message: Message },
}

/// One line to be written, and what its author shows for it.
#[derive(Clone, Debug, Serialize)]
pub struct Post {
    pub entry: Entry,
    /// The epoch of the claim under which it is written; recorded with it.
    pub epoch: Option<u64>,
    /// Its line in a batch; a refusal names it.
    pub line: Option<u64>,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Done {
    /// For each post: `{id, event, task_id?, path}` or `{channel, type, to?, path}`.
    pub written: Vec<Value>,
    /// The request had been answered before; nothing was written now.
    pub repeated: bool,
    /// What was overridden, and which evidence is not there: for people.
    pub remarks: Vec<String>,
}

impl Post {
    pub fn event(event: Event, epoch: Option<u64>) -> Post {
        Post { entry: Entry::Event(event), epoch, line: None }
    }

    pub fn message(channel: &str, message: Message, epoch: Option<u64>) -> Post {
        Post { entry: Entry::Message { channel: channel.to_owned(), message }, epoch, line: None }
    }

    /// The task that it is about, if it is about one.
    pub fn task(&self) -> Option<&str> {
        let task = match &self.entry {
            Entry::Event(event) => event.task_id.as_deref(),
            Entry::Message { channel, .. } => Some(channel.as_str()),
        };
        task.filter(|task| is_task_channel(task))
    }

    /// The task whose state it tells or changes, and in words what it does to it. A message is only said, unless it
    /// holds the task.
    pub fn decides(&self) -> Option<(&str, &'static str)> {
        match &self.entry {
            Entry::Event(event) => Some((event.task_id.as_deref()?, "write an event about another task")),
            Entry::Message { channel, message } if message.kind == message::HOLD => {
                Some((channel, "hold another task"))
            }
            Entry::Message { .. } => None,
        }
    }

    /// Whether it takes a hold off a task.
    pub fn lifts(&self) -> bool {
        matches!(&self.entry, Entry::Message { message, .. } if message.kind == message::LIFT)
    }

    /// A word that readers filter by, and that was likely meant to be another: a `hlod` holds nothing.
    fn slip(&self) -> Option<String> {
        let (what, known) = match &self.entry {
            Entry::Event(_) => ("kind", &event::KNOWN[..]),
            Entry::Message { .. } => ("type", &message::KNOWN[..]),
        };
        let kind = self.kind();
        let meant = known.iter().filter(|_| !known.contains(&kind)).find(|word| names::is_near(kind, word))?;
        Some(format!("nothing reads the {what} {kind}; was it meant to be {meant}? then write it again"))
    }

    /// A message to a seat or role that nobody has.
    fn nobodys(&self, hub: &Hub) -> Result<Option<String>> {
        let Entry::Message { channel, .. } = &self.entry else { return Ok(None) };
        let Some(name) = channel.strip_prefix("agent-").filter(|name| names::is_id(name)) else { return Ok(None) };
        let seats = seats::manifest::all(hub)?;
        let has = |seat: &seats::manifest::Manifest| seat.agent() == name || seat.seat.desired_roles().contains(&name);
        let known = seats.iter().any(has) || seats::session::agents(hub).iter().any(|agent| agent == name);
        Ok((!known)
            .then(|| format!("nobody here is called {name} (those who are: teof agent list); the message waits")))
    }

    fn noun(&self) -> &'static str {
        match &self.entry {
            Entry::Event(_) => "event",
            Entry::Message { .. } => "message",
        }
    }

    fn receipts(&self) -> &[String] {
        match &self.entry {
            Entry::Event(event) => &event.receipts,
            Entry::Message { message, .. } => &message.receipts,
        }
    }

    fn kind(&self) -> &str {
        match &self.entry {
            Entry::Event(event) => &event.event,
            Entry::Message { message, .. } => &message.kind,
        }
    }

    /// Whether only who may write to the task may write this: kinds that are bound to a claim, and
    /// everything that shows an epoch.
    fn is_bound(&self) -> bool {
        let bound = match &self.entry {
            Entry::Event(_) => &event::CLAIM_BOUND,
            Entry::Message { .. } => &message::CLAIM_BOUND,
        };
        self.epoch.is_some() || bound.contains(&self.kind())
    }
}

/// Writes all of the posts or, when one of them is refused, none. When this returns they are on disk.
///
/// # Errors
/// A session that is not fresh; `claim.missing`, `claim.not_yours`, `claim.epoch` for what is bound to a
/// claim; a name or a text that cannot be used; a request id that was used for something else.
pub fn post(hub: &Hub, what: &str, author: &Author, posts: &[Post], request: Option<&Request>) -> Result<Done> {
    if let Some(answer) = request.map_or(Ok(None), |request| request.answered(hub))? {
        return Ok(repeated(answer));
    }
    for post in posts {
        secrets::check_json(post.noun(), &json!(post.entry)).map_err(|e| place(e, post))?;
    }
    check_receipts(hub, posts)?;
    let mut stale = None;
    // A session is asked for once, and once each claim that is shown instead.
    let mut asked = HashSet::new();
    let shown = |post: &Post| post.epoch.map(|epoch| (post.task().map(str::to_owned), epoch));
    for post in posts.iter().filter(|post| asked.insert(shown(post))) {
        stale = claim::admit(hub, &as_shown(author, post), post.task(), what).map_err(|e| place(e, post))?;
        if stale.is_some() {
            break;
        }
    }
    let mut writer = hub.lock(what)?;
    if let Some(answer) = request.map_or(Ok(None), |request| request.answered(hub))? {
        return Ok(repeated(answer));
    }
    claim::check_inherited_epoch(hub)?;
    let mut act = Act::new(what);
    let mut written = Vec::with_capacity(posts.len());
    for post in posts {
        written.push(stage(&mut writer, &mut act, author, post).map_err(|e| place(e, post))?);
    }
    let mut remarks: Vec<_> = posts.iter().flat_map(Post::receipts).filter_map(|path| not_there(hub, path)).collect();
    remarks.extend(posts.iter().filter_map(Post::slip));
    for post in posts {
        remarks.extend(post.nobodys(hub)?);
    }
    if let Some(stale) = stale {
        stale.record(&mut act);
        remarks.push(stale.message);
    }
    if let Some(request) = request {
        request.keep(hub, &mut act, &json!(written));
    }
    if !act.is_empty() {
        writer.perform(act)?;
    }
    Ok(Done { written, repeated: false, remarks })
}

/// Puts one post into an act. A refusal of a claim leaves its line in the author's error log at once.
fn stage(writer: &mut Writer<'_>, act: &mut Act, author: &Author, post: &Post) -> Result<Value> {
    if post.epoch.is_some() && post.task().is_none() {
        let refusal = Refusal::usage("epoch.no_task", "an epoch is shown, and it is about no task");
        return Err(refusal.next("name the task, or leave the epoch out").into());
    }
    if let Some(task) = post.task()
        && post.is_bound()
    {
        names::check_id("task", task)?;
        claim::check(writer, &as_shown(author, post), task, post.kind())?;
    }
    if let Some(task) = post.task() {
        check_hold(writer.hub(), author, post, task)?;
    }
    match &post.entry {
        Entry::Event(event) => {
            let mut event = event.clone();
            if let Some(epoch) = post.epoch {
                event = event.meta("epoch", epoch);
            }
            let event = recognised(event);
            let id = events::stage(writer, act, &event)?;
            Ok(json!({"id": id, "event": event.event, "task_id": event.task_id, "path": paths::EVENTS}))
        }
        Entry::Message { channel, message } => {
            let mut message = message.clone();
            if let Some(epoch) = post.epoch {
                message = message.meta("epoch", epoch);
            }
            if post.lifts() {
                message = message.meta("recognised", operator::seen().as_str());
            }
            messages::stage(writer, act, channel, &message)?;
            if let Some(role) = &message.to {
                messages::stage(writer, act, &messages::inbox(role), &message)?;
            }
            let path = paths::channel(channel);
            Ok(json!({"channel": channel, "type": message.kind, "to": message.to, "path": path}))
        }
    }
}

/// A task that is on hold is not told complete, and the seat that has it does not lift the hold.
fn check_hold(hub: &Hub, author: &Author, post: &Post, task: &str) -> Result<()> {
    match &post.entry {
        Entry::Event(event) if event.event == "complete" => held::check(hub, task, "completion"),
        Entry::Message { message, .. } if message.kind == LIFT => held::may_lift(hub, task, &author.agent),
        _ => Ok(()),
    }
}

/// Receipts are named relative to the hub, lie inside it, and are what a clone would have. Whether they are
/// there is for the guards: a worker's receipts arrive after its events.
fn check_receipts(hub: &Hub, posts: &[Post]) -> Result<()> {
    let mut named = Vec::new();
    for post in posts {
        for receipt in post.receipts().iter().filter(|receipt| !is_address(receipt)) {
            hub.path(receipt).map_err(|e| place(e, post))?;
            let need = if paths::is_owned(receipt) { Need::Bytes } else { Need::There };
            named.push((receipt.as_str(), need));
        }
    }
    let names = |path: &str| posts.iter().find(|post| post.receipts().iter().any(|receipt| receipt == path));
    match clone_fidelity::first_loss(hub, &named)? {
        None => Ok(()),
        Some(loss) => Err(match names(&loss.path) {
            Some(post) => place(loss.refusal().into(), post),
            None => loss.refusal().into(),
        }),
    }
}

/// Evidence that lies elsewhere, at somebody's address.
fn is_address(receipt: &str) -> bool {
    receipt.contains("://")
}

/// What is said of evidence that is not there yet, or never will be: an address is somebody else's.
fn not_there(hub: &Hub, receipt: &str) -> Option<String> {
    let missing = !is_address(receipt) && hub.path(receipt).is_ok_and(|path| !path.exists());
    missing
        .then(|| format!("there is no file {receipt}; it is named as evidence all the same: make it, or name another"))
}

fn as_shown(author: &Author, post: &Post) -> Author {
    Author { epoch: post.epoch, ..author.clone() }
}

/// Names the line of a batch in a refusal.
fn place(error: anyhow::Error, post: &Post) -> anyhow::Error {
    match (post.line, error.downcast::<Refusal>()) {
        (Some(line), Ok(refusal)) => at_line(refusal, line).into(),
        (None, Ok(refusal)) => refusal.into(),
        (_, Err(error)) => error,
    }
}

/// A refusal of one line of a batch, of which nothing is written.
pub fn at_line(mut refusal: Refusal, line: u64) -> Refusal {
    refusal.message = format!("line {line}: {}", refusal.message);
    refusal.next("nothing of the batch was written: mend that line and send all of it again").with("line", line)
}

fn repeated(answer: Value) -> Done {
    let written = match answer {
        Value::Array(written) => written,
        other => vec![other],
    };
    Done { written, repeated: true, remarks: vec!["this request was made before; nothing was written again".into()] }
}
