//! The commands that write and that a worker performs for the programs of its run, with their flags: the only list.
//!
//! A program of a run sends a [`Request`] to its worker ([`crate::foreman::broker`]), which performs what is listed
//! here and nothing else. What is listed is not granted: every command still passes the checks of [`super::run`], which
//! hold the run to its own seat, task and step.
//!
//! A request is rendered as `--flag=value` and, after `--`, the rest, so that no value is ever taken for a flag.

use serde::{Deserialize, Serialize};

use crate::base::{Refusal, text};

/// A listed command.
#[derive(Debug)]
pub struct Verb {
    /// `bus event`.
    pub name: &'static str,
    /// Its flags that take a value, without their dashes.
    values: &'static [&'static [&'static str]],
    /// Its flags that take none.
    switches: &'static [&'static str],
    /// Whether arguments follow that are no flags, such as a task.
    takes_words: bool,
}

/// Who writes, and the proof of the right to.
const AUTHOR: &[&str] = &["agent", "epoch", "session-max-age"];
/// What an event or a message is about.
const ABOUT: &[&str] = &["task", "plan", "branch", "request-id"];
/// Flags of every command. `--root` is not passed on: the run has one hub.
const GLOBAL: [&str; 2] = ["json", "quiet"];
/// The switch with which a command reads stdin.
const BATCH: &str = "batch";
const STALE: &str = "allow-stale-session";

const VERBS: [Verb; 10] = [
    Verb {
        name: "bus event",
        values: &[AUTHOR, ABOUT, &["event", "summary", "pr", "receipt", "severity", "reviewer", "extra", "meta"]],
        switches: &[BATCH, STALE],
        takes_words: false,
    },
    Verb {
        name: "bus message",
        values: &[AUTHOR, ABOUT, &["type", "summary", "meta", "note", "target", "receipt"]],
        switches: &[BATCH, STALE],
        takes_words: false,
    },
    Verb {
        name: "bus ping",
        values: &[
            AUTHOR,
            ABOUT,
            &["summary", "event", "pr", "event-receipt", "meta"],
            &["message-task", "message-type", "note", "message-receipt", "message-meta"],
        ],
        switches: &["skip-event", "skip-message", STALE],
        takes_words: false,
    },
    Verb {
        name: "bus directive",
        values: &[
            AUTHOR,
            ABOUT,
            &["summary", "type", "note", "receipt", "meta"],
            &["pointer-task", "pointer-type", "pointer-summary", "pointer-note", "pointer-plan"],
        ],
        switches: &[STALE],
        takes_words: false,
    },
    Verb {
        name: "bus inbox",
        // Not its files: the worker would write where the program cannot.
        values: &[&["agent", "limit"]],
        switches: &["mark-read", "capture-receipt", "no-capture-receipt"],
        takes_words: false,
    },
    Verb {
        name: "bus claim",
        // Not another plan: a run works on its own.
        values: &[AUTHOR, &["task", "branch", "request-id", "notes", "lease"]],
        switches: &["clear-notes", "allow-unassigned", STALE],
        takes_words: true,
    },
    Verb { name: "bus commit", values: &[], switches: &[], takes_words: false },
    Verb { name: "plan step set", values: &[AUTHOR, &["note"]], switches: &[STALE], takes_words: true },
    Verb { name: "plan attach", values: &[AUTHOR, &["file"]], switches: &[STALE], takes_words: true },
    Verb { name: "receipts add", values: &[&["agent"]], switches: &[], takes_words: true },
];

/// A listed command as a program of a run asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// `bus event`.
    pub verb: String,
    /// Without their dashes, in order; `None` for one that takes no value.
    pub flags: Vec<(String, Option<String>)>,
    /// The arguments that are no flags, in order.
    pub words: Vec<String>,
}

impl Request {
    /// The request of a command line without its program; `None` when its command is not listed. The command line is
    /// one that the parser of all commands took.
    ///
    /// # Errors
    /// `broker.flag` for a flag that is not listed.
    pub fn of(arguments: &[String]) -> Option<Result<Request, Refusal>> {
        let mut rest = arguments.iter();
        let mut request = Request { verb: String::new(), flags: Vec::new(), words: Vec::new() };
        let verb = loop {
            match rest.next()?.as_str() {
                "--root" => drop(rest.next()?),
                root if root.starts_with("--root=") => {}
                flag if flag.starts_with('-') => request.add(long(flag), None),
                word => {
                    let name = format!("{} {word}", request.verb).trim_start().to_owned();
                    request.verb.clone_from(&name);
                    if let Some(verb) = VERBS.iter().find(|verb| verb.name == name) {
                        break verb;
                    }
                    let begins = |verb: &Verb| verb.name.strip_prefix(&name).is_some_and(|rest| rest.starts_with(' '));
                    if !VERBS.iter().any(begins) {
                        return None;
                    }
                }
            }
        };
        while let Some(argument) = rest.next() {
            if argument == "--" {
                request.words.extend(rest.by_ref().cloned());
            } else if argument.starts_with('-') && argument != "-" {
                let (flag, value) = match argument.split_once('=') {
                    Some((flag, value)) => (long(flag), Some(value.to_owned())),
                    None => (long(argument), None),
                };
                let takes_value = flag == "root" || verb.takes_value(flag);
                let value = if takes_value && value.is_none() { rest.next().cloned() } else { value };
                if flag != "root" {
                    request.add(flag, value);
                }
            } else {
                request.words.push(argument.clone());
            }
        }
        Some(request.check().map(|_| request))
    }

    /// Each level of a command line takes the global flags once.
    fn add(&mut self, flag: &str, value: Option<String>) {
        if !GLOBAL.contains(&flag) || self.flags.iter().all(|(known, _)| known != flag) {
            self.flags.push((flag.to_owned(), value));
        }
    }

    /// The command, if it and its flags are listed.
    ///
    /// # Errors
    /// `broker.verb`, `broker.flag`.
    pub fn check(&self) -> Result<&'static Verb, Refusal> {
        let Some(verb) = VERBS.iter().find(|verb| verb.name == self.verb) else {
            let shown = text::clip(&text::safe(&self.verb), 60);
            return Err(Refusal::unattended(
                "broker.verb",
                format!("a worker does not run teof {shown} for its programs"),
            )
            .because("its list of commands is short, and this one is not on it")
            .next("say in your answer what is needed and why; a person will do it"));
        };
        let unknown = self.flags.iter().find(|(flag, value)| !verb.takes(flag, value.is_some()));
        let refused = match unknown {
            Some((flag, _)) => format!("--{}", text::clip(&text::safe(flag), 60)),
            None if !verb.takes_words && !self.words.is_empty() => "an argument without a flag".to_owned(),
            None if self.has_zero() => "a zero byte".to_owned(),
            None => return Ok(verb),
        };
        Err(Refusal::unattended("broker.flag", format!("teof {} does not take {refused} inside a run", verb.name))
            .because("the worker of the run performs the command, and only with the flags that a run needs")
            .next("leave it out"))
    }

    /// The command line without its program.
    pub fn arguments(&self) -> Vec<String> {
        let mut line: Vec<String> = self.verb.split(' ').map(str::to_owned).collect();
        line.extend(self.flags.iter().map(|(flag, value)| match value {
            Some(value) => format!("--{flag}={value}"),
            None => format!("--{flag}"),
        }));
        if !self.words.is_empty() {
            line.push("--".to_owned());
            line.extend(self.words.iter().cloned());
        }
        line
    }

    /// Whether it reads stdin.
    pub fn reads_stdin(&self) -> bool {
        self.flags.iter().any(|(flag, _)| flag == BATCH)
    }

    /// No argument of a program can hold one.
    fn has_zero(&self) -> bool {
        let values = self.flags.iter().filter_map(|(_, value)| value.as_ref());
        values.chain(&self.words).any(|argument| argument.contains('\0'))
    }
}

impl Verb {
    fn takes_value(&self, flag: &str) -> bool {
        self.values.iter().any(|flags| flags.contains(&flag))
    }

    fn takes(&self, flag: &str, with_value: bool) -> bool {
        match with_value {
            true => self.takes_value(flag),
            false => self.switches.contains(&flag) || GLOBAL.contains(&flag),
        }
    }
}

/// The name of a flag without its dashes.
fn long(flag: &str) -> &str {
    if flag == "-q" { "quiet" } else { flag.trim_start_matches('-') }
}

/// Every listed command, with its flags and whether each takes a value: for checks of the list itself.
pub fn listed() -> impl Iterator<Item = (&'static str, Vec<(&'static str, bool)>)> {
    VERBS.iter().map(|verb| {
        let values = verb.values.iter().flat_map(|flags| flags.iter()).map(|flag| (*flag, true));
        (verb.name, values.chain(verb.switches.iter().map(|flag| (*flag, false))).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &[&str]) -> Option<Result<Request, Refusal>> {
        Request::of(&line.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_command_line_is_rendered_so_that_no_value_is_a_flag() {
        let request =
            of(&["--root", "/x", "-q", "bus", "event", "--quiet", "--event", "status", "--summary=--json", "--json"]);
        let request = request.unwrap().unwrap();
        let line = request.arguments().join(" ");
        assert_eq!(line, "bus event --quiet --event=status --summary=--json --json");
        let request = of(&["receipts", "add", "--agent", "a", "--", "--json", "x"]).unwrap().unwrap();
        assert_eq!(request.arguments().join(" "), "receipts add --agent=a -- --json x");
        assert!(of(&["bus", "event", "--batch"]).unwrap().unwrap().reads_stdin());
    }

    #[test]
    fn what_is_not_listed_is_no_request() {
        for line in [
            &["bus", "status"][..],
            &["approve", "x"],
            &["scan"],
            &["plan", "step", "add", "x"],
            &["bus"],
            &["--json"],
            &[],
        ] {
            assert!(of(line).is_none(), "{line:?}");
        }
    }

    #[test]
    fn flags_that_are_not_listed_are_refused() {
        for line in [
            &["bus", "inbox", "--receipt", "x"][..],
            &["bus", "inbox", "--force"],
            &["bus", "claim", "--next"],
            &["bus", "claim", "x", "--status=released"],
            &["plan", "step", "set", "p", "s", "--status", "done"],
            &["bus", "event", "word"],
        ] {
            assert_eq!(of(line).unwrap().unwrap_err().code, "broker.flag", "{line:?}");
        }
        let forged = |verb: &str, flag: &str, value: Option<&str>, word: &str| Request {
            verb: verb.into(),
            flags: vec![(flag.into(), value.map(str::to_owned))],
            words: vec![word.into()],
        };
        assert_eq!(forged("consent grant", "json", None, "").check().unwrap_err().code, "broker.verb");
        for request in [
            forged("receipts add", "root", Some("/"), "x"),
            forged("receipts add", "agent", Some("a"), "x\0y"),
            forged("receipts add", "json", Some("a"), "x"),
            forged("receipts add", "agent=b --x", None, "x"),
        ] {
            assert_eq!(request.check().unwrap_err().code, "broker.flag", "{request:?}");
        }
    }
}
