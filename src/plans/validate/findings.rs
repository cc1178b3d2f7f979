//! Findings about a plan during validation: each with the JSON pointer of its place, which becomes a line.

use std::path::Path;

use crate::base::{Stamp, text};
use crate::model::json::edit::EditableJson;
use crate::model::run::outcome::Finding;

/// `YYYY-MM-DD-slug`, the slug in lower case.
pub fn is_plan_id(id: &str) -> bool {
    let date = id.get(..10).is_some_and(|date| Stamp::parse(&format!("{date}T00:00:00Z")).is_some());
    let slug = id.get(10..).and_then(|rest| rest.strip_prefix('-')).unwrap_or_default();
    let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    date && slug.split('-').all(word)
}

#[derive(Default)]
pub(in crate::plans) struct Findings {
    /// With the JSON pointer of the place.
    found: Vec<(String, Finding)>,
}

impl Findings {
    pub(super) fn note(&mut self, at: impl Into<String>, code: &str, message: impl Into<String>, hint: &str) {
        let finding = Finding::medium(code, "", message);
        let finding = if hint.is_empty() { finding } else { finding.hint(hint) };
        self.found.push((at.into(), finding));
    }

    pub(super) fn at_their_lines(self, path: &str, bytes: &[u8]) -> Vec<Finding> {
        if self.found.is_empty() {
            return Vec::new();
        }
        let document = EditableJson::parse(bytes, Path::new(path)).ok();
        let places = self.found.iter().map(|(at, _)| at.as_str());
        let lines: Option<Vec<usize>> = document.map(|document| document.lines(places).collect());
        let place = |(i, (_, finding)): (usize, (String, Finding))| {
            let line = lines.as_ref().map(|lines| lines[i] as u64);
            Finding { path: Some(path.into()), line, ..finding }
        };
        self.found.into_iter().enumerate().map(place).collect()
    }
}

pub(super) fn shown(text: &str) -> String {
    text::clip(&text::safe(text), 120)
}
