//! Requests without a plan: entries of the vault and the queue, items of the backlog. Reads them, and turns them into
//! plans. Their text is data: it is quoted in the plan's notes, bounded, and never executed.

pub mod front_matter;
pub mod queue;
pub mod vault;

use std::fs;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use super::backlog;
use crate::base::{Refusal, Result, files, names, text};
use crate::hub::{Hub, paths};
use crate::model::backlog::Item;
use crate::model::plan::{Link, Plan};
use crate::model::priority::Priority;
use front_matter::{FrontMatter, heading, section};
use queue::QueueRef;

/// Limits: bytes per file, and files per folder.
const MAX: u64 = 1024 * 1024;
const MOST: usize = 5000;

/// The link type of a request in the queue.
pub const QUEUE: &str = "queue";
pub const BACKLOG: &str = "backlog";

/// A file that may be a request.
#[derive(Clone, Debug)]
pub struct Entry {
    pub link: Link,
    /// The task's id; the path when it has no valid id.
    pub task: String,
    /// Its position among its folder's files.
    pub position: usize,
    /// The request, or why it cannot be parsed.
    pub request: Result<Request, String>,
}

/// A request for work.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub title: String,
    pub priority: Priority,
    /// The request's own text.
    pub description: Option<String>,
    pub acceptance: Option<String>,
    pub layer: Option<String>,
    pub scale: Option<u64>,
    pub targets: Vec<String>,
    /// The queue entry, whose coordinates bind the plan.
    pub queue: Option<QueueRef>,
}

/// The requests of a folder, by name. Requests of the vault that are not planned are left out.
pub fn list(hub: &Hub, kind: &str, folder: &str) -> Result<Vec<Entry>> {
    let entries = files_of(hub, folder).into_iter().enumerate().filter_map(|(position, to)| {
        let link = Link { kind: kind.to_owned(), to };
        let stem = stem_of(&link.to);
        let read = text_of(hub, &link.to).and_then(|text| read(&link, stem, &text));
        let (task, request) = match read {
            Ok(None) => return None,
            Ok(Some((task, request))) => (task, Ok(request)),
            Err(why) => (stem.to_owned(), Err(format!("{}: {why}", link.to))),
        };
        let task = if names::is_id(&task) { known_as(hub, kind, task) } else { link.to.clone() };
        Some(Entry { link, task, position, request })
    });
    Ok(entries.collect())
}

/// The files of a folder that may be requests, by name. A folder that is a link or outside the tree has none.
fn files_of(hub: &Hub, folder: &str) -> Vec<String> {
    let folder = folder.trim_matches('/');
    let Ok(place) = hub.path(&format!("{folder}/x.md")) else { return Vec::new() };
    let found = place.parent().map(fs::read_dir);
    let mut names: Vec<String> = found
        .into_iter()
        .flatten()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            name.ends_with(".md") && !name.starts_with(['.', '_']) && !name.eq_ignore_ascii_case("readme.md")
        })
        .collect();
    names.sort();
    names.truncate(MOST);
    names.into_iter().map(|name| format!("{folder}/{name}")).collect()
}

/// The effective name of a task. The playbook's tools name a queue entry by its stem in capitals; if they have
/// claimed or assigned it under that name, it keeps it, so that nobody takes it under another.
fn known_as(hub: &Hub, kind: &str, task: String) -> String {
    let capitals = task.to_uppercase();
    let there = |path: String| hub.path(&path).is_ok_and(|path| path.is_file());
    let taken = kind == QUEUE && (there(paths::claim(&capitals)) || there(paths::assignment(&capitals)));
    if taken { capitals } else { task }
}

/// Whether a file changed very recently, so that somebody may still be writing it.
pub fn is_settling(hub: &Hub, path: &str, settle: Duration) -> bool {
    let changed = hub.path(path).ok().and_then(|place| place.metadata().ok()?.modified().ok());
    let since = changed.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let now = Duration::from_secs(u64::try_from(hub.now().unix()).unwrap_or(0));
    // A time in the future comes from another clock and is ignored.
    !settle.is_zero() && since.is_some_and(|since| since <= now + Duration::from_secs(1) && now < since + settle)
}

/// The complete request behind a plan or a backlog task: its location and its text.
pub fn full_text(hub: &Hub, plan: Option<&Plan>, task: &str) -> Option<(String, String)> {
    let item = |id: &str| {
        let backlog = backlog::read(hub).ok()?;
        let text = crate::base::json::pretty(backlog.item(id)?.raw);
        Some((format!("{}, item {id}", paths::BACKLOG), text))
    };
    let links = plan.map(Plan::links).unwrap_or_default();
    let linked = links.into_iter().find_map(|(kind, to)| match kind {
        QUEUE | front_matter::LINK => Some((to.to_owned(), text_of(hub, to).ok()?)),
        BACKLOG => item(to),
        _ => None,
    });
    linked.or_else(|| item(task))
}

/// Reads a file's text; the error explains why it cannot be used.
pub fn text_of(hub: &Hub, path: &str) -> Result<String, String> {
    let read = hub.path(path).and_then(|place| files::read(&place, MAX));
    let bytes = match read {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err("it does not exist".into()),
        Err(e) => return Err(Refusal::of(&e).and_then(|r| r.reason.clone()).unwrap_or_else(|| e.to_string())),
    };
    String::from_utf8(bytes).map_err(|_| "the file is not UTF-8".to_owned())
}

/// Every task name of a request's file: its front matter's id, its stem, and for the queue the stem in capitals.
pub fn names_of(kind: &str, path: &str, text: Option<&str>) -> Vec<String> {
    let stem = stem_of(path).to_owned();
    let own = match kind {
        QUEUE => Some(stem.to_uppercase()),
        _ => text.and_then(|text| FrontMatter::read(text).ok()).and_then(|found| found.text("id")),
    };
    let own = own.filter(|own| names::is_id(own) && *own != stem);
    own.into_iter().chain(Some(stem).filter(|stem| names::is_id(stem))).collect()
}

/// The name under which a request is listed as a task; `None` when it has no valid one.
pub fn task_of(hub: &Hub, link: &Link) -> Option<String> {
    let text = text_of(hub, &link.to).ok();
    let mut names = names_of(&link.kind, &link.to, text.as_deref());
    match link.kind == QUEUE {
        true => names.pop().map(|stem| known_as(hub, QUEUE, stem)),
        false => names.into_iter().next(),
    }
}

fn stem_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default().trim_end_matches(".md")
}

/// The files of the vault and the queue, whatever their status: the kind of link, the path, the text.
pub fn texts(hub: &Hub) -> Vec<(&'static str, String, String)> {
    let paths = paths(hub).into_iter();
    paths.filter_map(|(kind, path)| text_of(hub, &path).ok().map(|text| (kind, path, text))).collect()
}

/// The paths of [`texts`], also of those that cannot be read.
pub fn paths(hub: &Hub) -> Vec<(&'static str, String)> {
    let Ok(settings) = hub.settings() else { return Vec::new() };
    let folders = [(QUEUE, &settings.sources.queue_folder), (front_matter::LINK, &settings.sources.vault_folder)];
    let of_folder =
        |(kind, folder): (&'static str, &String)| files_of(hub, folder).into_iter().map(move |path| (kind, path));
    folders.into_iter().flat_map(of_folder).collect()
}

/// Whether there is any file that may be a request.
pub fn exist(hub: &Hub) -> Result<bool> {
    let sources = &hub.settings()?.sources;
    Ok([&sources.queue_folder, &sources.vault_folder].iter().any(|folder| !files_of(hub, folder).is_empty()))
}

/// The link to the request that a task is named after, planned or not: by its file's name, else by its id.
pub fn named(hub: &Hub, task: &str) -> Result<Option<Link>> {
    let sources = &hub.settings()?.sources;
    let folders = [(QUEUE, &sources.queue_folder), (front_matter::LINK, &sources.vault_folder)];
    let links: Vec<Link> = folders
        .into_iter()
        .flat_map(|(kind, folder)| files_of(hub, folder).into_iter().map(|to| Link { kind: kind.to_owned(), to }))
        .collect();
    let is_named = |link: &Link, text: Option<&str>| names_of(&link.kind, &link.to, text).iter().any(|n| n == task);
    let by_name = links.iter().find(|link| is_named(link, None));
    // The name of a queue entry does not depend on its content.
    let mut vault = links.iter().filter(|link| link.kind != QUEUE);
    let found = by_name.or_else(|| vault.find(|link| is_named(link, text_of(hub, &link.to).ok().as_deref())));
    Ok(found.cloned())
}

/// The task and its request; `None` for a request that is not planned.
fn read(link: &Link, stem: &str, text: &str) -> Result<Option<(String, Request)>, String> {
    if link.kind == QUEUE {
        return queue_entry(link, stem, text).map(Some);
    }
    let found = FrontMatter::read(text)?;
    match found.status() {
        Some(front_matter::PLANNED) => {}
        Some(_) => return Ok(None),
        None => return Err("the front matter has no status".into()),
    }
    front_matter::with_status(text, front_matter::IN_PROGRESS)?;
    let task = match found.text("id") {
        Some(id) if names::is_id(&id) => id,
        Some(id) => return Err(format!("its id {:?} is not a valid task id", text::clip(&text::safe(&id), 60))),
        None if names::is_id(stem) => stem.to_owned(),
        None => return Err("it has no id, and its file name is not a valid one".into()),
    };
    let title = found.text("title").or_else(|| heading(found.body).map(str::to_owned));
    let targets = match found.fields.get("systemic_targets") {
        Some(Value::Array(items)) => items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    Ok(Some((
        task,
        Request {
            title: title.unwrap_or_else(|| stem.to_owned()),
            priority: Priority::of(found.fields.get("priority")),
            layer: found.text("layer"),
            scale: found.fields.get("systemic_scale").and_then(Value::as_u64),
            targets,
            ..from_body(found.body)
        },
    )))
}

fn queue_entry(link: &Link, stem: &str, text: &str) -> Result<(String, Request), String> {
    if !names::is_id(stem) {
        return Err("its file name is not a valid task id".into());
    }
    let (body, fields) = match FrontMatter::read(text) {
        Ok(found) => (found.body, found.fields),
        Err(_) => (text, Map::new()),
    };
    let title = heading(body).ok_or("it has no heading (# What to do)")?.to_owned();
    let priority = Priority::of(fields.get("priority"));
    let queue = Some(QueueRef::read(&link.to, text));
    Ok((stem.to_owned(), Request { title, priority, queue, ..from_body(body) }))
}

fn from_body(body: &str) -> Request {
    let goal = section(body, &["summary", "goal", "objective", "problem", "motivation", "description"]);
    let words = goal.unwrap_or_else(|| body.trim());
    let acceptance = section(body, &["acceptance", "definition of done", "done when", "success"]);
    Request {
        description: Some(words.to_owned()).filter(|words| !words.is_empty()),
        acceptance: acceptance.map(str::to_owned),
        ..Request::default()
    }
}

/// An item of the backlog that no plan does yet.
pub fn from_item(item: &Item<'_>) -> Request {
    Request {
        title: item.title().unwrap_or_default().to_owned(),
        priority: item.priority(),
        description: item.notes().map(str::to_owned),
        acceptance: crate::model::text(item.raw, "acceptance").map(str::to_owned),
        layer: item.layer().map(str::to_owned),
        scale: item.raw.get("systemic_scale").and_then(Value::as_u64),
        targets: item.systemic_targets().into_iter().map(str::to_owned).collect(),
        queue: None,
    }
}

/// Reads the request again before a plan is made from it.
///
/// # Errors
/// `request.gone` when it no longer exists or is no longer planned.
pub fn find(hub: &Hub, link: &Link) -> Result<Request> {
    let gone = |why: String| {
        let why = format!("cannot start {}: {why}", link.to);
        anyhow::Error::from(Refusal::guard("request.gone", why).next("list tasks: teof task list"))
    };
    if link.kind == BACKLOG {
        let backlog = backlog::read(hub)?;
        let item = backlog.item(&link.to);
        return item.map(|item| from_item(&item)).ok_or_else(|| gone(format!("{} has no such item", paths::BACKLOG)));
    }
    let read = text_of(hub, &link.to).and_then(|text| read(link, stem_of(&link.to), &text));
    match read {
        Ok(Some((_, wanted))) => Ok(wanted),
        Ok(None) => Err(gone("it is no longer planned".into())),
        Err(why) => Err(gone(why)),
    }
}
