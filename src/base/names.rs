//! Identifiers that become file names.

use super::{Refusal, Result};

/// The longest identifier, in bytes.
pub const MAX_LEN: usize = 128;

/// Whether `text` matches `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`: safe as a file name everywhere.
pub fn is_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=MAX_LEN).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Checks an identifier; `what` names it in the refusal ("task", "agent", "plan").
pub fn check_id<'a>(what: &str, text: &'a str) -> Result<&'a str> {
    if is_id(text) {
        return Ok(text);
    }
    let shown = super::text::clip(&super::text::safe(text), 60);
    Err(Refusal::usage("name.invalid", format!("invalid {what} id {shown:?}"))
        .because("it becomes part of a file name")
        .next("use letters, digits, '.', '_' and '-' only, starting with a letter or digit, at most 128 of them")
        .into())
}

/// Lower case, other runs of characters folded to one '-': `"Fix the parser!"` → `fix-the-parser`.
/// Empty when nothing usable is left.
pub fn slug(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_LEN));
    for c in ascii(text).chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        if out.len() >= 80 {
            break;
        }
    }
    out.trim_matches('-').to_owned()
}

/// The most significant words of a text, as a short name: `"Fix the parser, please"` → `fix-parser`. At most three
/// words and 30 bytes; empty when nothing usable is left.
pub fn short(text: &str) -> String {
    let lower = ascii(text).to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let telling: Vec<&str> = words.clone().filter(|word| !FILLERS.contains(word)).collect();
    let words: Vec<&str> = if telling.is_empty() { words.collect() } else { telling };
    let mut short = String::new();
    for word in words.into_iter().take(3) {
        let word = &word[..word.len().min(30)];
        if !short.is_empty() && short.len() + 1 + word.len() > 30 {
            break;
        }
        if !short.is_empty() {
            short.push('-');
        }
        short.push_str(word);
    }
    short
}

/// The text with the letters of other alphabets written in ASCII; what is no letter separates words.
fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match deunicode::deunicode_char(c) {
            _ if c.is_ascii() => out.push(c),
            // A mark of the letter before it.
            Some("") => {}
            Some(letters) if c.is_alphanumeric() => out.push_str(letters),
            _ => out.push(' '),
        }
    }
    out
}

/// Words that say little about the work.
const FILLERS: [&str; 41] = [
    "a", "all", "an", "and", "are", "as", "at", "be", "but", "by", "can", "could", "do", "does", "for", "from", "in",
    "into", "is", "it", "its", "me", "my", "number", "of", "on", "or", "our", "please", "should", "so", "some", "that",
    "the", "there", "this", "to", "we", "which", "with", "you",
];

/// The most similar known names, at most three: those that begin with the word, then typos of it, then those that
/// contain it.
pub fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let lower = word.to_lowercase();
    let rank = |name: &str| {
        let name_lower = name.to_lowercase();
        let is_part = lower.len() >= 3 && name_lower.contains(&lower);
        match (is_part && name_lower.starts_with(&lower), is_near(word, name), is_part) {
            (true, _, _) => Some(0),
            (_, true, _) => Some(1),
            (_, _, true) => Some(2),
            _ => None,
        }
    };
    let mut found: Vec<(u8, &str)> = known.into_iter().filter_map(|name| Some((rank(name)?, name))).collect();
    found.sort_unstable();
    found.dedup();
    let is_same = |name: &str| without_zeros(&name.to_lowercase()) == without_zeros(&lower);
    if found.iter().any(|(_, name)| is_same(name)) {
        found.retain(|(_, name)| is_same(name));
    }
    found.into_iter().take(3).map(|(_, name)| name).collect()
}

/// ` (did you mean TASK-1?)`, to end a message that names something unknown; empty when nothing is near.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match meant(word, known).as_slice() {
        [] => String::new(),
        [one] => format!(" (did you mean {one}?)"),
        [first @ .., last] => format!(" (did you mean {} or {last}?)", first.join(", ")),
    }
}

/// The slug of a plan's id: `2026-01-05-docs` → `docs`.
pub fn slug_of(id: &str) -> Option<&str> {
    let (date, slug) = id.split_at_checked(11)?;
    let fits = |(at, byte): (usize, u8)| match at {
        4 | 7 | 10 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    (date.bytes().enumerate().all(fits) && !slug.is_empty()).then_some(slug)
}

/// Whether a word is likely a typo of another one: letters in another order, or one letter changed, missing or
/// doubled. Case is ignored, and so are zeros before a number.
pub fn is_near(word: &str, meant: &str) -> bool {
    let letters = |text: &str| without_zeros(&text.to_lowercase());
    let (mut word, mut meant) = (letters(word), letters(meant));
    let same = word.iter().zip(&meant).take_while(|(a, b)| a == b).count();
    let tail = word[same..].iter().rev().zip(meant[same..].iter().rev()).take_while(|(a, b)| a == b).count();
    if word.len().max(meant.len()) - same - tail <= 1 {
        return true;
    }
    word.sort_unstable();
    meant.sort_unstable();
    word == meant
}

/// The characters of a text without the zeros that begin a number: `queue-002` → `queue-2`.
fn without_zeros(text: &str) -> Vec<char> {
    let mut kept: Vec<char> = Vec::new();
    for (at, c) in text.char_indices() {
        let is_in_number = kept.last().is_some_and(char::is_ascii_digit);
        let goes_on = text[at + c.len_utf8()..].starts_with(|next: char| next.is_ascii_digit());
        if c != '0' || is_in_number || !goes_on {
            kept.push(c);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_near_and_other_words_are_not() {
        assert!(is_near("QUEUE-2", "QUEUE-002") && is_near("queue-020", "QUEUE-20"));
        assert!(!is_near("QUEUE-2", "QUEUE-200") && !is_near("QUEUE-100", "QUEUE-1"));
        for slip in ["hlod", "hold", "Hold", "HLOD", "Hol", "hol", "holdd", "hild", "old"] {
            assert!(is_near(slip, "hold"), "{slip}");
        }
        for other in ["held up", "lift", "bogus", "", "note"] {
            assert!(!is_near(other, "hold"), "{other}");
        }
    }

    #[test]
    fn suggestions_look_at_each_name_once() {
        let known: Vec<String> = (0..5000).map(|n| format!("TASK-{n:04}")).collect();
        let looked = std::cell::Cell::new(0);
        let names = || known.iter().map(|name| name.as_str()).inspect(|_| looked.set(looked.get() + 1));
        assert_eq!(meant("SK-498", names()), ["TASK-4980", "TASK-4981", "TASK-4982"]);
        assert_eq!(meant("TASK-498", names()), ["TASK-0498"], "the same but for zeros");
        looked.set(0);
        assert_eq!(meant("nothing like it", names()), [""; 0]);
        assert_eq!(looked.get(), known.len());
        assert_eq!(meant("task-0042", names()).first(), Some(&"TASK-0042"));
    }

    #[test]
    fn a_message_names_what_was_likely_meant() {
        let known = ["status", "complete", "note"];
        assert_eq!(did_you_mean("Statsu", known), " (did you mean status?)");
        assert_eq!(did_you_mean("TASK-1", ["TASK-2", "TASK-3"]), " (did you mean TASK-2 or TASK-3?)");
        assert_eq!(did_you_mean("bogus", known), "");
    }

    #[test]
    fn names_that_could_escape_a_folder_are_refused() {
        for bad in ["", ".", "..", "../x", "a/b", "a\nb", "-rf", "a b", "é", "\u{1b}[31m", &"x".repeat(129)] {
            assert!(!is_id(bad), "{bad:?}");
            assert!(check_id("task", bad).is_err());
        }
        for good in ["QUEUE-001", "AUTH-PRIMARY_TRUTH-codex-5-20251004", "2025-10-19-a.b", &"x".repeat(128)] {
            assert!(is_id(good), "{good:?}");
        }
    }

    #[test]
    fn slugs_are_usable_names() {
        assert_eq!(slug("Fix the parser!"), "fix-the-parser");
        assert_eq!(slug("--Ünïcode \u{1f389} u\u{308}ber--"), "unicode-uber");
        assert_eq!(slug("///"), "");
    }

    #[test]
    fn short_names_keep_the_words_that_say_most() {
        for (text, name) in [
            ("Document the parser", "document-parser"),
            ("Please fix it so that the empty list is handled", "fix-empty-list"),
            ("Write page 12", "write-page-12"),
            ("Größe prüfen", "grosse-prufen"),
            ("Исправить разбор", "ispravit-razbor"),
            ("The of", "the-of"),
            ("Internationalisation of documentation", "internationalisation"),
            ("///", ""),
        ] {
            assert_eq!(short(text), name);
        }
        assert_eq!(short(&"x".repeat(100)).len(), 30);
    }
}
