//! Merges what a reader found into the backlog's items: three ways, field by field.
//!
//! Each imported item remembers a digest of what its tool said last. A field that a person changed here is not
//! overwritten; one that only the tool changed is. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::circles::{self, Circle, Waits};
use super::foreign::{Found, Item, Skipped, Tool};
use crate::base::{Result, Stamp, digest, names, text};
use crate::bus::MAX_TEXT;
use crate::guard::secrets;
use crate::model::backlog::{self, Backlog, ItemStatus};
use crate::model::json::edit::EditableJson;

/// The field of an item that says where it comes from.
pub const FIELD: &str = "imported";
const STATUS: &str = "status";
/// The longest title, in characters.
const TITLE: usize = 300;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    New,
    Updated,
    Unchanged,
}

/// What becomes of one task.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Task {
    pub task_id: String,
    /// Its id in the other tool.
    pub foreign_id: String,
    pub change: Change,
    /// The fields that are set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<&'static str>,
    /// The fields that both sides changed; they stay as they are here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<&'static str>,
    /// Why nobody is to do it, as its tool says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<String>,
    #[serde(skip)]
    place: Place,
}

/// What an import does.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub tasks: Vec<Task>,
    pub skipped: Vec<Skipped>,
    pub circles: Vec<Circle>,
}

#[derive(Clone, Debug)]
enum Place {
    /// A new item, and its status.
    Last(Map<String, Value>, ItemStatus),
    /// New values of fields of the item at this index; null removes one.
    At(usize, Vec<(&'static str, Value)>),
}

/// What is imported besides what is open.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Tasks that are done there and not known here.
    pub done: bool,
    /// Tasks that somebody works on there become pending.
    pub take_started: bool,
}

/// Decides what becomes of each item.
pub fn plan(backlog: &Backlog, tool: Tool, found: Found, wanted: Wanted) -> Plan {
    let mut skipped = found.skipped;
    let known = known(backlog, tool);
    let mut taken: BTreeSet<String> =
        backlog.items().iter().filter_map(|item| item.id()).map(str::to_lowercase).collect();
    let (mut ids, mut kept): (BTreeMap<String, String>, Vec<Item>) = Default::default();
    for item in found.items {
        let key = item.id.to_lowercase();
        let own = known.get(&key).map(|(id, _)| id.clone());
        let refused = match () {
            () if item.id.is_empty() => Some("it has no id".to_owned()),
            () if ids.contains_key(&key) => Some("its id is there twice".to_owned()),
            () if own.is_none() && item.dropped.is_some() => item.dropped.clone(),
            () if own.is_none() && item.standing.status(true) == ItemStatus::Done && !wanted.done => {
                Some("it is done there".to_owned())
            }
            () => secret(&item),
        };
        let name = own.or_else(|| refused.is_none().then(|| free_name(tool, &item.name, &taken)).flatten());
        match (refused, name) {
            (Some(why), _) => skipped.push(Skipped { id: item.id, why }),
            (None, None) => skipped.push(Skipped { id: item.id, why: "its name is taken here".to_owned() }),
            (None, Some(name)) => {
                taken.insert(name.to_lowercase());
                ids.insert(key, name);
                kept.push(item);
            }
        }
    }
    // What is not imported now may have been before.
    for (key, (id, _)) in &known {
        ids.entry(key.clone()).or_insert_with(|| id.clone());
    }
    let mut all = waits(&kept, &ids);
    let circles = circles::cut(backlog, &mut all);
    let tasks = kept.iter().zip(&all).map(|(item, waits)| {
        let id = &waits.task_id;
        let fields = fields(item, waits, wanted.take_started);
        match known.get(&item.id.to_lowercase()) {
            Some((_, index)) => update(backlog, *index, tool, item, id, fields),
            None => new(tool, item, id, fields),
        }
    });
    Plan { tasks: tasks.collect(), skipped, circles }
}

/// What the items wait for, as far as it is known here. What nobody is to do holds nothing back.
fn waits(items: &[Item], ids: &BTreeMap<String, String>) -> Vec<Waits> {
    let dropped: BTreeSet<String> =
        items.iter().filter(|item| item.dropped.is_some()).map(|item| item.id.to_lowercase()).collect();
    let known = |own: &str, on: &[String]| {
        let mut found: Vec<String> = Vec::new();
        for key in on.iter().map(|on| on.to_lowercase()).filter(|key| !dropped.contains(key)) {
            found.extend(ids.get(&key).filter(|id| *id != own && !found.contains(id)).cloned());
        }
        found
    };
    let of = |item: &Item| {
        let task_id = ids[&item.id.to_lowercase()].clone();
        let on = known(&task_id, &item.depends_on);
        let parts = known(&task_id, &item.parts).into_iter().filter(|part| !on.contains(part)).collect();
        Waits { task_id, on, parts }
    };
    items.iter().map(of).collect()
}

/// Imported items of the tool: from the foreign id to ours, and its place.
fn known(backlog: &Backlog, tool: Tool) -> BTreeMap<String, (String, usize)> {
    let items = backlog.items();
    let of = items.iter().filter_map(|item| {
        let from = item.raw.get(FIELD)?;
        (from.get("from")?.as_str()? == tool.as_str()).then_some(())?;
        Some((from.get("id")?.as_str()?.to_lowercase(), (item.id()?.to_owned(), item.index)))
    });
    of.collect()
}

fn secret(item: &Item) -> Option<String> {
    let texts = [&item.title, &item.notes];
    let hit = texts.iter().find_map(|text| secrets::scan(text.as_bytes()).into_iter().next())?;
    Some(format!("it seems to contain a secret ({})", hit.kind))
}

/// A name that nothing here has, whatever its case.
fn free_name(tool: Tool, wanted: &str, taken: &BTreeSet<String>) -> Option<String> {
    let plain: String =
        wanted.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    let plain = plain.trim_start_matches(['.', '_', '-']).to_owned();
    let names = [plain.clone(), format!("{}-{plain}", tool.as_str())];
    names.into_iter().find(|name| names::is_id(name) && !taken.contains(&name.to_lowercase()))
}

/// The fields of an item as its tool says them; null where it says nothing.
fn fields(item: &Item, waits: &Waits, take_started: bool) -> Vec<(&'static str, Value)> {
    let title = text::clip(item.title.split_whitespace().collect::<Vec<_>>().join(" ").as_str(), TITLE);
    let title = if title.is_empty() { format!("{} without a title", item.id) } else { title };
    let mut notes = item.notes.trim().to_owned();
    if notes.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT - 4).rev().find(|end| notes.is_char_boundary(*end)).unwrap_or_default();
        notes = format!("{}…", &notes[..end]);
    }
    let waits: Vec<&String> = waits.on.iter().chain(&waits.parts).collect();
    let some = |value: Value, is_there: bool| if is_there { value } else { Value::Null };
    vec![
        ("title", json!(title)),
        (STATUS, json!(item.standing.status(take_started).as_str())),
        ("notes", some(json!(notes), !notes.is_empty())),
        ("priority", json!(item.priority)),
        ("depends_on", some(json!(waits), !waits.is_empty())),
    ]
}

fn hash(value: &Value) -> String {
    digest::sha256(value.to_string().as_bytes())[..16].to_owned()
}

fn imported(tool: Tool, item: &Item, seen: Map<String, Value>) -> Value {
    let mut from = json!({"from": tool.as_str(), "id": item.id});
    if let Some(link) = &item.link {
        from["link"] = json!(text::clip(link, TITLE));
    }
    if let Some(why) = &item.dropped {
        from["dropped"] = json!(why);
    }
    from["seen"] = Value::Object(seen);
    from
}

fn new(tool: Tool, item: &Item, id: &str, fields: Vec<(&'static str, Value)>) -> Task {
    let seen = fields.iter().map(|(name, value)| ((*name).to_owned(), json!(hash(value)))).collect();
    let status =
        fields.iter().find(|(name, _)| *name == STATUS).and_then(|(_, value)| ItemStatus::parse(value.as_str()?));
    let set: Vec<_> = fields.into_iter().filter(|(_, value)| !value.is_null()).collect();
    let names = set.iter().map(|(name, _)| *name).collect();
    let mut raw: Map<String, Value> = [("id".to_owned(), json!(id))].into_iter().collect();
    raw.extend(set.into_iter().map(|(name, value)| (name.to_owned(), value)));
    // Its status is set after it was added, as for every other item.
    raw[STATUS] = json!(ItemStatus::Pending.as_str());
    raw.insert("source".to_owned(), json!(tool.as_str()));
    raw.insert(FIELD.to_owned(), imported(tool, item, seen));
    let place = Place::Last(raw, status.unwrap_or(ItemStatus::Pending));
    Task {
        task_id: id.into(),
        foreign_id: item.id.clone(),
        change: Change::New,
        fields: names,
        kept: Vec::new(),
        dropped: item.dropped.clone(),
        place,
    }
}

fn update(
    backlog: &Backlog,
    index: usize,
    tool: Tool,
    item: &Item,
    id: &str,
    fields: Vec<(&'static str, Value)>,
) -> Task {
    let raw = backlog.items().into_iter().find(|found| found.index == index).map(|found| found.raw);
    let empty = Map::new();
    let raw = raw.unwrap_or(&empty);
    let mut seen = raw.get(FIELD).and_then(|from| from.get("seen")?.as_object().cloned()).unwrap_or_default();
    let (mut set, mut kept) = (Vec::new(), Vec::new());
    for (name, theirs) in fields {
        let ours = raw.get(name).cloned().unwrap_or(Value::Null);
        let before = seen.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (is_same, is_news) = (ours == theirs, hash(&theirs) != before);
        let is_final = name == STATUS && ours == json!(ItemStatus::Done.as_str());
        match () {
            () if is_same || (is_news && hash(&ours) == before && !is_final) => {
                seen.insert(name.to_owned(), json!(hash(&theirs)));
                if !is_same {
                    set.push((name, theirs));
                }
            }
            () if is_news => kept.push(name),
            () => {}
        }
    }
    let names: Vec<&'static str> = set.iter().map(|(name, _)| *name).collect();
    let from = imported(tool, item, seen);
    if raw.get(FIELD) != Some(&from) {
        set.push((FIELD, from));
    }
    let change = if names.is_empty() { Change::Unchanged } else { Change::Updated };
    let place = Place::At(index, set);
    let dropped = item.dropped.clone();
    Task { task_id: id.into(), foreign_id: item.id.clone(), change, fields: names, kept, dropped, place }
}

/// Whether the file changes.
pub fn is_change(tasks: &[Task]) -> bool {
    tasks.iter().any(|task| !matches!(&task.place, Place::At(_, set) if set.is_empty()))
}

/// Writes what was decided into the document.
pub fn write(document: &mut EditableJson, tasks: Vec<Task>, now: Stamp) -> Result<()> {
    for task in tasks {
        match task.place {
            Place::Last(raw, status) => {
                document.push("/items", raw)?;
                backlog::set_status(document, &task.task_id, status, now)?;
            }
            Place::At(index, set) => {
                for (name, value) in set {
                    let at = format!("/items/{index}/{name}");
                    match (name, value.as_str().and_then(ItemStatus::parse)) {
                        (STATUS, Some(status)) => backlog::set_status(document, &task.task_id, status, now)?,
                        _ if value.is_null() => document.remove(&at)?,
                        _ => document.set(&at, value)?,
                    }
                }
            }
        }
    }
    Ok(())
}
