//! The data on disk. No I/O, no clock: bytes and values in, bytes and values out.
//!
//! Documents that others write too (claims, plans, the backlog, seats) are held as their raw JSON object, so that
//! unknown fields and their order survive; documents that only teof writes are structs.

pub mod agent;
pub mod assignment;
pub mod backlog;
pub mod claim;
pub mod command;
pub mod event;
pub mod json;
pub mod message;
pub mod plan;
pub mod priority;
pub mod quick_links;
pub mod run;
pub mod seat;

use serde_json::{Map, Value};

/// Whether a value says nothing, for serde's `skip_serializing_if`.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A field that is a non-blank string, trimmed; anything else is `None`.
pub fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    map.get(key)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// The strings of an array field; other elements are skipped.
pub fn texts<'a>(map: &'a Map<String, Value>, key: &str) -> Vec<&'a str> {
    let items = map.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    items.iter().filter_map(Value::as_str).collect()
}
