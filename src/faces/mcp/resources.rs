//! What clients may read: the board, each plan and each task, as the JSON of the commands that show them.

use rmcp::model::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use serde_json::{Value, json};

use super::command::{Commands, Line};
use super::errors::Refused;
use crate::base::{Exit, json as layout, names, text};

const BOARD: &str = "teof://board";
const PLAN: &str = "teof://plan/";
const TASK: &str = "teof://task/";
const JSON: &str = "application/json";
/// How many tasks are listed; every other one can be read by its id.
const LISTED: usize = 100;

pub fn templates() -> Vec<ResourceTemplate> {
    let template = |uri: &str, name: &str, title: &str, about: &str| {
        let template = ResourceTemplate::new(format!("{uri}{{id}}"), name).with_title(title);
        template.with_description(about).with_mime_type(JSON)
    };
    vec![
        template(TASK, "task", "A task", "Its state, its claim, and the latest events and messages about it"),
        template(PLAN, "plan", "A plan", "Its steps, receipts and checkpoint, and what is wrong with it"),
    ]
}

/// The board, the plans, and the tasks that are not done.
pub async fn list(commands: &Commands) -> Result<Vec<Resource>, Refused> {
    let board = Resource::new(BOARD, "board").with_title("The board");
    let about = "Claims, plans, who is present, directives and alerts";
    let mut found = vec![board.with_description(about).with_mime_type(JSON)];
    let plans = commands.run(Line::new("plan list"), false).await?.document;
    let tasks = commands.run(Line::new("task list").flag("limit", LISTED), false).await?.document;
    found.extend(rows(&plans, "plans").filter_map(|plan| listed(PLAN, plan, "plan_id", "summary")));
    found.extend(rows(&tasks, "tasks").filter_map(|task| listed(TASK, task, "task_id", "title")));
    Ok(found)
}

fn rows<'d>(document: &'d Value, key: &str) -> impl Iterator<Item = &'d Value> {
    document[key].as_array().into_iter().flatten()
}

/// A row as a resource; one that has no name for a URI is left out.
fn listed(uri: &str, row: &Value, id: &str, title: &str) -> Option<Resource> {
    let id = row[id].as_str().filter(|id| names::is_id(id))?;
    let resource = Resource::new(format!("{uri}{id}"), id).with_mime_type(JSON);
    let title = text::clip(&text::safe(row[title].as_str().unwrap_or_default()), 200);
    Some(if title.is_empty() { resource } else { resource.with_title(title) })
}

/// # Errors
/// `mcp.resource` for a URI that is none of ours; what the command refuses.
pub async fn read(commands: &Commands, uri: &str) -> Result<ReadResourceResult, Refused> {
    let plan = uri.strip_prefix(PLAN).filter(|id| names::is_id(id));
    let document = match (plan, uri.strip_prefix(TASK).filter(|id| names::is_id(id))) {
        _ if uri == BOARD => commands.run(Line::new("dashboard"), false).await?.document,
        (Some(id), _) => commands.run(Line::new("plan show").word(id), false).await?.document,
        (_, Some(id)) => task(commands, id).await?,
        _ => return Err(unknown(uri)),
    };
    let contents = ResourceContents::text(layout::pretty(&document), uri).with_mime_type(JSON);
    Ok(ReadResourceResult::new(vec![contents]))
}

/// `{task, claim, latest}`.
async fn task(commands: &Commands, id: &str) -> Result<Value, Refused> {
    let brief = commands.run(Line::new("session brief").flag("task", id), false).await?.document;
    let list = commands.run(Line::new("task list").switch("all", true), false).await?.document;
    let row = rows(&list, "tasks").find(|row| row["task_id"] == id).cloned();
    let is_known = row.is_some() || !brief["claim"].is_null() || rows(&brief, "latest").next().is_some();
    if !is_known {
        return Err(unknown(&format!("{TASK}{id}")));
    }
    Ok(json!({"task": row, "claim": brief["claim"], "latest": brief["latest"]}))
}

fn unknown(uri: &str) -> Refused {
    let what = format!("no such resource: {}", text::clip(&text::safe(uri), 120));
    let refused =
        Refused::usage("mcp.resource", &what, "list the resources; others are teof://task/<id>, teof://plan/<id>");
    Refused { exit: Exit::NotFound as u8, ..refused }
}
