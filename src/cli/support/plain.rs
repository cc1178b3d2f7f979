//! Replaces what libraries say about an error by words that a person can use.

use std::borrow::Cow;

/// `text` without the parts that only the author of a library understands.
///
/// Errors are worded where they are refused; this is the last look at those that pass through as they are.
pub fn text(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for (raw, plain) in WORDS {
        if text.contains(raw) {
            text = text.replace(raw, plain).into();
        }
    }
    while let Some((from, to)) = code_of_system(&text).or_else(|| code_of_git(&text)) {
        text = format!("{}{}", &text[..from], &text[to..]).into();
    }
    text
}

/// What a value of the command line must be, from what its parser said about it.
pub fn value(said: &str) -> String {
    let range = |said: &str| {
        let (low, high) = said.rsplit_once(" is not in ")?.1.split_once("..")?;
        Some(match high.strip_prefix('=') {
            Some(high) => format!("it must be a whole number from {low} to {high}"),
            None => format!("it must be a whole number from {low} on"),
        })
    };
    range(said).unwrap_or_else(|| text(said).into_owned())
}

/// ` (os error 2)`
fn code_of_system(text: &str) -> Option<(usize, usize)> {
    let from = text.find(" (os error ")?;
    let to = from + text[from..].find(')')? + 1;
    Some((from, to))
}

/// `; class=Odb (9); code=NotFound (-3)`
fn code_of_git(text: &str) -> Option<(usize, usize)> {
    let from = text.find("; class=")?;
    let to = text[from + 2..].find([';', '\n']).map_or(text.len(), |at| from + 2 + at);
    let rest = text[to..]
        .strip_prefix("; code=")
        .map_or(0, |rest| "; code=".len() + rest.find(')').map_or(rest.len(), |at| at + 1));
    Some((from, to + rest))
}

const WORDS: [(&str, &str); 25] = [
    ("invalid digit found in string", "it must be a whole number"),
    ("cannot parse integer from empty string", "it must be a whole number"),
    ("number too large to fit in target type", "the number is too large"),
    ("number too small to fit in target type", "the number is too small"),
    ("invalid float literal", "it must be a number"),
    ("provided string was not `true` or `false`", "it must be true or false"),
    ("premature end of input", "the time ends too early"),
    ("input contains invalid characters", "it is not a time such as 2026-01-05T10:00:00Z"),
    ("EOF while parsing an object", "the JSON object does not end"),
    ("EOF while parsing a list", "the JSON list does not end"),
    ("EOF while parsing a string", "the JSON text does not end"),
    ("EOF while parsing a value", "the JSON is empty or ends too early"),
    ("expected value at line", "it is not JSON, at line"),
    ("expected ident at line", "it is not JSON, at line"),
    ("key must be a string at line", "a JSON key is not in double quotes, at line"),
    ("trailing characters at line", "text follows the JSON value, at line"),
    ("invalid type: ", "wrong kind of value: "),
    ("expected usize", "expected a whole number"),
    ("expected u64", "expected a whole number"),
    ("expected u32", "expected a whole number"),
    ("expected i64", "expected a whole number"),
    ("expected f64", "expected a number"),
    ("expected a sequence", "expected a list"),
    ("expected a boolean", "expected true or false"),
    ("stream did not contain valid UTF-8", "it is not UTF-8 text"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_raw_text_of_a_library_is_left() {
        let number = "x".parse::<u64>().unwrap_err().to_string();
        let io = std::fs::read("/no/such/file").unwrap_err().to_string();
        let json = serde_json::from_str::<serde_json::Value>("x").unwrap_err().to_string();
        let cut = serde_json::from_str::<serde_json::Value>("{").unwrap_err().to_string();
        let odb = "object not found - no match for id (12); class=Odb (9); code=NotFound (-3)";
        let table = [
            (number.as_str(), "it must be a whole number"),
            (&io, "No such file or directory"),
            (&json, "it is not JSON, at line 1 column 1"),
            (&cut, "the JSON object does not end at line 1 column 1"),
            (odb, "object not found - no match for id (12)"),
            ("cannot open a: Is a directory (os error 21); move it", "cannot open a: Is a directory; move it"),
        ];
        for (raw, plain) in table {
            assert_eq!(text(raw), plain);
        }
        assert_eq!(value("70 is not in 1..=64"), "it must be a whole number from 1 to 64");
        assert_eq!(value("0 is not in 1..18446744073709551615"), "it must be a whole number from 1 on");
    }
}
