//! A long text that is wrapped to the width of the screen, so that nothing of a line is hidden.

use ratatui::text::Span;

/// Lines of safe text, and how they are shown.
#[derive(Clone, Debug, Default)]
pub struct Text {
    lines: Vec<String>,
    /// Parts of lines, each at most `width` columns, with the index of its line.
    shown: Vec<(usize, String)>,
    width: usize,
}

impl Text {
    pub fn set(&mut self, lines: Vec<String>, width: usize) {
        *self = Text { width, ..Text::default() };
        self.extend(lines);
    }

    /// Adds lines at the end.
    pub fn extend(&mut self, lines: Vec<String>) {
        for line in lines {
            self.shown.extend(parts(&line, self.width).into_iter().map(|part| (self.lines.len(), part)));
            self.lines.push(line);
        }
    }

    /// Keeps the last `most` lines.
    pub fn keep(&mut self, most: usize) {
        if self.lines.len() > most {
            let lines = self.lines.split_off(self.lines.len() - most);
            self.set(lines, self.width);
        }
    }

    pub fn rewrap(&mut self, width: usize) {
        if width != self.width {
            let lines = std::mem::take(&mut self.lines);
            self.set(lines, width);
        }
    }

    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.shown.len()
    }

    /// The rows from `top` on, each with the whole line that it is a part of.
    pub fn rows(&self, top: usize) -> impl Iterator<Item = (&str, &str)> {
        self.shown.iter().skip(top).map(|(at, part)| (self.lines[*at].as_str(), part.as_str()))
    }

    /// The first row after `top` that begins a line which starts like this.
    pub fn next(&self, top: usize, start: &str) -> Option<usize> {
        let begins = |at: usize| at == 0 || self.shown[at - 1].0 != self.shown[at].0;
        (top + 1..self.shown.len()).find(|at| begins(*at) && self.shown[*at].1.starts_with(start))
    }
}

fn parts(line: &str, width: usize) -> Vec<String> {
    let wide = |text: &str| Span::raw(text).width();
    if width < 4 || line.len() <= width || wide(line) <= width {
        return vec![line.to_owned()];
    }
    let (mut parts, mut part, mut columns) = (Vec::new(), String::new(), 0);
    for c in line.chars() {
        let next = wide(c.encode_utf8(&mut [0; 4]));
        if columns + next > width {
            parts.push(std::mem::take(&mut part));
            columns = 0;
        }
        part.push(c);
        columns += next;
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_shown_whole_at_any_width() {
        let mut text = Text::default();
        text.set(vec!["diff 1".into(), "+0123456789日本語".into(), "diff 2".into()], 6);
        let rows = |text: &Text| text.rows(0).map(|(_, part)| part.to_owned()).collect::<Vec<_>>();
        assert_eq!(rows(&text), ["diff 1", "+01234", "56789", "日本語", "diff 2"]);
        assert_eq!(text.rows(2).next(), Some(("+0123456789日本語", "56789")));
        assert_eq!((text.next(0, "diff "), text.next(4, "diff ")), (Some(4), None));
        text.rewrap(80);
        assert_eq!(text.len(), 3);
        text.keep(1);
        assert_eq!(rows(&text), ["diff 2"]);
    }
}
