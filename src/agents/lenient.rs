//! Lenient JSON: a field with an unexpected type reads as nothing and does not affect other fields.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// An object with more keys is not read as a small map.
const MAX_NAMES: usize = 256;

/// A string, a number or a boolean; lists and objects read as nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Scalar<'a> {
    #[default]
    Nothing,
    Bool(bool),
    Whole(u64),
    Number(f64),
    Text(Cow<'a, str>),
}

impl Scalar<'_> {
    pub fn text(&self) -> Option<&str> {
        match self {
            Scalar::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn owned(&self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    pub fn is(&self, wanted: &str) -> bool {
        self.text() == Some(wanted)
    }

    pub fn truth(&self) -> Option<bool> {
        match self {
            Scalar::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// A whole number that is not negative; fractions are cut off.
    pub fn whole(&self) -> Option<u64> {
        match self {
            Scalar::Whole(n) => Some(*n),
            Scalar::Number(n) if *n >= 0.0 => Some(*n as u64),
            _ => None,
        }
    }

    pub fn count(&self) -> u64 {
        self.whole().unwrap_or(0)
    }

    /// A sum of money; never negative, never infinite.
    pub fn sum(&self) -> Option<f64> {
        match self {
            Scalar::Whole(n) => Some(*n as f64),
            Scalar::Number(n) if n.is_finite() && *n >= 0.0 => Some(*n),
            _ => None,
        }
    }
}

/// The visitor of each type here: what it does not name is read and dropped.
macro_rules! scalars {
    ($nothing:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($nothing)
        }
    };
}

fn skip_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn skip_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<(), A::Error> {
    while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Any<'a> {
            type Value = Scalar<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_bool<E>(self, truth: bool) -> Result<Self::Value, E> {
                Ok(Scalar::Bool(truth))
            }
            fn visit_i64<E>(self, n: i64) -> Result<Self::Value, E> {
                Ok(Scalar::Number(n as f64))
            }
            fn visit_u64<E>(self, n: u64) -> Result<Self::Value, E> {
                Ok(Scalar::Whole(n))
            }
            fn visit_f64<E>(self, n: f64) -> Result<Self::Value, E> {
                Ok(Scalar::Number(n))
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Scalar::Nothing)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                skip_list(list).map(|()| Scalar::Nothing)
            }
            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
                skip_object(object).map(|()| Scalar::Nothing)
            }
        }
        from.deserialize_any(Any(PhantomData))
    }
}

/// An object, or nothing.
#[derive(Clone, Debug)]
pub struct Object<T>(pub Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Any<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            scalars!(Object(None));
            fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Object(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                skip_list(list).map(|()| Object(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(object)).map(|found| Object(Some(found)))
            }
        }
        from.deserialize_any(Any(PhantomData))
    }
}

/// A list; anything else reads as an empty one, a string as one that `text` holds.
#[derive(Clone, Debug)]
pub struct List<'a, T> {
    pub items: Vec<T>,
    pub text: Option<Cow<'a, str>>,
}

impl<T> Default for List<'_, T> {
    fn default() -> Self {
        Self { items: Vec::new(), text: None }
    }
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for List<'a, T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any<'a, T>(PhantomData<(&'a (), T)>);
        impl<'de: 'a, 'a, T: Deserialize<'de>> Visitor<'de> for Any<'a, T> {
            type Value = List<'a, T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            scalars!(List::default());
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(List { items: Vec::new(), text: Some(Cow::Borrowed(text)) })
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(List { items: Vec::new(), text: Some(Cow::Owned(text.to_owned())) })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(List { items, text: None })
            }
            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
                skip_object(object).map(|()| List::default())
            }
        }
        from.deserialize_any(Any(PhantomData))
    }
}

/// An object's entries in order, the first [`MAX_NAMES`] of them.
#[derive(Clone, Debug)]
pub struct Entries<T>(pub Vec<(String, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Any<T> {
            type Value = Entries<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            scalars!(Entries::default());
            fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Entries::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                skip_list(list).map(|()| Entries::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while entries.len() < MAX_NAMES {
                    match object.next_entry()? {
                        Some(entry) => entries.push(entry),
                        None => return Ok(Entries(entries)),
                    }
                }
                skip_object(object).map(|()| Entries(entries))
            }
        }
        from.deserialize_any(Any(PhantomData))
    }
}

/// A message that is written as a string, or as an object that has it under `message` (or deeper, under
/// `data` or `error`).
#[derive(Clone, Debug, Default)]
pub struct ErrorText(pub Option<String>);

impl<'de> Deserialize<'de> for ErrorText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Value::deserialize(from).map(|value| ErrorText(said(&value, 0)))
    }
}

fn said(value: &Value, depth: u8) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Object(object) if depth < 4 => ["message", "error", "data", "name", "type"]
            .into_iter()
            .find_map(|key| object.get(key).and_then(|inner| said(inner, depth + 1))),
        _ => None,
    }
}

/// Reads one line as `T` by calling `parse` with it. A line that is not valid JSON for a typed reader (a key twice,
/// bytes that are not UTF-8, half of a surrogate pair) is repaired and tried once more. Whether it could be read.
pub fn read(line: &[u8], mut parse: impl FnMut(&[u8]) -> bool) -> bool {
    parse(line) || mended(line).is_some_and(|line| parse(line.as_bytes()))
}

fn mended(line: &[u8]) -> Option<String> {
    let text = whole_characters(&String::from_utf8_lossy(line));
    serde_json::from_str::<Value>(&text).ok().map(|value| value.to_string())
}

/// Escapes of half a surrogate pair, as programs print that cut text in the middle of a character,
/// become the escape of the replacement character.
fn whole_characters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = match (unit(rest), rest.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                out.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            (Some(_), _) => 6,
            // A backslash and what it escapes.
            (None, _) => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
        };
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    out.push_str(rest);
    out
}

/// The UTF-16 unit that `\uXXXX` at the beginning stands for.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Line<'a> {
        #[serde(borrow)]
        name: Scalar<'a>,
        count: Scalar<'a>,
        inner: Object<Inner<'a>>,
        list: List<'a, Object<Inner<'a>>>,
        map: Entries<Object<Inner<'a>>>,
        error: ErrorText,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Inner<'a> {
        #[serde(borrow)]
        n: Scalar<'a>,
    }

    #[test]
    fn a_field_of_another_type_costs_no_other_field() {
        let odd = ["null", "true", "-1", "1.5", "7", "\"s\"", "[[1,{\"a\":[]}]]", "{\"x\":{\"y\":[1]}}", "{}", "[]"];
        for field in ["count", "inner", "list", "map", "error"] {
            for value in odd {
                let text = format!("{{\"{field}\":{value},\"name\":\"kept\"}}");
                let line: Line<'_> = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
                assert_eq!(line.name.text(), Some("kept"), "{text}");
                assert!(line.inner.0.is_none_or(|inner| inner.n == Scalar::Nothing), "{text}");
            }
        }
    }

    #[test]
    fn lines_that_a_strict_reader_refuses_are_repaired() {
        for line in [
            &b"{\"name\":\"a\",\"name\":\"kept\"}"[..],
            b"{\"count\":\"\xff\xfe\",\"name\":\"kept\"}",
            br#"{"count":"cut \ud83d","name":"kept"}"#,
            br#"{"count":"cut \\\ud83d\\ud83d \ude00\ud83d\ude00","name":"kept"}"#,
        ] {
            let mut names = Vec::new();
            let read = read(line, |line| match serde_json::from_slice::<Line<'_>>(line) {
                Ok(line) => {
                    names.push(line.name.owned());
                    true
                }
                Err(_) => false,
            });
            assert!(read && names == [Some("kept".to_owned())], "{}", String::from_utf8_lossy(line));
        }
        assert_eq!(whole_characters(r"a\ud83d\ude00\\ud83d\ud83dé\"), r"a\ud83d\ude00\\ud83d\ufffdé\");
    }

    #[test]
    fn a_message_is_found_wherever_it_is_written() {
        for text in
            [r#""m""#, r#"{"message":"m"}"#, r#"{"name":"E","data":{"message":"m"}}"#, r#"{"error":{"message":"m"}}"#]
        {
            assert_eq!(serde_json::from_str::<ErrorText>(text).unwrap().0.as_deref(), Some("m"), "{text}");
        }
        assert_eq!(serde_json::from_str::<ErrorText>("[1]").unwrap().0, None);
    }
}
