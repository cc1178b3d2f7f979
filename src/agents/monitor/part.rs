//! A part of an operation that a rule matched. Plain data.

/// A part of an operation: what is shown of it, and a key that only an equal one has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub text: String,
    /// Commands with the same text may have different words.
    pub key: String,
}

impl Part {
    pub fn line(line: &str) -> Part {
        Part { text: line.to_owned(), key: line.to_owned() }
    }

    pub fn command(words: &[String]) -> Part {
        Part { text: words.join(" "), key: words.join("\0") }
    }
}
