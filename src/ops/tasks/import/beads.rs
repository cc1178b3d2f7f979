//! Beads: a JSON document a line, in `.beads/issues.jsonl` (`bd export`).

use std::path::Path;

use serde_json::{Map, Value};

use super::foreign::{Found, Item, Standing, Tool, paragraphs};
use super::read::{self, word};
use crate::base::Result;

const TOOL: Tool = Tool::Beads;
/// From most to least urgent: P0 to P4.
const PRIORITIES: [&str; 5] = ["urgent", "high", "medium", "low", "low"];

pub fn find(path: &Path) -> Result<Found> {
    let places = [path.to_owned(), path.join("issues.jsonl"), path.join(".beads/issues.jsonl")];
    let file = places.into_iter().find(|file| file.is_file()).unwrap_or_else(|| path.join(".beads/issues.jsonl"));
    let mut found = Found::default();
    for (n, line) in read::file(TOOL, &file)?.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let line: Map<String, Value> =
            serde_json::from_str(line).map_err(|e| read::odd(TOOL, &file, &format!("line {}: {e}", n + 1)))?;
        issue(&line, &mut found);
    }
    Ok(found)
}

fn issue(line: &Map<String, Value>, found: &mut Found) {
    // Exports also have lines of other kinds, such as memories.
    if line.get("_type").and_then(Value::as_str).is_some_and(|kind| kind != "issue") {
        return;
    }
    let id = word(line, "id");
    let mut item = Item::new(&id, &id, word(line, "title"));
    item.standing = match word(line, "status").as_str() {
        "open" | "" => Standing::Open,
        "in_progress" | "hooked" => Standing::Started,
        "blocked" | "deferred" => Standing::Blocked,
        "closed" => Standing::Done,
        other => return found.skip(id, format!("its status is {other}")),
    };
    if line.get("is_template").and_then(Value::as_bool) == Some(true) {
        return found.skip(id, "it is a template");
    }
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
    let dependencies = line.get("dependencies").and_then(Value::as_array).into_iter().flatten();
    let blocks = dependencies.filter_map(Value::as_object).filter(|one| word(one, "type") == "blocks");
    item.depends_on = blocks.map(|one| word(one, "depends_on_id")).collect();
    found.items.push(item);
}
