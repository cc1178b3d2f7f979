//! Shared by the rules for single documents: reads the object and places findings on lines.

use std::path::Path;

use serde_json::{Map, Value};

use crate::base::{json, text};
use crate::guard::Finding;
use crate::model;
use crate::model::json::edit::EditableJson;

/// Collects the findings of one document, each at a JSON pointer; lines are filled in at the end.
pub(in crate::guard::preflight) struct Notes<'a> {
    path: &'a str,
    bytes: &'a [u8],
    found: Vec<(String, Finding)>,
}

impl<'a> Notes<'a> {
    pub(in crate::guard::preflight) fn new(path: &'a str, bytes: &'a [u8]) -> Self {
        Self { path, bytes, found: Vec::new() }
    }

    pub(in crate::guard::preflight) fn note(
        &mut self,
        pointer: &str,
        code: &str,
        message: impl Into<String>,
        hint: &str,
    ) {
        self.found.push((pointer.to_owned(), Finding::high(code, self.path, message).hint(hint)));
    }

    /// Adds a warning, not an error.
    pub(in crate::guard::preflight) fn warn(
        &mut self,
        pointer: &str,
        code: &str,
        message: impl Into<String>,
        hint: &str,
    ) {
        self.found.push((pointer.to_owned(), Finding::low(code, self.path, message).hint(hint)));
    }

    /// A field that must be a non-blank string; notes it under `code` when it is not.
    pub(in crate::guard::preflight) fn need<'b>(
        &mut self,
        raw: &'b Map<String, Value>,
        pointer: &str,
        code: &str,
    ) -> Option<&'b str> {
        let key = &pointer[1..];
        let value = model::text(raw, key);
        if value.is_none() {
            self.note(pointer, code, format!("{key} is missing or not a string"), "add the field by hand or with teof");
        }
        value
    }

    pub(in crate::guard::preflight) fn into_findings(self) -> Vec<Finding> {
        if self.found.is_empty() {
            return Vec::new();
        }
        let document = EditableJson::parse(self.bytes, Path::new(self.path)).ok();
        let line = |pointer: &str| document.as_ref().map_or(1, |document| document.line(pointer) as u64);
        self.found.into_iter().map(|(pointer, finding)| finding.at(line(&pointer))).collect()
    }
}

/// The document as an object, or the finding that it is not one.
pub(in crate::guard::preflight) fn object(path: &str, bytes: &[u8], code: &str) -> Result<Map<String, Value>, Finding> {
    let damaged = |line: u64, why: &str| {
        Finding::high(code, path, format!("not a JSON object: {why}"))
            .at(line.max(1))
            .hint("fix it by hand or restore it from git")
    };
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(raw)) => Ok(raw),
        Ok(other) => Err(damaged(1, &format!("found {}", json::kind(&other)))),
        Err(e) => Err(damaged(e.line() as u64, &text::safe(&e.to_string()))),
    }
}

/// Text of a document, clipped and escaped for messages.
pub(in crate::guard::preflight) fn shown(value: &str) -> String {
    text::clip(&text::safe(value), 80)
}

/// The part of a file's name before its ending.
pub(in crate::guard::preflight) fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}
