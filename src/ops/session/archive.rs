//! Archives an agent session: what matters of it goes into the record, as receipts.
//!
//! The archive is `_report/agent/<seat>/sessions/<id>/`: `summary.md`, `session.json` and the end of the stream without
//! secrets, `log.txt`. The session itself stays where it is; retention removes it later.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use serde_json::{Map, Value, json};

use crate::base::{Refusal, Result, digest, files, text};
use crate::guard::secrets;
use crate::hub::{Hub, Transaction, paths};
use crate::model::run::outcome::Outcome;
use crate::receipts::{ledger, seal};
use crate::sessions::{Archived, LocalStorage, SessionRecord, SessionStorage};

/// How much of the stream's end is kept, in bytes; and how much more is read, so that a secret that begins before it is
/// recognised.
const LOG: usize = 256 << 10;
const MARGIN: u64 = 256 << 10;

/// Archives a session that is over, as receipts of `agent`. `outcome` is its run's. An archived session stays as it is.
///
/// # Errors
/// `session.not_over` (exit 1).
pub fn archive(hub: &Hub, agent: &str, record: &SessionRecord, outcome: Option<&Outcome>) -> Result<Archived> {
    if let Some(known) = &record.archive {
        return Ok(known.clone());
    }
    if !record.status.is_over() {
        return Err(Refusal::guard("session.not_over", format!("session {} is {}", record.id, record.status.as_str()))
            .because("only a session that is over is archived")
            .next(format!("end it: teof session cancel {}", record.id))
            .into());
    }
    let storage = LocalStorage::of(hub);
    let mut writer = hub.lock("archive a session")?;
    // Another process may have archived it by now.
    if let Some(known) = storage.get(&record.id)?.and_then(|record| record.archive) {
        return Ok(known);
    }
    let seat = record.agent_id.as_deref().unwrap_or(agent);
    let folder = hub.free_path(&format!("{}/sessions/{}", paths::agent(seat), record.id), "")?;
    let mut document = json!(record);
    secrets::redact_json(&mut document);
    let Value::Object(document) = document else { anyhow::bail!("a session is an object") };
    let parts = [
        ("summary.md", summary(record, outcome)),
        ("session.json", seal::sealed(without_places(document))),
        ("log.txt", log_end(record)?),
    ];
    let archived = Archived { path: folder.clone(), at: hub.now() };
    let mut transaction = Transaction::new(format!("archive session {}", record.id));
    let mut receipts = Vec::new();
    for (name, content) in parts.into_iter().filter(|(_, content)| !content.is_empty()) {
        let path = format!("{folder}/{name}");
        receipts.push((path.clone(), digest::sha256(content.as_bytes())));
        transaction.create(&path, content);
    }
    ledger::enter(&writer, &mut transaction, agent, &receipts)?;
    writer.commit(transaction)?;
    let noted = SessionRecord { archive: Some(archived.clone()), ..record.clone() };
    storage.update(&record.id, &mut |known| {
        // What was only observed, a lost session for example, is noted for good.
        *known = noted.clone();
        Ok(())
    })?;
    Ok(archived)
}

/// Paths of this machine mean nothing in the record.
fn without_places(mut document: Map<String, Value>) -> Map<String, Value> {
    for key in ["worktree", "log", "process", "supervisor"] {
        document.remove(key);
    }
    document
}

/// What a person wants to know of the session, as Markdown.
fn summary(record: &SessionRecord, outcome: Option<&Outcome>) -> String {
    let mut page = format!("# Session {}\n\n", text::markdown(&record.id));
    let mut add = |label: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            let _ = writeln!(page, "- {label}: {}", text::markdown(&secrets::redact(value)));
        }
    };
    add("Task", record.task_id.as_deref());
    add("Run", record.run.as_deref());
    add("Stage", record.stage_and_round().as_deref());
    add("Program", record.program_and_model().as_deref());
    add("Branch", record.branch.as_deref());
    let until = record.ended_at.map(|at| format!(" until {at}")).unwrap_or_default();
    add("From", record.started_at.map(|at| format!("{at}{until}")).as_deref());
    let reason = record.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    add("Ended", Some(&format!("{}{reason}", record.status.as_str())));
    add("Tools", Some(&record.tools_used()));
    record.noticed.iter().for_each(|noticed| add("Noticed", Some(&noticed.describe())));
    add("Used", record.used().as_deref());
    add("Last message", record.last_message.as_deref());
    if let Some(outcome) = outcome {
        page += "\n## Outcome of its run\n\n";
        let mut add = |label: &str, value: &str| {
            let _ = writeln!(page, "- {label}: {}", text::markdown(&secrets::redact(value)));
        };
        add("Verdict", &outcome.reason);
        outcome.commit.iter().for_each(|commit| add("Commit", commit));
        outcome.envelope.iter().for_each(|path| add("Envelope", path));
        outcome.bundle.iter().for_each(|path| add("Review", path));
        outcome.receipts.iter().for_each(|path| add("Receipt", path));
    }
    page
}

/// The end of the stream from the start of a line, without secrets.
fn log_end(record: &SessionRecord) -> Result<String> {
    let Some(mut file) = files::open_regular(&record.log)? else { return Ok(String::new()) };
    let length = file.metadata()?.len();
    let from = length.saturating_sub(LOG as u64 + MARGIN);
    let said = secrets::redact(&text::safe_block(&read_from(&mut file, from)?));
    let cut = said.len().saturating_sub(LOG);
    if from == 0 && cut == 0 {
        return Ok(said);
    }
    let bytes = said.as_bytes();
    let start = (cut..bytes.len()).find(|at| bytes[*at] == b'\n').map_or(bytes.len(), |at| at + 1);
    Ok(format!("(the end of {length} bytes)\n{}", &said[start..]))
}

fn read_from(file: &mut File, from: u64) -> Result<String> {
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(LOG as u64 + MARGIN).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_capped_and_has_no_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("stream.log");
        let key = "AKIAIOSFODNN7EXAMPLQ";
        let line = format!("export AWS_KEY={key} and more\n");
        std::fs::write(&log, line.repeat(40_000)).unwrap();
        let record = SessionRecord { log, ..Default::default() };
        let kept = log_end(&record).unwrap();
        assert!(kept.len() <= LOG + 100 && !kept.contains(key), "{}", kept.len());
        assert!(kept.starts_with("(the end of ") && kept.lines().nth(1).unwrap().starts_with("export AWS_KEY="));
    }
}
