//! Edits a JSON object document that somebody else may have written.
//!
//! An edit is one splice into the text, so every byte outside the edit stays, whatever the file's indentation, line
//! ends, one-line arrays, escapes or number spellings are. `serde_json` checks the text first (it limits the depth and
//! reports line and column); `jsonc-parser` then finds where in the text each value is. No I/O.
//!
//! Values are named by JSON pointers: `/steps/2/status`.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Context;
use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use serde_json::{Map, Value};

use super::spans::{AGREE, child, find, members, position, split, start_of, tree};
use super::style::{Shape, Style};
use crate::base::{Refusal, Result, json};

/// A JSON object as text, and the same as a value.
#[derive(Clone, Debug)]
pub struct EditableJson {
    path: PathBuf,
    text: String,
    value: Value,
    style: Style,
}

impl EditableJson {
    /// Reads a document; `path` is only named in refusals.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<EditableJson> {
        let value = Value::Object(json::parse_object(bytes, path)?);
        let text = std::str::from_utf8(bytes).context("JSON that parsed is UTF-8")?.to_owned();
        let style = Style::of(&text, &tree(&text)?);
        Ok(EditableJson { path: path.to_owned(), text, value, style })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    pub fn into_text(self) -> String {
        self.text
    }

    /// The whole document.
    pub fn object(&self) -> &Map<String, Value> {
        match &self.value {
            Value::Object(map) => map,
            _ => unreachable!("a document is an object from parse on, and set refuses to replace it"),
        }
    }

    pub fn get(&self, pointer: &str) -> Option<&Value> {
        self.value.pointer(pointer)
    }

    /// Sets the value at `pointer` with the smallest edit: equal parts keep their spelling, objects are edited key by
    /// key, arrays item by item when possible.
    ///
    /// A key that is not there yet is added: last, or to its place in a file whose keys are sorted.
    /// The parent must exist; in an array the index may be its length.
    pub fn set(&mut self, pointer: &str, value: impl Into<Value>) -> Result<()> {
        let value = value.into();
        match (self.value.pointer(pointer), &value) {
            (Some(old), new) if old == new => Ok(()),
            (Some(Value::Object(old)), Value::Object(new)) => {
                let gone: Vec<String> = old.keys().filter(|key| !new.contains_key(*key)).cloned().collect();
                gone.iter().try_for_each(|key| self.remove(&child(pointer, key)))?;
                new.iter().try_for_each(|(key, value)| self.set(&child(pointer, key), value.clone()))
            }
            (Some(Value::Array(old)), Value::Array(new))
                if new.starts_with(old) || (old.len() == new.len() && !old.is_empty()) =>
            {
                let mut items = new.iter().enumerate();
                items.try_for_each(|(i, item)| self.set(&child(pointer, &i.to_string()), item.clone()))
            }
            (Some(_), _) if pointer.is_empty() => Err(self.shape(pointer, "the document must stay an object")),
            (Some(_), _) => self.replace(pointer, &value),
            (None, _) => self.insert(pointer, &value),
        }
    }

    /// Adds `value` at the end of the array at `array`; an array that is not there is made.
    pub fn push(&mut self, array: &str, value: impl Into<Value>) -> Result<()> {
        match self.value.pointer(array) {
            None => self.set(array, Value::Array(vec![value.into()])),
            Some(Value::Array(items)) => self.set(&child(array, &items.len().to_string()), value),
            Some(other) => Err(self.shape(array, &format!("an array is expected, it is {}", json::kind(other)))),
        }
    }

    /// Removes a key (every occurrence) or an item; a missing one is fine.
    pub fn remove(&mut self, pointer: &str) -> Result<()> {
        let Some((parent, key)) = split(pointer) else {
            return Err(self.shape(pointer, "the document itself cannot be removed"));
        };
        match self.value.pointer(parent) {
            // Later items move up, so remove only one.
            Some(Value::Array(items)) if key.parse().is_ok_and(|i: usize| i < items.len()) => self.cut(parent, &key),
            Some(Value::Object(_)) => {
                while self.value.pointer(pointer).is_some() {
                    self.cut(parent, &key)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The line (from 1) where the value at `pointer`, with its key, begins; of the nearest
    /// enclosing value when there is none.
    pub fn line(&self, pointer: &str) -> usize {
        self.lines([pointer]).next().unwrap_or(1)
    }

    /// As [`EditableJson::line`], for many pointers: the text is read once.
    pub fn lines<'p>(&self, pointers: impl IntoIterator<Item = &'p str>) -> impl Iterator<Item = usize> {
        let root = tree(&self.text).ok();
        let newlines: Vec<usize> = self.text.match_indices('\n').map(|(at, _)| at).collect();
        pointers.into_iter().map(move |pointer| {
            let start = root.as_ref().map_or(0, |root| start_of(root, pointer));
            1 + newlines.partition_point(|newline| *newline < start)
        })
    }

    fn replace(&mut self, pointer: &str, value: &Value) -> Result<()> {
        let root = tree(&self.text)?;
        let found = find(&root, pointer).context(AGREE)?;
        let old = &self.text[found.start()..found.end()];
        let one_line = !old.contains('\n') && old.len() > 2 && old.starts_with(['[', '{']);
        let shape = if one_line { Shape::Inline } else { self.style.shape_at(&self.text, found.start()) };
        let new = self.style.render(value, &shape);
        self.splice(found.start()..found.end(), &new)
    }

    fn insert(&mut self, pointer: &str, value: &Value) -> Result<()> {
        let missing = || self.shape(pointer, "its parent does not exist");
        let (parent, key) = split(pointer).ok_or_else(missing)?;
        let root = tree(&self.text)?;
        let container = find(&root, parent).ok_or_else(missing)?;
        let members = members(container);
        let (at, name) = match container {
            ast::Value::Object(object) if self.style.sorted => {
                (object.properties.partition_point(|p| p.name.as_str() < key.as_str()), Some(key.as_str()))
            }
            ast::Value::Object(_) => (members.len(), Some(key.as_str())),
            ast::Value::Array(_) if key.parse() == Ok(members.len()) => (members.len(), None),
            _ => return Err(missing()),
        };
        let (range, text) = if members.is_empty() {
            let shape = self.style.shape_at(&self.text, container.start());
            (container.start() + 1..container.end() - 1, self.style.only_member(name, value, &shape))
        } else {
            let neighbour = at.min(members.len() - 1);
            let lead = self.lead(container, &members, neighbour);
            let member = self.style.member(name, value, &Shape::after(lead));
            let (place, text) = match at < members.len() {
                true => (members[at].start, format!("{member},{lead}")),
                false => (members[neighbour].end, format!(",{lead}{member}")),
            };
            (place..place, text)
        };
        self.splice(range, &text)
    }

    /// The white space before member `i`, used for a new neighbour.
    fn lead(&self, container: &ast::Value<'_>, members: &[Range<usize>], i: usize) -> &str {
        let found = match i {
            0 => Some(&self.text[container.start() + 1..members[0].start]).filter(|space| space.contains('\n')),
            _ => self.text[members[i - 1].end..members[i].start].split_once(',').map(|(_, space)| space),
        };
        found.unwrap_or(self.style.gap())
    }

    fn cut(&mut self, parent: &str, key: &str) -> Result<()> {
        let root = tree(&self.text)?;
        let container = find(&root, parent).context(AGREE)?;
        let members = members(container);
        let range = match (position(container, key).context(AGREE)?, members.len()) {
            (_, 1) => container.start() + 1..container.end() - 1,
            (i, n) if i + 1 < n => members[i].start..members[i + 1].start,
            (i, _) => members[i - 1].end..members[i].end,
        };
        self.splice(range, "")
    }

    /// Every edit ends here; a splice that breaks the JSON is a fault and changes nothing.
    fn splice(&mut self, range: Range<usize>, new: &str) -> Result<()> {
        let mut text = String::with_capacity(self.text.len() + new.len());
        text.push_str(&self.text[..range.start]);
        text.push_str(new);
        text.push_str(&self.text[range.end..]);
        self.value = Value::Object(json::parse_object(text.as_bytes(), &self.path).context("an edit broke the text")?);
        self.text = text;
        Ok(())
    }

    fn shape(&self, pointer: &str, why: &str) -> anyhow::Error {
        Refusal::guard("document.shape", format!("cannot edit {} at {pointer:?}", self.path.display()))
            .because(why)
            .next("fix the file by hand; teof did not change it")
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn edited(text: &str, edit: impl FnOnce(&mut EditableJson) -> Result<()>) -> String {
        let mut document = EditableJson::parse(text.as_bytes(), Path::new("p.json")).unwrap();
        edit(&mut document).unwrap();
        document.into_text()
    }

    #[test]
    fn an_edit_changes_its_own_lines_only() {
        let plan = "{\r\n\t\"b\": [\"x\", \"y\"],\r\n\t\"n\": 1.50,\r\n\t\"a\": {},\r\n\t\"t\": \"\\u00e9\"\r\n}";
        let set = |pointer: &'static str, value: Value| edited(plan, |d| d.set(pointer, value));
        assert_eq!(set("/n", json!(1.5)), plan, "an equal value keeps its spelling");
        assert_eq!(set("/n", json!(2)), plan.replace("1.50", "2"));
        assert_eq!(set("/b", json!(["x", "y", "ü"])), plan.replace("\"y\"]", "\"y\", \"\\u00fc\"]"));
        assert_eq!(set("/b", json!([])), plan.replace("[\"x\", \"y\"]", "[]"));
        assert_eq!(set("/a/k", json!([1])), plan.replace("{}", "{\r\n\t\t\"k\": [\r\n\t\t\t1\r\n\t\t]\r\n\t}"));
        assert_eq!(set("/z", json!(true)), plan.replace("e9\"", "e9\",\r\n\t\"z\": true"));
        assert_eq!(edited(plan, |d| d.remove("/t")), plan.replace(",\r\n\t\"t\": \"\\u00e9\"", ""));
        assert_eq!(edited(plan, |d| d.remove("/b/0")), plan.replace("\"x\", ", ""));
    }

    #[test]
    fn sorted_files_stay_sorted_and_ascii() {
        let claim = "{\n  \"agent_id\": \"a\",\n  \"task_id\": \"T\"\n}\n";
        let note = edited(claim, |d| d.set("/notes", "Δ").and_then(|()| d.set("/_x", json!({"b": 1, "a": []}))));
        assert_eq!(
            note,
            "{\n  \"_x\": {\n    \"a\": [],\n    \"b\": 1\n  },\n  \"agent_id\": \"a\",\n  \"notes\": \"\\u0394\",\n  \"task_id\": \"T\"\n}\n"
        );
        let hand_edited = "{\n  \"task_id\": \"T\",\n  \"agent_id\": \"a\"\n}\n";
        assert!(
            edited(hand_edited, |d| d.set("/notes", "Δ")).ends_with("\"agent_id\": \"a\",\n  \"notes\": \"Δ\"\n}\n")
        );
    }

    #[test]
    fn empty_and_one_line_files_keep_their_looks() {
        assert_eq!(edited("{}\n", |d| d.push("/a", 1)), "{\n  \"a\": [\n    1\n  ]\n}\n");
        assert_eq!(edited(r#"{"a":[]}"#, |d| d.push("/a", json!({"b": [1, 2]}))), r#"{"a":[{"b":[1,2]}]}"#);
        assert_eq!(edited(r#"{"b": 1, "a": {}}"#, |d| d.set("/a/c", json!([1, 2]))), r#"{"b": 1, "a": {"c": [1, 2]}}"#);
        assert_eq!(edited(r#"{ "b": 1 }"#, |d| d.set("/a", 2)), r#"{ "b": 1, "a": 2 }"#);
        assert_eq!(edited(r#"{"a": 1}"#, |d| d.remove("/a")), "{}");
    }

    #[test]
    fn the_last_duplicate_key_counts_and_remove_takes_all() {
        let twice = r#"{"a": 1, "b": 0, "a": 2}"#;
        assert_eq!(edited(twice, |d| d.set("/a", 3)), r#"{"a": 1, "b": 0, "a": 3}"#);
        assert_eq!(edited(twice, |d| d.remove("/a")), r#"{"b": 0}"#);
    }

    #[test]
    fn edits_without_a_parent_are_refused() {
        let mut document = EditableJson::parse(br#"{"a": "text", "b": [1]}"#, Path::new("p.json")).unwrap();
        for pointer in ["/a/x", "/none/x", "/b/2", "/b/x"] {
            assert!(document.set(pointer, 1).is_err(), "{pointer}");
        }
        assert!(document.push("/a", 1).is_err());
        assert!(document.set("", json!([])).is_err());
        assert_eq!(document.bytes(), br#"{"a": "text", "b": [1]}"#);
    }

    #[test]
    fn lines_are_found_by_pointer() {
        let text = "{\n  \"a\": 1,\n  \"steps\": [\n    {\"id\": 1},\n    {\n      \"id\":\n 2}\n  ]\n}\n";
        let document = EditableJson::parse(text.as_bytes(), Path::new("p.json")).unwrap();
        let lines = ["", "/a", "/steps", "/steps/0/id", "/steps/1", "/steps/1/id", "/steps/1/none", "/none"];
        assert_eq!(lines.map(|pointer| document.line(pointer)), [1, 2, 3, 4, 5, 6, 5, 1]);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a\\\\/~\"é🚀\\n]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                object(inner).prop_map(Value::Object)
            ]
        })
    }

    fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
        prop::collection::vec(("[abc/~\"é]{0,2}", inner), 0..4).prop_map(|members| members.into_iter().collect())
    }

    /// The same document in the layouts that are met: pretty, tabs and CRLF, one line, compact, sorted.
    fn written(map: &Map<String, Value>, how: usize) -> String {
        let value = Value::Object(map.clone());
        match how {
            0 => json::pretty(&value) + "\n",
            1 => json::pretty(&value).replace('\n', "\r\n").replace("  ", "\t"),
            2 => json::pretty(&value).lines().map(str::trim_start).collect::<Vec<_>>().join(" "),
            3 => json::compact(&value),
            _ => json::pretty_sorted_ascii(&value),
        }
    }

    fn pointers(value: &Value, at: &str, out: &mut Vec<String>) {
        out.push(at.to_owned());
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| pointers(value, &child(at, key), out)),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(i, value)| pointers(value, &child(at, &i.to_string()), out));
            }
            _ => {}
        }
    }

    proptest! {
        #[test]
        fn an_edit_is_the_same_edit_of_the_value(map in object(value()), how in 0..5usize, new in value(), pick: prop::sample::Index, key in "[abc]{1,2}", cut: bool) {
            let text = written(&map, how);
            let mut document = EditableJson::parse(text.as_bytes(), Path::new("p.json")).unwrap();
            let mut wanted = Value::Object(map);
            let mut all = Vec::new();
            pointers(&wanted, "", &mut all);
            let pointer = pick.get(&all).clone();
            if cut && let Some((parent, name)) = split(&pointer) {
                document.remove(&pointer).unwrap();
                match wanted.pointer_mut(parent).unwrap() {
                    Value::Object(map) => drop(map.shift_remove(&name)),
                    Value::Array(items) => drop(items.remove(name.parse().unwrap())),
                    _ => unreachable!(),
                }
            } else {
                let target = match wanted.pointer(&pointer).unwrap() {
                    Value::Object(_) => child(&pointer, &key),
                    Value::Array(items) => child(&pointer, &items.len().to_string()),
                    _ => pointer.clone(),
                };
                document.set(&target, new.clone()).unwrap();
                match wanted.pointer_mut(&pointer).unwrap() {
                    Value::Object(map) => drop(map.insert(key, new.clone())),
                    Value::Array(items) => items.push(new.clone()),
                    scalar => *scalar = new.clone(),
                }
                prop_assert_eq!(document.get(&target), Some(&new));
            }
            prop_assert_eq!(document.get(""), Some(&wanted), "{}", String::from_utf8_lossy(document.bytes()));
            // And what was pretty is pretty still, what was compact compact.
            let again = document.into_text();
            let same: Value = serde_json::from_str(&again).unwrap();
            if how == 0 {
                prop_assert_eq!(json::ascii(&again), json::ascii(&json::pretty(&same)) + "\n");
            }
            if how == 3 && text != "{}" {
                prop_assert_eq!(json::ascii(&again), json::ascii(&json::compact(&same)));
            }
            if how == 4 && text.lines().filter(|line| line.starts_with("  \"")).count() > 1 {
                prop_assert!(again.is_ascii());
            }
        }

        #[test]
        fn a_whole_new_value_is_reached_by_edits(old in object(value()), new in object(value()), how in 0..5usize) {
            let mut document = EditableJson::parse(written(&old, how).as_bytes(), Path::new("p.json")).unwrap();
            document.set("", Value::Object(new.clone())).unwrap();
            prop_assert_eq!(document.object(), &new);
        }
    }
}
