//! Folders of JSON documents (claims, assignments): one file per task; damaged files are reported.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;

use crate::base::{Refusal, Result, files, names, parallel};
use crate::hub::Hub;

/// A file that cannot be used, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Damaged {
    /// Relative to the hub.
    pub path: String,
    pub why: String,
}

/// The contents of a folder: the documents by task, sorted by name, and the damaged ones.
#[derive(Clone, Debug)]
pub struct Listing<T> {
    pub whole: Vec<(String, T)>,
    pub damaged: Vec<Damaged>,
}

impl<T> Listing<T> {
    pub fn get(&self, task: &str) -> Option<&T> {
        let at = self.whole.binary_search_by(|(name, _)| name.as_str().cmp(task)).ok()?;
        Some(&self.whole[at].1)
    }
}

/// Reads every `<task>.json` of a folder of the record. Files of other names are left alone; a
/// file with this ending whose name is not a task id is damaged.
///
/// # Errors
/// When the folder itself cannot be read, or is a link.
pub(super) fn list<T: Send>(
    hub: &Hub,
    folder: &str,
    load: impl Fn(&str) -> Result<Option<T>> + Sync,
) -> Result<Listing<T>> {
    let names = file_names(hub, folder)?;
    let tasks: Vec<&str> = names.iter().filter_map(|name| name.strip_suffix(".json")).collect();
    let loaded = parallel::map(&tasks, |task| names::check_id("task", task).and_then(|_| load(task)));
    let mut listing = Listing { whole: Vec::new(), damaged: Vec::new() };
    for (task, loaded) in tasks.into_iter().zip(loaded) {
        match loaded {
            Ok(Some(found)) => listing.whole.push((task.to_owned(), found)),
            Ok(None) => {}
            Err(e) => listing.damaged.push(Damaged { path: format!("{folder}/{task}.json"), why: why(&e) }),
        }
    }
    listing.whole.sort_by(|(a, _), (b, _)| a.cmp(b));
    listing.damaged.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(listing)
}

pub(super) fn file_names(hub: &Hub, folder: &str) -> Result<Vec<String>> {
    // The path of a file in it, so that the folder itself is checked for being a link.
    let inside = hub.path(&format!("{folder}/x"))?;
    let folder: PathBuf = inside.parent().context("a file in a folder has a parent")?.to_owned();
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(files::io_refusal(e, "read", &folder)),
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect::<Result<_>>().with_context(|| format!("read {}", folder.display()))
}

/// One line for people.
pub(super) fn why(error: &anyhow::Error) -> String {
    match Refusal::of(error) {
        Some(Refusal { message, reason: Some(reason), .. }) => format!("{message}: {reason}"),
        _ => format!("{error:#}"),
    }
}
