//! Brings the backlog and the playbook's list of tasks in line with the claims, and names what a person must decide
//! (the playbook: task_sync).
//!
//! The claim decides. Assignments are a manager's wish and stay as they are; where they disagree with a claim, they are
//! named.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::disagreements::{self, Disagreement};
use crate::base::{Result, files, text};
use crate::bus::{Listing, claims, events};
use crate::guard::claim::Author;
use crate::hub::{Hub, Transaction, Writer, paths};
use crate::model::backlog::{Item, ItemStatus};
use crate::model::claim::{ClaimFile, ClaimStatus};
use crate::model::event::Event;
use crate::model::json::edit::EditableJson;
use crate::ops::context::{self, Answer, Call};
use crate::{plans, receipts};

/// A status that follows its claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub task_id: String,
    /// The file, relative to the hub.
    pub path: &'static str,
    pub from: String,
    pub to: &'static str,
}

/// A status that is left as it is, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    pub task_id: String,
    pub why: String,
}

/// What a sync would change, and what it leaves.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Plan {
    pub changes: Vec<Change>,
    pub left: Vec<Left>,
    pub disagreements: Vec<Disagreement>,
}

/// Compares the stores and writes nothing.
///
/// # Errors
/// When a store cannot be read.
pub fn compare(hub: &Hub) -> Result<Plan> {
    let claims = claims::list(hub)?;
    let mut plan = Plan { disagreements: disagreements::all(hub)?, ..Plan::default() };
    for item in plans::backlog::read(hub)?.items() {
        compare_item(&item, &claims, &mut plan);
    }
    if let Some(document) = tasks_file(hub)? {
        for (_, task, status) in entries(&document) {
            let wanted = claims.get(task).and_then(ClaimFile::status).map(listed);
            if let Some(to) = wanted.filter(|wanted| *wanted != status) {
                plan.changes.push(change(task, paths::TASKS, status, to));
            }
        }
    }
    Ok(plan)
}

fn compare_item(item: &Item<'_>, claims: &Listing<ClaimFile>, plan: &mut Plan) {
    let Some(id) = item.id() else { return };
    let claim = claims.get(id);
    let owner = claim.and_then(ClaimFile::agent_id).unwrap_or("a seat");
    let mut leave = |why: String| plan.left.push(Left { task_id: id.to_owned(), why });
    let wanted = match (claim.and_then(ClaimFile::status), item.status()) {
        (Some(ClaimStatus::Active | ClaimStatus::Paused), Some(ItemStatus::Done)) => {
            return leave(format!("the backlog says done, but {owner} still holds it"));
        }
        (Some(ClaimStatus::Released), Some(ItemStatus::Done)) => {
            return leave(format!("the backlog says done, but {owner} released it without finishing"));
        }
        (Some(ClaimStatus::Active | ClaimStatus::Paused), _) => ItemStatus::InProgress,
        (Some(ClaimStatus::Done), _) => ItemStatus::Done,
        (Some(ClaimStatus::Released), Some(ItemStatus::InProgress)) => ItemStatus::Pending,
        (None, Some(ItemStatus::InProgress)) => {
            return leave("the backlog says in_progress, but no seat has claimed it".to_owned());
        }
        _ => return,
    };
    if item.status() != Some(wanted) {
        let from = item.raw.get("status").and_then(Value::as_str).unwrap_or("none");
        plan.changes.push(change(id, paths::BACKLOG, from, wanted.as_str()));
    }
}

/// What the playbook's list says of a task with such a claim.
fn listed(claim: ClaimStatus) -> &'static str {
    match claim {
        ClaimStatus::Done => "done",
        ClaimStatus::Released | ClaimStatus::Active | ClaimStatus::Paused => "open",
    }
}

fn change(task: &str, path: &'static str, from: &str, to: &'static str) -> Change {
    Change { task_id: task.to_owned(), path, from: from.to_owned(), to }
}

/// Applies the changes; the answer is the [`Plan`] with its receipt, which is written even when nothing changed.
///
/// # Errors
/// A stale session; a store that cannot be read or edited.
pub fn sync(hub: &Hub, author: &Author) -> Result<Answer> {
    let call = Call { command: "task sync", author, task: "", bound: false, request: None };
    context::run(hub, &call, |writer, transaction| {
        let plan = compare(hub)?;
        apply(writer, transaction, &plan)?;
        let stem = format!("{}/task_sync/task-sync-{}", paths::agent(&author.agent), hub.now().compact());
        let receipt = hub.free_path(&stem, ".json")?;
        receipts::write(writer, transaction, &author.agent, &receipt, payload(hub, author, &plan))?;
        let summary = format!(
            "Task sync: {}, {}",
            text::counted(plan.changes.len(), "change"),
            text::counted(plan.disagreements.len(), "disagreement")
        );
        let mut event = Event::new(&author.agent, "status", summary);
        event.receipts = vec![receipt.clone()];
        let event = events::stage(writer, transaction, &context::with_recognition(hub, author, event))?;
        let mut document = json!(plan);
        document["receipt"] = json!(receipt);
        document["event"] = json!(event);
        Ok((document, Vec::new()))
    })
}

fn apply(writer: &Writer<'_>, transaction: &mut Transaction, plan: &Plan) -> Result<()> {
    let of = |path: &'static str| plan.changes.iter().filter(move |change| change.path == path);
    for change in of(paths::BACKLOG) {
        let Some(status) = ItemStatus::parse(change.to) else { continue };
        plans::backlog::set_status(writer, transaction, &change.task_id, status)?;
    }
    if of(paths::TASKS).next().is_some()
        && let Some(mut document) = tasks_file(writer.hub())?
    {
        for change in of(paths::TASKS) {
            let places: Vec<usize> =
                entries(&document).filter(|(_, task, _)| *task == change.task_id).map(|(at, ..)| at).collect();
            places.into_iter().try_for_each(|at| document.set(&format!("/tasks/{at}/status"), change.to))?;
        }
        transaction.replace(paths::TASKS, document.into_text());
    }
    Ok(())
}

fn payload(hub: &Hub, author: &Author, plan: &Plan) -> Map<String, Value> {
    let fields = [
        ("generated_at", json!(hub.now())),
        ("agent_id", json!(author.agent)),
        ("changes", json!(plan.changes)),
        ("left", json!(plan.left)),
        ("disagreements", json!(plan.disagreements)),
    ];
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The playbook's list of tasks, where the tree has one.
fn tasks_file(hub: &Hub) -> Result<Option<EditableJson>> {
    let bytes = files::read(&hub.path(paths::TASKS)?, files::MAX_DOCUMENT)?;
    bytes.map(|bytes| EditableJson::parse(&bytes, Path::new(paths::TASKS))).transpose()
}

/// The place, the task and the status of each entry.
fn entries(document: &EditableJson) -> impl Iterator<Item = (usize, &str, &str)> {
    let tasks = document.get("/tasks").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    tasks.iter().enumerate().filter_map(|(at, task)| {
        let status = task.get("status").and_then(Value::as_str).unwrap_or("none");
        Some((at, task.get("id")?.as_str()?, status))
    })
}
