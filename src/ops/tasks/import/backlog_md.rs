//! Backlog.md: a Markdown file with YAML front matter for each task, in `backlog/tasks/`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::foreign::{Found, Item, Standing, Tool};
use super::read::{self, priority, word, words};
use crate::base::Result;
use crate::plans::requests::front_matter::FrontMatter;

const TOOL: Tool = Tool::BacklogMd;
/// Its folders with tasks that are not drafts.
const FOLDERS: [&str; 3] = ["tasks", "completed", ARCHIVE];
/// Of tasks that nobody is to do.
const ARCHIVE: &str = "archive/tasks";

pub fn find(path: &Path) -> Result<Found> {
    let homes = [path.to_owned(), path.join("backlog"), path.join(".backlog")];
    let home = homes.into_iter().find(|home| home.join("tasks").is_dir());
    let home = home.ok_or_else(|| read::missing(TOOL, &path.join("backlog")))?;
    let mut found = Found::default();
    let mut parents = Vec::new();
    for (folder, file) in FOLDERS.into_iter().flat_map(|folder| markdown(&home.join(folder)).map(move |f| (folder, f)))
    {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = read::file(TOOL, &file)?;
        match FrontMatter::read(&text) {
            Ok(front) => {
                let (fields, body) = (&front.fields, front.body);
                let link = format!("{}/{folder}/{name}", home.file_name().unwrap_or_default().to_string_lossy());
                task(fields, body, (folder, link), &mut found);
                parents.push((word(fields, "parent_task_id"), word(fields, "id")));
            }
            Err(why) => found.skip(name, why),
        }
    }
    // A task is done when its parts are.
    for (parent, part) in parents.into_iter().filter(|(parent, _)| !parent.is_empty()) {
        let waits = |item: &&mut Item| same(&item.id, &parent);
        if let Some(whole) = found.items.iter_mut().find(waits) {
            whole.parts.push(part);
        }
    }
    Ok(found)
}

fn markdown(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut all: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    all.sort();
    all.into_iter()
}

fn task(fields: &Map<String, Value>, body: &str, (folder, link): (&str, String), found: &mut Found) {
    let id = word(fields, "id");
    let mut item = Item::new(&id, &id, word(fields, "title"));
    let status = word(fields, "status").to_lowercase();
    item.standing = match status.trim_matches(|c: char| !c.is_alphanumeric()) {
        _ if folder == "completed" => Standing::Done,
        "done" | "completed" | "closed" => Standing::Done,
        "in progress" | "doing" | "review" | "in review" => Standing::Started,
        "blocked" => Standing::Blocked,
        _ => Standing::Open,
    };
    item.priority = priority(&word(fields, "priority"));
    item.depends_on = words(fields, "dependencies");
    item.link = Some(link);
    // Its own marks between sections are not text.
    let lines = body.lines().filter(|line| !line.trim_start().starts_with("<!--"));
    item.notes = lines.collect::<Vec<_>>().join("\n").trim().to_owned();
    found.items.push(if folder == ARCHIVE { item.dropped("it is archived") } else { item });
}

/// Ids are written in either case.
pub fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}
