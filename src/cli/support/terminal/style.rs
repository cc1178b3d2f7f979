//! Colour by meaning, and what the terminal can show.
//!
//! Commands paint everything. Whoever prints removes the styles that its stream does not take: `NO_COLOR`, `CLICOLOR`,
//! `CLICOLOR_FORCE`, `TERM=dumb`, pipes and files. Only safe text (`base::text`) is painted, so that every escape
//! sequence is teof's own.

use std::borrow::Cow;
use std::io::{self, IsTerminal};

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use rustix::fd::AsFd;

use crate::base::env;

/// What a piece of text means to its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Done, passed, approved.
    Good,
    /// Failed, blocked, wrong.
    Bad,
    /// Waits for a person.
    Attention,
    /// Runs now.
    Active,
    /// Less important than the text beside it.
    Quiet,
    /// A heading.
    Heading,
}

impl Meaning {
    pub fn style(self) -> Style {
        match self {
            Meaning::Good => AnsiColor::Green.on_default(),
            Meaning::Bad => AnsiColor::Red.on_default().bold(),
            Meaning::Attention => AnsiColor::Yellow.on_default(),
            Meaning::Active => AnsiColor::Cyan.on_default(),
            Meaning::Quiet => Style::new().dimmed(),
            Meaning::Heading => Style::new().bold(),
        }
    }
}

/// Safe text in the style of its meaning.
pub fn paint(meaning: Meaning, text: impl AsRef<str>) -> String {
    let (style, text) = (meaning.style(), text.as_ref());
    if text.is_empty() { String::new() } else { format!("{style}{text}{style:#}") }
}

/// A safe patch in git's colours.
pub fn diff(patch: &str) -> String {
    patch.lines().map(diff_line).collect::<Vec<_>>().join("\n")
}

fn diff_line(line: &str) -> String {
    const HEADS: [&str; 7] =
        ["diff ", "index ", "+++ ", "--- ", "new file mode ", "deleted file mode ", "similarity index "];
    let meaning = match line.as_bytes().first() {
        _ if HEADS.iter().any(|head| line.starts_with(head)) => Meaning::Heading,
        Some(b'+') => Meaning::Good,
        Some(b'-') => return format!("{0}{line}{0:#}", AnsiColor::Red.on_default()),
        Some(b'@') => Meaning::Active,
        _ => return line.to_owned(),
    };
    paint(meaning, line)
}

/// Painted text as stdout takes it.
pub fn for_stdout(text: &str) -> Cow<'_, str> {
    for_stream(text, &io::stdout())
}

/// Painted text as stderr takes it.
pub fn for_stderr(text: &str) -> Cow<'_, str> {
    for_stream(text, &io::stderr())
}

fn for_stream<'a>(text: &'a str, stream: &impl RawStream) -> Cow<'a, str> {
    if text.contains('\x1b') && !takes_colour(stream) { plain(text) } else { Cow::Borrowed(text) }
}

/// Whether a stream takes colour, by what it is and by the environment.
pub fn takes_colour(stream: &impl RawStream) -> bool {
    AutoStream::choice(stream) != ColorChoice::Never
}

/// Painted text without its styles.
pub fn plain(text: &str) -> Cow<'_, str> {
    if text.contains('\x1b') { Cow::Owned(anstream::adapter::strip_str(text).to_string()) } else { Cow::Borrowed(text) }
}

/// Whether lines on a stream can be drawn again: it is a terminal that moves its cursor.
pub fn can_redraw(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && env::var(env::TERM).is_some_and(|term| term != "dumb")
}

/// Columns and rows of a stream's terminal; `None` when it is not a terminal, so that nothing is cut.
pub fn size(stream: &(impl IsTerminal + AsFd)) -> Option<(usize, usize)> {
    use terminal_size::{Height, Width};
    if !stream.is_terminal() {
        return None;
    }
    match terminal_size::terminal_size_of(stream) {
        Some((Width(columns), Height(rows))) if columns > 0 && rows > 0 => Some((columns.into(), rows.into())),
        _ => Some((80, 24)),
    }
}

/// Columns of the terminal that stdout is.
pub fn columns() -> Option<usize> {
    size(&io::stdout()).map(|(columns, _)| columns)
}

/// Lines that fit a terminal: those that are too long go on in the next line, behind their own indentation and `hang`
/// more spaces. Words are never cut, so that paths and commands can be copied.
pub fn wrap(text: &str, columns: Option<usize>, hang: usize) -> Cow<'_, str> {
    let Some(columns) = columns else { return Cow::Borrowed(text) };
    if text.lines().all(|line| textwrap::core::display_width(line) <= columns) {
        return Cow::Borrowed(text);
    }
    let fill = |line: &str| {
        let shown = plain(line);
        let indent = " ".repeat(shown.len() - shown.trim_start().len() + hang);
        let options = textwrap::Options::new(columns)
            .subsequent_indent(&indent)
            .break_words(false)
            .word_separator(textwrap::WordSeparator::AsciiSpace)
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        textwrap::fill(line, options)
    };
    Cow::Owned(text.split('\n').map(fill).collect::<Vec<_>>().join("\n"))
}

/// Prose for stdout, wrapped at words to its terminal; in a pipe or a file as it is.
pub fn prose(text: &str) -> Cow<'_, str> {
    wrap(text, columns(), 2)
}

/// The columns of the terminal that stderr is.
pub fn columns_of_stderr() -> Option<usize> {
    size(&io::stderr()).map(|(columns, _)| columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_go_on_behind_their_indentation_and_words_stay_whole() {
        let path = "/a/path/that/is/longer/than/the/terminal";
        let shown = wrap(
            "short\n  blocked j1: the tests fail\n  see it: /a/path/that/is/longer/than/the/terminal",
            Some(20),
            2,
        );
        assert_eq!(shown, format!("short\n  blocked j1: the\n    tests fail\n  see it:\n    {path}"));
        assert_eq!(wrap("anything at all", None, 2), "anything at all");
        let painted = wrap(&paint(Meaning::Quiet, "    raw output: /a/path"), Some(16), 2).into_owned();
        assert_eq!(plain(&painted), "    raw output:\n      /a/path", "the indentation may be painted");
    }

    #[test]
    fn plain_removes_what_paint_added() {
        let painted = format!("{} {}", paint(Meaning::Bad, "blocked"), paint(Meaning::Quiet, ""));
        assert_ne!(painted, "blocked ");
        assert_eq!(plain(&painted), "blocked ");
    }

    #[test]
    fn a_coloured_diff_keeps_its_text() {
        let patch = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n same";
        let painted = diff(patch);
        assert_eq!(plain(&painted), patch);
        assert!(painted.contains("\x1b[32m+new") && painted.contains("\x1b[31m-old") && painted.ends_with("\n same"));
    }
}
