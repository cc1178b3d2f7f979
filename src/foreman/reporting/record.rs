//! Writes a run into the record in one transaction: receipts, envelope, event, and an error line for a refusal.

use std::fs;

use serde_json::{Map, Value, json};

use super::envelope::{RecordedReceipt, StageReport};
use super::evidence::Receipt;
use super::report::{End, Report};
use super::{bundle, bundle_markdown};
use crate::base::{Result, json};
use crate::bus::events;
use crate::guard::claim::errors;
use crate::hub::{Hub, Transaction, Writer, paths};
use crate::model::event::{Event, Severity};
use crate::model::run::outcome::{Finding, Outcome, Verdict};
use crate::model::run::stage::REVIEWER;
use crate::receipts::{self, ledger};

/// Writes everything and the run's outcome in one transaction, so that after a crash a run has its envelope, its
/// event and the matching outcome, or none of them.
pub fn write(hub: &Hub, report: &mut Report, end: &End) -> Result<Outcome> {
    let mut writer = hub.lock(&format!("record run {}", report.run))?;
    let mut transaction = Transaction::new(format!("record run {}", report.run));
    let agent = report.work.order.agent_id.clone();
    report.receipts.clear();
    for receipt in report.evidence.receipts.clone() {
        enter(&writer, &mut transaction, &agent, &receipt, report)?;
    }
    let now = hub.now();
    if end.verdict == Verdict::Succeeded {
        review(&writer, &mut transaction, report, now)?;
    }
    let path = hub.free_path(&format!("{}/runs/{}-{}", paths::agent(&agent), now.compact(), report.run), ".json")?;
    receipts::write(&writer, &mut transaction, &agent, &path, report.envelope(end, now))?;
    if refused(end) {
        transaction.append(errors(&agent), &error_line(hub, report, end));
    }
    events::stage(&writer, &mut transaction, &event(report, end, &path))?;
    for stage in report.stages.iter().filter(|stage| stage.name == REVIEWER) {
        // An earlier attempt may have made the bundle, and may have died before it was recorded.
        if stage.done_before && is_told(hub, stage)? {
            continue;
        }
        if let Some(audit) = audit(report, stage, &path) {
            events::stage(&writer, &mut transaction, &audit)?;
        }
    }
    let outcome = report.outcome(end, Some(path), now);
    transaction.replace_local(paths::outcome(&report.run), json::pretty(&outcome) + "\n");
    writer.commit(transaction)?;
    Ok(outcome)
}

/// Adds the bundle, as a receipt and as a Markdown page.
fn review(writer: &Writer, transaction: &mut Transaction, report: &mut Report, now: crate::base::Stamp) -> Result<()> {
    let hub = writer.hub();
    let agent = report.work.order.agent_id.clone();
    let path = hub.free_path(&bundle::stem(&agent, now, &report.run), ".json")?;
    let bundle = bundle::build(hub, report, now);
    let page = bundle_markdown::render(&bundle);
    let Value::Object(payload) = without_secrets(json!(bundle)) else { anyhow::bail!("a bundle is an object") };
    receipts::write(writer, transaction, &agent, &path, payload)?;
    let twin = format!("{}.md", path.trim_end_matches(".json"));
    let sha256 = crate::base::digest::sha256(page.as_bytes());
    transaction.create(&twin, page);
    ledger::enter(writer, transaction, &agent, &[(twin, sha256)])?;
    report.bundle = Some(path);
    Ok(())
}

/// Removes secrets from texts and from keys: a file's name can contain a secret, too.
fn without_secrets(mut document: Value) -> Value {
    crate::guard::secrets::redact_json(&mut document);
    document
}

fn is_told(hub: &Hub, stage: &StageReport) -> Result<bool> {
    let Some(run) = &stage.run else { return Ok(true) };
    let mut told = false;
    crate::base::jsonl::for_each_line(&hub.path(paths::EVENTS)?, 0, |_, _, line| {
        let event: Value = serde_json::from_slice(line).unwrap_or_default();
        let meta = &event["meta"];
        told |= event["event"] == "audit" && meta["run"] == json!(run) && meta["round"] == stage.round;
        Ok(!told)
    })?;
    Ok(told)
}

/// The reviewer's decision as an event of the reviewer's seat.
fn audit(report: &Report, stage: &StageReport, envelope: &str) -> Option<Event> {
    let order = &report.work.order;
    let reviewer = order.reviewer.as_deref()?;
    stage.commit.as_ref()?;
    let verdict = if stage.passed { "approve" } else { "reject" };
    let judged = report.stages.iter().filter(|other| other.round == stage.round && other.name != stage.name);
    let commit = judged.filter_map(|other| other.commit.clone()).next_back().unwrap_or_default();
    let summary =
        crate::base::text::clip(&format!("review of round {}: {verdict}: {}", stage.round, stage.outcome), 500);
    let mut event = Event::new(reviewer, "audit", summary)
        .on_task(&order.task_id)
        .meta("reviewer", reviewer)
        .meta("verdict", verdict)
        .meta("confidence", json!(stage.answer.as_ref().and_then(|answer| answer.confidence)))
        .meta("commit", commit)
        .meta("run", stage.run.clone())
        .meta("round", stage.round)
        // The reviewer has no claim of its own, so the event uses the claim of the seat under review.
        .meta("epoch", order.epoch);
    event.plan_id.clone_from(&order.plan_id);
    event.branch = Some(report.branch().to_owned());
    event.receipts = vec![envelope.to_owned()];
    Some(event)
}

/// Appends a line to the seat's error log for a run that was refused before anything started.
pub fn write_refusal(hub: &Hub, report: &Report, end: &End) -> Result<()> {
    let mut transaction = Transaction::new(format!("refuse run {}", report.run));
    transaction.append(errors(&report.work.order.agent_id), &error_line(hub, report, end));
    hub.lock("foreman run")?.commit(transaction)
}

fn refused(end: &End) -> bool {
    matches!(end.verdict, Verdict::Blocked | Verdict::Refused)
}

/// Whether no file can have this path: it is a folder, or one of its parents is a file.
fn is_obstructed(hub: &Hub, path: &str, entered: &[RecordedReceipt]) -> bool {
    let within = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
    let kind = |path: &str| hub.path(path).map(|path| fs::symlink_metadata(path).ok().map(|meta| meta.is_dir()));
    let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
    entered.iter().any(|other| within(path, &other.path) || within(&other.path, path))
        || !matches!(kind(path), Ok(None | Some(false)))
        || folders.into_iter().any(|folder| !matches!(kind(folder), Ok(None | Some(true))))
}

/// Adds one receipt to the transaction, under its own name, or next to an older one of that name.
fn enter(
    writer: &Writer,
    transaction: &mut Transaction,
    agent: &str,
    receipt: &Receipt,
    report: &mut Report,
) -> Result<()> {
    let text = receipt.text.as_str();
    let hub = writer.hub();
    if is_obstructed(hub, &receipt.target, &report.receipts) {
        let message = "this receipt cannot enter the record: its path is a folder there, or lies below a file";
        report.findings.push(Finding::medium("receipt.obstructed", receipt.target.as_str(), message));
        return Ok(());
    }
    // An earlier attempt of the same work may have added it.
    let (path, is_there) = receipts::entry::place_for(hub, &receipt.target, &report.run, text.as_bytes())?;
    if !is_there {
        transaction.create(&path, text);
    }
    ledger::enter(writer, transaction, agent, &[(path.clone(), receipt.sha256.clone())])?;
    report.receipts.push(RecordedReceipt { path, sha256: receipt.sha256.clone() });
    Ok(())
}

fn event(report: &Report, end: &End, envelope: &str) -> Event {
    let order = &report.work.order;
    let summary = crate::base::text::clip(&format!("run {}: {}", verdict_word(end.verdict), end.reason), 500);
    let mut event = Event::new(&order.agent_id, "status", summary)
        .on_task(&order.task_id)
        .meta("run", report.run.clone())
        .meta("verdict", verdict_word(end.verdict));
    event.plan_id.clone_from(&order.plan_id);
    event.branch = Some(report.branch().to_owned());
    event.receipts = vec![envelope.to_owned()];
    if end.verdict == Verdict::Blocked {
        event.severity = Some(Severity::Medium);
    }
    event
}

pub fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Succeeded => "succeeded",
        Verdict::Failed => "failed",
        Verdict::Blocked => "blocked",
        Verdict::Paused => "paused",
        Verdict::Refused => "refused",
    }
}

/// The playbook's fields (ts, agent_id, event, reason, task_id) and teof's own.
fn error_line(hub: &Hub, report: &Report, end: &End) -> Vec<u8> {
    let order = &report.work.order;
    let codes: Vec<_> = report.findings.iter().filter(|f| f.stops() || f.needs_person()).map(|f| &f.code).collect();
    let line: Map<String, Value> = [
        ("ts", json!(hub.now())),
        ("agent_id", json!(order.agent_id)),
        ("event", json!("foreman run")),
        ("reason", json!(end.reason)),
        ("task_id", json!(order.task_id)),
        ("run", json!(report.run)),
        ("codes", json!(codes)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into_iter()
    .collect();
    (json::compact(&line) + "\n").into_bytes()
}
