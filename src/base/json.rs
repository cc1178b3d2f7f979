//! JSON in the layouts that the record uses.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Refusal, Result, files, text};

/// Indent 2, order and UTF-8 kept, no final newline.
pub fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("JSON values always serialise")
}

/// One line without spaces, order and UTF-8 kept, no newline.
pub fn compact(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("JSON values always serialise")
}

/// The layout of claims and assignments: indent 2, keys sorted, everything outside ASCII escaped,
/// final newline.
pub fn pretty_sorted_ascii(value: &Value) -> String {
    let mut out = ascii(&pretty(&sorted(value)));
    out.push('\n');
    out
}

/// The same value with the keys of every object sorted.
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            entries.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// JSON text that is safe to show on a terminal: DEL and everything that [`text::is_hidden`] names written as
/// `\uXXXX`. The document stays the same.
pub fn printable(json: String) -> String {
    let is_escaped = |c: char| c == '\x7f' || text::is_hidden(c);
    if !json.contains(is_escaped) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 64);
    json.chars().for_each(|c| if is_escaped(c) { escape(&mut out, c) } else { out.push(c) });
    out
}

/// JSON text with every character outside ASCII written as `\uXXXX`.
pub fn ascii(json: &str) -> String {
    if json.is_ascii() {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len() + 16);
    json.chars().for_each(|c| if c.is_ascii() { out.push(c) } else { escape(&mut out, c) });
    out
}

fn escape(out: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        out.push_str(&format!("\\u{unit:04x}"));
    }
}

/// Parses one JSON object; `path` is named in the refusal, with line and column.
pub fn parse_object(bytes: &[u8], path: &Path) -> Result<Map<String, Value>> {
    let refuse = |why: String| {
        Refusal::guard("json.invalid", format!("{} is not a JSON object", path.display()))
            .because(why)
            .next("fix it by hand or restore it from git; teof did not change it")
    };
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(other) => Err(refuse(format!("found {}", kind(&other))).into()),
        Err(e) => Err(refuse(text::safe(&e.to_string())).into()),
    }
}

/// Reads a document that is one JSON object; `None` when there is no such file.
pub fn read_object(path: &Path) -> Result<Option<Map<String, Value>>> {
    match files::read(path, files::MAX_DOCUMENT)? {
        None => Ok(None),
        Some(bytes) => parse_object(&bytes, path).map(Some),
    }
}

/// What a value is, for messages: "a string", "an array".
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_written_as_the_playbook_wrote_them() {
        let value: Value = serde_json::from_str(r#"{"task_id":"ND-025","notes":"TTΔ 🚀","a":[]}"#).unwrap();
        assert_eq!(
            pretty_sorted_ascii(&value),
            "{\n  \"a\": [],\n  \"notes\": \"TT\\u0394 \\ud83d\\ude80\",\n  \"task_id\": \"ND-025\"\n}\n"
        );
    }

    #[test]
    fn printable_json_escapes_control_characters() {
        let value = serde_json::json!({"a\u{9b}": "x\u{7f}\u{202e}é🚀\u{e0041}"});
        let shown = printable(compact(&value));
        assert_eq!(shown, "{\"a\\u009b\":\"x\\u007f\\u202eé🚀\\udb40\\udc41\"}");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
    }

    #[test]
    fn damaged_documents_are_named_with_their_place() {
        let path = Path::new("claims/A.json");
        for (bytes, why) in
            [(&b""[..], "EOF"), (b"[1]", "an array"), (b"{\"a\":\n1,}", "line 2"), (b"{\"a\":\"\xff\"}", "")]
        {
            let error = parse_object(bytes, path).unwrap_err();
            let refusal = Refusal::of(&error).unwrap();
            assert!(refusal.message.contains("claims/A.json"));
            assert!(refusal.reason.as_ref().unwrap().contains(why), "{refusal:?}");
        }
        let deep = "[".repeat(100_000);
        assert!(parse_object(format!("{{\"a\":{deep}").as_bytes(), path).is_err());
    }
}
