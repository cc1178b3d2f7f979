//! Makes text from outside safe: for a terminal, for one line, for a bounded length.

/// Replaces everything that a terminal would interpret (control characters, escape sequences,
/// bidirectional overrides) by visible stand-ins; tabs and newlines become spaces.
pub fn safe(text: &str) -> String {
    shown(text, safe_char)
}

/// Like [`safe`], but keeps newlines and tabs.
pub fn safe_block(text: &str) -> String {
    shown(text, |c| if matches!(c, '\n' | '\t') { c } else { safe_char(c) })
}

/// A variation selector stays behind an emoji, whose look it selects.
fn shown(text: &str, show: impl Fn(char) -> char) -> String {
    let mut before = None;
    let one = |c: char| {
        let stays = matches!(c, '\u{fe0e}' | '\u{fe0f}') && before.is_some_and(has_emoji_form);
        before = Some(c);
        if stays { c } else { show(c) }
    };
    text.chars().map(one).collect()
}

/// Whether a character has an emoji form, roughly: symbols, pictographs, keycaps.
fn has_emoji_form(c: char) -> bool {
    matches!(c, '#' | '*' | '0'..='9' | '©' | '®' | '\u{203c}'..='\u{3299}' | '\u{1f000}'..='\u{1faff}')
}

fn safe_char(c: char) -> char {
    match c {
        '\n' | '\t' => ' ',
        '\0'..='\x1f' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        c if is_hidden(c) => '\u{fffd}',
        c => c,
    }
}

/// Whether a character is not seen, or changes how others are shown: C1 controls, Unicode's format characters (Cf) and
/// those that it lets programs ignore (Default_Ignorable_Code_Point), line separators, the empty Braille pattern.
pub fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{34f}'
        | '\u{600}'..='\u{605}'
        | '\u{61c}'
        | '\u{6dd}'
        | '\u{70f}'
        | '\u{890}'..='\u{891}'
        | '\u{8e2}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{110bd}'
        | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Text that stays text in Markdown, on one line.
pub fn markdown(text: &str) -> String {
    safe(text).chars().flat_map(|c| r"\`*_[]<>#|!&~".contains(c).then_some('\\').into_iter().chain([c])).collect()
}

/// A word as it is typed in a shell: quoted where it must be.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// At most `max` characters, the last of them '…' when something was cut.
pub fn clip(text: &str, max: usize) -> String {
    if text.chars().nth(max).is_none() {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

/// A number with its noun in the singular or plural: `1 file`, `2 files`, `2 processes`, `2 entries`.
pub fn counted<N: std::fmt::Display + PartialEq + From<u8>>(n: N, one: &str) -> String {
    if n == N::from(1) {
        return format!("1 {one}");
    }
    match one.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{n} {stem}ies"),
        _ if one.ends_with(['s', 'x']) || one.ends_with("ch") => format!("{n} {one}es"),
        _ => format!("{n} {one}s"),
    }
}

/// `one`, `one or two`, `one, two, or three`.
pub fn alternatives(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [one, two] => format!("{one} or {two}"),
        [first @ .., last] => format!("{}, or {last}", first.join(", ")),
    }
}

/// The text with its `%XX` as the bytes that they stand for; what is no such code stays.
pub fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_are_listed_as_in_a_sentence() {
        assert_eq!(alternatives(&["now"]), "now");
        assert_eq!(alternatives(&["now", "later"]), "now or later");
        assert_eq!(alternatives(&["now", "later", "never"]), "now, later, or never");
    }

    #[test]
    fn percent_codes_are_bytes_and_anything_else_stays() {
        assert_eq!(percent_decoded("Bearer%20a%2Bb+c%C3%A4 100% %zz%2"), "Bearer a+b+cä 100% %zz%2");
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(safe("a\u{1b}[31mred\u{7}\r\nb\u{202e}"), "a␛[31mred␇␍ b\u{fffd}");
        assert_eq!(safe_block("a\n\tb\u{1b}"), "a\n\tb␛");
        let fillers = "\u{34f}\u{115f}\u{1160}\u{180e}\u{3164}\u{ffa0}\u{2800}";
        assert_eq!(safe(fillers), "\u{fffd}".repeat(7));
        assert_eq!(safe("a\u{fe0f}b\u{fe01}\u{e0100}"), "a\u{fffd}b\u{fffd}\u{fffd}");
        assert_eq!(safe("⚠\u{fe0f} 1\u{fe0f}"), "⚠\u{fe0f} 1\u{fe0f}", "an emoji stays as it is");
        let hidden = "\u{85}\u{ad}\u{61c}\u{200b}\u{2067}\u{feff}\u{fff9}\u{fffb}\u{110bd}\u{1d173}\u{e0041}\u{e0fff}";
        assert_eq!(safe(hidden), "\u{fffd}".repeat(12));
    }

    #[test]
    fn text_of_others_does_nothing_in_markdown() {
        let shown = markdown("a\n# b <img src=x> [c](d) `e` ~~f~~\u{1b}");
        assert_eq!(shown, r"a \# b \<img src=x\> \[c\](d) \`e\` \~\~f\~\~␛");
    }

    #[test]
    fn counted_uses_the_plural_except_for_one() {
        let shown = |n: u64| ["file", "process", "entry", "day"].map(|one| counted(n, one)).join(", ");
        assert_eq!(shown(1), "1 file, 1 process, 1 entry, 1 day");
        assert_eq!(shown(0), "0 files, 0 processes, 0 entries, 0 days");
    }

    #[test]
    fn clipping_counts_characters() {
        assert_eq!(clip("äöü", 3), "äöü");
        assert_eq!(clip("äöüß", 3), "äö…");
    }
}
