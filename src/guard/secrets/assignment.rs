//! Assignments, `name = value`, where the name suggests a secret and the value looks random.

use std::ops::Range;

use super::random;

/// A name counts by its last word, so that `token_sha256`, `secret_path` and `max_tokens` do not.
const LAST_WORDS: [&str; 6] = ["pwd", "secret", "token", "passcode", "credential", "credentials"];
/// Names whose words are not separated count by their end: `PGPASSWORD`.
const ENDINGS: [&str; 7] = ["password", "passwd", "passphrase", "apikey", "secretkey", "accesskey", "authtoken"];
/// Words with such an end that are no names of secrets.
const OTHERS: [&str; 3] = ["bypass", "compass", "trespass"];
/// `key` counts after one of these.
pub(super) const KEY_OF: [&str; 7] = ["api", "access", "secret", "private", "signing", "encryption", "auth"];
/// Words that may follow the one that counts: `API_KEY_PROD`, `SECRET_KEY_BASE`.
const QUALIFIERS: [&str; 18] = [
    "prod",
    "production",
    "dev",
    "development",
    "staging",
    "stage",
    "test",
    "testing",
    "live",
    "local",
    "old",
    "new",
    "base",
    "main",
    "primary",
    "secondary",
    "backup",
    "default",
];

const PLACEHOLDERS: [&str; 9] =
    ["example", "xxxx", "****", "changeme", "redacted", "placeholder", "your", "dummy", "...."];

/// How much of a name and of a value is looked at: keeps the work per `=` bounded.
const MAX_NAME: usize = 64;
const MAX_JUDGED: usize = 512;
const MIN_VALUE: usize = 12;

/// The value that is assigned at the `=` or `:` at `mark`, if it is a secret.
pub(super) fn value(bytes: &[u8], mark: usize) -> Option<Range<usize>> {
    // `:=` is one sign.
    let sign = mark - usize::from(bytes[mark] == b'=' && mark > 0 && bytes[mark - 1] == b':');
    let name = judge(name_before(bytes, sign)?)?;
    // Programs declare variables so.
    let name = if sign < mark { Name::Likely } else { name };
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
    if !holds(name, &bytes[start..start + judged]) {
        return None;
    }
    let length = judged + bytes[start + judged..].iter().take_while(|&&b| !ends(b)).count();
    Some(start..start + length)
}

/// The text of the element whose tag ends at `mark`, if it is a secret: `<password>…</password>`.
pub(super) fn element(bytes: &[u8], mark: usize) -> Option<Range<usize>> {
    let name = name_before(bytes, mark)?;
    let is_tag = mark > name.len() && bytes[mark - name.len() - 1] == b'<';
    let text = &bytes[mark + 1..];
    let end = text.iter().take(MAX_JUDGED).position(|&b| b == b'<' || b.is_ascii_whitespace())?;
    // Types stand between such signs, too.
    (is_tag && judge(name).is_some() && holds(Name::Likely, &text[..end])).then_some(mark + 1..mark + 1 + end)
}

/// The value that follows the name which ends at `end`: `password is …`, `--token …`, and `Authorization: token …`.
/// Other words may follow there, too, so it must look more random.
pub(super) fn said(bytes: &[u8], name: Range<usize>) -> Option<Range<usize>> {
    if name.len() > MAX_NAME {
        return None;
    }
    judge(&bytes[name.clone()])?;
    let blank = |at: usize| bytes[at..].iter().take(3).take_while(|&&b| b == b' ').count();
    let mut start = name.end + blank(name.end);
    if bytes[start..].starts_with(b"is ") {
        start += 2 + blank(start + 2);
    }
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'~' | b'+' | b'/' | b'=');
    let judged = bytes[start..].iter().take(MAX_JUDGED).take_while(|&b| is_part(b)).count();
    let value = &bytes[start..start + judged];
    const HEADER: &[u8] = b"authorization:";
    let before = bytes[..name.start].trim_ascii_end();
    let is_header = before[before.len().saturating_sub(HEADER.len())..].eq_ignore_ascii_case(HEADER);
    if start == name.end || !looks_random(value) || !(is_header || random::is_jumbled(value)) {
        return None;
    }
    let rest = bytes[start + judged..].iter().take_while(|&b| is_part(b)).count();
    Some(start..start + judged + rest)
}

fn name_before(bytes: &[u8], mark: usize) -> Option<&[u8]> {
    let before = &bytes[mark.saturating_sub(MAX_NAME + 4)..mark];
    let end = before.len()
        - before.iter().rev().take(4).take_while(|b| matches!(b, b' ' | b'"' | b'\'' | b'\\' | b'`')).count();
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let length = before[..end].iter().rev().take(MAX_NAME).take_while(|&b| is_name(b)).count();
    (length > 0).then(|| &before[end - length..end])
}

/// How surely the values of a name are secrets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    Secret,
    /// The name may mean something else, such as `auth` a kind of authentication, `subpass` a step, and `token_base` an
    /// alphabet: the value must mix more.
    Likely,
}

fn judge(name: &[u8]) -> Option<Name> {
    let mut words = words(name);
    let qualifies = |word: &String| QUALIFIERS.contains(&word.as_str()) || word.bytes().all(|b| b.is_ascii_digit());
    let whole = words.len();
    while words.len() > 1 && words.last().is_some_and(qualifies) {
        words.pop();
    }
    let sure = if words.len() < whole { Name::Likely } else { Name::Secret };
    let last = words.pop().unwrap_or_default();
    let last = last.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_key = || words.last().is_some_and(|word| KEY_OF.contains(&word.as_str()));
    match last {
        "auth" => Some(Name::Likely),
        "key" => is_key().then_some(sure),
        // Alone it is the result of a test.
        "pass" => (!words.is_empty()).then_some(Name::Likely),
        _ if OTHERS.iter().any(|end| last.ends_with(end)) => None,
        _ if last.ends_with("pass") => Some(Name::Likely),
        _ => (LAST_WORDS.contains(&last) || ENDINGS.iter().any(|end| last.ends_with(end))).then_some(sure),
    }
}

fn holds(name: Name, value: &[u8]) -> bool {
    let is_key = || value.len() >= 32 && value.iter().all(u8::is_ascii_hexdigit);
    looks_random(value) && (name == Name::Secret || random::is_jumbled(value) || is_key())
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

/// Long enough, of letters and digits or of letters in no order that words have, not a path, a call, a variable or a
/// stand-in, and with few repetitions.
pub(super) fn looks_random(value: &[u8]) -> bool {
    let has_digits = || value.iter().any(u8::is_ascii_digit) && value.iter().any(u8::is_ascii_alphabetic);
    value.len() >= MIN_VALUE
        && (has_digits() || random::are_random_letters(value))
        && !is_placeholder(value)
        && !is_code_or_path(value)
        && random::entropy(value) >= 3.0
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
    let is_path = || has(b'/') || !value.split(|&b| b == b'.').any(random::is_jumbled);
    has(b'(')
        || has(b'[')
        || has(b' ')
        || has(b'<')
        || value.windows(2).any(|pair| pair == b"::")
        || (words_only && (has(b'/') || has(b'.')) && !has(b'+') && is_path())
}
