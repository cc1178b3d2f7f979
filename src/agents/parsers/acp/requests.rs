//! What teof says to an agent of the Agent Client Protocol (version 1): JSON-RPC 2.0, one message a line.
//!
//! Files and terminals are not offered to the agent: it has its own tools, and the kernel confines them.

use agent_client_protocol_schema::ProtocolVersion;
use agent_client_protocol_schema::v1::{
    AGENT_METHOD_NAMES, CancelNotification, Error, Implementation, InitializeRequest, JsonRpcMessage,
    LoadSessionRequest, NewSessionRequest, Notification, PromptRequest, Request, RequestId, RequestPermissionOutcome,
    RequestPermissionResponse, Response, ResumeSessionRequest, SelectedPermissionOutcome, SessionConfigId,
    SessionConfigOptionValue, SetSessionConfigOptionRequest,
};
use serde::Serialize;

use crate::agents::dialog::Dialog;

/// The ids of our requests. Each is sent once a call, so the answers can be told apart in a recorded stream too.
pub(super) const INITIALIZE: i64 = 0;
pub(super) const SESSION: i64 = 1;
pub(super) const PROMPT: i64 = 3;
/// The first of those that choose options of the session.
pub(super) const OPTIONS: i64 = 100;

/// How a session is continued: with its history repeated to us, or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resume {
    Load,
    Resume,
}

/// An option of a session and its value.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub option: SessionConfigId,
    pub value: SessionConfigOptionValue,
}

/// The first message: says who we are and asks what the agent can do.
pub(super) fn opening() -> Vec<u8> {
    let us = Implementation::new("teof", env!("CARGO_PKG_VERSION"));
    request(INITIALIZE, AGENT_METHOD_NAMES.initialize, InitializeRequest::new(ProtocolVersion::V1).client_info(us))
}

/// Opens a new session, or the one to continue.
pub(super) fn session(dialog: &Dialog, how: Resume) -> Vec<u8> {
    let at = dialog.worktree.clone();
    match (&dialog.session, how) {
        (None, _) => request(SESSION, AGENT_METHOD_NAMES.session_new, NewSessionRequest::new(at)),
        (Some(id), Resume::Load) => {
            request(SESSION, AGENT_METHOD_NAMES.session_load, LoadSessionRequest::new(id.clone(), at))
        }
        (Some(id), Resume::Resume) => {
            request(SESSION, AGENT_METHOD_NAMES.session_resume, ResumeSessionRequest::new(id.clone(), at))
        }
    }
}

pub(super) fn prompt(dialog: &Dialog, session: &str) -> Vec<u8> {
    let said = vec![dialog.prompt.clone().into()];
    request(PROMPT, AGENT_METHOD_NAMES.session_prompt, PromptRequest::new(session.to_owned(), said))
}

/// Chooses the value of an option of the session: the `nth` choice.
pub(super) fn choose(nth: i64, session: &str, choice: Choice) -> Vec<u8> {
    let wanted = SetSessionConfigOptionRequest::new(session.to_owned(), choice.option, choice.value);
    request(OPTIONS + nth, AGENT_METHOD_NAMES.session_set_config_option, wanted)
}

/// Asks it to end its turn.
pub(super) fn cancel(session: &str) -> Vec<u8> {
    let params = Some(CancelNotification::new(session.to_owned()));
    line(JsonRpcMessage::wrap(Notification { method: AGENT_METHOD_NAMES.session_cancel.into(), params }))
}

/// Answers a request for permission with one of the options that it offers, or cancels it.
pub(super) fn decision(id: RequestId, option: Option<&str>) -> Vec<u8> {
    let outcome = option.map_or(RequestPermissionOutcome::Cancelled, |option| {
        RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(option.to_owned()))
    });
    line(JsonRpcMessage::wrap(Response::<_, Error>::new(id, Ok(RequestPermissionResponse::new(outcome)))))
}

/// Answers a request that is refused.
pub(super) fn refusal(id: RequestId, error: Error) -> Vec<u8> {
    line(JsonRpcMessage::wrap(Response::<(), Error>::new(id, Err(error))))
}

fn request(id: i64, method: &'static str, params: impl Serialize) -> Vec<u8> {
    line(JsonRpcMessage::wrap(Request { id: RequestId::Number(id), method: method.into(), params: Some(params) }))
}

/// These types are JSON whatever they hold.
fn line(message: impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(&message).unwrap_or_default();
    line.push(b'\n');
    line
}
