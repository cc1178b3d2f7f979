//! Finds and reads plans.

use std::cell::OnceCell;
use std::fs;
use std::path::Path;

use crate::base::{Refusal, Result, files, json, names, text};
use crate::hub::{Hub, Transaction, paths};
pub use crate::model::plan::id_of;
use crate::model::plan::{Plan, SUFFIX, slug_of};

/// The folders of plans: normal and exploratory ones (the playbook: `--exploratory`).
pub const FOLDERS: [&str; 2] = [paths::PLANS, "_plans/exploratory"];

/// A plan file on disk.
#[derive(Clone, Debug)]
pub struct PlanFile {
    /// Relative to the hub.
    pub path: String,
    pub bytes: Vec<u8>,
    pub plan: Plan,
}

impl PlanFile {
    /// The plan's id, from its file name.
    pub fn id(&self) -> &str {
        id_of(&self.path)
    }
}

/// The paths of all plan files, sorted. Unreadable folders have none.
pub fn paths(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        for entry in fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
            if let Ok(name) = entry.file_name().into_string()
                && name.ends_with(SUFFIX)
            {
                found.push(format!("{folder}/{name}"));
            }
        }
    }
    found.sort();
    found
}

/// All plans by path; unreadable ones as errors.
pub fn all(hub: &Hub) -> Vec<(String, Result<PlanFile>)> {
    paths(&hub.root).into_iter().map(|path| (path.clone(), read(hub, &path))).collect()
}

/// The plans whose summary is `words`, oldest first.
pub fn of_words(hub: &Hub, words: &str) -> Vec<PlanFile> {
    let readable = all(hub).into_iter().filter_map(|(_, plan)| plan.ok());
    readable.filter(|plan| plan.plan.summary() == Some(words)).collect()
}

/// The plan of that id or path: `2026-01-05-docs`, `2026-01-05-docs.plan.json`,
/// `_plans/2026-01-05-docs.plan.json`, or the full path of the latter; or `docs`, where one plan alone is called so
/// apart from its date.
///
/// # Errors
/// `plan.not_found`, with similar ids; or why the file cannot be read.
pub fn find(hub: &Hub, name: &str) -> Result<PlanFile> {
    read(hub, &locate(hub, name)?)
}

/// Like [`find`], but only the path, relative to the hub: the file may be damaged.
pub fn locate(hub: &Hub, name: &str) -> Result<String> {
    // From another worktree a person names it as `../project.record/_plans/…`.
    let full = name.starts_with("../").then(|| Path::new(name).canonicalize().ok()).flatten();
    let full = full.as_deref().unwrap_or(Path::new(name));
    let inside = full.strip_prefix(&hub.root).ok().and_then(Path::to_str).unwrap_or(name);
    let candidates = match inside.contains('/') {
        true => vec![inside.to_owned()],
        false => {
            let id = inside.strip_suffix(SUFFIX).unwrap_or(inside);
            names::check_id("plan", id)?;
            FOLDERS.iter().map(|folder| format!("{folder}/{id}{SUFFIX}")).collect()
        }
    };
    for path in &candidates {
        if hub.path(path)?.is_file() && path.ends_with(SUFFIX) {
            return Ok(path.clone());
        }
    }
    match dated(hub, inside).as_slice() {
        [only] => locate(hub, only),
        _ => Err(not_found(hub, inside).into()),
    }
}

/// The ids of the plans that are called so apart from their date.
pub fn dated(hub: &Hub, slug: &str) -> Vec<String> {
    let is_it = |path: &String| slug_of(id_of(path)) == Some(slug);
    paths(&hub.root).iter().filter(|path| is_it(path)).map(|path| id_of(path).to_owned()).collect()
}

/// Tells the id of the plan that is called so apart from its date, where no plan has the name itself and only one is
/// called so. The folders are listed when a name could be one.
pub fn full_ids(root: &Path) -> impl Fn(&str) -> Option<String> {
    let listed: OnceCell<Vec<String>> = OnceCell::new();
    move |name| {
        if name.is_empty() || slug_of(name).is_some() {
            return None;
        }
        let known = listed.get_or_init(|| paths(root).iter().map(|path| id_of(path).to_owned()).collect());
        let mut called = known.iter().filter(|id| slug_of(id) == Some(name));
        let only = called.next().filter(|_| called.next().is_none())?;
        (!known.iter().any(|id| id == name)).then(|| only.clone())
    }
}

/// Whether there is a plan of that id.
pub fn exists(hub: &Hub, id: &str) -> bool {
    let paths = FOLDERS.iter().map(|folder| format!("{folder}/{id}{SUFFIX}"));
    names::is_id(id) && paths.into_iter().any(|path| hub.path(&path).is_ok_and(|path| path.is_file()))
}

/// The bytes of a document after the transaction, else those on disk.
pub(super) fn current(hub: &Hub, transaction: &Transaction, path: &str) -> Result<Option<Vec<u8>>> {
    match transaction.pending(path) {
        Some(text) => Ok(Some(text.as_bytes().to_vec())),
        None => files::read(&hub.path(path)?, files::MAX_DOCUMENT),
    }
}

pub(super) fn read(hub: &Hub, path: &str) -> Result<PlanFile> {
    let bytes = files::read(&hub.path(path)?, files::MAX_DOCUMENT)?.ok_or_else(|| not_found(hub, path))?;
    let raw = json::parse_object(&bytes, Path::new(path))?;
    Ok(PlanFile { path: path.to_owned(), bytes, plan: Plan { raw } })
}

fn not_found(hub: &Hub, name: &str) -> Refusal {
    let wanted = id_of(name);
    // People remember the slug without its date.
    let slug = wanted.get(11..).filter(|_| super::validate::is_plan_id(wanted)).unwrap_or(wanted);
    let all = paths(&hub.root);
    let alike: Vec<_> = all.iter().map(|path| id_of(path)).filter(|id| !slug.is_empty() && id.contains(slug)).collect();
    let meant = match alike.is_empty() {
        true => {
            let ids = all.iter().map(|path| id_of(path));
            let slugs = all.iter().filter_map(|path| slug_of(id_of(path)));
            names::did_you_mean(wanted, ids.chain(slugs))
        }
        false => format!(" (did you mean {}?)", text::clip(&alike.join(" or "), 400)),
    };
    Refusal::not_found("plan.not_found", format!("no such plan: {}{meant}", text::clip(wanted, 130)))
        .next("list all plans: teof plan list")
}
