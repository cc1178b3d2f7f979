//! A text that is drawn again whenever it changes, until the person presses Ctrl-C.
//!
//! On a terminal it has the screen for itself, and the screen is as before when it ends. In a pipe or a file, and with
//! `--json`, each new text is printed after the last one.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};

use super::style::{self, Meaning};
use super::table::clip;
use crate::base::{Result, text};
use crate::hub::watch::Watch;

/// How soon Ctrl-C is noticed.
const GLANCE: Duration = Duration::from_millis(200);
/// How often the text is made again when no file changes: it tells time.
const EVERY: Duration = Duration::from_secs(1);

const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// Shows what `text` returns, again after each change that `watch` sees: on the whole screen unless it is a document,
/// else by `print`.
///
/// # Errors
/// What `text` or the screen returns.
pub fn show(
    watch: &Watch,
    is_document: bool,
    text: &mut dyn FnMut() -> Result<String>,
    print: &dyn Fn(&str),
) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let screen = (!is_document && style::can_redraw(&io::stdout())).then(Screen::enter).transpose()?;
    let mut last = String::new();
    loop {
        let now = text()?;
        match &screen {
            Some(screen) => screen.draw(&now)?,
            None if now != last => print(&now),
            None => {}
        }
        last = now;
        let began = Instant::now();
        while !stop.load(Ordering::Relaxed) && began.elapsed() < EVERY && !watch.wait(GLANCE) {}
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
    }
}

/// The terminal's second screen; leaves it when dropped.
struct Screen;

impl Screen {
    fn enter() -> io::Result<Screen> {
        write!(io::stdout(), "{ENTER}")?;
        Ok(Screen)
    }

    fn draw(&self, text: &str) -> io::Result<()> {
        let (columns, rows) = style::size(&io::stdout()).unwrap_or((80, 24));
        let room = rows.saturating_sub(2);
        let lines: Vec<&str> = text.lines().collect();
        let mut frame = String::from("\x1b[H");
        for line in lines.iter().take(room) {
            // A line that is too long would push the others off the screen; without its colours it can be cut.
            let plain = style::plain(line);
            let is_long = textwrap::core::display_width(&plain) > columns;
            frame += &if is_long { clip(&plain, columns) } else { (*line).to_owned() };
            frame += "\x1b[K\r\n";
        }
        let hidden = lines.len().saturating_sub(room);
        let more = if hidden > 0 { format!("{} · ", text::counted(hidden, "more line")) } else { String::new() };
        frame += &style::paint(Meaning::Quiet, clip(&format!("{more}Ctrl-C to leave"), columns));
        frame += "\x1b[K\x1b[J";
        let mut out = io::stdout().lock();
        // Colours may be unwanted on a terminal; the cursor still moves.
        let colours = style::takes_colour(&io::stdout());
        out.write_all(if colours { frame } else { without_colours(&frame) }.as_bytes())?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = write!(io::stdout(), "{LEAVE}").and_then(|()| io::stdout().flush());
    }
}

/// Keeps the sequences that move the cursor, which end in `H`, `J` or `K`.
fn without_colours(frame: &str) -> String {
    let mut kept = String::new();
    let mut parts = frame.split('\x1b');
    kept.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(0);
        match part.as_bytes().get(end) {
            Some(b'm') => kept.push_str(&part[end + 1..]),
            _ => {
                kept.push('\x1b');
                kept.push_str(part);
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::without_colours;

    #[test]
    fn a_screen_without_colours_still_moves_the_cursor() {
        assert_eq!(without_colours("\x1b[H\x1b[1mJobs\x1b[0m\x1b[K\r\n\x1b[J"), "\x1b[HJobs\x1b[K\r\n\x1b[J");
    }
}
