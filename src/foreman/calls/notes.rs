//! Notes that people send to the agent of a job: into its session while it works, where the agent takes messages, else
//! with its next call.
//!
//! Machine-local, a file per note under `notes/<job>/`. A worker marks it as given; a note that was not given waits, also
//! for a worker that starts later.

use std::path::PathBuf;

use crate::base::{Result, files, json, quote, text};
use crate::foreman::results::call_record::{Given, How, Note};
use crate::guard::secrets;
use crate::hub::Hub;

/// Characters of a note.
pub const MAX_NOTE: usize = 16_000;
/// The largest file of a note, in bytes.
const MAX_FILE: u64 = 256 << 10;

/// A note in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub path: PathBuf,
    pub note: Note,
}

/// Keeps a note for the agent of a job. `job` is [`Work::job`](crate::foreman::work::Work::job).
pub fn add(hub: &Hub, job: &str, by: &str, words: &str) -> Result<Stored> {
    let folder = folder(hub, job);
    let at = hub.now();
    let written = std::fs::read_dir(&folder).map_or(0, |files| files.count());
    // Their names are in the order in which they were sent.
    let path = folder.join(format!("{}-{written:04}-{}.json", at.compact(), std::process::id()));
    let text = text::clip(&text::safe_block(words.trim()), MAX_NOTE);
    let stored = Stored { path, note: Note { by: by.to_owned(), at, text, given: None } };
    files::create_parent(&stored.path)?;
    save(&stored)?;
    Ok(stored)
}

/// The notes that the agent has not got, oldest first. An unreadable one is left out.
pub fn pending(hub: &Hub, job: &str) -> Vec<Stored> {
    let Ok(entries) = std::fs::read_dir(folder(hub, job)) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort();
    let found = paths.into_iter().filter_map(|path| Some(Stored { note: read(&path)?, path }));
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

/// Removes the notes of a job that is over.
pub fn forget(hub: &Hub, job: &str) {
    let _ = std::fs::remove_dir_all(folder(hub, job));
}

/// Notes as a part of a prompt, or as a message of their own.
pub fn as_prompt<'a>(notes: impl IntoIterator<Item = &'a str>) -> String {
    let words = notes.into_iter().collect::<Vec<_>>().join("\n\n");
    match words.is_empty() {
        true => String::new(),
        false => {
            let words = quote::marked(&quote::body(&secrets::redact(&words), MAX_NOTE, "the log"));
            format!("A message from a person, quoted:\n\n{words}\n")
        }
    }
}

fn folder(hub: &Hub, job: &str) -> PathBuf {
    hub.local(&format!("notes/{job}"))
}

fn read(path: &std::path::Path) -> Option<Note> {
    let bytes = files::read(path, MAX_FILE).ok().flatten()?;
    serde_json::from_slice(&bytes).ok()
}

fn save(stored: &Stored) -> Result<()> {
    files::replace(&stored.path, (json::pretty(&stored.note) + "\n").as_bytes())
}
