//! The ledger, `_report/receipts.jsonl`: one line for each receipt, appended when it was written.
//!
//! A line is `path`, `sha256` (of the whole file), `agent_id`, `ts`, `prev`, and `id` last; `id` and
//! `prev` are the event log's: the line's own digest, and the same agent's previous `id`.
//!
//! The rules of the chain:
//! - the ledger is a set of lines: identical ones count once (a union merge may double them);
//! - a line whose `id` is not its own was altered; one without an `id` was not entered by teof;
//! - `prev` must stand earlier in the file: if it stands later, lines were re-ordered; if nowhere,
//!   a line was taken out;
//! - two lines with the same `prev` are a fork (two clones worked at once): information, no finding;
//! - a path is entered once; a second line with another digest means that it was rewritten.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, json};

use crate::base::{Refusal, Result, files, jsonl};
use crate::hub::{Act, Hub, Writer, paths};
use crate::model::event::{self, Seal};
use crate::model::outcome::Finding;

/// What a line says about a receipt.
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
}

/// Every entry with its line number, in order; lines that are none are passed over (see [`chain`]).
pub fn entries(root: &Path) -> Result<Vec<(u64, Entry)>> {
    let mut found = Vec::new();
    jsonl::for_each_line(&root.join(paths::LEDGER), 0, |number, _, line| {
        found.extend(serde_json::from_slice(line).ok().map(|entry| (number, entry)));
        Ok(true)
    })?;
    Ok(found)
}

/// The digest that the ledger has for each path.
pub fn listed(root: &Path) -> Result<HashMap<String, String>> {
    Ok(entries(root)?.into_iter().map(|(_, entry)| (entry.path, entry.sha256)).collect())
}

/// Adds lines for receipts (path and SHA-256) to an act. What is entered already is not entered again.
///
/// # Errors
/// When the ledger has another digest for a path: a receipt is written once.
pub fn enter(writer: &Writer, act: &mut Act, agent: &str, receipts: &[(String, String)]) -> Result<()> {
    let hub = writer.hub();
    let ledger = hub.path(paths::LEDGER)?;
    let mut prev = previous(&ledger, act, agent)?;
    for (path, sha256) in receipts {
        match find(&ledger, act, path)? {
            Some(known) if known == *sha256 => continue,
            Some(_) => return Err(rewritten(path).into()),
            None => {}
        }
        let mut map = Map::new();
        map.insert("path".into(), json!(path));
        map.insert("sha256".into(), json!(sha256));
        map.insert("agent_id".into(), json!(agent));
        map.insert("ts".into(), json!(hub.now()));
        if let Some(prev) = &prev {
            map.insert("prev".into(), json!(prev));
        }
        let (line, id) = event::seal(&map);
        act.append(paths::LEDGER, &line);
        prev = Some(id);
    }
    Ok(())
}

/// The `id` of the agent's last line, on disk or in the act.
fn previous(ledger: &Path, act: &Act, agent: &str) -> Result<Option<String>> {
    let mut id = None;
    let mut take = |line: &[u8]| {
        // Cheap first: most lines are another agent's.
        if let Seal::Right(found) = event::check_seal(line)
            && serde_json::from_slice::<Entry>(line).is_ok_and(|entry| entry.agent_id == agent)
        {
            id = Some(found.to_owned());
        }
        id.is_none()
    };
    if act.pending_lines(paths::LEDGER).unwrap_or_default().lines().rev().all(|line| take(line.as_bytes())) {
        jsonl::for_each_line_backwards(ledger, take)?;
    }
    Ok(id)
}

/// The digest that the ledger, or the act, has for a path.
fn find(ledger: &Path, act: &Act, path: &str) -> Result<Option<String>> {
    // As a line of ours begins; only these are parsed.
    let start = format!("{{\"path\":{},", crate::base::json::compact(&path));
    let digest = |line: &[u8]| serde_json::from_slice::<Entry>(line).ok().map(|entry| entry.sha256);
    let mut found = act
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

/// The path of a receipt, relative to the hub, and its SHA-256.
///
/// # Errors
/// When it is outside the hub, missing, or not a regular file.
pub fn hashed(hub: &Hub, path: &str) -> Result<(String, String)> {
    let missing = || {
        Refusal::not_found("receipt.missing", format!("there is no file {path} in {}", hub.root.display()))
            .next("name a file of the repository, relative to its root")
    };
    let relative = Path::new(path).strip_prefix(&hub.root).map_or(path, |rest| rest.to_str().unwrap_or(path));
    let file = files::open_regular(&hub.path(relative)?)?.ok_or_else(missing)?;
    Ok((relative.to_owned(), crate::base::digest::sha256_reader(file)?))
}

fn rewritten(path: &str) -> Refusal {
    Refusal::guard("receipt.rewritten", format!("the ledger has another digest for {path}"))
        .because("a receipt is written once; this file was changed after it was entered")
        .next("take the entered version back from git, and write the new evidence to a new file")
        .next("to see which receipts changed: teof receipts verify")
}

/// Everything that is wrong with the ledger as a chain of lines. Pure over its bytes; what follows the
/// last newline is not a line yet.
pub fn chain(path: &str, bytes: &[u8]) -> Vec<Finding> {
    let whole = &bytes[..bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1)];
    let lines = || whole.split_inclusive(|b| *b == b'\n').map(|line| line.trim_ascii_end()).zip(1..);
    let ids: HashMap<&str, u64> = lines()
        .filter_map(|(line, number)| match event::check_seal(line) {
            Seal::Right(id) => Some((id, number)),
            _ => None,
        })
        // The first of doubled lines counts.
        .fold(HashMap::new(), |mut ids, (id, number)| {
            ids.entry(id).or_insert(number);
            ids
        });
    let mut digests: HashMap<String, (String, u64)> = HashMap::new();
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for (line, number) in lines().filter(|(line, _)| !line.is_empty()) {
        let mut note = |code: &str, severity: &str, message: String, hint: &str| {
            found.push(finding(path, number, code, severity, message, hint))
        };
        let Ok(entry) = serde_json::from_slice::<Entry>(line) else {
            note(
                "ledger.unreadable",
                "high",
                "the line is not an entry of the ledger".into(),
                "take the ledger back from git",
            );
            continue;
        };
        let shown = crate::base::text::clip(&crate::base::text::safe(&entry.path), 120);
        match event::check_seal(line) {
            Seal::Right(id) => {
                if !seen.insert(id.to_owned()) {
                    continue;
                }
                match entry.prev.as_deref().map(|prev| ids.get(prev)) {
                    Some(None) => note(
                        "ledger.gap",
                        "high",
                        format!("the line before that of {shown} is gone"),
                        "take the ledger back from git",
                    ),
                    Some(Some(at)) if *at >= number => {
                        note(
                            "ledger.reordered",
                            "high",
                            format!("{shown} was entered after line {at}, and stands before it"),
                            "take the ledger back from git",
                        );
                    }
                    _ => {}
                }
            }
            Seal::Wrong(_) => note(
                "ledger.altered",
                "high",
                format!("the line of {shown} was altered"),
                "take the ledger back from git",
            ),
            Seal::Unchained => note(
                "ledger.unchained",
                "medium",
                format!("the line of {shown} was not entered by teof"),
                "enter it with: teof receipts add",
            ),
        }
        match digests.get(&entry.path) {
            Some((sha256, first)) if *sha256 != entry.sha256 => {
                note(
                    "receipt.rewritten",
                    "high",
                    format!("{shown} has another digest on line {first}"),
                    "a receipt is written once; compare the two in git",
                );
            }
            _ => drop(digests.insert(entry.path, (entry.sha256, number))),
        }
    }
    found
}

pub(super) fn finding(path: &str, line: u64, code: &str, severity: &str, message: String, hint: &str) -> Finding {
    Finding {
        code: code.into(),
        severity: severity.into(),
        path: Some(path.into()),
        line: Some(line),
        message,
        hint: Some(hint.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stamp;

    fn line(path: &str, prev: Option<&str>) -> (String, String) {
        let mut map = json!({"path": path, "sha256": "0", "agent_id": "a", "ts": Stamp::from_unix(0)});
        if let Some(prev) = prev {
            map["prev"] = json!(prev);
        }
        let (line, id) = event::seal(map.as_object().unwrap());
        (String::from_utf8(line).unwrap(), id)
    }

    fn three() -> [String; 3] {
        let (one, first) = line("one", None);
        let (two, second) = line("two", Some(&first));
        [one, two, line("three", Some(&second)).0]
    }

    fn codes(lines: &[&str]) -> Vec<(u64, String)> {
        let found = chain("l", lines.concat().as_bytes());
        found.into_iter().map(|finding| (finding.line.unwrap(), finding.code)).collect()
    }

    #[test]
    fn whole_doubled_and_forked_chains_are_fine() {
        let [one, two, three] = three();
        let id = serde_json::from_str::<serde_json::Value>(&one).unwrap()["id"].as_str().unwrap().to_owned();
        let fork = line("other", Some(&id)).0;
        assert_eq!(codes(&[&one, &two, &three]), []);
        assert_eq!(codes(&[&one, &two, &three, &fork, &two, "{\"cut"]), []);
    }

    #[test]
    fn changed_missing_and_reordered_lines_are_named() {
        let [one, two, three] = three();
        let of = |lines: &[&str]| codes(lines).into_iter().map(|(at, code)| format!("{at} {code}")).collect::<Vec<_>>();
        assert_eq!(of(&[&one, &three]), ["2 ledger.gap"]);
        assert_eq!(of(&[&two, &one, &three]), ["1 ledger.reordered"]);
        let altered = two.replace("two", "TWO");
        assert_eq!(of(&[&one, &altered, &three]), ["2 ledger.altered", "3 ledger.gap"]);
        assert_eq!(
            of(&[&one, "{\"path\":\"x\",\"sha256\":\"1\"}\n", "[]\n"]),
            ["2 ledger.unchained", "3 ledger.unreadable"]
        );
        let again = line("one", None).0.replace("\"0\"", "\"1\"");
        assert_eq!(of(&[&one, &again]), ["2 ledger.altered", "2 receipt.rewritten"]);
    }
}
