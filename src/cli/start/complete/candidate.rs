//! A word that may stand in a place of a command line.

use crate::base::text;

/// What may stand in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub word: String,
    /// What it is, for shells that show it; may be empty.
    pub about: String,
}

impl Candidate {
    pub fn new(word: impl Into<String>, about: impl Into<String>) -> Candidate {
        Candidate { word: word.into(), about: about.into() }
    }

    /// Whether a shell takes it as one plain word, and a terminal obeys nothing in it.
    pub fn is_plain(&self) -> bool {
        !self.word.is_empty() && text::shell_word(&self.word) == self.word
    }
}
