//! Limits for every line of the bus: bounded length, one line, valid names.

use crate::base::{Refusal, Result, names};

/// The longest summary or note, in bytes. Longer texts belong in a receipt.
pub const MAX_TEXT: usize = 8 * 1024;
/// The longest line, in bytes.
pub const MAX_LINE: usize = 64 * 1024;

/// Refuses an empty or too long text; `what` names it ("summary").
pub fn check_text(what: &str, text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Refusal::usage("text.empty", format!("the {what} (--{what}) is empty"))
            .because("an empty line does not help later readers of the log")
            .next(format!("write a sentence: --{what} \"…\""))
            .into());
    }
    check_length(what, text)
}

pub fn check_length(what: &str, text: &str) -> Result<()> {
    if text.len() <= MAX_TEXT {
        return Ok(());
    }
    Err(too_long(what, text.len(), MAX_TEXT).into())
}

/// Refuses a line that is too long; `line` includes its newline.
pub fn check_line(line: &[u8]) -> Result<()> {
    if line.len() <= MAX_LINE {
        return Ok(());
    }
    Err(too_long("line", line.len(), MAX_LINE).into())
}

/// Checks a word that readers filter by: an event's kind, a message's type.
pub fn check_word<'a>(what: &str, word: &'a str) -> Result<&'a str> {
    if names::is_id(word) {
        return Ok(word);
    }
    let shown = crate::base::text::clip(&crate::base::text::safe(word), 60);
    Err(Refusal::usage("word.invalid", format!("invalid {what} {shown:?}"))
        .because("readers filter by it")
        .next("use one word of letters, digits, '.', '_' and '-': status, complete, pr_opened")
        .into())
}

fn too_long(what: &str, has: usize, max: usize) -> Refusal {
    Refusal::usage("text.too_long", format!("the {what} is too long"))
        .because(format!("it has {has} bytes, limit {max}"))
        .next("put the text into a file under _report/ and pass it with --receipt")
        .with("bytes", has)
        .with("max_bytes", max)
}
