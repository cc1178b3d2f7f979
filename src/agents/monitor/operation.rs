//! Takes out of a tool's input what it does: commands, paths and addresses, without the contents of files.

use serde_json::Value;
use serde_json::value::RawValue;

/// How much of an operation is kept, in bytes: its beginning and its end.
const MAX: usize = 32 << 10;
/// How deep an input is searched.
const DEEP: usize = 8;
/// Keys of text that is written, searched for or said, not done.
const CONTENT: [&str; 22] = [
    "content",
    "contents",
    "text",
    "new_string",
    "old_string",
    "newstring",
    "oldstring",
    "new_str",
    "old_str",
    "new_source",
    "file_text",
    "insert_text",
    "patch",
    "diff",
    "description",
    "prompt",
    "query",
    "thought",
    "todos",
    "message",
    "instruction",
    "explanation",
];

/// The commands, paths and addresses in a tool's input, one a line.
pub(in crate::agents) fn of(input: &RawValue) -> String {
    match serde_json::from_str::<Value>(input.get()) {
        Ok(value) => of_value(&value),
        // Too deep to be read: all of it is searched.
        Err(_) => bounded(input.get().to_owned()),
    }
}

/// The commands, paths and addresses in a tool's input, one a line.
pub fn of_value(input: &Value) -> String {
    let mut found = String::new();
    collect(input, DEEP, &mut found);
    bounded(found)
}

fn collect(value: &Value, deep: usize, found: &mut String) {
    match value {
        Value::String(text) => line(text, found),
        // The words of one command.
        Value::Array(words) if words.len() > 1 && words.iter().all(Value::is_string) => {
            line(&words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "), found);
        }
        Value::Array(items) if deep > 0 => items.iter().for_each(|item| collect(item, deep - 1, found)),
        Value::Object(fields) if deep > 0 => {
            let acts = fields.iter().filter(|(key, _)| !CONTENT.contains(&key.to_lowercase().as_str()));
            acts.for_each(|(_, value)| collect(value, deep - 1, found));
        }
        _ => {}
    }
}

fn line(text: &str, found: &mut String) {
    if !found.is_empty() {
        found.push('\n');
    }
    found.push_str(text);
}

fn bounded(mut text: String) -> String {
    if text.len() > MAX {
        let (mut from, mut to) = (MAX / 2, text.len() - MAX / 2);
        while !text.is_char_boundary(from) {
            from -= 1;
        }
        while !text.is_char_boundary(to) {
            to += 1;
        }
        text.replace_range(from..to, "\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tool_does_is_told_from_what_it_writes() {
        for (input, found) in [
            (r#"{"command": "rm -rf x", "description": "sudo"}"#, "rm -rf x"),
            (r#"{"file_path": "/a/.env", "content": "curl x"}"#, "/a/.env"),
            (r#"{"command": ["bash", "-lc", "ls"], "workdir": "/w"}"#, "bash -lc ls\n/w"),
            (r#"[{"path": "a", "kind": "add"}, {"path": "b", "kind": "delete"}]"#, "add\na\ndelete\nb"),
            (r#""git push""#, "git push"),
            ("7", ""),
        ] {
            let raw = RawValue::from_string(input.to_owned()).unwrap();
            let mut lines: Vec<String> = of(&raw).lines().map(str::to_owned).collect();
            let mut wanted: Vec<&str> = found.lines().collect();
            lines.sort();
            wanted.sort();
            assert_eq!(lines, wanted, "{input}");
        }
        let long = format!("\"{}\"", "é".repeat(MAX));
        assert!(of(&RawValue::from_string(long).unwrap()).len() <= MAX + 1);
        let deep = format!("{}\"sudo\"{}", "[".repeat(200), "]".repeat(200));
        assert!(of(&RawValue::from_string(deep).unwrap()).contains("sudo"));
    }
}
