//! The style of a JSON document (indentation, line ends, spacing), so that what is added looks like the rest.

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

use crate::base::json;

/// Found once, when a document is read.
#[derive(Clone, Debug)]
pub(in crate::model) struct Style {
    newline: &'static str,
    /// One level of indentation.
    unit: String,
    /// The text between a key and its value: `": "`, or `":"` in compact files.
    colon: String,
    /// Every object's keys are sorted: claims and assignments, as the playbook's tools wrote them.
    pub sorted: bool,
    /// Characters outside ASCII are written as `\uXXXX`: so do files with sorted keys.
    ascii: bool,
}

/// How a value is written.
pub(in crate::model) enum Shape {
    /// On one line.
    Inline,
    /// Over several lines; the lines after the first are indented by this, and one unit more inside.
    Block(String),
}

impl Shape {
    /// The shape of a value whose line begins with (or that follows) this white space.
    pub fn after(lead: &str) -> Shape {
        match lead.rsplit_once('\n') {
            Some((_, indent)) => Shape::Block(indent.to_owned()),
            None => Shape::Inline,
        }
    }
}

impl Style {
    pub fn of(text: &str, root: &ast::Value<'_>) -> Style {
        let first = root.as_object().and_then(|object| object.properties.first());
        let lead = first.map_or("", |p| &text[root.start() + 1..p.start()]);
        let unit = lead.rsplit_once('\n').map_or("  ", |(_, indent)| indent);
        let colon = first.map_or(": ", |p| &text[p.name.end()..p.value.start()]);
        let sorted = sorted(root) && root.as_object().is_some_and(|object| object.properties.len() > 1);
        Style {
            newline: if text.contains("\r\n") { "\r\n" } else { "\n" },
            unit: if unit.is_empty() { "  " } else { unit }.to_owned(),
            colon: if colon.contains('\n') { ": " } else { colon }.to_owned(),
            sorted,
            ascii: text.is_ascii() && (sorted || escapes_beyond_ascii(text)),
        }
    }

    /// What follows a comma on one line.
    pub fn gap(&self) -> &'static str {
        if self.colon == ":" { "" } else { " " }
    }

    /// The shape that fits the place at byte `at`: over several lines only when the key or item
    /// that begins there, or whose value does, is the first thing on its line.
    pub fn shape_at(&self, text: &str, at: usize) -> Shape {
        let line = &text[..at][text[..at].rfind('\n').map_or(0, |i| i + 1)..];
        let key = line.trim_start();
        let indent = &line[..line.len() - key.len()];
        // Nothing before it, or only its own key.
        let alone = key.is_empty() || is_one_key(key);
        if alone { Shape::Block(indent.to_owned()) } else { Shape::Inline }
    }

    /// A key (when it is an object's member) and its value.
    pub fn member(&self, name: Option<&str>, value: &Value, shape: &Shape) -> String {
        let value = self.render(value, shape);
        match name {
            Some(name) => format!("{}{}{value}", self.escaped(json::compact(&name)), self.colon),
            None => value,
        }
    }

    /// The text between the brackets of a container with this one member.
    pub fn only_member(&self, name: Option<&str>, value: &Value, shape: &Shape) -> String {
        match shape {
            Shape::Inline => self.member(name, value, shape),
            Shape::Block(outer) => {
                let inner = format!("{outer}{}", self.unit);
                let member = self.member(name, value, &Shape::Block(inner.clone()));
                let newline = self.newline;
                format!("{newline}{inner}{member}{newline}{outer}")
            }
        }
    }

    pub fn render(&self, value: &Value, shape: &Shape) -> String {
        let value = if self.sorted { &json::sorted(value) } else { value };
        let text = match shape {
            Shape::Inline => self.one_line(value),
            Shape::Block(indent) => {
                let mut out = Vec::new();
                let formatter = PrettyFormatter::with_indent(self.unit.as_bytes());
                let written = value.serialize(&mut Serializer::with_formatter(&mut out, formatter));
                written.expect("JSON values always serialise into memory");
                // Line breaks inside strings are escaped, so the ones left are layout.
                String::from_utf8_lossy(&out).replace('\n', &format!("{}{indent}", self.newline))
            }
        };
        self.escaped(text)
    }

    fn one_line(&self, value: &Value) -> String {
        let comma = format!(",{}", self.gap());
        match value {
            Value::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| self.one_line(item)).collect();
                format!("[{}]", items.join(&comma))
            }
            Value::Object(map) => {
                let members: Vec<_> = map.iter().map(|(k, v)| self.member(Some(k), v, &Shape::Inline)).collect();
                format!("{{{}}}", members.join(&comma))
            }
            scalar => json::compact(scalar),
        }
    }

    fn escaped(&self, text: String) -> String {
        if self.ascii { json::ascii(&text) } else { text }
    }
}

fn sorted(value: &ast::Value<'_>) -> bool {
    match value {
        ast::Value::Object(object) => {
            object.properties.is_sorted_by(|a, b| a.name.as_str() <= b.name.as_str())
                && object.properties.iter().all(|p| sorted(&p.value))
        }
        ast::Value::Array(array) => array.elements.iter().all(sorted),
        _ => true,
    }
}

/// Whether `line` is a key and its colon, and nothing else.
fn is_one_key(line: &str) -> bool {
    let Some(key) = line.trim_end().strip_suffix(':') else { return false };
    serde_json::from_str::<String>(key).is_ok()
}

/// Whether some character outside ASCII is written as an escape.
fn escapes_beyond_ascii(text: &str) -> bool {
    let escape = |(at, _): (usize, &str)| {
        let backslashes = text[..at].bytes().rev().take_while(|b| *b == b'\\').count();
        let code = text.get(at + 2..at + 6).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        backslashes % 2 == 0 && code.is_some_and(|code| code >= 0x80)
    };
    text.match_indices("\\u").any(escape)
}
