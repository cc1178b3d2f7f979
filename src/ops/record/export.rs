//! Everything in the record, a JSON document a line: for other programs, and to move away.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use crate::base::{Result, digest, files, jsonl};
use crate::hub::{Hub, paths};
use crate::plans::requests;

/// A line of the export.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Line {
    /// What the record is: `task`, `plan`, `claim`, `assignment`, `event`, `message`, `receipt`, `seat`, `run`,
    /// `review`, `decision`, `job`, `request`, `document`; or `file`: one that is no text, or is too large to print.
    pub kind: String,
    /// The file that it is in, relative to the hub; absent for a job. A byte that is not UTF-8 is `\\xHH`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The bytes of a path that is not UTF-8, in hexadecimal; absent for every other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<String>,
    /// As it is in its file: a JSON document or line; the text of another file, such as Markdown. Of a `file`: `size`, in
    /// bytes, and `sha256`.
    pub record: Value,
}

/// The folders and files that are read, in this order.
const FOLDERS: [&str; 3] = ["_plans", "_bus", "_report"];

/// Passes each line of the record on; returns the files and folders that could not be read, and why.
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
        walk(&hub.root.join(folder), &mut below, &mut |folder, why| {
            left_out.push((Name::of(hub, folder).shown, why));
        });
        below.sort();
        found.extend(below);
    }
    let owned = paths::OWNED_FILES.map(|file| hub.root.join(file));
    found.extend(owned.into_iter().filter(|path| fs::symlink_metadata(path).is_ok()));
    for path in found {
        let name = Name::of(hub, &path);
        let done = match path.extension().and_then(OsStr::to_str) {
            _ if !path.symlink_metadata().is_ok_and(|found| found.is_file()) => {
                Err(Stop::Unreadable("it is a link, or no regular file".to_owned()))
            }
            Some("jsonl") => log(&path, &name, each),
            Some("json") => document(&path, &name, each),
            _ => text(&path, &name, each),
        };
        match done {
            Err(Stop::Unreadable(why)) => left_out.push((name.shown, why)),
            Err(Stop::Failed(e)) => return Err(e),
            Ok(()) => {}
        }
    }
    for (_, path) in requests::paths(hub) {
        match requests::text_of(hub, &path) {
            Ok(text) => each(Name::of(hub, &hub.root.join(&path)).line("request", Value::String(text)))?,
            Err(why) => left_out.push((path, why)),
        }
    }
    Ok(left_out)
}

enum Stop {
    Unreadable(String),
    Failed(anyhow::Error),
}

/// The name of a file of the record.
struct Name {
    shown: String,
    hex: Option<String>,
}

impl Name {
    fn of(hub: &Hub, path: &Path) -> Name {
        let bytes = path.strip_prefix(&hub.root).unwrap_or(path).as_os_str().as_bytes();
        let mut shown = String::new();
        for chunk in bytes.utf8_chunks() {
            shown.push_str(chunk.valid());
            chunk.invalid().iter().for_each(|byte| shown.push_str(&format!("\\x{byte:02x}")));
        }
        let hex = std::str::from_utf8(bytes).is_err().then(|| bytes.iter().map(|byte| format!("{byte:02x}")).collect());
        Name { shown, hex }
    }

    fn line(&self, kind: &str, record: Value) -> Line {
        Line { kind: kind.to_owned(), path: Some(self.shown.clone()), path_hex: self.hex.clone(), record }
    }
}

/// The files and links below, without following these; `unreadable` is told of folders that cannot be read.
fn walk(folder: &Path, found: &mut Vec<PathBuf>, unreadable: &mut dyn FnMut(&Path, String)) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return,
        Err(e) => return unreadable(folder, e.to_string()),
    };
    for entry in entries.flatten() {
        let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
        if kind.is_dir() {
            walk(&path, found, unreadable);
        } else if !entry.file_name().as_bytes().starts_with(b".") {
            found.push(path);
        }
    }
}

fn log(path: &Path, name: &Name, each: &mut dyn FnMut(Line) -> Result<()>) -> Result<(), Stop> {
    let mut failed = None;
    let mut bad = 0;
    let read = jsonl::for_each_line(path, 0, |_, _, line| {
        match serde_json::from_slice(line) {
            Ok(record) => {
                if let Err(e) = each(name.line(kind(&name.shown), record)) {
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

fn document(path: &Path, name: &Name, each: &mut dyn FnMut(Line) -> Result<()>) -> Result<(), Stop> {
    let bytes = files::read(path, files::MAX_DOCUMENT).map_err(|e| Stop::Unreadable(format!("{e:#}")))?;
    let record: Value =
        serde_json::from_slice(&bytes.unwrap_or_default()).map_err(|e| Stop::Unreadable(e.to_string()))?;
    let mut pass = |kind: &str, record: Value| each(name.line(kind, record)).map_err(Stop::Failed);
    if name.shown == paths::BACKLOG
        && let Some(items) = record.get("items").and_then(Value::as_array)
    {
        return items.iter().try_for_each(|item| pass("task", item.clone()));
    }
    pass(kind(&name.shown), record)
}

fn text(path: &Path, name: &Name, each: &mut dyn FnMut(Line) -> Result<()>) -> Result<(), Stop> {
    let unreadable = |e: anyhow::Error| Stop::Unreadable(format!("{e:#}"));
    let file = files::open_regular(path).map_err(unreadable)?;
    let Some(file) = file else { return Err(Stop::Unreadable("it was removed".to_owned())) };
    let size = files::check_regular(&file, path).map_err(unreadable)?;
    let text = if size > files::MAX_DOCUMENT {
        None
    } else {
        let bytes = files::read(path, files::MAX_DOCUMENT).map_err(unreadable)?;
        String::from_utf8(bytes.unwrap_or_default()).ok()
    };
    let line = match text {
        Some(text) => name.line(kind(&name.shown), Value::String(text)),
        None => {
            let sha256 = digest::sha256_reader(file).map_err(|e| Stop::Unreadable(e.to_string()))?;
            name.line("file", json!({"size": size, "sha256": sha256}))
        }
    };
    each(line).map_err(Stop::Failed)
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
