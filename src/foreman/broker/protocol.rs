//! What a program of a run and the broker say to each other, as JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::base::{Exit, Refusal, names};
use crate::guard::operator::verbs::Request;

/// The variables that say how output looks; the only ones that a program passes on besides the seat.
pub const DISPLAY: [&str; 5] = ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "TERM"];
const MAX_VALUE: usize = 64;

/// A command that a program asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The same when the request is repeated.
    pub id: String,
    /// The root of the hub that the program found.
    pub root: PathBuf,
    pub request: Request,
    /// The program's `TEOF_AGENT`.
    pub agent: Option<String>,
    /// Of [`DISPLAY`].
    pub display: Vec<(String, String)>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// It ran, and what it printed is printed.
    Done { exit: i32 },
    /// It was killed, at the time limit at the latest; whether it wrote is unknown.
    Killed,
    /// The request is about another hub than the run's. Nothing was done.
    OtherHub,
    /// Too many commands at once. Nothing was done.
    Busy,
    /// Nothing was done.
    Refused(Refused),
}

/// A refusal of the broker's: what the command itself would have said, or that the broker does not do it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    pub exit: i32,
    pub code: String,
    pub message: String,
    pub reason: Option<String>,
    pub next: Vec<String>,
}

/// The code of what the broker does not do.
pub const REFUSED: &str = "broker.refused";

impl Answer {
    /// The broker does not do this.
    pub fn refused(why: impl Into<String>) -> Answer {
        let refusal = Refusal::unattended(REFUSED, "the worker of this run refused the command")
            .because(why)
            .next("say in your answer what is needed and why; a person will do it");
        Answer::of(&refusal)
    }

    /// The same answer as without a broker.
    pub fn of(refusal: &Refusal) -> Answer {
        let Refusal { exit, code, message, reason, next, .. } = refusal.clone();
        Answer::Refused(Refused { exit: exit as i32, code: code.to_owned(), message, reason, next })
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Refusal {
        let exits = [Exit::Refused, Exit::Usage, Exit::Held, Exit::NotFound, Exit::TimedOut, Exit::Unattended];
        let exit = exits.into_iter().find(|exit| *exit as i32 == refused.exit).unwrap_or(Exit::Unattended);
        // The process ends with it.
        let mut refusal = Refusal::new(exit, refused.code.leak(), refused.message);
        (refusal.reason, refusal.next) = (refused.reason, refused.next);
        refusal
    }
}

impl Call {
    /// A well-formed call, or nothing.
    pub fn parse(bytes: &[u8]) -> Option<Call> {
        let call: Call = serde_json::from_slice(bytes).ok()?;
        let plain = |value: &str| value.len() <= MAX_VALUE && !value.chars().any(char::is_control);
        let shows = |(name, value): &(String, String)| DISPLAY.contains(&name.as_str()) && plain(value);
        let is_sound =
            names::is_id(&call.id) && call.agent.as_deref().is_none_or(names::is_id) && call.display.iter().all(shows);
        is_sound.then_some(call)
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl Answer {
    pub fn parse(bytes: &[u8]) -> Option<Answer> {
        serde_json::from_slice(bytes).ok()
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_calls_are_read() {
        let request = Request { verb: "bus commit".into(), flags: Vec::new(), words: Vec::new() };
        let call = Call { id: "a-1".into(), root: "/hub".into(), request, agent: None, display: Vec::new() };
        assert_eq!(Call::parse(&call.to_bytes()), Some(call.clone()));
        let display = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        for wrong in [
            Call { id: "../x".into(), ..call.clone() },
            Call { agent: Some("a b".into()), ..call.clone() },
            Call { display: display("PATH", "/x"), ..call.clone() },
            Call { display: display("TERM", "a\nb"), ..call.clone() },
            Call { display: display("TERM", &"x".repeat(65)), ..call },
        ] {
            assert_eq!(Call::parse(&wrong.to_bytes()), None, "{wrong:?}");
        }
        assert_eq!(Call::parse(b"{}"), None);
    }
}
