//! Adds one setting to the text of a `teof.toml` and leaves every other byte as it is.
//!
//! A line is put in as text, and stays only if the result parses to the old settings plus that key. The crate `toml_edit`
//! would cost more than this one edit does.

use toml::{Table, Value};

/// The text with `[section] key = value` added; `None` when the key is there already, or when the text is written in
/// a way that a line cannot be added to (it does not parse, or the section is an inline table).
pub fn add(text: &str, section: &str, key: &str, value: &Value) -> Option<String> {
    let mut wanted: Table = text.parse().ok()?;
    let mut table = &mut wanted;
    for part in section.split('.') {
        table = table.entry(part).or_insert_with(|| Value::Table(Table::new())).as_table_mut()?;
    }
    if table.contains_key(key) {
        return None;
    }
    table.insert(key.to_owned(), value.clone());
    let (header, line) = (format!("[{section}]"), format!("{key} = {value}\n"));
    let mut at = 0;
    let end = text.split_inclusive('\n').find_map(|row| {
        at += row.len();
        let is_header =
            row.strip_prefix(&header).is_some_and(|rest| rest.trim().is_empty() || rest.trim().starts_with('#'));
        is_header.then_some(at)
    });
    let mut edited = text.to_owned();
    let at = end.unwrap_or(text.len());
    if !edited[..at].is_empty() && !edited[..at].ends_with('\n') {
        edited.insert(at, '\n');
    }
    match end {
        Some(at) => edited.insert_str(at + usize::from(edited.len() > text.len()), &line),
        None => edited.push_str(&format!("\n{header}\n{line}")),
    }
    // Whatever the text looks like: only the result counts.
    (edited.parse::<Table>().ok()? == wanted).then_some(edited)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claude() -> Value {
        Value::from("claude")
    }

    #[test]
    fn a_setting_is_added_and_the_rest_stays() {
        let text = "# Mine\n[guard]  # checks\n# tests = [\"x\"]\ndiff_limit = 5\n\n[git]\ntarget = \"main\"\n";
        let tests = Value::from(vec!["make test"]);
        let added = add(text, "guard", "tests", &tests).unwrap();
        assert_eq!(added, text.replace("# checks\n", "# checks\ntests = [\"make test\"]\n"));
        let added = add(text, "roles.coder", "agent", &claude()).unwrap();
        assert_eq!(added, format!("{text}\n[roles.coder]\nagent = \"claude\"\n"));
        assert_eq!(add("", "roles.coder", "agent", &claude()).unwrap(), "\n[roles.coder]\nagent = \"claude\"\n");
        assert_eq!(add("[guard]", "guard", "tests", &tests).unwrap(), "[guard]\ntests = [\"make test\"]\n");
    }

    #[test]
    fn what_is_there_or_cannot_be_added_to_stays() {
        for text in ["[roles.coder]\nagent = \"x\"\n", "roles = { coder = {} }\n", "[roles", "roles = 1\n"] {
            assert_eq!(add(text, "roles.coder", "agent", &claude()), None, "{text}");
        }
    }
}
