//! Asks a person at a terminal for one line.

use std::io::{self, IsTerminal, Write};

use rustix::termios::QueueSelector;

use crate::base::Result;
use crate::cli::App;
use crate::cli::support::terminal::{progress, style};

/// Whether a question reaches a person: stdin and stderr are terminals, and no JSON and no quiet was asked for.
pub fn is_possible(app: &App) -> bool {
    io::stdin().is_terminal() && app.is_terminal() && !app.json()
}

/// The answer, trimmed; `None` at the end of the input. What was typed before the question was shown is no answer to
/// it, and is discarded.
///
/// # Errors
/// When stdin cannot be read.
pub fn line(question: &str) -> Result<Option<String>> {
    let _ = rustix::termios::tcflush(io::stdin(), QueueSelector::IFlush);
    let _line = progress::clear();
    let question = style::wrap(question, style::columns_of_stderr(), 0);
    let _ = write!(io::stderr(), "{} ", style::for_stderr(&question));
    let mut answer = String::new();
    if io::stdin().read_line(&mut answer)? == 0 {
        let _ = writeln!(io::stderr());
        return Ok(None);
    }
    Ok(Some(answer.trim().to_owned()))
}

/// Says what an answer must be, before the question is asked again.
pub fn hint(text: &str) {
    let text = style::wrap(text, style::columns_of_stderr(), 0);
    let _ = writeln!(io::stderr(), "{}", style::for_stderr(&text));
}

/// Whether the answer to a yes-or-no question is yes; Enter takes the default.
///
/// # Errors
/// As [`line`].
pub fn yes(question: &str, default: bool) -> Result<bool> {
    let choice = if default { "[Y/n]" } else { "[y/N]" };
    loop {
        let Some(answer) = line(&format!("{question} {choice}"))? else { return Ok(false) };
        match answer.to_lowercase().as_str() {
            "" => return Ok(default),
            "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            _ => hint("Type y or n."),
        }
    }
}
