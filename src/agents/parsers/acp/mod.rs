//! Parses and answers an agent of the Agent Client Protocol.
//!
//! The agent's messages become events; what it asks is answered by [`talk`], if there is somebody to talk to: a
//! recorded stream is read without. Updates before the session is open repeat an earlier conversation, so they are
//! dropped.

mod message;
mod requests;
mod talk;
mod updates;

use agent_client_protocol_schema::v1::{
    CLIENT_METHOD_NAMES, Error, ErrorCode, InitializeResponse, LoadSessionResponse, NewSessionResponse, PromptResponse,
    RequestPermissionRequest, SessionNotification, StopReason,
};
use serde_json::value::RawValue;

pub use self::message::introduction;

use self::talk::Talk;
use self::updates::Updates;
use super::conversation::Conversation;
use super::json_rpc::{self, Message, fail, parsed};
use super::shared::Emit;
use crate::agents::dialog::Dialog;
use crate::agents::event::{Ask, Event};
use crate::agents::failure::{self, Kind};
use crate::agents::lenient::read;
use crate::model::agent::Usage;

/// The first message of a call.
pub fn opening() -> Vec<u8> {
    requests::opening()
}

#[derive(Debug)]
pub struct Acp {
    updates: Updates,
    /// Its session is open: what it reports from now on belongs to this call.
    is_open: bool,
    /// The call has its result: what is answered later changes nothing.
    is_over: bool,
    talk: Option<Talk>,
}

impl Acp {
    pub fn new(earlier: Usage) -> Self {
        Self { updates: Updates::new(earlier), is_open: false, is_over: false, talk: None }
    }

    /// Parses a line. Returns whether it was a message.
    pub fn line(&mut self, line: &[u8], emit: Emit<'_>) -> bool {
        read(line, |line| match json_rpc::parse(line) {
            Some(message) => {
                self.take(message, emit);
                true
            }
            None => false,
        })
    }

    fn take(&mut self, message: Message<'_>, emit: Emit<'_>) {
        match message {
            Message::Answer { .. } if self.is_over => {}
            Message::Answer { to, result } => {
                let mut is_over = false;
                let mut emit = |event: Event| {
                    is_over |= matches!(event, Event::Result { .. });
                    emit(event);
                };
                match result {
                    Ok(result) => self.answered(to, result, &mut emit),
                    Err(error) => self.refused(to, &error, &mut emit),
                }
                self.is_over = is_over;
            }
            Message::Notification { method, params } => {
                let update = method == CLIENT_METHOD_NAMES.session_update && self.is_open;
                if let Some(update) = params.filter(|_| update).and_then(parsed::<SessionNotification>) {
                    self.updates.take(update.update, emit);
                }
            }
            Message::Request { id, method, params } => {
                let wanted = method == CLIENT_METHOD_NAMES.session_request_permission;
                match params.filter(|_| wanted).and_then(parsed::<RequestPermissionRequest>) {
                    Some(request) => self.updates.asked(id, request, emit),
                    None => {
                        let error = if wanted { Error::invalid_params() } else { Error::method_not_found() };
                        if let Some(talk) = &mut self.talk {
                            talk.refuse(id, error);
                        }
                    }
                }
            }
        }
    }

    fn answered(&mut self, to: i64, result: &RawValue, emit: Emit<'_>) {
        match to {
            requests::INITIALIZE => {
                let can = parsed::<InitializeResponse>(result);
                let why = match (&mut self.talk, can) {
                    (_, None) => Some("its answer to the first message cannot be read".to_owned()),
                    (Some(talk), Some(can)) => talk.initialized(&can).err(),
                    (None, Some(_)) => None,
                };
                why.into_iter().for_each(|why| fail(why, Kind::SetUp, emit));
            }
            requests::SESSION => self.opened(result, emit),
            to if to >= requests::OPTIONS => {
                let model = self.talk.as_mut().and_then(Talk::chosen);
                model.into_iter().for_each(|model| emit(Event::Started { session: None, model: Some(model) }));
            }
            requests::PROMPT => {
                let Some(end) = parsed::<PromptResponse>(result) else {
                    return fail("its answer to the prompt cannot be read".to_owned(), Kind::Other, emit);
                };
                self.updates.counted(&end, emit);
                match self.updates.failure() {
                    Some(why) if end.stop_reason == StopReason::EndTurn => {
                        fail(why.to_owned(), failure::kind_of(None, why), emit);
                    }
                    _ => ended(end.stop_reason, emit),
                }
            }
            _ => {}
        }
    }

    fn opened(&mut self, result: &RawValue, emit: Emit<'_>) {
        self.is_open = true;
        let new = parsed::<NewSessionResponse>(result);
        let options = match &new {
            Some(new) => new.config_options.clone(),
            None => parsed::<LoadSessionResponse>(result).and_then(|loaded| loaded.config_options),
        };
        let session = new.map(|new| new.session_id.to_string());
        let Some(talk) = &mut self.talk else {
            return emit(Event::Started { session, model: None });
        };
        match talk.opened(session, &options.unwrap_or_default()) {
            Ok((session, missing)) => {
                let model = message::model(result).filter(|_| !talk.chooses_model());
                emit(Event::Started { session: Some(session), model });
                missing.into_iter().for_each(|missing| emit(Event::Warning(missing)));
            }
            Err(why) => fail(why, Kind::Request, emit),
        }
    }

    /// One of our requests failed.
    fn refused(&mut self, to: i64, error: &Error, emit: Emit<'_>) {
        let said = json_rpc::why(error);
        let resumes = self.talk.as_ref().is_some_and(Talk::resumes);
        let (what, kind) = match to {
            requests::INITIALIZE => ("it refuses the protocol", Kind::SetUp),
            _ if error.code == ErrorCode::AuthRequired => ("it is not logged in", Kind::Account),
            requests::SESSION if resumes => ("it cannot continue the session", Kind::SetUp),
            requests::SESSION => ("it opens no session", json_rpc::kind(error, &said)),
            to if to >= requests::OPTIONS => ("it refuses an option of the session", Kind::Request),
            requests::PROMPT => ("", json_rpc::kind(error, &said)),
            _ => return,
        };
        let logins = self.talk.as_ref().map(Talk::logins).filter(|_| kind == Kind::Account).unwrap_or_default();
        let parts = [what, &said, &logins];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        fail(parts.collect::<Vec<_>>().join(": "), kind, emit);
    }
}

impl Conversation for Acp {
    fn speak(&mut self, dialog: Dialog) {
        self.talk = Some(Talk::new(dialog));
    }

    fn outgoing(&mut self) -> Option<Vec<u8>> {
        self.talk.as_mut().map(Talk::outgoing)
    }

    fn decide(&mut self, ask: &Ask, allowed: bool) {
        if let Some(talk) = &mut self.talk {
            talk.decide(ask, allowed);
        }
    }

    fn cancel(&mut self) -> bool {
        self.talk.as_mut().is_some_and(Talk::cancel)
    }
}

/// How its turn ended.
fn ended(reason: StopReason, emit: Emit<'_>) {
    let (kind, why) = match reason {
        StopReason::EndTurn => return emit(Event::Result { ok: true, text: None, error: None, kind: None }),
        StopReason::MaxTokens => (Kind::Turns, "it reached its limit of tokens"),
        StopReason::MaxTurnRequests => (Kind::Turns, "it reached its limit of requests"),
        StopReason::Refusal => (Kind::Other, "its model refused to go on"),
        StopReason::Cancelled => (Kind::Stopped, "its turn was cancelled"),
        _ => (Kind::Other, "it ended for an unknown reason"),
    };
    fail(why.to_owned(), kind, emit);
}
