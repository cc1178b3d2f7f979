//! Taskwarrior: what `task export` prints, a list of JSON documents.

use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value};

use super::foreign::{Found, Item, Standing, Tool, paragraphs};
use super::read::{self, priority, word, words};
use crate::base::Result;

const TOOL: Tool = Tool::Taskwarrior;

/// From a file, or from the program itself.
pub fn find(path: Option<&Path>) -> Result<Found> {
    let text = match path {
        Some(path) => read::file(TOOL, path)?,
        None => {
            // Nothing asks, and nothing changes: hooks do not run.
            let mut command = Command::new("task");
            command.args(["rc.confirmation=off", "rc.hooks=off", "rc.gc=off", "rc.verbose=nothing", "export"]);
            String::from_utf8_lossy(&read::output(TOOL, &mut command, OTHERWISE)?).into_owned()
        }
    };
    let shown = path.unwrap_or(Path::new("task export"));
    let tasks: Vec<Map<String, Value>> =
        serde_json::from_str(&text).map_err(|e| read::odd(TOOL, shown, &e.to_string()))?;
    let mut found = Found::default();
    for of in &tasks {
        task(of, &mut found);
    }
    Ok(found)
}

const OTHERWISE: &str = "import a file: task export > tasks.json && teof import taskwarrior tasks.json";

fn task(of: &Map<String, Value>, found: &mut Found) {
    let id = word(of, "uuid");
    let standing = match word(of, "status").as_str() {
        "pending" if of.contains_key("start") => Standing::Started,
        "pending" => Standing::Open,
        "waiting" => Standing::Blocked,
        "completed" => Standing::Done,
        "deleted" => Standing::Blocked,
        other => return found.skip(id, format!("it is {other}")),
    };
    let annotations = of.get("annotations").and_then(Value::as_array).into_iter().flatten();
    let annotations: Vec<String> =
        annotations.filter_map(Value::as_object).map(|one| word(one, "description")).collect();
    let project = word(of, "project");
    let depends_on = match of.get("depends") {
        // Before version 2.6.
        Some(Value::String(list)) => list.split(',').map(str::to_owned).collect(),
        _ => words(of, "depends"),
    };
    let short: String = id.chars().take(8).collect();
    let item = Item {
        standing,
        priority: priority(&word(of, "priority")),
        depends_on,
        notes: paragraphs([("", annotations.join("\n\n").as_str()), ("Project", project.as_str())]),
        ..Item::new(id, format!("tw-{short}"), word(of, "description"))
    };
    found.items.push(if word(of, "status") == "deleted" { item.dropped("it is deleted") } else { item });
}
