//! Sets one setting in the text of a `teof.toml` and leaves every other byte as it is.
//!
//! A line is put in or exchanged as text, and stays only if the result parses to the old settings with that key. The
//! crate `toml_edit` would cost more than this one edit does.

use toml::{Table, Value};

/// The text with `[section] key = value`, added or in place of another value; `None` when it is written in a way that
/// one line cannot change (it does not parse, the section is an inline table, or the value has several lines).
pub fn set(text: &str, section: &str, key: &str, value: &Value) -> Option<String> {
    let mut wanted: Table = text.parse().ok()?;
    let mut table = &mut wanted;
    for part in section.split('.') {
        table = table.entry(part).or_insert_with(|| Value::Table(Table::new())).as_table_mut()?;
    }
    let old = table.insert(key.to_owned(), value.clone());
    if old.as_ref() == Some(value) {
        return Some(text.to_owned());
    }
    let line = format!("{key} = {value}\n");
    let mut rows: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    if let Some(last) = rows.last_mut().filter(|last| !last.ends_with('\n')) {
        last.push('\n');
    }
    let header = format!("[{section}]");
    let is_header = |row: &String| row.strip_prefix(&header).is_some_and(is_blank);
    let is_key =
        |row: &String| row.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
    match (rows.iter().position(is_header), &old) {
        (Some(at), None) => rows.insert(at + 1, line),
        (Some(at), Some(_)) => {
            let row = rows.iter().skip(at + 1).take_while(|row| !row.starts_with('[')).position(is_key)?;
            rows[at + 1 + row] = line;
        }
        (None, None) => rows.push(format!("{}{header}\n{line}", if text.is_empty() { "" } else { "\n" })),
        (None, Some(_)) => return None,
    }
    let edited = rows.concat();
    // Whatever the text looks like: only the result counts.
    (edited.parse::<Table>().ok()? == wanted).then_some(edited)
}

/// Whether nothing follows but a comment.
fn is_blank(rest: &str) -> bool {
    rest.trim().is_empty() || rest.trim().starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claude() -> Value {
        Value::from("claude")
    }

    #[test]
    fn a_setting_is_added_or_exchanged_and_the_rest_stays() {
        let text = "# Mine\n[guard]  # checks\n# tests = [\"x\"]\ndiff_limit = 5\n\n[git]\ntarget = \"main\"\n";
        let tests = Value::from(vec!["make test"]);
        let added = set(text, "guard", "tests", &tests).unwrap();
        assert_eq!(added, text.replace("# checks\n", "# checks\ntests = [\"make test\"]\n"));
        let again = set(&added, "guard", "tests", &Value::from(vec!["make check"])).unwrap();
        assert_eq!(again, added.replace("make test", "make check"));
        assert_eq!(set(text, "git", "target", &Value::from("next")).unwrap(), text.replace("\"main\"", "\"next\""));
        let added = set(text, "roles.coder", "agent", &claude()).unwrap();
        assert_eq!(added, format!("{text}\n[roles.coder]\nagent = \"claude\"\n"));
        assert_eq!(set(&added, "roles.coder", "agent", &claude()).unwrap(), added);
        assert_eq!(set("", "roles.coder", "agent", &claude()).unwrap(), "[roles.coder]\nagent = \"claude\"\n");
        assert_eq!(set("[guard]", "guard", "tests", &tests).unwrap(), "[guard]\ntests = [\"make test\"]\n");
    }

    #[test]
    fn what_one_line_cannot_change_stays() {
        let several = "[guard]\ntests = [\n  \"x\",\n]\n";
        assert_eq!(set(several, "guard", "tests", &Value::from(vec!["y"])), None);
        for text in ["roles = { coder = { agent = \"x\" } }\n", "roles.coder.agent = \"x\"\n", "[roles", "roles = 1\n"]
        {
            assert_eq!(set(text, "roles.coder", "agent", &claude()), None, "{text}");
        }
    }
}
