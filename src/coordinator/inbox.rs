//! Operators' commands: small files, machine-local, each consumed exactly once.
//!
//! A command is written and synced by `teof coordinator …`, read by the running coordinator or the next one, and
//! removed after it took effect. Its answer is next to it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::state::Word;
use super::state::input::Command;
use crate::base::{Refusal, Result, files, json};
use crate::hub::Hub;

/// Relative to the machine-local folder.
pub const FOLDER: &str = "coordinator/inbox";
pub const ANSWERS: &str = "coordinator/answers";
/// How many commands this process has posted.
static POSTED: AtomicU64 = AtomicU64::new(0);
/// The largest command or answer, in bytes.
const MAX: u64 = 256 * 1024;
/// Answers that nobody fetched are removed after this time.
const ANSWER_AGE: Duration = Duration::from_secs(24 * 3600);

/// A command in its file; the file's name is its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    #[serde(flatten)]
    pub word: Word,
    #[serde(flatten)]
    pub command: Command,
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub ok: bool,
    pub text: String,
}

/// Puts a command into the inbox and returns its id.
///
/// # Errors
/// `inbox.too_large` when it exceeds the size limit.
pub fn post(hub: &Hub, letter: &Letter) -> Result<String> {
    post_after(hub, letter, |_| Ok(()))
}

/// Like [`post`]; `before` is called first with the id, for events that must be in the record when the command is
/// read.
///
/// # Errors
/// As [`post`], and as `before`.
pub fn post_after(hub: &Hub, letter: &Letter, before: impl FnOnce(&str) -> Result<()>) -> Result<String> {
    let text = json::pretty(letter);
    if text.len() as u64 > MAX {
        let what = format!("the command is too large: {} bytes, limit {MAX}", text.len());
        return Err(Refusal::usage("inbox.too_large", what)
            .because("nothing was sent")
            .next("shorten it, or put long text into a file and name the file")
            .into());
    }
    // A name is never reused: it would be taken for a command that already took effect.
    let n = POSTED.fetch_add(1, Ordering::Relaxed) + 1;
    let id = format!("{}-{}-{n}", letter.word.at.compact(), std::process::id());
    before(&id)?;
    let path = file(hub, &id);
    files::create_parent(&path)?;
    files::replace(&path, text.as_bytes())?;
    Ok(id)
}

/// The commands in the inbox, oldest first. An invalid file is renamed; a currently unreadable one is left for the
/// next time.
pub fn read(hub: &Hub) -> Result<Vec<(String, Letter)>> {
    let mut letters = Vec::new();
    for path in listed(&hub.local(FOLDER)) {
        let Some(id) = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned) else { continue };
        let bytes = match files::read(&path, MAX) {
            Ok(Some(bytes)) => bytes,
            // Answered meanwhile.
            Ok(None) => continue,
            Err(e) if Refusal::of(&e).is_some_and(|refusal| refusal.code.starts_with("file.")) => {
                set_aside(&path, &format!("{e:#}"));
                continue;
            }
            Err(e) => {
                tracing::warn!("cannot read a command now: {e:#}");
                continue;
            }
        };
        match serde_json::from_slice(&bytes) {
            Ok(letter) => letters.push((id, letter)),
            Err(e) => set_aside(&path, &e.to_string()),
        }
    }
    Ok(letters)
}

fn set_aside(path: &Path, why: &str) {
    let aside = path.with_extension("damaged");
    tracing::warn!("{} is not a command ({why}); moved to {}", path.display(), aside.display());
    let _ = std::fs::rename(path, aside);
}

/// Writes the answer, then removes the command, so that a crash only repeats the answer.
pub fn answer(hub: &Hub, id: &str, answer: &Answer) -> Result<()> {
    let path = hub.local(&format!("{ANSWERS}/{id}.json"));
    files::create_parent(&path)?;
    files::replace_unsynced(&path, json::pretty(answer).as_bytes())?;
    files::remove(&file(hub, id))
}

/// Reads and removes the answer to a command, if any.
pub fn take_answer(hub: &Hub, id: &str) -> Result<Option<Answer>> {
    let path = hub.local(&format!("{ANSWERS}/{id}.json"));
    let Some(bytes) = files::read(&path, MAX)? else { return Ok(None) };
    let answer = serde_json::from_slice(&bytes)?;
    let _ = std::fs::remove_file(&path);
    Ok(Some(answer))
}

/// Removes old answers that nobody fetched.
pub fn sweep(hub: &Hub) {
    for path in listed(&hub.local(ANSWERS)) {
        let age = path.metadata().and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > ANSWER_AGE) {
            let _ = std::fs::remove_file(&path);
        }
    }
}

fn file(hub: &Hub, id: &str) -> PathBuf {
    hub.local(&format!("{FOLDER}/{id}.json"))
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stamp;

    fn letter(note: &str) -> Letter {
        let word =
            Word { by: "ada".into(), recognised: Default::default(), at: Stamp::from_unix(0), note: Some(note.into()) };
        Letter { word, command: Command::Pause }
    }

    #[test]
    fn a_command_larger_than_the_limit_is_refused() {
        let (_dir, hub) = crate::bus::testing::repository();
        let error = post(&hub, &letter(&"long ".repeat(60_000))).unwrap_err();
        assert_eq!(Refusal::of(&error).unwrap().code, "inbox.too_large");
        let longest = "x".repeat(MAX as usize - 200);
        post(&hub, &letter(&longest)).unwrap();
        let read = read(&hub).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].1, letter(&longest));
    }
}
