//! Quotes text from somebody else inside a prompt: each line gets a prefix that the text cannot remove, so that it
//! reads as data, whatever it says.

use super::text;

/// Prefix of every line that somebody else wrote.
pub const MARK: &str = "> ";
/// Limits for quoting a field on one line, and over several lines, in characters.
pub const MAX_LINE: usize = 400;
pub const MAX_BLOCK: usize = 16_000;

/// Prefixes each line with the mark. A line with a line break becomes two.
pub fn marked(lines: &[String]) -> String {
    lines.iter().flat_map(|line| line.split('\n')).map(|line| format!("{MARK}{line}\n")).collect()
}

/// A field on one line, whatever line breaks it holds.
pub fn field(name: &str, value: &str) -> String {
    format!("{name}: {}", text::clip(&text::safe(value.trim()), MAX_LINE))
}

/// A field over several lines; `whence` names where the rest of a longer one is.
pub fn block(name: &str, value: Option<&str>, whence: &str) -> Vec<String> {
    let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) else {
        return vec![format!("{name}: none")];
    };
    let mut lines = vec![format!("{name}:")];
    lines.extend(body(value, MAX_BLOCK, whence).into_iter().map(|line| format!("  {line}")));
    lines
}

/// The lines of a text. Anything else that could break a line is made visible before it is split.
pub fn body(value: &str, max: usize, whence: &str) -> Vec<String> {
    let shown = text::clip(&text::safe_block(value), max);
    let mut lines: Vec<_> = shown.split('\n').map(str::to_owned).collect();
    let cut = value.chars().count().saturating_sub(max);
    if cut > 0 {
        lines.push(format!("({cut} more characters in {whence})"));
    }
    lines
}
