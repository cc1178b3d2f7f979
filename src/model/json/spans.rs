//! Finds the span of each value in a JSON text, by JSON pointer (`/steps/2/status`).
//!
//! The text must be JSON that `serde_json` accepts; `jsonc-parser` gives the byte ranges.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use anyhow::Context;
use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::base::Result;

/// The error context when they disagree.
pub(in crate::model) const AGREE: &str = "serde_json and jsonc-parser read the same text differently";

/// The pointers of duplicate keys: readers disagree on which one counts.
pub fn duplicate_keys(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    // Nearly all have none, and telling that needs no spans.
    if serde_json::from_str::<Unique>(text).is_ok() {
        return found;
    }
    if let Ok(root) = tree(text) {
        collect_duplicates(&root, "", &mut found);
    }
    found
}

/// Any JSON value in which no object has a key twice.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Unique)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Unique;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a value without duplicate keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !keys.insert(key) {
                return Err(A::Error::custom("a duplicate key"));
            }
            map.next_value::<Unique>()?;
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Unique, A::Error> {
        while items.next_element::<Unique>()?.is_some() {}
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(self)
    }
}

fn collect_duplicates(value: &ast::Value<'_>, at: &str, found: &mut Vec<String>) {
    match value {
        ast::Value::Object(object) => {
            let mut seen = HashSet::new();
            for property in &object.properties {
                let pointer = child(at, property.name.as_str());
                collect_duplicates(&property.value, &pointer, found);
                if !seen.insert(property.name.as_str()) && !found.contains(&pointer) {
                    found.push(pointer);
                }
            }
        }
        ast::Value::Array(array) => {
            let items = array.elements.iter().enumerate();
            items.for_each(|(i, item)| collect_duplicates(item, &child(at, &i.to_string()), found));
        }
        _ => {}
    }
}

/// The pointer of a member of what `pointer` points at.
pub fn child(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

pub(in crate::model) fn keys(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~"))
}

pub(in crate::model) fn split(pointer: &str) -> Option<(&str, String)> {
    let (parent, _) = pointer.rsplit_once('/')?;
    Some((parent, keys(&pointer[parent.len()..]).next()?))
}

pub(in crate::model) fn tree(text: &str) -> Result<ast::Value<'_>> {
    let parsed = jsonc_parser::parse_to_ast(text, &Default::default(), &Default::default());
    parsed.ok().and_then(|parsed| parsed.value).context(AGREE)
}

pub(in crate::model) fn find<'a, 'b>(root: &'b ast::Value<'a>, pointer: &str) -> Option<&'b ast::Value<'a>> {
    keys(pointer).try_fold(root, |here, key| Some(value_at(here, position(here, &key)?)))
}

/// Where the value at `pointer`, with its key, begins; the nearest enclosing value when there is none.
pub(in crate::model) fn start_of(root: &ast::Value<'_>, pointer: &str) -> usize {
    let (mut at, mut here) = (root.start(), root);
    for key in keys(pointer) {
        let Some(i) = position(here, &key) else { break };
        at = match here {
            ast::Value::Object(object) => object.properties[i].start(),
            other => value_at(other, i).start(),
        };
        here = value_at(here, i);
    }
    at
}

/// Where the members (key and value, or item) of a container lie in the text.
pub(in crate::model) fn members(container: &ast::Value<'_>) -> Vec<Range<usize>> {
    match container {
        ast::Value::Object(object) => object.properties.iter().map(|p| p.start()..p.value.end()).collect(),
        ast::Value::Array(array) => array.elements.iter().map(|item| item.start()..item.end()).collect(),
        _ => Vec::new(),
    }
}

/// The last of equal keys counts, as it does for `serde_json`.
pub(in crate::model) fn position(container: &ast::Value<'_>, key: &str) -> Option<usize> {
    match container {
        ast::Value::Object(object) => object.properties.iter().rposition(|p| p.name.as_str() == key),
        ast::Value::Array(array) => key.parse().ok().filter(|i| *i < array.elements.len()),
        _ => None,
    }
}

pub(in crate::model) fn value_at<'a, 'b>(container: &'b ast::Value<'a>, i: usize) -> &'b ast::Value<'a> {
    match container {
        ast::Value::Object(object) => &object.properties[i].value,
        ast::Value::Array(array) => &array.elements[i],
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn duplicate_keys_are_found_wherever_there_are_some(
            outer in prop::collection::vec(0_u8..5, 0..5), inner in prop::collection::vec(0_u8..5, 0..5)
        ) {
            let object = |keys: &[u8], value: &str| {
                let members: Vec<_> = keys.iter().map(|key| format!(r#""{key}": {value}"#)).collect();
                format!("{{{}}}", members.join(", "))
            };
            let text = object(&outer, &format!("[1, {}, null]", object(&inner, "-1.5")));
            let has_some = |keys: &[u8]| keys.iter().collect::<HashSet<_>>().len() < keys.len();
            let expected = has_some(&outer) || (!outer.is_empty() && has_some(&inner));
            prop_assert_eq!(!duplicate_keys(&text).is_empty(), expected, "{}", text);
        }
    }

    #[test]
    fn duplicate_keys_are_found_in_any_spelling() {
        assert_eq!(duplicate_keys(r#"{"s": [{"a": 1, "\u0061": {"b": 1, "b": 2}}], "b": 1}"#), ["/s/0/a/b", "/s/0/a"]);
        assert_eq!(duplicate_keys("not JSON"), Vec::<String>::new());
    }

    #[test]
    fn pointers_escape_what_they_are_made_of() {
        let pointer = child(&child("", "a/b"), "~c");
        assert_eq!(pointer, "/a~1b/~0c");
        assert_eq!(keys(&pointer).collect::<Vec<_>>(), ["a/b", "~c"]);
        assert_eq!(split(&pointer), Some(("/a~1b", "~c".to_owned())));
    }
}
