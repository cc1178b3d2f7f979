//! Assignments, `name = value`, where the name suggests a secret and the value looks random.

use std::ops::Range;

/// A name counts by its last word, so that `token_sha256`, `secret_path` and `max_tokens` do not.
const LAST_WORDS: [&str; 10] =
    ["password", "passwd", "pwd", "passphrase", "secret", "token", "apikey", "credential", "credentials", "secretkey"];
/// `key` counts after one of these.
pub(super) const KEY_OF: [&str; 7] = ["api", "access", "secret", "private", "signing", "encryption", "auth"];

const PLACEHOLDERS: [&str; 9] =
    ["example", "xxxx", "****", "changeme", "redacted", "placeholder", "your", "dummy", "...."];

/// How much of a name and of a value is looked at: keeps the work per `=` bounded.
const MAX_NAME: usize = 64;
const MAX_JUDGED: usize = 512;
const MIN_VALUE: usize = 12;

/// The value that is assigned at the `=` or `:` at `mark`, if it is a secret.
pub(super) fn value(bytes: &[u8], mark: usize) -> Option<Range<usize>> {
    if !is_secret_name(name_before(bytes, mark)?) {
        return None;
    }
    let rest = &bytes[mark + 1..];
    let skipped =
        rest.iter().take(8).take_while(|b| matches!(b, b' ' | b'\t' | b'"' | b'\'' | b'\\' | b'>' | b'`')).count();
    let start = mark + 1 + skipped;
    let quote = bytes[start - 1];
    let quoted = matches!(quote, b'"' | b'\'' | b'`');
    let ends = |b: u8| match quoted {
        true => b == quote || b == b'\\' || b == b'\n',
        false => {
            b.is_ascii_whitespace()
                || b.is_ascii_control()
                || matches!(b, b'"' | b'\'' | b'`' | b',' | b';' | b'\\' | b')' | b']' | b'}' | b'&')
        }
    };
    let judged = bytes[start..].iter().take(MAX_JUDGED).take_while(|&&b| !ends(b)).count();
    if !looks_random(&bytes[start..start + judged]) {
        return None;
    }
    let length = judged + bytes[start + judged..].iter().take_while(|&&b| !ends(b)).count();
    Some(start..start + length)
}

fn name_before(bytes: &[u8], mark: usize) -> Option<&[u8]> {
    let before = &bytes[mark.saturating_sub(MAX_NAME + 4)..mark];
    let end = before.len()
        - before.iter().rev().take(4).take_while(|b| matches!(b, b' ' | b'"' | b'\'' | b'\\' | b'`')).count();
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let length = before[..end].iter().rev().take(MAX_NAME).take_while(|&b| is_name(b)).count();
    (length > 0).then(|| &before[end - length..end])
}

fn is_secret_name(name: &[u8]) -> bool {
    let mut words = words(name);
    let last = words.pop().unwrap_or_default();
    LAST_WORDS.contains(&last.as_str())
        || (last == "key" && words.pop().is_some_and(|word| KEY_OF.contains(&word.as_str())))
}

/// `dbPassword`, `DB_PASSWORD` and `db-password` are `db`, `password`.
pub(super) fn words(name: &[u8]) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = b'_';
    for &byte in name {
        let hump = byte.is_ascii_uppercase() && before.is_ascii_lowercase();
        if (hump || !byte.is_ascii_alphanumeric()) && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let (true, Some(word)) = (byte.is_ascii_alphanumeric(), words.last_mut()) {
            word.push(byte.to_ascii_lowercase() as char);
        }
        before = byte;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Long enough, of letters and digits, not a path, a call, a variable or a stand-in, and with few
/// repetitions.
pub(super) fn looks_random(value: &[u8]) -> bool {
    value.len() >= MIN_VALUE
        && value.iter().any(u8::is_ascii_digit)
        && value.iter().any(u8::is_ascii_alphabetic)
        && !is_placeholder(value)
        && !is_code_or_path(value)
        && entropy(value) >= 3.0
}

pub(super) fn is_placeholder(value: &[u8]) -> bool {
    let lower = value[..value.len().min(MAX_JUDGED)].to_ascii_lowercase();
    let lower = String::from_utf8_lossy(&lower);
    matches!(value.first(), Some(b'<' | b'$' | b'%' | b'{' | b'[' | b'*'))
        || PLACEHOLDERS.iter().any(|p| lower.contains(p))
}

fn is_code_or_path(value: &[u8]) -> bool {
    let has = |byte: u8| value.contains(&byte);
    let words_only = value.split(|b| !b.is_ascii_alphanumeric()).all(|word| word.len() <= 16);
    has(b'(') || has(b'[') || has(b' ') || has(b'<') || (words_only && (has(b'/') || has(b'.')) && !has(b'+'))
}

/// Shannon entropy of the bytes, in bits each.
pub(super) fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    let total = bytes.len() as f64;
    counts.iter().filter(|&&n| n > 0).map(|&n| f64::from(n) / total).map(|share| -share * share.log2()).sum()
}
