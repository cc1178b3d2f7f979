//! The index of pages that people look for, `docs/quick-links.json` (the playbook: doc_links).

use serde_json::{Map, Value};

use super::text;

/// Relative to the repository.
pub const PATH: &str = "docs/quick-links.json";

/// A link of the index.
#[derive(Clone, Copy, Debug)]
pub struct QuickLink<'a> {
    pub raw: &'a Map<String, Value>,
}

impl<'a> QuickLink<'a> {
    pub fn id(&self) -> Option<&'a str> {
        text(self.raw, "id")
    }

    pub fn title(&self) -> &'a str {
        text(self.raw, "title").unwrap_or("(no title)")
    }

    pub fn summary(&self) -> &'a str {
        text(self.raw, "summary").unwrap_or_default()
    }

    pub fn category(&self) -> &'a str {
        text(self.raw, "category").unwrap_or_default()
    }

    /// The page, relative to the repository.
    pub fn path(&self) -> Option<&'a str> {
        text(self.raw, "path")
    }

    /// The page and the place in it: `docs/bus.md#claims`.
    pub fn target(&self) -> String {
        let anchor = text(self.raw, "anchor").unwrap_or_default().trim_start_matches('#');
        let path = self.path().unwrap_or_default();
        if anchor.is_empty() { path.to_owned() } else { format!("{path}#{anchor}") }
    }
}

/// The links of an index, in order; entries that are not objects are skipped.
pub fn links(index: &Map<String, Value>) -> Vec<QuickLink<'_>> {
    let items = index.get("links").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    items.iter().filter_map(|item| Some(QuickLink { raw: item.as_object()? })).collect()
}
