//! Everything in the record, a JSON document a line: for other programs, and to move away.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::base::{Result, files, jsonl};
use crate::hub::{Hub, paths};

/// A line of the export.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Line {
    /// What the record is: `task`, `plan`, `claim`, `assignment`, `event`, `message`, `receipt`, `seat`, `run`, `review`,
    /// `decision`, `job` or `document`.
    pub kind: String,
    /// The file that it is in, relative to the hub; absent for a job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// As it is in its file.
    pub record: Value,
}

/// The folders and files that are read, in this order.
const FOLDERS: [&str; 3] = ["_plans", "_bus", "_report"];

/// Passes each line of the record on; returns the files that could not be read, and why.
///
/// # Errors
/// Those of `each`.
pub fn export(hub: &Hub, each: &mut dyn FnMut(Line) -> Result<()>) -> Result<Vec<(String, String)>> {
    let mut left_out = Vec::new();
    let mut found: Vec<PathBuf> = Vec::new();
    let top = fs::read_dir(&hub.root).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_manifest = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with("AGENT_MANIFEST") && name.ends_with(".json")
    };
    found.extend(top.filter(is_manifest));
    found.sort();
    for folder in FOLDERS {
        let mut below = Vec::new();
        walk(&hub.root.join(folder), &mut below);
        below.sort();
        found.extend(below);
    }
    for path in found {
        let Some(name) = path.strip_prefix(&hub.root).ok().and_then(Path::to_str).map(str::to_owned) else { continue };
        let done = match name.ends_with(".jsonl") {
            true => log(&path, &name, each),
            false => document(&path, &name, each),
        };
        match done {
            Err(Stop::Unreadable(why)) => left_out.push((name, why)),
            Err(Stop::Failed(e)) => return Err(e),
            Ok(()) => {}
        }
    }
    Ok(left_out)
}

enum Stop {
    Unreadable(String),
    Failed(anyhow::Error),
}

/// JSON files below, without following links.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
        if kind.is_dir() {
            walk(&path, found);
        } else if kind.is_file() && path.extension().is_some_and(|end| end == "json" || end == "jsonl") {
            found.push(path);
        }
    }
}

fn log(path: &Path, name: &str, each: &mut dyn FnMut(Line) -> Result<()>) -> Result<(), Stop> {
    let mut failed = None;
    let mut bad = 0;
    let read = jsonl::for_each_line(path, 0, |_, _, line| {
        match serde_json::from_slice(line) {
            Ok(record) => {
                let line = Line { kind: kind(name).to_owned(), path: Some(name.to_owned()), record };
                if let Err(e) = each(line) {
                    failed = Some(e);
                    return Ok(false);
                }
            }
            Err(_) => bad += 1,
        }
        Ok(true)
    });
    match (failed, read) {
        (Some(e), _) => Err(Stop::Failed(e)),
        (None, Err(e)) => Err(Stop::Unreadable(format!("{e:#}"))),
        (None, Ok(_)) if bad > 0 => Err(Stop::Unreadable(format!("lines that are not JSON: {bad}"))),
        (None, Ok(_)) => Ok(()),
    }
}

fn document(path: &Path, name: &str, each: &mut dyn FnMut(Line) -> Result<()>) -> Result<(), Stop> {
    let bytes = files::read(path, files::MAX_DOCUMENT).map_err(|e| Stop::Unreadable(format!("{e:#}")))?;
    let record: Value =
        serde_json::from_slice(&bytes.unwrap_or_default()).map_err(|e| Stop::Unreadable(e.to_string()))?;
    let mut pass = |kind: &str, record: Value| {
        each(Line { kind: kind.to_owned(), path: Some(name.to_owned()), record }).map_err(Stop::Failed)
    };
    if name == paths::BACKLOG
        && let Some(items) = record.get("items").and_then(Value::as_array)
    {
        return items.iter().try_for_each(|item| pass("task", item.clone()));
    }
    pass(kind(name), record)
}

/// What a file of the record holds, by its path.
fn kind(name: &str) -> &'static str {
    let parts: Vec<&str> = name.split('/').collect();
    match parts.as_slice() {
        [_] => "seat",
        ["_plans", file] if file.ends_with(".plan.json") => "plan",
        ["_bus", "claims", _] => "claim",
        ["_bus", "assignments", _] => "assignment",
        ["_bus", "events", _] => "event",
        ["_bus", "messages", _] => "message",
        ["_report", "receipts.jsonl"] => "receipt",
        ["_report", "agent", _, "runs", ..] => "run",
        ["_report", "agent", _, "reviews", ..] => "review",
        ["_report", "agent", _, "decisions.jsonl"] => "decision",
        _ => "document",
    }
}
