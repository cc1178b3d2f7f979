//! The backlog, `_plans/next-development.todo.json`: items, prerequisites, and history.
//!
//! Edits are made on an [`EditableJson`], so that the rest of the file stays as it is.

use std::fmt;

use serde_json::{Map, Value, json};

use super::json::edit::EditableJson;
use super::plan::id_of;
use super::priority::Priority;
use super::{text, texts};
use crate::base::{Refusal, Result, Stamp, names};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemStatus {
    Pending,
    InProgress,
    Blocked,
    Done,
}

impl ItemStatus {
    /// `queued` is taken for `pending` (the playbook: coordinator_loop).
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "pending" | "queued" => Some(Self::Pending),
            "in_progress" => Some(Self::InProgress),
            "blocked" => Some(Self::Blocked),
            "done" => Some(Self::Done),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Blocked => "blocked",
            Self::Done => "done",
        }
    }
}

impl fmt::Display for ItemStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The fields of the backlog, for its JSON Schema. Others are kept.
#[derive(Debug, schemars::JsonSchema)]
pub struct BacklogFields {
    pub version: Option<Value>,
    pub owner: Option<String>,
    pub items: Vec<ItemFields>,
    #[schemars(default)]
    pub history: Vec<HistoryFields>,
    /// What must hold before items start.
    pub prerequisites: Option<Value>,
}

/// The fields of an item.
#[derive(Debug, schemars::JsonSchema)]
pub struct ItemFields {
    pub id: String,
    pub title: Option<String>,
    /// `pending` (or `queued`), `in_progress`, `blocked` or `done`.
    pub status: Option<String>,
    /// The plan that does it, by id or path.
    pub plan_suggestion: Option<String>,
    pub notes: Option<String>,
    /// A word or a number; 1 is more urgent than 2.
    pub priority: Option<Value>,
    pub layer: Option<String>,
    pub systemic_scale: Option<u64>,
    #[schemars(default)]
    pub systemic_targets: Vec<String>,
    pub source: Option<String>,
    pub completed_at: Option<Stamp>,
}

/// A line of the history.
#[derive(Debug, schemars::JsonSchema)]
pub struct HistoryFields {
    pub id: String,
    pub claimed_at: Option<Stamp>,
    pub completed_at: Option<Stamp>,
}

/// The backlog as found.
#[derive(Clone, Debug, Default)]
pub struct Backlog {
    pub raw: Map<String, Value>,
}

impl Backlog {
    /// The items, in order; entries that are not objects are skipped.
    pub fn items(&self) -> Vec<Item<'_>> {
        let items = self.raw.get("items").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        items.iter().enumerate().filter_map(|(index, raw)| Some(Item { index, raw: raw.as_object()? })).collect()
    }

    pub fn item(&self, id: &str) -> Option<Item<'_>> {
        self.items().into_iter().find(|item| item.id() == Some(id))
    }

    /// Replaces the short names of items' plans, in memory only: `full` tells the id that a name means.
    pub fn name_plans(&mut self, full: &dyn Fn(&str) -> Option<String>) {
        let items = self.raw.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten();
        for item in items.filter_map(Value::as_object_mut) {
            if let Some(id) = text(item, "plan_suggestion").map(id_of).and_then(full) {
                item.insert("plan_suggestion".into(), json!(id));
            }
        }
    }

    /// The declared prerequisites of items.
    pub fn prerequisites(&self) -> Option<&Value> {
        self.raw.get("prerequisites").filter(|value| !value.is_null())
    }
}

/// An item of the backlog.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// Its place in `items`.
    pub index: usize,
    pub raw: &'a Map<String, Value>,
}

impl<'a> Item<'a> {
    pub fn id(&self) -> Option<&'a str> {
        text(self.raw, "id")
    }

    pub fn title(&self) -> Option<&'a str> {
        text(self.raw, "title")
    }

    /// `None` when the field is absent or invalid.
    pub fn status(&self) -> Option<ItemStatus> {
        text(self.raw, "status").and_then(ItemStatus::parse)
    }

    /// The id of the plan that does the item; the field may hold its path.
    pub fn plan(&self) -> Option<&'a str> {
        text(self.raw, "plan_suggestion").map(id_of).filter(|id| !id.is_empty())
    }

    pub fn notes(&self) -> Option<&'a str> {
        text(self.raw, "notes")
    }

    pub fn priority(&self) -> Priority {
        Priority::of(self.raw.get("priority"))
    }

    pub fn layer(&self) -> Option<&'a str> {
        text(self.raw, "layer")
    }

    pub fn systemic_targets(&self) -> Vec<&'a str> {
        texts(self.raw, "systemic_targets")
    }

    pub fn source(&self) -> Option<&'a str> {
        text(self.raw, "source")
    }
}

/// Sets the status of an item as the playbook's tools do: taking it adds a line `{id, claimed_at}`
/// to the history; completing it sets `completed_at` in the item and in the open history line of
/// that id (or in a new one); giving it back touches the status only.
///
/// The same status again changes nothing. Done is final.
pub fn set_status(document: &mut EditableJson, id: &str, status: ItemStatus, now: Stamp) -> Result<()> {
    let backlog = Backlog { raw: document.object().clone() };
    let item = backlog.item(id).ok_or_else(|| {
        let items = backlog.items();
        let meant = names::did_you_mean(id, items.iter().filter_map(|item| item.id()));
        Refusal::not_found("backlog.not_found", format!("no such backlog item: {id}{meant}"))
            .next("list all tasks: teof task list")
    })?;
    if item.status() == Some(status) {
        return Ok(());
    }
    if item.status() == Some(ItemStatus::Done) {
        return Err(Refusal::guard("backlog.done", format!("{id} is done and cannot become {status}"))
            .because("done is final")
            .next("add a new item for the remaining work: teof task add")
            .into());
    }
    let at = format!("/items/{}", item.index);
    document.set(&format!("{at}/status"), status.as_str())?;
    match status {
        ItemStatus::InProgress => document.push("/history", json!({"id": id, "claimed_at": now})),
        ItemStatus::Done => {
            document.set(&format!("{at}/completed_at"), json!(now))?;
            match open_line(&backlog, id) {
                Some(line) => document.set(&format!("/history/{line}/completed_at"), json!(now)),
                None => document.push("/history", json!({"id": id, "completed_at": now})),
            }
        }
        ItemStatus::Pending | ItemStatus::Blocked => Ok(()),
    }
}

/// Sets the item's plan.
pub fn set_plan(document: &mut EditableJson, id: &str, plan: &str) -> Result<()> {
    let backlog = Backlog { raw: document.object().clone() };
    match backlog.item(id) {
        Some(item) => document.set(&format!("/items/{}/plan_suggestion", item.index), plan),
        None => Ok(()),
    }
}

/// Reopens an item that was reverted (the only way back from done), blocked, or has an unknown status. Its history
/// stays.
pub fn reopen(document: &mut EditableJson, id: &str) -> Result<()> {
    let backlog = Backlog { raw: document.object().clone() };
    let Some(item) =
        backlog.item(id).filter(|item| matches!(item.status(), None | Some(ItemStatus::Done | ItemStatus::Blocked)))
    else {
        return Ok(());
    };
    let at = format!("/items/{}", item.index);
    if item.raw.contains_key("completed_at") {
        document.remove(&format!("{at}/completed_at"))?;
    }
    document.set(&format!("{at}/status"), ItemStatus::Pending.as_str())
}

/// The last history line of `id`, if it lacks `completed_at`.
fn open_line(backlog: &Backlog, id: &str) -> Option<usize> {
    let history = backlog.raw.get("history")?.as_array()?;
    let last = history.iter().rposition(|line| line.get("id").and_then(Value::as_str) == Some(id))?;
    history[last].get("completed_at").is_none().then_some(last)
}

/// A new item; what is `None` or empty is left out of the file.
#[derive(Clone, Debug, Default)]
pub struct NewItem {
    pub id: String,
    pub title: String,
    pub plan: Option<String>,
    pub notes: Option<String>,
    pub priority: Option<String>,
    pub layer: Option<String>,
    pub systemic_scale: Option<u64>,
    pub systemic_targets: Vec<String>,
    pub source: Option<String>,
}

/// Adds a pending item at the end.
pub fn add(document: &mut EditableJson, new: &NewItem) -> Result<()> {
    let backlog = Backlog { raw: document.object().clone() };
    if backlog.item(&new.id).is_some() {
        return Err(Refusal::usage("backlog.exists", format!("backlog item {} already exists", new.id))
            .next("choose another id; list tasks: teof task list")
            .into());
    }
    let fields = [
        ("id", json!(new.id)),
        ("title", json!(new.title)),
        ("status", json!(ItemStatus::Pending.as_str())),
        ("plan_suggestion", json!(new.plan)),
        ("notes", json!(new.notes)),
        ("priority", json!(new.priority)),
        ("layer", json!(new.layer)),
        ("systemic_scale", json!(new.systemic_scale)),
        ("systemic_targets", if new.systemic_targets.is_empty() { Value::Null } else { json!(new.systemic_targets) }),
        ("source", json!(new.source)),
    ];
    let item: Map<_, _> = fields.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.to_owned(), v)).collect();
    document.push("/items", item)
}

/// A backlog with nothing in it.
pub fn empty(owner: &str) -> String {
    let value = json!({"version": 0, "owner": owner, "items": [], "history": []});
    crate::base::json::pretty(&value) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const TODO: &str = r#"{
  "owner": "codex-5",
  "items": [
    {"id": "ND-1", "title": "one", "status": "queued", "priority": "high"},
    {
      "id": "ND-2",
      "status": "done"
    }
  ],
  "history": [
    {
      "id": "ND-1",
      "claimed_at": "2025-09-22T22:33:10Z"
    }
  ],
  "archive_ref": null
}
"#;

    fn document() -> EditableJson {
        EditableJson::parse(TODO.as_bytes(), Path::new("todo.json")).unwrap()
    }

    fn text(document: EditableJson) -> String {
        document.into_text()
    }

    #[test]
    fn taking_and_completing_an_item_leaves_the_playbooks_traces() {
        let now = Stamp::parse("2026-01-05T10:00:00Z").unwrap();
        let mut todo = document();
        set_status(&mut todo, "ND-1", ItemStatus::InProgress, now).unwrap();
        set_status(&mut todo, "ND-1", ItemStatus::InProgress, now).unwrap();
        set_status(&mut todo, "ND-1", ItemStatus::Done, now).unwrap();
        let wanted = TODO
            .replace(r#""status": "queued", "priority": "high""#, r#""status": "done", "priority": "high", "completed_at": "2026-01-05T10:00:00Z""#)
            .replace("\"claimed_at\": \"2025-09-22T22:33:10Z\"\n    }", "\"claimed_at\": \"2025-09-22T22:33:10Z\"\n    },\n    {\n      \"id\": \"ND-1\",\n      \"claimed_at\": \"2026-01-05T10:00:00Z\",\n      \"completed_at\": \"2026-01-05T10:00:00Z\"\n    }");
        assert_eq!(text(todo), wanted);
    }

    #[test]
    fn an_item_given_back_changes_one_word() {
        let now = Stamp::from_unix(0);
        let mut todo = document();
        set_status(&mut todo, "ND-1", ItemStatus::Pending, now).unwrap();
        set_status(&mut todo, "ND-1", ItemStatus::Blocked, now).unwrap();
        set_status(&mut todo, "ND-1", ItemStatus::Pending, now).unwrap();
        assert_eq!(text(todo), TODO.replace("queued", "pending"));
    }

    #[test]
    fn submit_refuses_finished_and_unknown_work() {
        let mut todo = document();
        let mut code = |id| {
            Refusal::of(&set_status(&mut todo, id, ItemStatus::Pending, Stamp::from_unix(0)).unwrap_err()).unwrap().code
        };
        assert_eq!((code("ND-2"), code("ND-9")), ("backlog.done", "backlog.not_found"));
        assert_eq!(text(todo), TODO);
    }

    #[test]
    fn a_new_item_goes_last_and_its_id_is_its_own() {
        let mut todo = document();
        let new =
            NewItem { id: "ND-3".into(), title: "three".into(), priority: Some("low".into()), ..NewItem::default() };
        add(&mut todo, &new).unwrap();
        assert!(add(&mut todo, &new).is_err());
        let backlog = Backlog { raw: todo.object().clone() };
        assert_eq!(backlog.items().last().unwrap().priority(), Priority::LOW);
        let mut none = EditableJson::parse(empty("x").as_bytes(), Path::new("todo.json")).unwrap();
        add(&mut none, &new).unwrap();
        assert!(text(none).contains("\"items\": [\n    {\n      \"id\": \"ND-3\","));
    }
}
