//! Shows long output in the person's pager.
//!
//! Only on a terminal, only for a person, and only when the text does not fit the screen. The pager comes from the
//! person's environment and git configuration (`TEOF_PAGER`, `GIT_PAGER`, `core.pager`, `PAGER`, else `less`), never
//! from the repository's configuration, which a worker could write. `TEOF_PAGER=cat` turns it off.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use signal_hook::consts::{SIGINT, SIGQUIT};
use textwrap::core::display_width;

use super::{signals, style};
use crate::base::env;
use crate::guard::operator::{self, Recognised};

/// Shows painted text in the pager. `false` when it did not: the caller prints the text.
pub fn show(text: &str) -> bool {
    let Some((columns, rows)) = style::size(&io::stdout()) else { return false };
    if fits(text, columns, rows) || !style::can_redraw(&io::stdout()) || operator::seen() != Recognised::Terminal {
        return false;
    }
    command(&env::var, configured).is_some_and(|pager| run(&pager, &style::for_stdout(text)))
}

/// Whether a text leaves room for the prompt below it.
fn fits(text: &str, columns: usize, rows: usize) -> bool {
    let height = |line| display_width(&style::plain(line)).div_ceil(columns).max(1);
    text.lines().map(height).sum::<usize>() < rows
}

/// The pager's command line for a shell; `None` for no pager.
fn command(var: &dyn Fn(&str) -> Option<String>, configured: impl FnOnce() -> Option<String>) -> Option<String> {
    let chosen = var(env::PAGER).or_else(|| var("GIT_PAGER")).or_else(configured).or_else(|| var("PAGER"));
    let chosen = chosen.unwrap_or_else(|| "less".to_owned());
    (!matches!(chosen.trim(), "cat" | "")).then_some(chosen)
}

/// `core.pager` of the person's and the machine's git configuration.
fn configured() -> Option<String> {
    git2::Config::open_default().ok()?.get_string("core.pager").ok().filter(|pager| !pager.is_empty())
}

/// Runs the pager. `false` when it failed: it is missing, or it was killed.
fn run(pager: &str, text: &str) -> bool {
    // Ctrl-C belongs to the pager.
    let _held = signals::hold(&[SIGINT, SIGQUIT]);
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(pager).stdin(Stdio::piped());
    for (name, value) in [("LESS", "FRX"), ("LV", "-c")] {
        if env::var(name).is_none() {
            shell.env(name, value);
        }
    }
    let ended = shell.spawn().and_then(|mut child| {
        if let Some(mut input) = child.stdin.take() {
            // A reader who has seen enough closes the pager early.
            let _ = input.write_all(text.as_bytes()).and_then(|()| input.write_all(b"\n"));
        }
        child.wait()
    });
    ended.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pager_is_chosen_as_git_chooses_it() {
        let none = |_: &str| None;
        assert_eq!(command(&none, || None).as_deref(), Some("less"));
        assert_eq!(command(&none, || Some("delta".into())).as_deref(), Some("delta"));
        let own = |name: &str| (name == env::PAGER).then(|| "cat".to_owned());
        assert_eq!(command(&own, || Some("delta".into())), None);
        let usual = |name: &str| (name == "PAGER").then(|| "more".to_owned());
        assert_eq!(command(&usual, || Some("delta".into())).as_deref(), Some("delta"));
        assert_eq!(command(&usual, || None).as_deref(), Some("more"));
    }

    #[test]
    fn text_that_fits_the_screen_needs_no_pager() {
        assert!(fits("a\nb", 80, 24));
        assert!(!fits(&"x\n".repeat(24), 80, 24));
        assert!(!fits(&"x".repeat(80 * 24), 80, 24));
    }

    #[test]
    fn a_pager_that_is_missing_or_dies_leaves_the_text_to_the_caller() {
        assert!(!run("exec no-such-pager-here 2>/dev/null", "text"));
        assert!(!run("kill -9 $$", "text"));
        assert!(run("cat >/dev/null", "text"));
    }
}
