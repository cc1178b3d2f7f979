//! The daily sweep and the weekly review of decisions (the playbook: consensus cadence).

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::escalate::unknown;
use super::record;
use crate::base::{Refusal, Result, Stamp, digest, text};
use crate::bus::{events, messages};
use crate::consensus::decisions::{self, CADENCE, Decision};
use crate::consensus::ledger::{self, Filter, Row};
use crate::consensus::lines::{CONSENSUS, OF_EVENT};
use crate::consensus::records::{NewRecord, WEEKLY};
use crate::guard::claim::Author;
use crate::guard::operator::{self, OPERATOR};
use crate::hub::{Hub, Transaction, Writer, paths};
use crate::model::event::Event;
use crate::model::message::{MANAGER_REPORT, Message};
use crate::ops::context::{self, Answer, Call};
use crate::receipts::{self, ledger as entries};

/// How many rows of the ledger a sweep shows (the playbook: `ledger --limit 5`).
const ROWS: usize = 5;
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Sweeps: keeps the last rows of the ledger and the decisions of the last day as a receipt, and logs a status for each
/// decision of `touched`. The answer is `{decisions, due, touched, receipt}`.
///
/// # Errors
/// `consensus.unknown` (exit 4) for a touched decision; a stale session.
pub fn sweep(hub: &Hub, author: &Author, touched: &[String]) -> Result<Answer> {
    let call = Call { command: "consensus sweep", author, task: "", bound: false, request: None };
    // Before the lock: it reads the whole log, and tells of the moment at which it was read.
    let all = decisions::read(hub, &[])?;
    if let Some(wrong) = touched.iter().find(|id| !all.iter().any(|decision| decision.decision_id == **id)) {
        return Err(unknown(wrong, &all).into());
    }
    let rows = ledger::rows(hub, &Filter { limit: ROWS, ..Filter::default() })?;
    context::run(hub, &call, |writer, transaction| {
        let agent = &author.agent;
        let since = hub.now().minus(CADENCE);
        let recent = recent(&all, since);
        let due: Vec<&str> = due(&all).map(|decision| decision.decision_id.as_str()).collect();
        let payload = payload(hub, author, since, &rows, &recent);
        let stem = format!("{}/consensus/sweep-{}", paths::agent(agent), hub.now().compact());
        let receipt = hub.free_path(&stem, ".json")?;
        receipts::write(writer, transaction, agent, &receipt, payload)?;
        for id in touched {
            touch(writer, transaction, author, id, &receipt)?;
        }
        if touched.is_empty() {
            let open = all.iter().filter(|decision| decision.is_open).count();
            let mut event = Event::new(agent, "status", format!("Consensus sweep: {open} open, {} due", due.len()));
            event.receipts = vec![receipt.clone()];
            events::stage(writer, transaction, &context::with_recognition(hub, author, event))?;
        }
        let document = json!({"decisions": recent, "due": due, "touched": touched, "receipt": receipt});
        Ok((document, escalations(&all)))
    })
}

/// A status event about a decision, with its record.
fn touch(writer: &Writer<'_>, transaction: &mut Transaction, author: &Author, id: &str, receipt: &str) -> Result<()> {
    let new = NewRecord {
        decision_id: id.to_owned(),
        summary: format!("{} checked {id} in the daily sweep", author.agent),
        event: "status".to_owned(),
        receipts: vec![receipt.to_owned()],
        meta: Map::new(),
    };
    record::check(&new)?;
    let path = record::stage(writer, transaction, &author.agent, &new)?;
    let mut event = Event::new(&author.agent, "status", new.summary.as_str()).meta(OF_EVENT, id);
    event.receipts = vec![path, receipt.to_owned()];
    events::stage(writer, transaction, &context::with_recognition(writer.hub(), author, event)).map(drop)
}

/// Reviews the last week: a summary in `_report/manager/`, a record of the decision `WEEKLY-<year>-W<week>`, and a
/// message to the managers. The answer is `{decision_id, summary, record, open, settled}`.
///
/// # Errors
/// `consensus.due` (exit 1) while a decision is due and not escalated: the week is not complete; a stale session.
pub fn weekly(hub: &Hub, author: &Author) -> Result<Answer> {
    let call = Call { command: "consensus weekly", author, task: "", bound: false, request: None };
    let since = hub.now().minus(WEEK);
    // Before the lock, as a sweep does.
    let all = decisions::read(hub, &[])?;
    let rows = ledger::rows(hub, &Filter { since: Some(since), ..Filter::default() })?;
    context::run(hub, &call, |writer, transaction| {
        if let Some(refusal) = not_complete(&all) {
            return Err(refusal.into());
        }
        let recent = recent(&all, since);
        let (open, settled) =
            (all.iter().filter(|it| it.is_open).count(), recent.iter().filter(|it| !it.is_open).count());
        let text = weekly_markdown(hub.now(), since, &recent, &rows);
        let summary = hub.free_path(&format!("_report/manager/consensus-weekly-{}", hub.now().compact()), ".md")?;
        let entry = (summary.clone(), digest::sha256(text.as_bytes()));
        entries::enter(writer, transaction, &author.agent, &[entry])?;
        transaction.create(summary.as_str(), text);
        let new = NewRecord {
            decision_id: format!("{WEEKLY}{}", hub.now().week()),
            summary: format!("Consensus of the week: {open} open, {settled} settled"),
            event: CONSENSUS.to_owned(),
            receipts: vec![summary.clone()],
            meta: Map::from_iter([("since".to_owned(), json!(since)), ("rows".to_owned(), json!(rows.len()))]),
        };
        record::check(&new)?;
        let path = record::stage(writer, transaction, &author.agent, &new)?;
        let receipts = vec![summary.clone(), path.clone()];
        messages::stage(writer, transaction, MANAGER_REPORT, &announcement(writer, author, &new, receipts.clone()))?;
        let mut event = Event::new(&author.agent, "status", new.summary.as_str());
        event = event.meta(OF_EVENT, new.decision_id.as_str());
        event.receipts = receipts;
        events::stage(writer, transaction, &context::with_recognition(hub, author, event))?;
        let document = json!({
            "decision_id": new.decision_id, "summary": summary, "record": path, "open": open, "settled": settled,
        });
        Ok((document, Vec::new()))
    })
}

fn announcement(writer: &Writer<'_>, author: &Author, new: &NewRecord, receipts: Vec<String>) -> Message {
    let mut message = Message::new(&author.agent, CONSENSUS, MANAGER_REPORT, new.summary.as_str());
    if author.agent == OPERATOR {
        let person = author.person.clone().unwrap_or_else(|| operator::person(writer.hub()));
        message = message.meta("recognised", person.recognised.as_str()).meta("by", person.name);
    }
    message.receipts = receipts;
    message
}

fn not_complete(all: &[Decision]) -> Option<Refusal> {
    let waiting: Vec<_> = due(all).filter(|decision| !decision.is_escalated()).collect();
    let names: Vec<&str> = waiting.iter().map(|decision| decision.decision_id.as_str()).collect();
    (!names.is_empty()).then(|| {
        let what = text::counted(names.len(), "decision");
        let is = if names.len() == 1 { "is" } else { "are" };
        Refusal::guard("consensus.due", format!("{what} {is} due and not escalated"))
            .because(text::clip(&text::safe(&names.join(", ")), 400))
            .next("ask the managers, then review the week: teof consensus escalate")
            .with("decisions", json!(names))
    })
}

fn due(all: &[Decision]) -> impl Iterator<Item = &Decision> {
    all.iter().filter(|decision| decision.due.is_some())
}

/// The decisions with an update since then, and those that are due.
pub fn recent(all: &[Decision], since: Stamp) -> Vec<Decision> {
    let is_recent = |decision: &&Decision| decision.due.is_some() || decision.last_update >= Some(since);
    all.iter().filter(is_recent).cloned().collect()
}

fn escalations(all: &[Decision]) -> Vec<String> {
    let waiting = due(all).filter(|decision| !decision.is_escalated());
    let line = |decision: &Decision| {
        let why = decision.due.map_or("", decisions::Due::describe);
        let id = text::safe(&decision.decision_id);
        format!("{id}: {why}; ask the managers: teof consensus escalate {}", text::shell_word(&id))
    };
    waiting.map(line).collect()
}

fn payload(hub: &Hub, author: &Author, since: Stamp, rows: &[Row], decisions: &[Decision]) -> Map<String, Value> {
    let rows: Vec<_> = rows.iter().map(Row::document).collect();
    let fields = [
        ("generated_at", json!(hub.now())),
        ("agent_id", json!(author.agent)),
        ("since", json!(since)),
        ("ledger", json!(rows)),
        ("decisions", json!(decisions)),
    ];
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn weekly_markdown(now: Stamp, since: Stamp, decisions: &[Decision], rows: &[Row]) -> String {
    let mut out = format!("# Consensus, week {}\n\nFrom {since} to {now}.\n\n## Decisions\n\n", now.week());
    out.push_str(&decisions_markdown(decisions));
    let _ = writeln!(out, "\n## Ledger\n\n| time | decision | seat | summary |\n|---|---|---|---|");
    for row in rows {
        let at = row.at().map_or_else(String::new, |at| at.to_string());
        let part = |part: Option<&str>| text::markdown(&text::clip(part.unwrap_or_default(), 300));
        let _ = writeln!(out, "| {at} | {} | {} | {} |", part(row.decision()), part(row.agent()), part(row.summary()));
    }
    out
}

/// The decisions as a Markdown table.
pub fn decisions_markdown(decisions: &[Decision]) -> String {
    let mut out = "| decision | state | status | manager | last update | receipts | events | messages |\n".to_owned();
    out.push_str("|---|---|---|---|---|---|---|---|\n");
    for decision in decisions {
        let part = |part: &str| text::markdown(&text::clip(part, 200));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            part(&decision.decision_id),
            decision.state(),
            part(&decision.status),
            part(decision.manager.as_deref().unwrap_or("-")),
            decision.last_update.map_or_else(|| "-".to_owned(), |at| at.to_string()),
            decision.receipts.len(),
            decision.event_count,
            decision.message_count,
        );
    }
    out
}
