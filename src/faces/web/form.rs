//! Reads the fields of forms and of addresses: `application/x-www-form-urlencoded`.

/// The largest form, in bytes.
pub const MAX: usize = 64 * 1024;

/// The fields in their order. Bytes that are no text become stand-ins.
pub fn fields(encoded: &str) -> Vec<(String, String)> {
    let pairs = encoded.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}

/// The first field of a name.
pub fn field(encoded: &str, name: &str) -> Option<String> {
    fields(encoded).into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
                continue;
            }
            (b'+', ..) => bytes.push(b' '),
            _ => bytes.push(first),
        }
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
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
