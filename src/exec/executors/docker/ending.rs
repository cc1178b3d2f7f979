//! How a program in a container ended, by what the client, the engine and the container's init process say.
//!
//! With `--init` the engine starts its own init process (`tini`, podman's `catatonit`), and that one starts the
//! program. So a program that is missing in the image is, for the engine, a container that ran and exited: only the
//! line that the init process prints says that the program did not start.

use super::engine::State;
use super::options::Options;
use crate::base::text;
use crate::exec::supervise::{Report, Verdict};

/// The client's own exit code for a failure of the engine.
const ENGINE_FAILED: i32 = 125;
/// How many characters of a reason are kept.
const MAX_REASON: usize = 300;

/// How lines begin in which docker and podman warn before a container runs.
const WARNINGS: [&str; 3] = ["WARNING: ", "time=\"", "Resource limits are not supported"];

/// What is known after the client exited.
pub(super) struct After<'a> {
    /// By the client's exit code.
    pub verdict: Verdict,
    /// `None`: there is no such container. The error: why the engine does not say.
    pub state: Result<Option<State>, String>,
    pub options: &'a Options,
    /// The program that was to run in the container.
    pub program: &'a str,
    pub said: Said,
}

/// The end of what the client printed.
pub(super) struct Said {
    /// Of stderr, which may be in order with stdout.
    errors: String,
    /// Whether that is all that was printed.
    is_all: bool,
}

impl Said {
    pub(super) fn of(report: &Report) -> Said {
        let errors = report.errors.as_ref().unwrap_or(&report.output);
        let on_stdout = report.errors.as_ref().map_or(0, |_| report.output.bytes);
        Said {
            errors: String::from_utf8_lossy(&errors.tail).into_owned(),
            is_all: on_stdout == 0 && errors.bytes == errors.tail.len() as u64,
        }
    }

    /// The client's message without its hint on how to get help.
    fn message(&self) -> String {
        let lines = self.errors.lines().filter(|line| !line.trim().is_empty() && !line.contains("--help"));
        reason(&lines.collect::<Vec<_>>().join("\n"))
    }

    /// Why the init process could not start the program. It prints one line; before it there can be warnings of the
    /// client. A program that started can print such a line too, but rarely nothing else.
    fn of_init(&self, program: &str) -> Option<&str> {
        let is_warning = |line: &str| WARNINGS.iter().any(|begin| line.starts_with(begin));
        let mut lines = self.errors.lines().filter(|line| !line.trim().is_empty() && !is_warning(line));
        let (line, None) = (lines.next()?, lines.next()) else { return None };
        let tini = || {
            // A small build of it prints no label.
            let line =
                line.strip_prefix("[FATAL tini (").map_or(line, |rest| rest.split_once(")] ").unwrap_or_default().1);
            line.strip_prefix("exec ")?.strip_prefix(program)?.strip_prefix(" failed: ")
        };
        let catatonit = || {
            let rest = line.split_once("(catatonit:")?.1;
            Some(rest.split_once("failed to exec pid1: ")?.1)
        };
        self.is_all.then(|| tini().or_else(catatonit)).flatten()
    }
}

impl After<'_> {
    /// How the program ended.
    ///
    /// # Errors
    /// Unknown, and why: the engine stopped while the program ran.
    pub(super) fn verdict(self) -> Result<Verdict, String> {
        let After { verdict, state, options, program, said } = self;
        match (&verdict, state) {
            // It was stopped, whatever it made of that.
            (Verdict::TimedOut(_) | Verdict::Cancelled | Verdict::Lingered | Verdict::NotStarted(_), _) => Ok(verdict),
            (Verdict::Exited(0), Err(_)) => Ok(verdict),
            (_, Err(why)) => Err(why),
            (_, Ok(Some(state))) if state.status == "created" => {
                Ok(Verdict::NotStarted(if state.error.is_empty() { said.message() } else { reason(&state.error) }))
            }
            (_, Ok(Some(state))) if state.oom_killed => {
                let limit = Some(&options.memory).filter(|memory| !memory.is_empty());
                let limit = limit.map_or_else(String::new, |memory| format!(" (memory = {memory:?})"));
                Ok(Verdict::OverLimit(format!("out of memory{limit}")))
            }
            (Verdict::Exited(ENGINE_FAILED), Ok(Some(state)))
                if state.status != "exited" || state.exit_code != ENGINE_FAILED =>
            {
                Err(said.message())
            }
            (Verdict::Exited(_), Ok(Some(state))) if state.status == "exited" => {
                // Its codes for a missing program, one that may not be run, and any other reason.
                let of_init = said.of_init(program).filter(|_| [127, 126, 1].contains(&state.exit_code));
                Ok(of_init.map_or(Verdict::Exited(state.exit_code), |why| {
                    Verdict::NotStarted(reason(&format!("{program}: {why} (in the image {})", options.image)))
                }))
            }
            // The client could not make a container at all.
            (Verdict::Exited(ENGINE_FAILED..=127), Ok(None)) => Ok(Verdict::NotStarted(said.message())),
            _ => Ok(verdict),
        }
    }
}

fn reason(why: &str) -> String {
    text::clip(&text::safe(why.trim()), MAX_REASON)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MISSING: &str = "[FATAL tini (7)] exec agent failed: No such file or directory\n";

    fn after(verdict: Verdict, state: Result<Option<State>, String>, errors: &str) -> Result<Verdict, String> {
        let options = Options { memory: "1g".into(), image: "small:1".into(), ..Options::default() };
        let said = Said { errors: errors.into(), is_all: true };
        After { verdict, state, options: &options, program: "agent", said }.verdict()
    }

    fn state(status: &str, exit_code: i32, oom_killed: bool, error: &str) -> Result<Option<State>, String> {
        Ok(Some(State { status: status.into(), exit_code, oom_killed, error: error.into() }))
    }

    fn exited(exit_code: i32) -> Result<Option<State>, String> {
        state("exited", exit_code, false, "")
    }

    fn not_started(why: &str) -> Verdict {
        Verdict::NotStarted(why.into())
    }

    #[test]
    fn the_engine_says_how_the_program_ended() {
        for (told, state, verdict) in [
            (Verdict::Exited(3), exited(3), Verdict::Exited(3)),
            (Verdict::Exited(127), exited(127), Verdict::Exited(127)),
            (Verdict::Exited(125), exited(125), Verdict::Exited(125)),
            (Verdict::Exited(127), state("created", 127, false, "no such file"), not_started("no such file")),
            (Verdict::Exited(125), Ok(None), not_started("docker: said")),
            (Verdict::Exited(2), Ok(None), Verdict::Exited(2)),
            (
                Verdict::Exited(137),
                state("exited", 137, true, ""),
                Verdict::OverLimit("out of memory (memory = \"1g\")".into()),
            ),
            (Verdict::Cancelled, state("exited", 137, true, ""), Verdict::Cancelled),
            (Verdict::Signalled(9), state("running", 0, false, ""), Verdict::Signalled(9)),
        ] {
            let said = "docker: said\n\nRun 'docker run --help' for more information\n";
            assert_eq!(after(told.clone(), state.clone(), said), Ok(verdict), "{told:?} {state:?}");
        }
    }

    #[test]
    fn an_engine_that_stopped_meanwhile_is_no_end_of_the_program() {
        fn gone<T>() -> Result<T, String> {
            Err("no engine".to_owned())
        }
        assert_eq!(after(Verdict::Exited(143), gone(), ""), gone());
        assert_eq!(after(Verdict::Exited(125), gone(), "unexpected EOF"), gone());
        assert_eq!(after(Verdict::Exited(0), gone(), ""), Ok(Verdict::Exited(0)));
        assert_eq!(after(Verdict::Cancelled, gone(), ""), Ok(Verdict::Cancelled));
        // It is back, or the connection alone was lost.
        for state in [exited(255), state("running", 0, false, "")] {
            assert_eq!(after(Verdict::Exited(125), state, "unexpected EOF"), Err("unexpected EOF".into()));
        }
    }

    #[test]
    fn a_program_that_the_init_process_cannot_start_did_not_start() {
        let denied = "WARNING: The requested image's platform (linux/arm64) does not match\n\
                      exec agent failed: Permission denied\n";
        let podman = "time=\"2026-01-05T10:00:00Z\" level=warning msg=\"no shared mount\"\nERROR (catatonit:2): failed to exec pid1: No such file or directory\n";
        for (code, errors, why) in [
            (127, MISSING, "agent: No such file or directory (in the image small:1)"),
            (126, denied, "agent: Permission denied (in the image small:1)"),
            (1, podman, "agent: No such file or directory (in the image small:1)"),
        ] {
            assert_eq!(after(Verdict::Exited(code), exited(code), errors), Ok(not_started(why)));
        }
        let own = format!("begun\n{MISSING}");
        for errors in ["sh: agent: not found", "exec other failed: No such file or directory", own.as_str()] {
            assert_eq!(after(Verdict::Exited(127), exited(127), errors), Ok(Verdict::Exited(127)), "{errors}");
        }
        assert_eq!(after(Verdict::Exited(3), exited(3), MISSING), Ok(Verdict::Exited(3)));
        let some = Said { errors: MISSING.into(), is_all: false };
        assert_eq!(some.of_init("agent"), None, "it printed to stdout before");
    }
}
