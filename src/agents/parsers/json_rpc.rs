//! One line of JSON-RPC 2.0: a request, an answer or a notification of the agent.

use agent_client_protocol_schema::v1::{Error, RequestId};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::shared::Emit;
use crate::agents::event::Event;
use crate::agents::failure::{self, Kind};
use crate::base::text;

/// Characters of an error.
const MAX_WHY: usize = 600;
const INTERNAL: &str = "Internal error";
/// What is said of an error without words.
const UNKNOWN: &str = "it does not say what went wrong";
/// Keys of an error's details that hold words for people.
const DETAILS: [&str; 4] = ["details", "message", "error", "reason"];

/// What an agent sent.
pub(super) enum Message<'a> {
    Request {
        id: RequestId,
        method: &'a str,
        params: Option<&'a RawValue>,
    },
    Notification {
        method: &'a str,
        params: Option<&'a RawValue>,
    },
    /// An answer to our request with this id.
    Answer {
        to: i64,
        result: Result<&'a RawValue, Error>,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<&'a RawValue>,
    params: Option<&'a RawValue>,
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
}

/// Parses a line; `None` when it is no message.
pub(super) fn parse(line: &[u8]) -> Option<Message<'_>> {
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    let id = line.id.and_then(|id| serde_json::from_str::<RequestId>(id.get()).ok());
    // No method has a character that is escaped.
    let method = line.method.and_then(|method| serde_json::from_str::<&str>(method.get()).ok());
    match (method, id) {
        (Some(method), Some(id)) => Some(Message::Request { id, method, params: line.params }),
        (Some(method), None) => Some(Message::Notification { method, params: line.params }),
        (None, Some(RequestId::Number(to))) => {
            let result = match line.error {
                Some(error) => Err(error_of(error)),
                // A result of null is one too.
                None => Ok(line.result.unwrap_or(RawValue::NULL)),
            };
            Some(Message::Answer { to, result })
        }
        (None, _) => None,
    }
}

fn error_of(raw: &RawValue) -> Error {
    serde_json::from_str(raw.get()).unwrap_or_else(|_| Error::new(0, text::clip(raw.get(), MAX_WHY)))
}

/// What an error says, with its details, which often say more. "Internal error" is JSON-RPC's own word for any of them.
pub(super) fn why(error: &Error) -> String {
    let said = error.message.strip_prefix(INTERNAL).unwrap_or(&error.message).trim_start_matches([':', ' ']);
    let details = match &error.data {
        Some(Value::String(said)) => said.as_str(),
        Some(Value::Object(data)) => DETAILS.iter().find_map(|key| data.get(*key)?.as_str()).unwrap_or_default(),
        _ => "",
    };
    match (said, details.trim()) {
        ("", "") => UNKNOWN.to_owned(),
        ("", details) => details.to_owned(),
        (said, details) if details.is_empty() || said.contains(details) => said.to_owned(),
        (said, details) => format!("{said}: {details}"),
    }
}

/// The kind of an error. Some agents pass their service's HTTP status on as the code.
pub(super) fn kind(error: &Error, why: &str) -> Kind {
    let status = u64::try_from(i32::from(error.code)).ok().filter(|code| (400..600).contains(code));
    match why {
        UNKNOWN => Kind::Other,
        why => failure::kind_of(status, why),
    }
}

/// The call failed.
pub(super) fn fail(why: String, kind: Kind, emit: Emit<'_>) {
    emit(Event::Result { ok: false, text: None, error: Some(text::clip(&why, MAX_WHY)), kind: Some(kind) });
}

/// Parameters or a result of this form.
pub(super) fn parsed<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}
