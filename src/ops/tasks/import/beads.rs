//! Beads: a JSON document a line, in `.beads/issues.jsonl` (`bd export`).

use std::path::Path;

use serde_json::{Map, Value};

use super::foreign::{Found, Item, Standing, Tool, paragraphs};
use super::read::{self, word};
use crate::base::Result;

const TOOL: Tool = Tool::Beads;
/// From most to least urgent: P0 to P4.
const PRIORITIES: [&str; 5] = ["urgent", "high", "medium", "low", "low"];
/// Issues that are not work: beads and the tools on top of it keep messages, agents and their own bookkeeping as
/// issues.
const NOT_WORK: [&str; 9] = ["message", "molecule", "gate", "event", "agent", "role", "rig", "convoy", "merge-request"];
/// The status of what was deleted there.
const TOMBSTONE: &str = "tombstone";
/// Dependencies that hold work back, the parent's aside.
const BLOCKS: [&str; 3] = ["blocks", "conditional-blocks", "waits-for"];

pub fn find(path: &Path) -> Result<Found> {
    let places = [path.to_owned(), path.join("issues.jsonl"), path.join(".beads/issues.jsonl")];
    let file = places.into_iter().find(|file| file.is_file()).unwrap_or_else(|| path.join(".beads/issues.jsonl"));
    let mut found = Found::default();
    let mut parts: Vec<(String, String)> = Vec::new();
    for (n, line) in read::file(TOOL, &file)?.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let line: Map<String, Value> =
            serde_json::from_str(line).map_err(|e| read::odd(TOOL, &file, &format!("line {}: {e}", n + 1)))?;
        issue(&line, &mut found);
        parts.extend(dependencies(&line, &["parent-child"]).map(|parent| (word(&line, "id"), parent)));
    }
    // A part names its whole; here the whole waits for its parts.
    for (part, whole) in parts {
        if let Some(whole) = found.items.iter_mut().find(|item| item.id == whole) {
            whole.parts.push(part);
        }
    }
    Ok(found)
}

fn issue(line: &Map<String, Value>, found: &mut Found) {
    // Exports also have lines of other kinds, such as memories.
    if line.get("_type").and_then(Value::as_str).is_some_and(|kind| kind != "issue") {
        return;
    }
    let id = word(line, "id");
    let is_set = |key: &str| line.get(key).and_then(Value::as_bool) == Some(true);
    let kind = word(line, "issue_type");
    if NOT_WORK.contains(&kind.as_str()) {
        return found.skip(id, format!("it is not work: its type is {kind}"));
    }
    // A step of one run of a workflow in there.
    if is_set("ephemeral") {
        return found.skip(id, "it is ephemeral");
    }
    if is_set("is_template") {
        return found.skip(id, "it is a template");
    }
    let mut item = Item::new(&id, &id, word(line, "title"));
    let status = word(line, "status");
    item.standing = match status.as_str() {
        "open" | "" => Standing::Open,
        "in_progress" | "hooked" => Standing::Started,
        "blocked" | "deferred" => Standing::Blocked,
        "closed" => Standing::Done,
        TOMBSTONE => Standing::Blocked,
        other => return found.skip(id, format!("its status is {other}")),
    };
    item.priority = line.get("priority").and_then(Value::as_u64).map(|n| PRIORITIES[(n as usize).min(4)]);
    let text = |key: &str| word(line, key);
    let (description, design, acceptance, notes) =
        (text("description"), text("design"), text("acceptance_criteria"), text("notes"));
    item.notes = paragraphs([
        ("", description.as_str()),
        ("Design", design.as_str()),
        ("Acceptance", acceptance.as_str()),
        ("Notes", notes.as_str()),
    ]);
    item.link = Some(word(line, "external_ref")).filter(|link| !link.is_empty());
    item.depends_on = dependencies(line, &BLOCKS).collect();
    found.items.push(if status == TOMBSTONE { item.dropped("it is deleted") } else { item });
}

/// What an issue names as its dependencies of these kinds.
fn dependencies<'l>(line: &'l Map<String, Value>, kinds: &'l [&str]) -> impl Iterator<Item = String> + 'l {
    let all = line.get("dependencies").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    all.filter(|one| kinds.contains(&word(one, "type").as_str())).map(|one| word(one, "depends_on_id"))
}
