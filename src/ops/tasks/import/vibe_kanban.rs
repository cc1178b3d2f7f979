//! Vibe Kanban: the tasks in its SQLite database, read by the program `sqlite3`.
//!
//! A library would add SQLite's whole source to this program for one reader.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};

use super::foreign::{Found, Item, Standing, Tool};
use super::read::{self, word};
use crate::base::{Result, env};

const TOOL: Tool = Tool::VibeKanban;
const QUERY: &str = "SELECT lower(hex(tasks.id)) AS id, tasks.title, coalesce(tasks.description, '') AS description, \
    tasks.status, projects.name AS project FROM tasks JOIN projects ON projects.id = tasks.project_id \
    ORDER BY tasks.created_at, tasks.id";
const OTHERWISE: &str = "name the database of a version that has tasks: teof import vibe-kanban db.v2.sqlite";

pub fn find(path: Option<&Path>) -> Result<Found> {
    let file = path.map(Path::to_owned).or_else(usual).unwrap_or_else(|| "db.v2.sqlite".into());
    let file = if file.is_dir() { file.join("db.v2.sqlite") } else { file };
    if !file.is_file() {
        return Err(read::missing(TOOL, &file));
    }
    let mut command = Command::new("sqlite3");
    command.args(["-readonly", "-json", "-init", "/dev/null"]).arg(&file).arg(QUERY);
    let printed = read::output(TOOL, &mut command, OTHERWISE)?;
    // No rows print nothing.
    let rows: Vec<Map<String, Value>> = match printed.trim_ascii().is_empty() {
        true => Vec::new(),
        false => serde_json::from_slice(&printed).map_err(|e| read::odd(TOOL, &file, &e.to_string()))?,
    };
    let mut found = Found::default();
    for of in &rows {
        let id = word(of, "id");
        let status = word(of, "status");
        let standing = match status.as_str() {
            "todo" => Standing::Open,
            "inprogress" | "inreview" => Standing::Started,
            "done" => Standing::Done,
            "cancelled" => Standing::Blocked,
            other => {
                found.skip(id, format!("it is {other}"));
                continue;
            }
        };
        let short: String = id.chars().take(8).collect();
        let item = Item {
            standing,
            notes: word(of, "description"),
            ..Item::new(id, format!("vk-{short}"), word(of, "title"))
        };
        found.items.push(if status == "cancelled" { item.dropped("it is cancelled") } else { item });
    }
    Ok(found)
}

/// Where the program keeps it.
fn usual() -> Option<PathBuf> {
    let data = env::var(env::XDG_DATA_HOME).map(PathBuf::from);
    let data = data.or_else(|| Some(PathBuf::from(env::var(env::HOME)?).join(".local/share")))?;
    let names = ["vibe-kanban/db.v2.sqlite", "vibe-kanban/db.sqlite"].map(|name| data.join(name));
    names.iter().find(|file| file.is_file()).or(names.first()).cloned()
}
