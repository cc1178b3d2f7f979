//! Cuts a byte stream into lines. A line may arrive in many chunks, cut anywhere, even within a character. Memory is
//! bounded by the longest line that is accepted.

use std::io::BufRead;

/// The longest line that is accepted, in bytes; results of agents reach some MiB.
pub const MAX_LINE: usize = 16 << 20;

/// One line without its newline, or a line that was skipped.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    Line(&'a [u8]),
    TooLong,
}

/// Cuts a stream of bytes into lines.
#[derive(Debug)]
pub struct Framer {
    /// The start of a line that is not complete yet.
    held: Vec<u8>,
    /// The line is already too long: skip until the next newline.
    passing_over: bool,
    max: usize,
}

impl Default for Framer {
    fn default() -> Self {
        Self::with_max(MAX_LINE)
    }
}

impl Framer {
    pub fn with_max(max: usize) -> Self {
        Self { held: Vec::new(), passing_over: false, max }
    }

    /// Calls `each` with every line that ends in `chunk`.
    pub fn take(&mut self, mut chunk: &[u8], mut each: impl FnMut(Frame<'_>)) {
        while !chunk.is_empty() {
            // Reading from memory does not fail.
            let length = (&mut &*chunk).skip_until(b'\n').unwrap_or(chunk.len());
            let (piece, rest) = chunk.split_at(length);
            chunk = rest;
            match piece.strip_suffix(b"\n") {
                Some(end) => self.close(end, &mut each),
                None => self.hold(piece),
            }
        }
    }

    /// Passes on a last line that has no newline.
    pub fn finish(&mut self, mut each: impl FnMut(Frame<'_>)) {
        if self.passing_over || !self.held.is_empty() {
            self.close(b"", &mut each);
        }
    }

    fn close(&mut self, end: &[u8], each: &mut impl FnMut(Frame<'_>)) {
        if self.passing_over || self.held.len() + end.len() > self.max {
            self.passing_over = false;
            self.held = Vec::new();
            each(Frame::TooLong);
        } else if self.held.is_empty() {
            each(Frame::Line(end));
        } else {
            self.held.extend_from_slice(end);
            each(Frame::Line(&self.held));
            self.held.clear();
        }
    }

    fn hold(&mut self, piece: &[u8]) {
        if self.passing_over {
            return;
        }
        if self.held.len() + piece.len() > self.max {
            self.passing_over = true;
            self.held = Vec::new();
        } else {
            self.held.extend_from_slice(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(max: usize, chunks: &[&[u8]]) -> (Vec<Option<Vec<u8>>>, usize) {
        let (mut framer, mut seen, mut most) = (Framer::with_max(max), Vec::new(), 0);
        let mut keep = |frame: Frame<'_>| {
            seen.push(match frame {
                Frame::Line(line) => Some(line.to_vec()),
                Frame::TooLong => None,
            });
        };
        for chunk in chunks {
            framer.take(chunk, &mut keep);
            most = most.max(framer.held.len());
        }
        framer.finish(&mut keep);
        (seen, most)
    }

    #[test]
    fn a_last_line_without_newline_counts() {
        assert_eq!(lines(9, &[b"a\nb"]).0, [Some(b"a".to_vec()), Some(b"b".to_vec())]);
        assert_eq!(lines(9, &[b"a\n"]).0, [Some(b"a".to_vec())]);
        assert_eq!(lines(9, &[b""]).0, []);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_costs_no_other() {
        let long = [b'x'; 40];
        let (seen, most) = lines(10, &[b"a\n", &long, &long, b"\nb\n", &long]);
        assert_eq!(seen, [Some(b"a".to_vec()), None, Some(b"b".to_vec()), None]);
        assert!(most <= 10, "{most} bytes were held");
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(text in prop::collection::vec(prop::sample::select(b"ab\n\xc3".to_vec()), 0..60), sizes in prop::collection::vec(1_usize..9, 1..20)) {
            let (mut rest, mut chunks, mut sizes) = (&text[..], Vec::new(), sizes.iter().cycle());
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            let (whole, cut) = (lines(7, &[&text]), lines(7, &chunks));
            prop_assert_eq!(whole.0, cut.0);
            prop_assert!(cut.1 <= 7);
        }
    }
}
