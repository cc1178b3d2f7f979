//! The decisions, open and settled, and which of them wait too long (the playbook: consensus.dashboard, consensus
//! cadence).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::lines::{self, Said};
use super::records::{self, FOLDER, Record, WEEKLY};
use crate::base::{Result, Stamp, files, names};
use crate::bus::{assignments, claims};
use crate::hub::Hub;
use crate::model::claim::{ClaimFile, ClaimStatus};
use crate::model::message::is_task_channel;
use crate::model::{text, texts};

/// How long an open decision may wait for a receipt or an update.
pub const CADENCE: Duration = Duration::from_secs(24 * 3600);

/// The state of a decision.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Decision {
    pub decision_id: String,
    /// Who assigned the task of that name.
    pub manager: Option<String>,
    /// The kind of its latest event or record; `unknown` without one.
    pub status: String,
    pub is_open: bool,
    pub opened_at: Option<Stamp>,
    pub last_update: Option<Stamp>,
    pub plan_id: Option<String>,
    /// Records, and the evidence that they, events and CI name; sorted.
    pub receipts: Vec<String>,
    pub event_count: usize,
    pub message_count: usize,
    /// When it was last escalated to the managers.
    pub escalated_at: Option<Stamp>,
    /// Why it must be escalated, if it must.
    pub due: Option<Due>,
}

/// Why an open decision must be escalated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Due {
    /// It has no receipt after [`CADENCE`].
    NoReceipt,
    /// It has had no update for [`CADENCE`].
    Stale,
}

impl Due {
    pub fn describe(self) -> &'static str {
        match self {
            Due::NoReceipt => "no receipt after 24 h",
            Due::Stale => "no update for 24 h",
        }
    }
}

impl Decision {
    /// Whether an escalation already asks for what is due.
    pub fn is_escalated(&self) -> bool {
        self.escalated_at.is_some() && self.escalated_at >= self.last_update
    }

    /// `settled`, `open`, or `due`.
    pub fn state(&self) -> &'static str {
        match (self.is_open, self.due) {
            (false, _) => "settled",
            (true, None) => "open",
            (true, Some(_)) => "due",
        }
    }

    fn due_at(&self, now: Stamp) -> Option<Due> {
        let is_old = |at: Option<Stamp>| at.is_none_or(|at| now.since(at) > CADENCE);
        match (self.is_open, self.receipts.is_empty()) {
            (false, _) => None,
            (true, true) => is_old(self.opened_at).then_some(Due::NoReceipt),
            (true, false) => is_old(self.last_update).then_some(Due::Stale),
        }
    }
}

/// The decisions with these ids, in this order; without any, all that are known, by id, but weekly reviews.
///
/// # Errors
/// When the bus or a record cannot be read.
pub fn read(hub: &Hub, wanted: &[String]) -> Result<Vec<Decision>> {
    let records = records::all(hub)?;
    let said = lines::said(hub)?;
    let required = required(hub);
    let mut ids: BTreeSet<String> = wanted.iter().cloned().collect();
    if wanted.is_empty() {
        let of_records = records.iter().map(Record::decision).filter(|id| !id.starts_with(WEEKLY));
        ids.extend(of_records.chain(said.iter().map(|said| said.decision.as_str())).map(str::to_owned));
        ids.extend(required.keys().cloned());
    }
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut builders: BTreeMap<&str, Builder> = ids.iter().map(|id| (id.as_str(), Builder::default())).collect();
    for record in &records {
        if let Some(builder) = builders.get_mut(record.decision()) {
            builder.record(record);
        }
    }
    for said in &said {
        if let Some(builder) = builders.get_mut(said.decision.as_str()) {
            builder.said(said);
        }
    }
    lines::events_about(hub, &ids, |id, event| {
        if let Some(builder) = builders.get_mut(id) {
            builder.event(event);
        }
    })?;
    lines::messages_about(hub, &ids, |id, message| {
        let is_escalation = message.meta(lines::ESCALATION).is_some();
        if let Some(builder) = builders.get_mut(id) {
            builder.message(message.at().filter(|_| !is_escalation));
        }
    })?;
    let mut found = Vec::new();
    for (id, builder) in builders {
        found.push(builder.finish(hub, id, required.get(id).map(Vec::as_slice))?);
    }
    if !wanted.is_empty() {
        found.sort_by_key(|decision| wanted.iter().position(|id| *id == decision.decision_id));
    }
    Ok(found)
}

/// What is known of a decision so far.
#[derive(Default)]
struct Builder {
    /// The latest event or record: time and kind.
    latest: Option<(Option<Stamp>, String)>,
    plan: Option<String>,
    opened: Option<Stamp>,
    /// The latest message that opens it.
    reopened: Option<Stamp>,
    settled: Option<Stamp>,
    updated: Option<Stamp>,
    escalated: Option<Stamp>,
    receipts: BTreeSet<String>,
    events: usize,
    messages: usize,
}

impl Builder {
    fn seen(&mut self, at: Option<Stamp>) {
        self.updated = self.updated.max(at);
        self.opened = [self.opened, at].into_iter().flatten().min();
    }

    fn is(&mut self, at: Option<Stamp>, kind: &str) {
        if records::settles(kind) {
            self.settled = self.settled.max(at);
        }
        if self.latest.as_ref().is_none_or(|(latest, _)| *latest <= at) {
            self.latest = Some((at, kind.to_owned()));
        }
    }

    fn record(&mut self, record: &Record) {
        self.seen(record.at());
        self.is(record.at(), record.event());
        self.receipts.insert(record.path.clone());
        self.receipts.extend(record.receipts().into_iter().map(str::to_owned));
    }

    fn said(&mut self, said: &Said) {
        let at = said.message.at();
        if said.is_escalation() {
            self.escalated = self.escalated.max(at);
            self.opened = [self.opened, at].into_iter().flatten().min();
            return;
        }
        self.seen(at);
        if said.opens() {
            self.reopened = self.reopened.max(at);
        }
    }

    fn event(&mut self, event: &Map<String, Value>) {
        let at = text(event, "ts").and_then(Stamp::parse);
        self.seen(at);
        self.is(at, text(event, "event").unwrap_or("unknown"));
        self.plan = text(event, "plan_id").map(str::to_owned).or_else(|| self.plan.take());
        self.receipts.extend(texts(event, "receipts").into_iter().map(str::to_owned));
        self.receipts.extend(text(event, "receipt").map(str::to_owned));
        self.events += 1;
    }

    fn message(&mut self, at: Option<Stamp>) {
        self.seen(at);
        self.messages += 1;
    }

    fn finish(mut self, hub: &Hub, id: &str, required: Option<&[String]>) -> Result<Decision> {
        let is_task = names::is_id(id) && is_task_channel(id);
        let assignment = if is_task { assignments::load(hub, id).ok().flatten() } else { None };
        let claim = if is_task { claims::load(hub, id).ok().flatten().map(|found| found.file) } else { None };
        let exists = |path: &&String| hub.path(path).is_ok_and(|path| path.is_file());
        self.receipts.extend(required.into_iter().flatten().filter(exists).cloned());
        let has_required =
            required.is_some_and(|required| !required.is_empty() && required.iter().all(|it| exists(&it)));
        let is_settled = self.settled.is_some_and(|at| self.reopened.is_none_or(|reopened| reopened <= at));
        let mut decision = Decision {
            decision_id: id.to_owned(),
            manager: assignment.as_ref().and_then(|found| found.file.manager()).map(str::to_owned),
            status: self.latest.map_or_else(|| "unknown".to_owned(), |(_, kind)| kind),
            is_open: !(is_settled || has_required || claim.as_ref().is_some_and(is_done)),
            opened_at: self.opened,
            last_update: self.updated,
            plan_id: self.plan.or_else(|| claim.as_ref().and_then(ClaimFile::plan_id).map(str::to_owned)),
            receipts: self.receipts.into_iter().collect(),
            event_count: self.events,
            message_count: self.messages,
            escalated_at: self.escalated,
            due: None,
        };
        decision.due = decision.due_at(hub.now());
        Ok(decision)
    }
}

/// A released task is open again.
fn is_done(claim: &ClaimFile) -> bool {
    claim.is_terminal() && claim.status() != Some(ClaimStatus::Released)
}

/// The receipts that CI requires for each task, `summary-latest.json` (the playbook: check_consensus_receipts).
fn required(hub: &Hub) -> BTreeMap<String, Vec<String>> {
    let read = || {
        let path = hub.path(&format!("{FOLDER}/summary-latest.json")).ok()?;
        let bytes = files::read(&path, files::MAX_DOCUMENT).ok()??;
        serde_json::from_slice::<Map<String, Value>>(&bytes).ok()
    };
    let summary = read().unwrap_or_default();
    let tasks = summary.get("tasks").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let of = |task: &Value| {
        let task = task.as_object()?;
        let receipts = texts(task, "required_receipts").into_iter().map(str::to_owned).collect();
        Some((text(task, "task_id")?.to_owned(), receipts))
    };
    tasks.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_decision_is_due_after_a_day_without_receipt_or_update() {
        let now = Stamp::parse("2026-01-05T10:00:00Z").unwrap();
        let back = |hours: u64| Some(now.minus(Duration::from_secs(hours * 3600)));
        let due = |is_open, opened_at, last_update, receipts: &[&str]| {
            let receipts = receipts.iter().map(|path| (*path).to_owned()).collect();
            Decision { is_open, opened_at, last_update, receipts, ..Decision::default() }.due_at(now)
        };
        assert_eq!(due(true, back(25), back(1), &[]), Some(Due::NoReceipt));
        assert_eq!(due(true, back(24), back(24), &[]), None, "a day is not over");
        assert_eq!(due(true, None, None, &[]), Some(Due::NoReceipt), "only CI knows it");
        assert_eq!(due(true, back(99), back(25), &["x"]), Some(Due::Stale));
        assert_eq!(due(true, back(99), back(23), &["x"]), None);
        assert_eq!(due(false, back(99), back(99), &[]), None);
    }
}
