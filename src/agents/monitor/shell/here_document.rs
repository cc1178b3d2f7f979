//! Finds the text of a shell's here-document (`<<END`). Pure.

/// A here-document whose text follows the line.
pub(super) struct HereDocument {
    end: String,
    strips_tabs: bool,
    /// Nothing in it is expanded.
    pub is_literal: bool,
    /// A shell reads it.
    pub is_script: bool,
}

impl HereDocument {
    /// Reads what follows `<<`; also returns its length. `None`: no word follows.
    pub fn begin(text: &str) -> Option<(HereDocument, usize)> {
        let strips_tabs = text.starts_with('-');
        let word = text[usize::from(strips_tabs)..].trim_start_matches([' ', '\t']);
        let (mut end, mut is_literal, mut quote) = (String::new(), false, None);
        let mut length = word.len();
        for (at, c) in word.char_indices() {
            match c {
                _ if quote == Some(c) => quote = None,
                '\'' | '"' if quote.is_none() => (quote, is_literal) = (Some(c), true),
                '\n' => {
                    length = at;
                    break;
                }
                c if quote.is_none() && (c.is_whitespace() || ";|&()<>".contains(c)) => {
                    length = at;
                    break;
                }
                '\\' => is_literal = true,
                c => end.push(c),
            }
        }
        let found = HereDocument { end, strips_tabs, is_literal, is_script: false };
        (length > 0).then(|| (found, text.len() - word.len() + length))
    }

    /// Its text at the beginning of `text`, and the length up to the next line of commands. `None`: its end is missing.
    pub fn text<'t>(&self, text: &'t str) -> Option<(&'t str, usize)> {
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let said = line.strip_suffix('\n').unwrap_or(line);
            let said = if self.strips_tabs { said.trim_start_matches('\t') } else { said };
            if said == self.end {
                return Some((&text[..at], at + line.len()));
            }
            at += line.len();
        }
        None
    }
}
