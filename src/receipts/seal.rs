//! The hash inside a JSON receipt: `receipt_sha256`, its last key, is the SHA-256 of the pretty JSON (indent 2,
//! UTF-8 kept, order kept, no final newline) without that key. The playbook's manifests have it too.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::{digest, json};

/// The key that carries the hash.
pub const KEY: &str = "receipt_sha256";

/// The text of a receipt: the payload, its hash as the last key, a final newline.
pub fn sealed(mut payload: Map<String, Value>) -> String {
    payload.shift_remove(KEY);
    let hash = digest::sha256(json::pretty(&payload).as_bytes());
    payload.insert(KEY.to_owned(), hash.into());
    json::pretty(&payload) + "\n"
}

/// The result of checking a receipt's own hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seal {
    /// It is not a JSON object, or has no hash.
    None,
    Right,
    /// It was changed after it was written.
    Wrong,
}

/// Checks a receipt against its own hash.
///
/// First on the text as it is, so that other tools' number formats (`1e-05`) count; then on the data formatted again,
/// because formatting does not change evidence.
pub fn check(bytes: &[u8]) -> Seal {
    // Most files have no hash, so they are not parsed.
    if !contains(bytes, KEY.as_bytes()) {
        return Seal::None;
    }
    let Ok(mut payload) = serde_json::from_slice::<Map<String, Value>>(bytes) else { return Seal::None };
    let Some(Value::String(stated)) = payload.shift_remove(KEY) else { return Seal::None };
    let as_written = std::str::from_utf8(bytes).ok().and_then(|text| payload_text(text, &stated));
    let right = as_written.is_some_and(|text| digest::sha256(text.as_bytes()) == stated)
        || digest::sha256(json::pretty(&payload).as_bytes()) == stated;
    if right { Seal::Right } else { Seal::Wrong }
}

/// The hashed text: everything before the last key, plus the closing brace.
fn payload_text(text: &str, stated: &str) -> Option<String> {
    let before = text.trim_end().strip_suffix(&format!(",\n  \"{KEY}\": \"{stated}\"\n}}"))?;
    Some(format!("{before}\n}}"))
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).rev().any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn receipt() -> String {
        sealed(json!({"b": "ü’", "a": [1, {}], "n": 0.5}).as_object().unwrap().clone())
    }

    #[test]
    fn a_receipt_proves_itself() {
        let text = receipt();
        assert!(text.ends_with("\"\n}\n") && text.contains("\"ü’\""));
        assert_eq!(check(text.as_bytes()), Seal::Right);
        assert_eq!(check(text.replace("0.5", "0.6").as_bytes()), Seal::Wrong);
        assert_eq!(check(text.replace("\"b\": \"ü’\",\n  ", "").as_bytes()), Seal::Wrong);
        let moved =
            "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": \"ü’\",".to_owned() + text.split_once("],").unwrap().1;
        assert_eq!(check(moved.as_bytes()), Seal::Wrong, "keys in another order");
        assert_eq!(check(b"{\"a\": 1}"), Seal::None);
        assert_eq!(check(b"receipt_sha256: not JSON"), Seal::None);
    }

    #[test]
    fn numbers_count_as_they_were_written() {
        // Python writes 1e-05 and 1.0; both read back as other spellings.
        let body = "{\n  \"x\": 1e-05,\n  \"y\": 100000000000000000000000";
        let hash = digest::sha256(format!("{body}\n}}").as_bytes());
        let text = format!("{body},\n  \"receipt_sha256\": \"{hash}\"\n}}\n");
        assert_eq!(check(text.as_bytes()), Seal::Right);
        assert_eq!(check(text.replace("1e-05", "1e-06").as_bytes()), Seal::Wrong);
    }

    #[test]
    fn another_layout_is_the_same_evidence() {
        let text = receipt();
        let compact = json::compact(&serde_json::from_str::<Value>(&text).unwrap());
        assert_eq!(check(compact.as_bytes()), Seal::Right);
        let empty = sealed(Map::new());
        assert_eq!(check(empty.as_bytes()), Seal::Right);
    }

    proptest! {
        /// Layout may change, and the bytes of the hash's own key; what the receipt says may not.
        #[test]
        fn every_change_of_a_receipt_is_detected(at: prop::sample::Index, byte in 0x20..0x7f_u8) {
            let text = receipt();
            let mut bytes = text.clone().into_bytes();
            bytes[at.index(text.len())] = byte;
            let says = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
            if check(&bytes) == Seal::Right {
                prop_assert_eq!(says(&bytes), says(text.as_bytes()));
            }
        }

        #[test]
        fn any_bytes_can_be_validated(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            check(&[&bytes[..], b"{\"receipt_sha256\": \"\"}"].concat());
        }
    }
}
