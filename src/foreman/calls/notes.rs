//! Notes that people send to the agent of a job: into its session while it works, where the agent takes messages, else
//! with its next call.
//!
//! Machine-local, a file per note under `notes/<job>/`. A worker marks it as given; a note that was not given waits,
//! also for a worker that starts later. Every later prompt quotes it, too: after the run it is kept under
//! `said/<task>/` until the task is done, because work that is sent back or retried has another name.

use std::path::{Path, PathBuf};

use super::prompts;
use crate::base::{Refusal, Result, files, json, quote, text};
use crate::foreman::results::call_record::{Given, How, Note};
use crate::foreman::work::Work;
use crate::guard::secrets;
use crate::hub::Hub;

/// Characters of what a person says to an agent at once; prompts quote as much of an objective.
const MAX_NOTE: usize = quote::MAX_BLOCK;
/// Characters of what is kept: an answer comes with its question.
const MAX_KEPT: usize = MAX_NOTE + 4_000;
/// The largest file of a note, in bytes.
const MAX_FILE: u64 = 256 << 10;

/// A note in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub path: PathBuf,
    pub note: Note,
}

/// Refuses what a person says to an agent when the agent would not get all of it, or when it has a secret. `what`: `note`,
/// `answer` or `objective`.
///
/// # Errors
/// `text.too_long` (exit 2), or as [`secrets::check_text`].
pub fn check(what: &str, words: &str) -> Result<()> {
    secrets::check_text(what, words)?;
    let length = words.trim().chars().count();
    if length <= MAX_NOTE {
        return Ok(());
    }
    Err(Refusal::usage("text.too_long", format!("the {what} is too long"))
        .because(format!("it has {length} characters; an agent gets at most {MAX_NOTE}"))
        .next("put the details into a file in the repository, and name that file")
        .with("characters", length)
        .with("max_characters", MAX_NOTE)
        .into())
}

/// Keeps a note for the agent of a job. `job` is [`Work::job`](crate::foreman::work::Work::job).
pub fn add(hub: &Hub, job: &str, by: &str, words: &str) -> Result<Stored> {
    let folder = folder(hub, job);
    let at = hub.now();
    let written = std::fs::read_dir(&folder).map_or(0, |files| files.count());
    // Their names are in the order in which they were sent.
    let path = folder.join(format!("{}-{written:04}-{}.json", at.compact(), std::process::id()));
    let text = text::clip(&text::safe_block(words.trim()), MAX_KEPT);
    let stored = Stored { path, note: Note { by: by.to_owned(), at, text, given: None } };
    files::create_parent(&stored.path)?;
    save(&stored)?;
    Ok(stored)
}

/// The notes that the agent has not got, oldest first. An unreadable one is left out.
pub fn pending(hub: &Hub, job: &str) -> Vec<Stored> {
    let found = files_in(&folder(hub, job)).into_iter().filter_map(|path| Some(Stored { note: read(&path)?, path }));
    found.filter(|stored| stored.note.given.is_none()).collect()
}

/// Marks a note as given.
pub fn mark_given(hub: &Hub, stored: &Stored, how: How) -> Result<Note> {
    let note = Note { given: Some(Given { at: hub.now(), how }), ..stored.note.clone() };
    save(&Stored { path: stored.path.clone(), note: note.clone() })?;
    Ok(note)
}

/// How the agent got a note; `None` while it waits. The file of a job that is over is gone, and nobody waits for it.
pub fn given(stored: &Stored) -> Option<How> {
    read(&stored.path).and_then(|note| note.given).map(|given| given.how)
}

/// Everything that people said about the work, for its prompts: about earlier results, then to its agents, each oldest
/// first.
pub fn said(hub: &Hub, work: &Work) -> Vec<String> {
    let paths = files_in(&kept(hub, &work.order.task_id)).into_iter().chain(files_in(&folder(hub, work.job())));
    let mut notes: Vec<_> = paths.filter_map(|path| read(&path)).collect();
    notes.sort_by_key(|note| note.at);
    work.order.said_before.iter().map(prompts::line).chain(notes.into_iter().map(|note| note.text)).collect()
}

/// Keeps the notes of a job that ended for the same task's later work.
pub fn keep(hub: &Hub, job: &str, task: &str) {
    let (from, to) = (folder(hub, job), kept(hub, task));
    let mut all = true;
    for path in files_in(&from) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let to = to.join(format!("{job}-{name}"));
        if let Err(e) = files::create_parent(&to).and_then(|()| Ok(std::fs::rename(&path, &to)?)) {
            tracing::warn!("cannot keep a note for later work on {task}: {e:#}");
            all = false;
        }
    }
    // Nor one that came meanwhile.
    if all && files_in(&from).is_empty() {
        let _ = std::fs::remove_dir_all(from);
    }
}

/// Removes the notes of a task that is done.
pub fn forget(hub: &Hub, job: &str, task: &str) {
    for folder in [folder(hub, job), kept(hub, task)] {
        let _ = std::fs::remove_dir_all(folder);
    }
}

/// A note as a message to an agent that works.
pub fn as_message(note: &Note) -> String {
    let words = quote::marked(&quote::body(&secrets::redact(&note.text), MAX_KEPT, "the log"));
    format!("A message from a person, quoted:\n\n{words}\n")
}

fn folder(hub: &Hub, job: &str) -> PathBuf {
    hub.local(&format!("notes/{job}"))
}

fn kept(hub: &Hub, task: &str) -> PathBuf {
    hub.local(&format!("said/{task}"))
}

/// The files of notes in a folder, in the order of their names.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort();
    paths
}

fn read(path: &Path) -> Option<Note> {
    let bytes = files::read(path, MAX_FILE).ok().flatten()?;
    serde_json::from_slice(&bytes).ok()
}

fn save(stored: &Stored) -> Result<()> {
    files::replace(&stored.path, (json::pretty(&stored.note) + "\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::testing::repository;

    #[test]
    fn a_note_that_cannot_be_kept_stays_where_it_is() {
        let (_folder, hub) = repository();
        add(&hub, "j", "ada", "Leave it small").unwrap();
        let blocked = hub.local("said");
        files::create_parent(&blocked).unwrap();
        std::fs::write(&blocked, "not a folder").unwrap();
        keep(&hub, "j", "T");
        assert_eq!(pending(&hub, "j").len(), 1);
        std::fs::remove_file(&blocked).unwrap();
        keep(&hub, "j", "T");
        assert!(pending(&hub, "j").is_empty() && files_in(&kept(&hub, "T")).len() == 1 && !folder(&hub, "j").exists());
    }
}
