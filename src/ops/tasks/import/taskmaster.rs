//! Task Master: `.taskmaster/tasks/tasks.json`, a list of tasks for each tag, each with subtasks.

use std::path::Path;

use serde_json::{Map, Value};

use super::foreign::{Found, Item, Standing, Tool, paragraphs};
use super::read::{self, priority, word, words};
use crate::base::Result;

const TOOL: Tool = Tool::Taskmaster;
/// The tag that tasks have if nobody names one.
const MASTER: &str = "master";

pub fn find(path: &Path) -> Result<Found> {
    let names = ["tasks.json", ".taskmaster/tasks/tasks.json", "tasks/tasks.json"].map(|name| path.join(name));
    let places = [path.to_owned()].into_iter().chain(names.clone());
    let file = &places.into_iter().find(|file| file.is_file()).unwrap_or_else(|| names[1].clone());
    let document = read::json(TOOL, file)?;
    let Value::Object(tags) = &document else { return Err(read::odd(TOOL, file, "it is not an object")) };
    let mut found = Found::default();
    // Before there were tags.
    if let Some(tasks) = tags.get("tasks").and_then(Value::as_array) {
        all(MASTER, tasks, &mut found);
        return Ok(found);
    }
    let mut is_there = false;
    for (tag, of) in tags {
        if let Some(tasks) = of.get("tasks").and_then(Value::as_array) {
            is_there = true;
            all(tag, tasks, &mut found);
        }
    }
    if is_there { Ok(found) } else { Err(read::odd(TOOL, file, "it has no list of tasks")) }
}

fn all(tag: &str, tasks: &[Value], found: &mut Found) {
    for of in tasks.iter().filter_map(Value::as_object) {
        let number = word(of, "id");
        let id = |number: &str| if tag == MASTER { number.to_owned() } else { format!("{tag}:{number}") };
        let parts = of.get("subtasks").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let waits: Vec<String> = words(of, "dependencies").iter().map(|number| id(number)).collect();
        let mut own_parts = Vec::new();
        for part in parts.iter().filter_map(Value::as_object) {
            let own = format!("{number}.{}", word(part, "id"));
            // Of a sibling, or written out.
            let full = |on: &String| if on.contains('.') { id(on) } else { id(&format!("{number}.{on}")) };
            let waits_for = words(part, "dependencies").iter().map(full).collect();
            task(part, id(&own), (waits_for, Vec::new()), found);
            // The whole is done when its parts are.
            own_parts.push(id(&own));
        }
        task(of, id(&number), (waits, own_parts), found);
    }
}

fn task(of: &Map<String, Value>, id: String, (depends_on, parts): (Vec<String>, Vec<String>), found: &mut Found) {
    let status = word(of, "status");
    let standing = match status.as_str() {
        "pending" | "" => Standing::Open,
        "in-progress" | "review" => Standing::Started,
        "blocked" | "deferred" => Standing::Blocked,
        "done" | "completed" => Standing::Done,
        "cancelled" => Standing::Blocked,
        other => return found.skip(id, format!("its status is {other}")),
    };
    let text = |key: &str| word(of, key);
    let (description, details, tests) = (text("description"), text("details"), text("testStrategy"));
    let item = Item {
        standing,
        priority: priority(&word(of, "priority")),
        depends_on,
        parts,
        notes: paragraphs([("", description.as_str()), ("Details", details.as_str()), ("Tests", tests.as_str())]),
        ..Item::new(&id, format!("tm-{}", id.replace(':', "-")), word(of, "title"))
    };
    found.items.push(if status == "cancelled" { item.dropped("it is cancelled") } else { item });
}
