//! Reads the fields of forms and of addresses: `application/x-www-form-urlencoded`.

use crate::base::text;

/// The largest form, in bytes.
pub const MAX: usize = 64 * 1024;

/// The fields in their order. Bytes that are no text become stand-ins.
pub fn fields(encoded: &str) -> Vec<(String, String)> {
    let pairs = encoded.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect()
}

/// The first field of a name.
pub fn field(encoded: &str, name: &str) -> Option<String> {
    fields(encoded).into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

fn decoded(text: &str) -> String {
    text::percent_decoded(&text.replace('+', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_and_nothing_is_too_odd() {
        let note = field("csrf=1&note=Round+up%2C+%C3%A4%21&note=2", "note");
        assert_eq!(note.as_deref(), Some("Round up, ä!"));
        assert_eq!(
            fields("a&=b&%&%4&%zz=%ff"),
            [
                ("a".into(), String::new()),
                (String::new(), "b".into()),
                ("%".into(), String::new()),
                ("%4".into(), String::new()),
                ("%zz".into(), "\u{fffd}".into()),
            ] as [(String, String); 5]
        );
        assert_eq!(field("", "note"), None);
    }
}
