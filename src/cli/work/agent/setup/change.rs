//! The change of one file: teof's own entries in it, and every other byte as it was.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};
use toml::Table;

use super::super::plugin::hooks::COMMAND;
use crate::base::{Refusal, Result, files, json as json_text};
use crate::hub::settings::edit;
use crate::model::json::edit::EditableJson;

/// How a file is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As this version installs it.
    Same,
    /// Nothing of teof is there.
    New,
    /// It has other entries of teof.
    Differs,
}

#[derive(Clone, Debug)]
pub struct Change {
    pub program: &'static str,
    pub what: &'static str,
    pub path: PathBuf,
    pub state: State,
    /// The whole new file.
    contents: String,
}

impl Change {
    /// A file of teof alone.
    pub fn own(program: &'static str, what: &'static str, path: PathBuf, contents: String) -> Result<Change> {
        let state = match read(&path)? {
            Some(now) if now == contents.as_bytes() => State::Same,
            Some(_) => State::Differs,
            None => State::New,
        };
        Ok(Change { program, what, path, state, contents })
    }

    /// Entries of lists in a JSON document: each replaces teof's own one in its list, else goes to the end.
    pub fn hooks(program: &'static str, path: PathBuf, base: Value, entries: &[(&str, Value)]) -> Result<Change> {
        let (mut document, was_empty) = open(&path, &base)?;
        let before = document.bytes().to_vec();
        if document.get("/hooks").is_none() {
            document.set("/hooks", json!({}))?;
        }
        let mut had_own = false;
        let events: Vec<String> = document
            .get("/hooks")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|hooks| hooks.keys().cloned())
            .collect();
        let wanted = |event: &str| entries.iter().find(|(name, _)| *name == event).map(|(_, entry)| entry.clone());
        for event in &events {
            let Some(list) = document.get(&pointer(event)).and_then(Value::as_array).cloned() else { continue };
            let mut new = wanted(event);
            let mut kept = Vec::new();
            for item in &list {
                let others = without_own(item);
                if others.as_ref() != Some(item) {
                    had_own = true;
                    kept.extend(new.take());
                }
                kept.extend(others);
            }
            kept.extend(new);
            if kept != list {
                document.set(&pointer(event), Value::Array(kept))?;
            }
        }
        for (event, entry) in entries.iter().filter(|(event, _)| !events.iter().any(|known| known == event)) {
            document.set(&pointer(event), json!([entry]))?;
        }
        Ok(Self::of_document(program, "hooks", path, document, &before, was_empty, had_own))
    }

    /// One value in an object of a JSON document.
    pub fn entry(
        program: &'static str,
        what: &'static str,
        path: PathBuf,
        at: [&str; 2],
        value: Value,
    ) -> Result<Change> {
        let (mut document, was_empty) = open(&path, &json!({}))?;
        let before = document.bytes().to_vec();
        let (object, key) = (format!("/{}", at[0]), format!("/{}/{}", at[0], at[1]));
        if document.get(&object).is_none() {
            document.set(&object, json!({}))?;
        }
        let had_own = document.get(&key).is_some();
        document.set(&key, value)?;
        Ok(Self::of_document(program, what, path, document, &before, was_empty, had_own))
    }

    /// The same change with one more value in the same document.
    ///
    /// # Errors
    /// When the document is none that can be edited.
    pub fn and_entry(self, at: [&str; 2], value: Value) -> Result<Change> {
        let mut document = EditableJson::parse(self.contents.as_bytes(), &self.path)?;
        let (object, key) = (format!("/{}", at[0]), format!("/{}/{}", at[0], at[1]));
        if document.get(&object).is_none() {
            document.set(&object, json!({}))?;
        }
        let (had_own, is_same) = (document.get(&key).is_some(), document.get(&key) == Some(&value));
        document.set(&key, value)?;
        let state = match (self.state, is_same) {
            (state, true) => state,
            (State::New, false) if !had_own => State::New,
            _ => State::Differs,
        };
        Ok(Change { state, what: "settings", contents: document.into_text(), ..self })
    }

    fn of_document(
        program: &'static str,
        what: &'static str,
        path: PathBuf,
        document: EditableJson,
        before: &[u8],
        was_empty: bool,
        had_own: bool,
    ) -> Change {
        let state = match (document.bytes() == before && !was_empty, had_own) {
            (true, _) => State::Same,
            (false, true) => State::Differs,
            (false, false) => State::New,
        };
        Change { program, what, path, state, contents: document.into_text() }
    }

    /// A table of a TOML file.
    ///
    /// # Errors
    /// `setup.table` when the table is there with other values: it is changed by hand.
    pub fn table(
        program: &'static str,
        what: &'static str,
        path: PathBuf,
        table: &str,
        keys: &[(&str, toml::Value)],
    ) -> Result<Change> {
        let bytes = read(&path)?.unwrap_or_default();
        let refuse = |why: String| {
            Refusal::guard("setup.table", format!("cannot add [{table}] to {}", path.display()))
                .because(why)
                .next(format!("remove its [{table}] by hand, then run the command again"))
        };
        let mut text = String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8 text".to_owned()))?;
        let whole: Table = text.parse().map_err(|e: toml::de::Error| refuse(e.message().to_owned()))?;
        let now = table.split('.').try_fold(&toml::Value::Table(whole.clone()), |at, part| at.get(part)).cloned();
        let state = match &now {
            None => State::New,
            Some(now) if keys.iter().all(|(key, value)| now.get(key) == Some(value)) => State::Same,
            Some(_) => return Err(refuse("it has other values there".to_owned()).into()),
        };
        if state == State::New {
            for (key, value) in keys {
                text = edit::set(&text, table, key, value)
                    .ok_or_else(|| refuse("a table above it is written on one line".to_owned()))?;
            }
        }
        Ok(Change { program, what, path, state, contents: text.trim_start_matches('\n').to_owned() })
    }

    /// Writes it. What a link leads to is written, and the link stays.
    pub fn write(&self) -> Result<()> {
        let path = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        files::create_parent(&path)?;
        files::replace(&path, self.contents.as_bytes())
    }

    #[must_use]
    pub fn done(self) -> Change {
        Change { state: State::Same, ..self }
    }
}

fn pointer(event: &str) -> String {
    format!("/hooks/{event}")
}

/// An entry of an event's list without the hooks of teof; `None` when it has no others. Some programs group hooks.
fn without_own(entry: &Value) -> Option<Value> {
    let command = entry.get("command").and_then(Value::as_str);
    if command.is_some_and(|command| command.starts_with(COMMAND)) {
        return None;
    }
    let Some(hooks) = entry.get("hooks").and_then(Value::as_array) else { return Some(entry.clone()) };
    let others: Vec<Value> = hooks.iter().filter_map(without_own).collect();
    if others.is_empty() && !hooks.is_empty() {
        return None;
    }
    let mut entry = entry.clone();
    entry["hooks"] = Value::Array(others);
    Some(entry)
}

/// The document of a file, and whether it is new.
fn open(path: &Path, base: &Value) -> Result<(EditableJson, bool)> {
    let bytes = read(path)?.filter(|bytes| !bytes.trim_ascii().is_empty());
    let is_new = bytes.is_none();
    let bytes = bytes.unwrap_or_else(|| (json_text::pretty(base) + "\n").into_bytes());
    Ok((EditableJson::parse(&bytes, path)?, is_new))
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    // A dangling link or a folder is refused with its reason.
    files::read(&path.canonicalize().unwrap_or_else(|_| path.to_owned()), files::MAX_DOCUMENT)
}
