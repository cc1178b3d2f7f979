//! The ledger, `_report/receipts.jsonl`: one line per receipt, appended when the receipt is written.
//!
//! A line has `path`, `sha256` (of the whole file), `agent_id`, `ts`, `prev`, and `id` last. As in the event log,
//! `id` is the line's own digest, and `prev` the same agent's previous `id`. A later line for the same path with
//! `retired` (a reason) says that the file may be missing from now on.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::base::{Refusal, Result, Stamp, jsonl, text};
use crate::hub::{Hub, Transaction, Writer, paths};
use crate::model;
use crate::model::event::{self, Seal};

/// A ledger line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// Relative to the hub.
    pub path: String,
    /// Of the whole file, lower-case hex.
    pub sha256: String,
    #[serde(default)]
    pub agent_id: String,
    #[serde(default)]
    pub prev: Option<String>,
    /// Why the file may be missing.
    #[serde(default)]
    pub retired: Option<String>,
}

/// The fields of a line, for its JSON Schema.
#[derive(Debug, schemars::JsonSchema)]
pub struct EntryFields {
    /// Relative to the hub.
    pub path: String,
    /// Of the whole file, lower-case hex.
    pub sha256: String,
    pub agent_id: Option<String>,
    pub ts: Option<Stamp>,
    /// Why the file may be missing.
    pub retired: Option<String>,
    /// The same agent's previous `id`.
    pub prev: Option<String>,
    /// The first 16 hex digits of the SHA-256 of the line before `,"id":`.
    pub id: Option<String>,
}

impl Entry {
    /// `None` when the line is not an entry.
    pub fn parse(line: &[u8]) -> Option<Entry> {
        // A derived reader would accept an array as the fields in order.
        line.starts_with(b"{").then(|| serde_json::from_slice(line).ok()).flatten()
    }
}

/// Every entry with its line number, in order; other lines are skipped (see [`super::chain`]).
pub fn entries(root: &Path) -> Result<Vec<(u64, Entry)>> {
    let mut found = Vec::new();
    jsonl::for_each_line(&root.join(paths::LEDGER), 0, |number, _, line| {
        found.extend(Entry::parse(line).map(|entry| (number, entry)));
        Ok(true)
    })?;
    Ok(found)
}

/// What the ledger has for a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The number of its first line. Of two paths the one with the lower number was entered first, whatever the clock
    /// said.
    pub line: u64,
    /// Of the whole file, lower-case hex.
    pub sha256: String,
}

/// The line and the digest that the ledger has for each path.
pub fn lines(root: &Path) -> Result<HashMap<String, Listed>> {
    let mut found: HashMap<String, Listed> = HashMap::new();
    for (line, Entry { path, sha256, .. }) in entries(root)? {
        let line = found.get(&path).map_or(line, |known| known.line);
        found.insert(path, Listed { line, sha256 });
    }
    Ok(found)
}

/// The digest that the ledger has for each path.
pub fn listed(root: &Path) -> Result<HashMap<String, String>> {
    Ok(entries(root)?.into_iter().map(|(_, entry)| (entry.path, entry.sha256)).collect())
}

/// When each path was first entered.
pub fn entered_at(root: &Path) -> Result<HashMap<String, Stamp>> {
    let mut found = HashMap::new();
    jsonl::for_each_line(&root.join(paths::LEDGER), 0, |_, _, line| {
        let raw = serde_json::from_slice::<Map<String, Value>>(line).unwrap_or_default();
        if let (Some(path), Some(at)) = (model::text(&raw, "path"), model::text(&raw, "ts").and_then(Stamp::parse)) {
            found.entry(path.to_owned()).or_insert(at);
        }
        Ok(true)
    })?;
    Ok(found)
}

/// The paths whose files may be missing.
pub fn retired(root: &Path) -> Result<HashSet<String>> {
    let entries = entries(root)?.into_iter().map(|(_, entry)| entry);
    Ok(entries.filter(|entry| entry.retired.is_some()).map(|entry| entry.path).collect())
}

/// The digest of each path whose file must be there: entered, and not retired.
pub fn expected(root: &Path) -> Result<HashMap<String, String>> {
    let (mut listed, retired) = (listed(root)?, retired(root)?);
    listed.retain(|path, _| !retired.contains(path));
    Ok(listed)
}

/// Adds a line to a transaction that retires a receipt: its file may be missing or changed from now on. Returns its
/// recorded digest.
///
/// # Errors
/// `receipt.not_entered` (exit 4); `receipt.intact` when the file is unchanged.
pub fn retire(writer: &Writer, transaction: &mut Transaction, agent: &str, path: &str, reason: &str) -> Result<String> {
    let hub = writer.hub();
    let ledger = hub.path(paths::LEDGER)?;
    let shown = text::safe(path);
    let Some(sha256) = find(&ledger, transaction, path)? else {
        return Err(Refusal::not_found("receipt.not_entered", format!("the ledger has no receipt {shown}"))
            .next("check the ledger: teof receipts verify")
            .into());
    };
    if super::entry::hashed(hub, path).is_ok_and(|(_, now)| now == sha256) {
        return Err(Refusal::guard("receipt.intact", format!("{shown} exists and is unchanged"))
            .because("only a receipt that was removed or changed on purpose can be retired")
            .next("keep it: evidence is not removed")
            .into());
    }
    let mut map = line(hub, path, &sha256, agent);
    map.insert("retired".into(), json!(reason));
    if let Some(prev) = previous(&ledger, transaction, agent)? {
        map.insert("prev".into(), json!(prev));
    }
    transaction.append(paths::LEDGER, &event::seal(&map).0);
    Ok(sha256)
}

fn line(hub: &Hub, path: &str, sha256: &str, agent: &str) -> Map<String, Value> {
    let fields =
        [("path", json!(path)), ("sha256", json!(sha256)), ("agent_id", json!(agent)), ("ts", json!(hub.now()))];
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Adds lines for receipts (path and SHA-256) to a transaction. Existing entries are not added again.
///
/// # Errors
/// When the ledger has another digest for a path: a receipt is written once.
pub fn enter(writer: &Writer, transaction: &mut Transaction, agent: &str, receipts: &[(String, String)]) -> Result<()> {
    let hub = writer.hub();
    let ledger = hub.path(paths::LEDGER)?;
    let mut prev = previous(&ledger, transaction, agent)?;
    for (path, sha256) in receipts {
        match find(&ledger, transaction, path)? {
            Some(known) if known == *sha256 => continue,
            Some(_) => return Err(rewritten(path).into()),
            None => {}
        }
        let mut map = line(hub, path, sha256, agent);
        if let Some(prev) = &prev {
            map.insert("prev".into(), json!(prev));
        }
        let (line, id) = event::seal(&map);
        transaction.append(paths::LEDGER, &line);
        transaction.keep_evidence(path);
        prev = Some(id);
    }
    Ok(())
}

/// The `id` of the agent's last line, on disk or in the transaction.
fn previous(ledger: &Path, transaction: &Transaction, agent: &str) -> Result<Option<String>> {
    let mut id = None;
    let mut take = |line: &[u8]| {
        // Cheap check first: most lines belong to other agents.
        if let Seal::Right(found) = event::check_seal(line)
            && Entry::parse(line).is_some_and(|entry| entry.agent_id == agent)
        {
            id = Some(found.to_owned());
        }
        id.is_none()
    };
    if transaction.pending_lines(paths::LEDGER).unwrap_or_default().lines().rev().all(|line| take(line.as_bytes())) {
        jsonl::for_each_line_backwards(ledger, take)?;
    }
    Ok(id)
}

/// The digest that the ledger, or the transaction, has for a path.
fn find(ledger: &Path, transaction: &Transaction, path: &str) -> Result<Option<String>> {
    // The start of a line written by teof; only such lines are parsed.
    let start = format!("{{\"path\":{},", crate::base::json::compact(&path));
    let digest = |line: &[u8]| Entry::parse(line).map(|entry| entry.sha256);
    let mut found = transaction
        .pending_lines(paths::LEDGER)
        .unwrap_or_default()
        .lines()
        .find(|line| line.starts_with(&start))
        .map(str::as_bytes)
        .and_then(digest);
    if found.is_none() {
        jsonl::for_each_line(ledger, 0, |_, _, line| {
            found = if line.starts_with(start.as_bytes()) { digest(line) } else { None };
            Ok(found.is_none())
        })?;
    }
    Ok(found)
}

fn rewritten(path: &str) -> Refusal {
    Refusal::guard("receipt.rewritten", format!("the ledger has a different digest for {path}"))
        .because("a receipt is written once; this file changed after it was added")
        .next("restore the recorded version from git, and write new evidence to a new file")
        .next("see which receipts changed: teof receipts verify")
}
