//! Archives an agent session: what matters of it goes into the record, as receipts.
//!
//! The archive is `_report/agent/<seat>/sessions/<id>/`: `summary.md` with decisions, notes and the artefacts' hashes,
//! `session.json`, and the end of the stream without secrets, `log.txt`. Artefacts are in the record or in git already,
//! so they are listed and not copied. The session itself stays where it is; retention removes it later.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use serde_json::{Map, Value, json};

use crate::base::{Refusal, Result, digest, files, text};
use crate::guard::secrets;
use crate::hub::{Hub, Transaction, paths};
use crate::model::run::outcome::Outcome;
use crate::receipts::{entry, ledger, seal};
use crate::sessions::{Archived, LocalStorage, Mode, SessionRecord, SessionStorage, refused_transcript};

/// How much of the stream's end is kept, in bytes; and how much more is read, so that a secret that begins before it is
/// recognised.
const LOG: usize = 256 << 10;
const MARGIN: u64 = 256 << 10;

/// Longest text of a note or a decision, in characters.
const SAID: usize = 2000;

/// What is known of a session's work besides its record.
#[derive(Debug, Default)]
pub struct Known {
    /// Of its run.
    pub outcome: Option<Outcome>,
    /// What was decided about its job, oldest first.
    pub decisions: Vec<String>,
}

/// Archives a session that is over, as receipts of `agent`. An archived session stays as it is. The caller learns the
/// secrets of copied files first, once for all its sessions ([`secrets::learn_copied`]).
///
/// # Errors
/// `session.not_over` (exit 1).
pub fn archive(hub: &Hub, agent: &str, record: &SessionRecord, known: &Known) -> Result<Archived> {
    if let Some(archived) = &record.archive {
        return Ok(archived.clone());
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
    if let Some(archived) = storage.get(&record.id)?.and_then(|record| record.archive) {
        return Ok(archived);
    }
    let seat = record.agent_id.as_deref().unwrap_or(agent);
    let folder = hub.free_path(&format!("{}/sessions/{}", paths::agent(seat), record.id), "")?;
    let mut document = json!(record);
    secrets::redact_json(&mut document);
    let Value::Object(document) = document else { anyhow::bail!("a session is an object") };
    let parts = [
        ("summary.md", summary(hub, record, known)),
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
    for key in ["worktree", "log", "program_folder", "process", "supervisor"] {
        document.remove(key);
    }
    document
}

/// What a person wants to know of the session, as Markdown.
fn summary(hub: &Hub, record: &SessionRecord, known: &Known) -> String {
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
    add("Transcript", why_not_archived(record).map(|why| format!("not archived: {why}")).as_deref());
    if let Some(outcome) = &known.outcome {
        section(&mut page, "Outcome of its run", &[format!("Verdict: {}", outcome.reason)]);
        let question = outcome.question.iter().map(|question| format!("It asked: {question}"));
        let notes = outcome.envelope.iter().flat_map(|path| notes(hub, path));
        section(&mut page, "Questions, answers and notes", &question.chain(notes).collect::<Vec<_>>());
    }
    section(&mut page, "Decisions", &known.decisions);
    if let Some(outcome) = &known.outcome {
        section(&mut page, "Artefacts", &artefacts(hub, outcome));
    }
    page
}

/// A heading and its lines, without secrets; nothing when there are none.
fn section(page: &mut String, heading: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(page, "\n## {heading}\n");
    for line in lines {
        let _ = writeln!(page, "- {}", text::markdown(&text::clip(&secrets::redact(line), SAID)));
    }
}

/// What people wrote to the agents of a run, as its envelope has it. An answer is a note, too.
fn notes(hub: &Hub, envelope: &str) -> Vec<String> {
    let bytes = hub.path(envelope).and_then(|path| files::read(&path, files::MAX_DOCUMENT)).ok().flatten();
    let envelope: Value = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let each = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let calls = each(&envelope, "stages").into_iter().flat_map(|stage| each(&stage, "calls"));
    let describe = |note: Value| {
        let text = |key: &str| note[key].as_str().unwrap_or_default().to_owned();
        format!("{} by {}: {}", text("at"), text("by"), text("text"))
    };
    calls.flat_map(|call| each(&call, "notes")).map(describe).collect()
}

/// The result and the evidence of a run: its commit, and its files with their SHA-256.
fn artefacts(hub: &Hub, outcome: &Outcome) -> Vec<String> {
    let hashed = |path: &String| match entry::hashed(hub, path) {
        Ok((path, sha256)) => format!("{path}: SHA-256 {sha256}"),
        Err(_) => format!("{path}: missing"),
    };
    let commit = outcome.commit.iter().map(|commit| format!("Commit {commit} on {}", outcome.branch));
    let files = outcome.envelope.iter().chain(&outcome.bundle).chain(&outcome.receipts);
    commit.chain(files.map(hashed)).collect()
}

/// Why the stream is left out, if it is: whatever called the hook named this file.
fn why_not_archived(record: &SessionRecord) -> Option<&'static str> {
    let is_named = record.mode == Mode::Hooked && !record.log.as_os_str().is_empty();
    is_named.then(|| refused_transcript(record.program_folder.as_deref(), &record.log))?
}

/// The end of the stream from the start of a line, without secrets.
fn log_end(record: &SessionRecord) -> Result<String> {
    if why_not_archived(record).is_some() {
        return Ok(String::new());
    }
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
