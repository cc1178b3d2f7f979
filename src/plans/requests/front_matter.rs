//! Parses Markdown with YAML front matter (the vault's feature requests), and changes the status without changing any
//! other byte. Pure.
//!
//! The files belong to people. An edit that would change more than the status is refused.

use serde_json::{Map, Value};

use crate::base::text;

/// The type of the link from a plan to its feature request.
pub const LINK: &str = "vault";
/// The statuses of a feature request that teof reads and writes.
pub const PLANNED: &str = "planned";
pub const IN_PROGRESS: &str = "in-progress";
pub const DONE: &str = "done";
pub const BLOCKED: &str = "blocked";

/// The largest front matter, in bytes.
const MAX: usize = 64 * 1024;
const STATUS: &str = "status";

/// A file as found.
#[derive(Clone, Debug)]
pub struct FrontMatter<'a> {
    pub fields: Map<String, Value>,
    /// The text after the front matter.
    pub body: &'a str,
    /// The front matter's YAML, and its offset.
    yaml: &'a str,
    at: usize,
}

impl<'a> FrontMatter<'a> {
    /// Reads a file; the error explains the problem to a person.
    pub fn read(text: &'a str) -> Result<FrontMatter<'a>, String> {
        let start = text.strip_prefix('\u{feff}').map_or(0, |rest| text.len() - rest.len());
        let mut at = start;
        let mut lines = text[start..].split_inclusive('\n');
        let first = lines.next().unwrap_or_default();
        if first.trim_end() != "---" {
            return Err("no front matter at the start (a line ---)".into());
        }
        at += first.len();
        let begin = at;
        for line in lines {
            if matches!(line.trim_end(), "---" | "...") {
                let yaml = &text[begin..at];
                return Ok(FrontMatter { fields: parse(yaml)?, body: &text[at + line.len()..], yaml, at: begin });
            }
            at += line.len();
            if at - begin > MAX {
                return Err(format!("the front matter is longer than {MAX} bytes, or has no end"));
            }
        }
        Err("the front matter has no end (a second line ---)".into())
    }

    pub fn status(&self) -> Option<&str> {
        self.fields.get(STATUS)?.as_str()
    }

    /// A text, or a number as written.
    pub fn text(&self, key: &str) -> Option<String> {
        match self.fields.get(key)? {
            Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

/// Untrusted YAML: one small mapping, without anchors, so that nothing in it can grow.
fn parse(yaml: &str) -> Result<Map<String, Value>, String> {
    let mut options = serde_saphyr::Options::default();
    let mut budget = serde_saphyr::Budget::default();
    budget.max_events = 10_000;
    budget.max_aliases = 0;
    budget.max_anchors = 0;
    budget.max_depth = 16;
    budget.max_documents = 1;
    options.budget = Some(budget);
    match serde_saphyr::from_str_with_options::<Value>(yaml, options) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err("the front matter is not a mapping".into()),
        Err(e) => {
            let why = e.to_string();
            Err(format!(
                "the front matter is not valid YAML: {}",
                text::clip(&text::safe(why.lines().next().unwrap_or("")), 160)
            ))
        }
    }
}

/// The file with another status and every other byte unchanged: line ends, comments, quotes, order.
///
/// # Errors
/// When the status is not on its own line, such as `status: planned`.
pub fn with_status(file: &str, status: &str) -> Result<String, String> {
    let found = FrontMatter::read(file)?;
    let mut places = Vec::new();
    let mut at = found.at;
    for line in found.yaml.split_inclusive('\n') {
        places.extend(value_in(line).map(|(from, to)| (at + from, at + to)));
        at += line.len();
    }
    let [(from, to)] = places[..] else {
        return Err("the status is not on its own line (status: planned)".into());
    };
    let quote = file[from..to].chars().next().filter(|c| matches!(c, '"' | '\'')).map(String::from).unwrap_or_default();
    let edited = format!("{}{quote}{status}{quote}{}", &file[..from], &file[to..]);
    // Check with the YAML parser that this line was the status.
    let mut wanted = found.fields.clone();
    wanted.insert(STATUS.into(), status.into());
    match FrontMatter::read(&edited) {
        Ok(after) if after.fields == wanted && after.body == found.body => Ok(edited),
        _ => Err("cannot change the status alone (write it as status: planned)".into()),
    }
}

/// The range of the value in a line `status: planned  # comment`; `None` for other lines.
fn value_in(line: &str) -> Option<(usize, usize)> {
    let rest = ["status", "\"status\"", "'status'"].iter().find_map(|key| line.strip_prefix(key))?;
    let rest = rest.trim_start_matches([' ', '\t']).strip_prefix(':')?;
    let value = rest.trim_start_matches([' ', '\t']);
    if value.len() == rest.len() {
        return None;
    }
    let from = line.len() - value.len();
    let length = match value.chars().next()? {
        quote @ ('"' | '\'') => value[1..].find(quote)? + 2,
        _ => {
            let plain = value.split(" #").next().unwrap_or_default().split("\t#").next().unwrap_or_default();
            plain.trim_end().len()
        }
    };
    (length > 0).then_some((from, from + length))
}

/// Whether two versions of a file differ in their status alone.
pub fn differ_in_status_only(before: &str, after: &str) -> bool {
    let status = FrontMatter::read(after).ok().and_then(|found| found.status().map(str::to_owned));
    status.is_some_and(|status| with_status(before, &status).is_ok_and(|edited| edited == after))
}

/// The text below the first heading that starts with one of `names`, up to the next heading of the same or a higher
/// level.
pub fn section<'a>(body: &'a str, names: &[&str]) -> Option<&'a str> {
    let mut from = None;
    let mut at = 0;
    let mut fenced = false;
    for line in body.split_inclusive('\n') {
        let begins = at;
        at += line.len();
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let level = line.bytes().take_while(|&b| b == b'#').count();
        if fenced || !(1..=6).contains(&level) || !line[level..].starts_with(' ') {
            continue;
        }
        match from {
            Some((_, above)) if level > above => {}
            Some((start, _)) => return Some(body[start..begins].trim()).filter(|text| !text.is_empty()),
            None => {
                let title = line[level..].trim().to_lowercase();
                if names.iter().any(|name| title.starts_with(name)) {
                    from = Some((at, level));
                }
            }
        }
    }
    from.map(|(start, _)| body[start..].trim()).filter(|text| !text.is_empty())
}

/// The text of the first heading.
pub fn heading(body: &str) -> Option<&str> {
    let line = body.lines().find(|line| line.starts_with("# "))?;
    Some(line[2..].trim().trim_end_matches('#').trim()).filter(|title| !title.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn another_status_changes_the_status_and_nothing_else() {
        for (before, after) in [
            ("---\nstatus: planned\n---\nx", "---\nstatus: in-progress\n---\nx"),
            (
                "\u{feff}---\r\nid: FR-1\r\nstatus:   planned  # soon\r\n---\r\n",
                "\u{feff}---\r\nid: FR-1\r\nstatus:   in-progress  # soon\r\n---\r\n",
            ),
            (
                "---\n'status' : 'planned'\nstatuses: [planned]\n...\nstatus: planned\n",
                "---\n'status' : 'in-progress'\nstatuses: [planned]\n...\nstatus: planned\n",
            ),
            (
                "---\n# status: planned\na:\n  status: planned\nstatus: \"planned\"\n---",
                "---\n# status: planned\na:\n  status: planned\nstatus: \"in-progress\"\n---",
            ),
        ] {
            assert_eq!(with_status(before, "in-progress").unwrap(), after);
            assert!(differ_in_status_only(before, after) && !differ_in_status_only(before, &format!("{after} ")));
        }
    }

    #[test]
    fn unsafe_status_edits_are_refused_with_a_reason() {
        for (text, why) in [
            ("no front matter", "at the start"),
            ("---\nstatus: planned\n", "has no end"),
            ("---\nstatus: [\n---\n", "not valid YAML"),
            ("---\n- status: planned\n---\n", "not a mapping"),
            ("---\n{status: planned}\n---\n", "own line"),
            ("---\nstatus:\n  planned\n---\n", "own line"),
            ("---\nstatus: planned\nstatus: planned\n---\n", "not valid YAML"),
            ("---\nstatus: planned\n  and more\n---\n", "status alone"),
            ("---\na: &a [x]\nb: *a\nstatus: planned\n---\n", "not valid YAML"),
        ] {
            let found = with_status(text, "done").unwrap_err();
            assert!(found.contains(why), "{text:?}: {found}");
        }
        let long = format!("---\na: {}\n---\n", "x".repeat(MAX));
        assert!(FrontMatter::read(&long).unwrap_err().contains("longer"));
        let deep = format!("---\na: {}\n---\n", "[".repeat(5000));
        assert!(FrontMatter::read(&deep).is_err());
    }

    #[test]
    fn sections_and_headings_are_found_and_code_is_not_taken_for_them() {
        let body =
            "# FR: a parser #\n\n## Acceptance criteria\n- a\n```\n# not a heading\n```\n### More\n- b\n## Other\nc\n";
        assert_eq!(heading(body), Some("FR: a parser"));
        assert_eq!(section(body, &["acceptance"]), Some("- a\n```\n# not a heading\n```\n### More\n- b"));
        assert_eq!((section(body, &["other"]), section(body, &["goal"])), (Some("c"), None));
    }

    proptest! {
        #[test]
        fn changing_the_status_keeps_other_bytes(
            before in proptest::collection::vec("[a-z]{1,6}: ([a-z0-9 ]{0,8}|'x # y'|\\[1, 2\\])( # .{0,5})?", 0..4),
            value in "(planned|'planned'|\"planned\")( +# c)?",
            end in "(\r\n|\n)",
            body in ".{0,40}",
        ) {
            let mut lines: Vec<String> = vec!["---".into()];
            for (n, line) in before.iter().enumerate() {
                lines.push(format!("k{n}{line}"));
            }
            lines.push(format!("status: {value}"));
            lines.push("---".into());
            lines.push(body);
            let file = lines.join(&end);
            if let Ok(edited) = with_status(&file, "done") {
                prop_assert_eq!(edited, file.replacen(&format!("status: {value}"), &format!("status: {}", value.replacen("planned", "done", 1)), 1));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(---\n)?\\PC{0,60}(\n---\n)?\\PC{0,20}") {
            let _ = FrontMatter::read(&text);
            let _ = with_status(&text, "done");
            let _ = section(&text, &["a"]);
        }
    }
}
