//! Prints an error as `error:`, `cause:` and `fix:`, and picks its exit code.

use std::io::Write;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use rustix::fs::OFlags;
use rustix::io::Errno;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::terminal::{Times, progress, style};
use super::{plain, usage};
use crate::base::time::Clock;
use crate::base::{Exit, Refusal, json, text};
use crate::hub::git::errors;

/// Reports an error of a command on stderr.
pub fn report(error: &anyhow::Error, as_json: bool) -> ExitCode {
    show(&refusal(error), as_json)
}

/// The message of an error, for the terminal.
pub fn refusal(error: &anyhow::Error) -> Refusal {
    match Refusal::of(error) {
        Some(refusal) => refusal.clone(),
        None => errors::explain(error).or_else(|| exhausted(error)).unwrap_or_else(|| fault(error)),
    }
}

/// Reports a command line that clap refused; help and version are not failures.
pub fn usage(error: &clap::Error, tree: impl FnOnce() -> clap::Command, as_json: bool) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    let is_asked = matches!(error.kind(), DisplayHelp | DisplayVersion);
    if !is_asked && (as_json || error.kind() != DisplayHelpOnMissingArgumentOrSubcommand) {
        return show(&usage::refusal(error, &mut tree()), as_json);
    }
    match error.print().and_then(|()| flush_stdout()) {
        Err(e) if !error.use_stderr() => ExitCode::from(unwritten(&e, as_json, true) as u8),
        _ => ExitCode::from(error.exit_code() as u8),
    }
}

/// Flushes stdout. The standard library takes one that is open for reading only for written.
pub fn flush_stdout() -> std::io::Result<()> {
    let mut stdout = std::io::stdout();
    let flags = rustix::fs::fcntl_getfl(&stdout)?;
    if flags & OFlags::ACCMODE == OFlags::RDONLY {
        return Err(rustix::io::Errno::BADF.into());
    }
    stdout.flush()
}

/// Says that stdout could not be written, and gives the exit code. `only_reads`: nothing was done that could be lost.
pub fn unwritten(error: &std::io::Error, as_json: bool, only_reads: bool) -> i32 {
    let refusal = match error.kind() {
        std::io::ErrorKind::BrokenPipe if only_reads => {
            Refusal::guard("stdout.closed", "stdout was closed before everything was printed")
        }
        std::io::ErrorKind::BrokenPipe => {
            Refusal::guard("stdout.closed", "stdout was closed before everything was printed")
                .because("the program that reads it ended; what the command did before is done")
        }
        _ => Refusal::guard("stdout.unwritable", "stdout could not be written")
            .because(format!("{error}; what the command did before is done"))
            .next("make room, or send the output somewhere else"),
    };
    show(&refusal, as_json);
    refusal.exit as i32
}

/// The refusal for a machine that gives out no more processes, threads or memory.
fn exhausted(error: &anyhow::Error) -> Option<Refusal> {
    // The outermost error says what could not be done; one that stands alone would be an unexplained "try again".
    let cause = error.chain().skip(1).find_map(|cause| cause.downcast_ref::<std::io::Error>())?;
    let is_passing =
        [Errno::AGAIN, Errno::NOMEM].iter().any(|errno| Some(errno.raw_os_error()) == cause.raw_os_error());
    is_passing.then(|| {
        Refusal::guard("machine.exhausted", format!("could not {error}"))
            .because(format!("this machine gives out no more processes, threads or memory now ({cause})"))
            .next("stop other programs and try again; limits of this shell: ulimit -a")
    })
}

fn fault(error: &anyhow::Error) -> Refusal {
    let causes: Vec<String> = error.chain().skip(1).map(|cause| cause.to_string()).collect();
    let refusal = Refusal::new(Exit::Fault, "fault", error.to_string());
    let refusal = if causes.is_empty() { refusal } else { refusal.because(causes.join(": ")) };
    refusal.next("this is a bug in teof or a problem of the machine; for details, run it again with TEOF_LOG=debug")
}

/// Prints a refusal on stderr; returns its exit code.
pub fn show(refusal: &Refusal, as_json: bool) -> ExitCode {
    if as_json {
        let _ = writeln!(std::io::stderr(), "{}", json::printable(json::pretty(&document(refusal))));
    } else {
        let _line = progress::clear();
        let now = Clock::from_env().unwrap_or(Clock::Machine).now();
        let shown = render(refusal, Times::on_stderr(now), style::columns_of_stderr());
        let _ = writeln!(std::io::stderr(), "{}", style::for_stderr(&shown));
    }
    ExitCode::from(refusal.exit as u8)
}

/// What `--json` prints on stderr when a command is refused.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ErrorDocument {
    error: ErrorBody,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ErrorBody {
    /// Stable, dotted: `claim.held`.
    code: String,
    message: String,
    reason: Option<String>,
    /// Commands that help, or what to do.
    next: Vec<String>,
    /// The exit code.
    exit: u8,
    /// More facts, such as holder and expiry.
    #[serde(flatten)]
    data: Map<String, Value>,
}

/// The names of the body's own fields, which no fact replaces.
const OWN: [&str; 5] = ["code", "message", "reason", "next", "exit"];

pub fn document(refusal: &Refusal) -> ErrorDocument {
    let facts = refusal.data.iter().filter(|(key, _)| !OWN.contains(&key.as_str()));
    let error = ErrorBody {
        code: refusal.code.to_owned(),
        message: plain::text(&refusal.message).into(),
        reason: refusal.reason.as_deref().map(|reason| plain::text(reason).into()),
        next: refusal.next.clone(),
        exit: refusal.exit as u8,
        data: facts.map(|(key, value)| (key.clone(), value.clone())).collect(),
    };
    ErrorDocument { error }
}

/// `error: what`, `cause: why`, and at most two lines `fix: command  # what for`. Commands are not wrapped, so that
/// they can be copied; what does not fit beside them stands below, as a comment of the shell.
fn render(refusal: &Refusal, times: Times, columns: Option<usize>) -> String {
    let wrap = |line: String| style::wrap(&times.in_text(&line), columns, 7).into_owned();
    let mut lines = vec![wrap(format!("{ERROR}error:{ERROR:#} {}", text::safe(&plain::text(&refusal.message))))];
    if let Some(reason) = &refusal.reason {
        let reason = text::safe_block(&plain::text(reason));
        let mut shown = reason.lines();
        lines.push(wrap(format!("{CAUSE}cause:{CAUSE:#} {}", shown.next().unwrap_or_default())));
        lines.extend(shown.map(|line| style::wrap(&times.in_text(&format!("       {line}")), columns, 0).into_owned()));
    }
    for next in refusal.next.iter().take(2) {
        let step = text::safe(next);
        let (what, command) = split(&step);
        let Some(command) = command else {
            lines.push(style::wrap(&format!("{FIX}fix:{FIX:#} {what}"), columns, 5).into_owned());
            continue;
        };
        let line = format!("{FIX}fix:{FIX:#} {COMMAND}{command}{COMMAND:#}");
        let comment = if what.is_empty() { String::new() } else { format!("  # {what}") };
        let width = 5 + textwrap::core::display_width(command) + textwrap::core::display_width(&comment);
        if columns.is_none_or(|columns| width <= columns) {
            lines.push(line + &comment);
        } else {
            lines.push(line);
            let room = columns.map(|columns| columns.saturating_sub("     # ".len()).max(10));
            lines.extend(style::wrap(what, room, 0).lines().map(|part| format!("     # {part}")));
        }
    }
    lines.join("\n")
}

/// What a step is for, and its command: `see what is free: teof task list`. A step may be a command alone, or none.
fn split(step: &str) -> (&str, Option<&str>) {
    if is_command(step) {
        return match step.split_once("  # ") {
            Some((command, what)) => (what, Some(command)),
            None => ("", Some(step)),
        };
    }
    match step.rsplit_once(": ").filter(|(_, command)| is_command(command)) {
        Some((what, command)) => (what, Some(command)),
        None => (step, None),
    }
}

/// Whether a text is a command line of a program that refusals name.
fn is_command(text: &str) -> bool {
    text.split(' ').next().is_some_and(|program| PROGRAMS.contains(&program)) && text.contains(' ')
}

const PROGRAMS: [&str; 9] = ["teof", "git", "gh", "env", "ls", "cat", "mv", "chmod", "df"];
const ERROR: Style = AnsiColor::Red.on_default().bold();
const CAUSE: Style = Style::new().bold();
const FIX: Style = AnsiColor::Green.on_default().bold();
const COMMAND: Style = AnsiColor::Cyan.on_default();

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stamp;

    #[test]
    fn a_machine_without_room_for_another_process_is_no_fault() {
        let of = |errno: Errno| {
            let error = anyhow::Error::new(std::io::Error::from(errno)).context("start git status");
            let refusal = refusal(&error);
            (refusal.exit, refusal.message)
        };
        assert_eq!(of(Errno::AGAIN), (Exit::Refused, "could not start git status".to_owned()));
        assert_eq!(of(Errno::BADF), (Exit::Fault, "start git status".to_owned()));
    }

    #[test]
    fn an_error_says_what_and_why_and_two_commands_that_run_when_pasted() {
        let refusal = Refusal::held("claim.held", "T-1 is held by codex-5")
            .because("its lease runs until 14:30")
            .next("see what is free: teof task list")
            .next("name another task")
            .next("a third step");
        let shown =
            anstream::adapter::strip_str(&render(&refusal, Times::new(Stamp::from_unix(0), true), None)).to_string();
        assert_eq!(
            shown,
            "error: T-1 is held by codex-5\ncause: its lease runs until 14:30\n\
             fix: teof task list  # see what is free\nfix: name another task"
        );
    }

    #[test]
    fn a_command_stays_whole_on_a_narrow_terminal_and_its_comment_is_wrapped() {
        let refusal = Refusal::held("claim.held", "T-1 is held")
            .next("start without touching the edits of the other seat: teof session-boot --sync-allow-dirty")
            .next("commit these files, or move them away, and then try it again");
        let shown = render(&refusal, Times::new(Stamp::from_unix(0), true), Some(40));
        assert_eq!(
            anstream::adapter::strip_str(&shown).to_string(),
            "error: T-1 is held\nfix: teof session-boot --sync-allow-dirty\n     # start without touching the edits\n\
             \x20    # of the other seat\nfix: commit these files, or move them\n     away, and then try it again"
        );
    }
}
