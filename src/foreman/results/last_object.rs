//! Finds the last complete JSON object in an agent's final text. Pure.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::verdict::passes;
use crate::base::text;
use crate::guard::secrets;

/// Limit on the final text, in bytes, and on the bytes read while trying candidates that are not JSON objects
/// (candidates may be nested, and each is read from its own start). Past it the agent is asked again: a part of the
/// text may say the opposite of the whole.
pub(super) const MAX_TEXT: usize = 1 << 20;
const MAX_IN_VAIN: usize = 8 << 20;
/// The keys of a question.
pub(super) const QUESTION: [&str; 2] = ["question", "questions"];
/// Bytes that may stand before an object on its line.
const MAX_INDENT: usize = 200;

/// The last complete JSON object of a text that has a key of an answer.
///
/// Text may follow it, and it may be in a code fence. The tester's and the reviewer's answers are read more strictly,
/// so that no verdict is taken from a quotation: the object must begin a line, and nothing else in the text may
/// contradict an approval ([`contradicts`]). A rejection needs no such check: asking again costs less than merging.
/// `verdict`: the words of a role that judges, pass and fail. An object inside an unreadable answer is never taken as
/// the answer.
pub(super) fn last_object(said: &str, verdict: Option<(&str, &str)>) -> Result<Map<String, Value>, String> {
    if said.len() > MAX_TEXT {
        return Err(format!("the answer is longer than {} KiB", MAX_TEXT >> 10));
    }
    let (mut at, mut in_vain, mut unread, mut found) = (0, 0, None, Vec::new());
    while let Some(start) = next_object(said, at, verdict.is_none()) {
        let mut values = serde_json::Deserializer::from_str(&said[start..]).into_iter::<Object>();
        at = match values.next() {
            Some(Ok(Object(object))) => {
                let end = start + values.byte_offset();
                if is_answer(&object) {
                    if unread.is_some_and(|from: usize| is_answer_begun(&said[from..start])) {
                        return Err("the answer is not a valid JSON object".to_owned());
                    }
                    found.push((object, start..end));
                    unread = None;
                }
                end
            }
            Some(Err(e)) if e.is_data() => return Err(e.to_string()),
            Some(Err(e)) => {
                in_vain += read_until(&said[start..], &e);
                if in_vain > MAX_IN_VAIN {
                    return Err("the answer contains too many incomplete JSON objects".to_owned());
                }
                unread.get_or_insert(start);
                start + 1
            }
            None => break,
        };
    }
    let (object, place) = found.pop().ok_or("no JSON object with \"analysis\"")?;
    if unread.is_some_and(|from| is_answer_begun(&said[from..])) {
        return Err("the answer ends with an incomplete JSON object".to_owned());
    }
    if let Some((yes, no)) = verdict.filter(|words| passes(&object, *words) == Some(true)) {
        let earlier = found.iter().map(|(object, _)| object);
        if let Some(why) = contradicts(&object, earlier, (&said[..place.start], &said[place.end..]), no) {
            return Err(format!("{why} contradicts the verdict {yes:?}; answer with one JSON object"));
        }
    }
    Ok(object)
}

/// What contradicts an approval. It may be a quotation of what the author of the change planted, behind an answer that
/// rejects the change or asks a question. `around`: the text before and after it.
fn contradicts<'o>(
    approval: &Map<String, Value>,
    mut earlier: impl Iterator<Item = &'o Map<String, Value>>,
    around: (&str, &str),
    no: &str,
) -> Option<String> {
    let decides =
        |object: &Map<String, Value>| QUESTION.iter().chain(&["verdict"]).any(|key| object.contains_key(*key));
    if earlier.any(|object| decides(object) && object != approval) {
        return Some("another answer before it".to_owned());
    }
    if says_verdict(around.0, no) {
        return Some(format!("a verdict {no:?} before it"));
    }
    speaks_of(around.1, no).then(|| format!("the word {no:?} after it"))
}

/// The bytes of a text that were read before an error.
fn read_until(said: &str, error: &serde_json::Error) -> usize {
    let before: usize = said.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    before + error.column()
}

fn is_answer(object: &Map<String, Value>) -> bool {
    ["analysis", "commands", "receipts", "verdict"].iter().chain(&QUESTION).any(|key| object.contains_key(*key))
}

/// Whether any word of a text begins with `word`.
fn speaks_of(said: &str, word: &str) -> bool {
    words(&said.to_lowercase()).any(|said| said.starts_with(word))
}

/// Whether a text names this verdict, in an object or in a sentence: `"verdict": "reject"`, `**Verdict:** rejected`.
fn says_verdict(said: &str, word: &str) -> bool {
    let said = said.to_lowercase();
    words(&said).zip(words(&said).skip(1)).any(|(key, value)| key == "verdict" && value.starts_with(word))
}

fn words(said: &str) -> impl Iterator<Item = &str> {
    said.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// The start of the next object with a key: anywhere, or only at the start of a line or after an opening code fence.
fn next_object(said: &str, from: usize, anywhere: bool) -> Option<usize> {
    let mut at = from;
    loop {
        at += said[at..].find('{')?;
        let has_key = said[at + 1..].trim_start().starts_with('"');
        if has_key && (anywhere || begins_line(said, at)) {
            return Some(at);
        }
        at += 1;
    }
}

fn begins_line(said: &str, at: usize) -> bool {
    // Longer text before the object is neither indentation nor a fence.
    let near = &said.as_bytes()[at.saturating_sub(MAX_INDENT)..at];
    let line = match near.iter().rposition(|&b| b == b'\n') {
        Some(end) => &near[end + 1..],
        None if near.len() == at => near,
        None => return false,
    };
    let Ok(before) = std::str::from_utf8(line).map(str::trim_start) else { return false };
    let fence = before.strip_prefix("```").or_else(|| before.strip_prefix("~~~"));
    let opens = fence.is_some_and(|word| word.trim().chars().all(|c| c.is_ascii_alphanumeric()));
    before.is_empty() || opens
}

fn is_answer_begun(said: &str) -> bool {
    ["\"analysis\"", "\"verdict\""].iter().any(|key| said.contains(key))
}

/// A JSON object without duplicate keys: with two verdicts, there is no safe guess which one is meant.
struct Object(Map<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Keys)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Object, A::Error> {
        let mut object = Map::new();
        while let Some((key, value)) = entries.next_entry::<String, Value>()? {
            if object.contains_key(&key) {
                let key = text::clip(&secrets::redact(&text::safe(&key)), 100);
                return Err(A::Error::custom(format!("duplicate key {key:?}")));
            }
            object.insert(key, value);
        }
        Ok(Object(object))
    }
}
