//! Says how grave an error is, by its words.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use crate::model::run::noticed::Class;

/// A person must act: the agent may not do what it needs to do.
const CRITICAL: [&str; 15] = [
    "permission denied",
    "operation not permitted",
    "read-only file system",
    "eacces",
    "eperm",
    "erofs",
    "access denied",
    "authentication failed",
    "authentication error",
    "authentication required",
    "invalid api key",
    "unauthorized",
    "not logged in",
    "no space left on device",
    "was not allowed",
];

static CRITICAL_WORDS: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().ascii_case_insensitive(true).build(CRITICAL).ok());

/// The class of an error; `least` unless its words say more.
pub fn class(text: &str, least: Class) -> Class {
    match CRITICAL_WORDS.as_ref().is_some_and(|words| words.is_match(text)) {
        true => Class::Critical,
        false => least,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_class_that_their_words_say() {
        for (text, class_of) in [
            ("sh: ./x: Permission denied", Class::Critical),
            ("open .git/index.lock: Read-only file system", Class::Critical),
            ("API Error: 401 authentication failed", Class::Critical),
            ("cat: x: No such file or directory", Class::Warning),
            ("Exit code 2", Class::Warning),
        ] {
            assert_eq!(class(text, Class::Warning), class_of, "{text}");
        }
        assert_eq!(class("retrying", Class::Info), Class::Info);
    }
}
