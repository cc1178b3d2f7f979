//! Publishes events and messages to the bus, one or many: checked, under one lock and in one transaction.

mod entry;

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::claims::held::{self, Work};
use super::claims::{self, exclusive, known};
use super::consensus::record;
use super::context::with_recognition;
use crate::base::{Refusal, Result, names, text};
use crate::bus::{events, messages};
use crate::consensus::lines::OF_EVENT;
use crate::consensus::records::NewRecord;
use crate::guard::claim::{self, Author};
use crate::guard::operator::{self, OPERATOR};
use crate::guard::secrets;
use crate::hub::repository::clone_fidelity::{self, Need};
use crate::hub::{Hub, Request, Transaction, Writer, paths};
use crate::model::event::{self, Event};
use crate::model::message::{LIFT, is_task_channel};

pub use entry::{Content, Deciding, Entry};

/// The result of a publish.
#[derive(Clone, Debug)]
pub struct Published {
    /// For each entry: `{id, event, task_id?, path}` or `{channel, type, to?, path}`.
    pub written: Vec<Value>,
    /// The request was answered before; nothing was written this time.
    pub repeated: bool,
    /// Notes for people: overrides and missing evidence.
    pub remarks: Vec<String>,
}

/// Writes all entries, or none if one is refused. On return they are on disk.
///
/// # Errors
/// A stale session; `claim.missing`, `claim.not_yours`, `claim.epoch` for entries bound to a claim; an invalid name
/// or text; a request id used for something else.
pub fn publish(
    hub: &Hub,
    what: &str,
    author: &Author,
    entries: &[Entry],
    request: Option<&Request>,
) -> Result<Published> {
    if let Some(answer) = request.map_or(Ok(None), |request| request.answered(hub))? {
        return Ok(repeated(answer));
    }
    for entry in entries {
        secrets::check_json(entry.noun(), &json!(entry.content)).map_err(|e| name_line(e, entry))?;
        if let (Content::Event(event), Some(deciding)) = (&entry.content, &entry.decision) {
            record::check(&record_of(event, deciding))?;
        }
    }
    check_receipts(hub, entries)?;
    let mut stale = None;
    // The session is checked once, and so is each claim shown instead.
    let mut asked = HashSet::new();
    let shown = |entry: &Entry| entry.epoch.map(|epoch| (entry.task().map(str::to_owned), epoch));
    for entry in entries.iter().filter(|entry| asked.insert(shown(entry))) {
        stale = claim::admit(hub, &with_epoch(author, entry), entry.task(), what).map_err(|e| name_line(e, entry))?;
        if stale.is_some() {
            break;
        }
    }
    let mut writer = hub.lock(what)?;
    if let Some(answer) = request.map_or(Ok(None), |request| request.answered(hub))? {
        return Ok(repeated(answer));
    }
    claim::check_inherited_epoch(hub)?;
    let mut transaction = Transaction::new(what);
    let mut written = Vec::with_capacity(entries.len());
    for entry in entries {
        written.push(stage(&mut writer, &mut transaction, author, entry).map_err(|e| name_line(e, entry))?);
    }
    let mut remarks: Vec<_> =
        entries.iter().flat_map(Entry::receipts).filter_map(|path| missing_evidence(hub, path)).collect();
    remarks.extend(entries.iter().filter_map(Entry::likely_typo));
    for entry in entries {
        remarks.extend(entry.unknown_recipient(hub)?);
    }
    if let Some(stale) = stale {
        stale.record(&mut transaction);
        remarks.push(stale.message);
    }
    if let Some(request) = request {
        request.keep(hub, &mut transaction, &json!(written));
    }
    if !transaction.is_empty() {
        writer.commit(transaction)?;
    }
    Ok(Published { written, repeated: false, remarks })
}

/// Stages one entry in a transaction; does not check sessions, secrets and receipts. A refused claim is logged in the
/// author's error log at once.
pub(super) fn stage(
    writer: &mut Writer<'_>,
    transaction: &mut Transaction,
    author: &Author,
    entry: &Entry,
) -> Result<Value> {
    check_run_and_person(writer.hub(), entry)?;
    if entry.epoch.is_some() && entry.task().is_none() {
        let refusal = Refusal::usage("epoch.no_task", "--epoch needs a task");
        return Err(refusal.next("pass the task, or omit the epoch").into());
    }
    if let Some(task) = entry.task()
        && entry.is_bound()
    {
        names::check_id("task", task)?;
        match entry.reviewer() {
            Some(reviewer) => check_audit(writer.hub(), task, &author.agent, reviewer)?,
            None => claim::check(writer, &with_epoch(author, entry), task, entry.kind())?,
        }
    }
    if let Some(task) = entry.task() {
        check_hold(writer.hub(), author, entry, task)?;
    }
    check_plan(writer.hub(), author, entry)?;
    match &entry.content {
        Content::Event(event) => {
            let mut event = event.clone();
            if let Some(epoch) = entry.epoch {
                event = event.meta("epoch", epoch);
            }
            let mut event = with_recognition(writer.hub(), author, event);
            let mut written = Map::new();
            if let Some(deciding) = &entry.decision {
                let path = record::stage(writer, transaction, &author.agent, &record_of(&event, deciding))?;
                event = event.meta(OF_EVENT, deciding.id.as_str());
                event.receipts.push(path.clone());
                written.insert("record".to_owned(), json!(path));
            }
            let id = events::stage(writer, transaction, &event)?;
            let fields = [("id", json!(id)), ("event", json!(event.event)), ("task_id", json!(event.task_id))];
            written.extend(fields.map(|(key, value)| (key.to_owned(), value)));
            written.insert("path".to_owned(), json!(paths::EVENTS));
            Ok(Value::Object(written))
        }
        Content::Message { channel, message } => {
            let mut message = message.clone();
            if let Some(epoch) = entry.epoch {
                message = message.meta("epoch", epoch);
            }
            if author.agent == OPERATOR {
                let person = author.person.clone().unwrap_or_else(|| operator::person(writer.hub()));
                message = message.meta("recognised", person.recognised.as_str()).meta("by", person.name);
            } else if entry.lifts() {
                message = message.meta("recognised", operator::seen().as_str());
            }
            if is_task_channel(channel) {
                known::refuse_twin(writer.hub(), names::check_id("channel", channel)?)?;
            }
            messages::stage(writer, transaction, channel, &message)?;
            if let Some(role) = &message.to {
                messages::stage(writer, transaction, &messages::inbox(role), &message)?;
            }
            let path = paths::channel(channel);
            Ok(json!({"channel": channel, "type": message.kind, "to": message.to, "path": path}))
        }
    }
}

/// The record of a decision that an event is about (the playbook: `bus_event --consensus-decision`).
fn record_of(event: &Event, deciding: &Deciding) -> NewRecord {
    let of_event = [("task_id", &event.task_id), ("plan_id", &event.plan_id), ("event", &Some(event.event.clone()))];
    let of_event = of_event.into_iter().filter_map(|(key, value)| Some((key.to_owned(), json!(value.as_ref()?))));
    NewRecord {
        decision_id: deciding.id.clone(),
        summary: event.summary.clone(),
        event: event.event.clone(),
        receipts: event.receipts.clone(),
        meta: of_event.chain(deciding.meta.clone()).collect(),
    }
}

/// Passes when `author` reviews work of another seat, and says so itself.
///
/// # Errors
/// `audit.reviewer` and `audit.own_work` (exit 1); `audit.no_work` (exit 4).
fn check_audit(hub: &Hub, task: &str, author: &str, reviewer: &str) -> Result<()> {
    if reviewer != author {
        return Err(Refusal::guard(
            "audit.reviewer",
            format!("{author} cannot write an audit of {}", text::safe(reviewer)),
        )
        .because("the reviewer is the seat that writes the audit")
        .next(format!("write it as yourself: --reviewer {author}"))
        .into());
    }
    let workers = held::workers(hub, task)?;
    if workers.iter().any(|worker| worker == author) {
        return Err(Refusal::guard("audit.own_work", format!("{task} is work of {author}, who cannot review it"))
            .because("an audit is a review by another seat")
            .next("ask another seat: teof bus message --task manager-report --type request --summary …")
            .with("task_id", task)
            .into());
    }
    if workers.is_empty() {
        let meant = known::meant_if_unknown(hub, task)?.unwrap_or_default();
        return Err(Refusal::not_found("audit.no_work", format!("nobody has worked on {task}{meant}"))
            .because("it has neither a claim nor an assignment")
            .next("see the tasks: teof task list")
            .into());
    }
    Ok(())
}

/// Whatever command writes the entry: a run changes its own task only, and neither a run nor a coding agent lifts a hold.
///
/// # Errors
/// `task.not_of_run`, `trust.person` (exit 6).
fn check_run_and_person(hub: &Hub, entry: &Entry) -> Result<()> {
    if let Some((task, what)) = entry.changes_task() {
        operator::run::check_task(hub, task, what)?;
    }
    if entry.lifts() {
        operator::recognise("lift a hold")?;
    }
    Ok(())
}

/// Refuses to complete a task on hold, and a lift by the seat that holds the task.
fn check_hold(hub: &Hub, author: &Author, entry: &Entry, task: &str) -> Result<()> {
    match &entry.content {
        Content::Event(event) if event.event == event::COMPLETE => held::check(hub, task, "completion"),
        Content::Message { message, .. } if message.kind == LIFT => held::may_lift(hub, task, &author.agent),
        _ => Ok(()),
    }
}

/// Refuses an event that ends a plan and names no task of it: in a run of other work, while the plan is on hold, and
/// while another seat has the plan or a part of it.
fn check_plan(hub: &Hub, author: &Author, entry: &Entry) -> Result<()> {
    let Content::Event(event) = &entry.content else { return Ok(()) };
    let ends = [event::COMPLETE, event::RELEASE].contains(&event.event.as_str());
    let Some(plan) = event.plan_id.as_deref().filter(|_| ends).and_then(|plan| claims::claim::plan_id(plan).ok())
    else {
        return Ok(());
    };
    if let Some(task) = entry.task() {
        let written = crate::bus::claims::read(hub, task)?.and_then(|claim| claim.plan_id().map(str::to_owned));
        if Work::near(hub, task, written.as_deref())?.place.is_some_and(|place| place.plan == plan) {
            return Ok(());
        }
    }
    operator::run::check_step(hub, &plan, None, "complete another plan")?;
    let work = Work::near(hub, &plan, None)?;
    work.check(hub, "completion")?;
    exclusive::check_all(hub, &work, &author.agent)
}

/// Checks that receipts are relative paths inside the hub and that a clone would have them. Guards check whether they
/// exist, because a worker's receipts arrive after its events.
fn check_receipts(hub: &Hub, entries: &[Entry]) -> Result<()> {
    let mut named = Vec::new();
    for entry in entries {
        for receipt in entry.receipts().iter().filter(|receipt| !is_address(receipt)) {
            hub.path(receipt).map_err(|e| name_line(e, entry))?;
            let need = if paths::is_owned(receipt) { Need::Bytes } else { Need::There };
            named.push((receipt.as_str(), need));
        }
    }
    let names = |path: &str| entries.iter().find(|entry| entry.receipts().iter().any(|receipt| receipt == path));
    match clone_fidelity::first_loss(hub, &named)? {
        None => Ok(()),
        Some(loss) => Err(match names(&loss.path) {
            Some(entry) => name_line(loss.refusal().into(), entry),
            None => loss.refusal().into(),
        }),
    }
}

/// Evidence at a URL.
fn is_address(receipt: &str) -> bool {
    receipt.contains("://")
}

/// A warning about evidence that does not exist; addresses are not checked.
fn missing_evidence(hub: &Hub, receipt: &str) -> Option<String> {
    let missing = !is_address(receipt) && hub.path(receipt).is_ok_and(|path| !path.exists());
    missing.then(|| format!("{receipt} does not exist, but is recorded as evidence: create it, or name another file"))
}

fn with_epoch(author: &Author, entry: &Entry) -> Author {
    Author { epoch: entry.epoch, ..author.clone() }
}

/// Adds the batch line to a refusal.
fn name_line(error: anyhow::Error, entry: &Entry) -> anyhow::Error {
    match (entry.line, error.downcast::<Refusal>()) {
        (Some(line), Ok(refusal)) => at_line(refusal, line).into(),
        (None, Ok(refusal)) => refusal.into(),
        (_, Err(error)) => error,
    }
}

/// A refusal of one line of a batch; nothing of the batch is written.
pub fn at_line(mut refusal: Refusal, line: u64) -> Refusal {
    refusal.message = format!("line {line}: {}", refusal.message);
    refusal.next("fix that line and send the batch again; nothing was written").with("line", line)
}

fn repeated(answer: Value) -> Published {
    let written = match answer {
        Value::Array(written) => written,
        other => vec![other],
    };
    Published {
        written,
        repeated: true,
        remarks: vec!["this request was already answered; nothing was written again".into()],
    }
}
