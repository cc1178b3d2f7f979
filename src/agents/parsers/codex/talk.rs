//! What teof says to `codex app-server`: JSON-RPC 2.0 without its version, one message a line. Pure; what it says waits
//! in [`Talk::outgoing`].
//!
//! Only methods that need no consent to experiments are used.

use agent_client_protocol_schema::v1::{Error, RequestId};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::agents::dialog::Dialog;
use crate::agents::event::Ask;
use crate::agents::lenient::Scalar;
use crate::agents::parsers::json_rpc::{Message, parse, parsed};

/// The ids of our requests. Each is sent once a call, so the answers can be told apart in a recorded stream too.
pub(super) const INITIALIZE: i64 = 0;
pub(super) const THREAD: i64 = 1;
pub(super) const TURN: i64 = 2;
const INTERRUPT: i64 = 3;
/// The first of those that add a message to the turn.
pub(super) const STEER: i64 = 100;

/// Notifications that repeat all changes so far, each time.
const UNWANTED: [&str; 2] = ["turn/diff/updated", "item/fileChange/patchUpdated"];

/// The first message: says who we are.
pub fn opening() -> Vec<u8> {
    let us = json!({"name": "teof", "title": "teof", "version": env!("CARGO_PKG_VERSION")});
    request(
        INITIALIZE,
        "initialize",
        json!({"clientInfo": us, "capabilities": {"optOutNotificationMethods": UNWANTED}}),
    )
}

/// What the server says of itself in its answer to the first message.
pub fn introduction(printed: &str) -> Option<String> {
    printed.lines().find_map(|line| match parse(line.as_bytes())? {
        Message::Answer { to: INITIALIZE, result: Ok(result) } => {
            let version = parsed::<Initialized<'_>>(result)?.version()?.to_owned();
            Some(format!("codex {version}"))
        }
        _ => None,
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Initialized<'a> {
    #[serde(borrow)]
    user_agent: Scalar<'a>,
}

impl Initialized<'_> {
    /// The program's version: `teof/0.171.0 (Debian 12.0.0; x86_64)`.
    pub(super) fn version(&self) -> Option<&str> {
        let (_, rest) = self.user_agent.text()?.split_once('/')?;
        rest.split_whitespace().next()
    }
}

#[derive(Debug)]
pub(super) struct Talk {
    dialog: Dialog,
    outgoing: Vec<u8>,
    /// The thread of this call, and the turn that runs.
    thread: Option<String>,
    turn: Option<String>,
    interrupted: bool,
    /// How many messages were added to the turn, and whether the last one waits for its answer.
    steered: i64,
    waits: bool,
}

impl Talk {
    /// The first message, [`opening`], is what the program starts with on its stdin.
    pub(super) fn new(dialog: Dialog) -> Self {
        let (outgoing, thread, turn) = Default::default();
        Self { dialog, outgoing, thread, turn, interrupted: false, steered: 0, waits: false }
    }

    pub(super) fn outgoing(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outgoing)
    }

    /// Whether it continues a thread.
    pub(super) fn resumes(&self) -> bool {
        self.dialog.session.is_some()
    }

    /// Opens a new thread, or the one to continue. It works in the folder of the process: a folder that is named here
    /// would be noted as trusted in the person's settings.
    pub(super) fn initialized(&mut self) {
        self.send(json!({"method": "initialized"}));
        let mut params: serde_json::Map<String, Value> =
            self.dialog.options.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        params.extend(self.dialog.model.as_ref().map(|model| ("model".to_owned(), json!(model))));
        let method = match &self.dialog.session {
            Some(thread) => {
                params.insert("threadId".to_owned(), json!(thread));
                // The history could be longer than any line that is read.
                params.insert("excludeTurns".to_owned(), json!(true));
                "thread/resume"
            }
            None => "thread/start",
        };
        self.outgoing.extend(request(THREAD, method, Value::Object(params)));
    }

    /// A thread is open: gives the prompt.
    pub(super) fn opened(&mut self, thread: &str) {
        self.thread = Some(thread.to_owned());
        let params = json!({"threadId": thread, "input": words(&self.dialog.prompt)});
        self.outgoing.extend(request(TURN, "turn/start", params));
    }

    /// The turn with this id runs, or none does.
    pub(super) fn runs(&mut self, turn: Option<&str>) {
        self.turn = turn.map(str::to_owned);
    }

    /// Adds a message to the turn; false when none runs, or when the message before it is not answered.
    pub(super) fn steer(&mut self, message: &str) -> bool {
        let (Some(thread), Some(turn), false) = (&self.thread, &self.turn, self.waits || self.interrupted) else {
            return false;
        };
        let params = json!({"threadId": thread, "expectedTurnId": turn, "input": words(message)});
        self.outgoing.extend(request(STEER + self.steered, "turn/steer", params));
        self.steered += 1;
        self.waits = true;
        true
    }

    /// The message was answered.
    pub(super) fn steered(&mut self) {
        self.waits = false;
    }

    /// Asks it to end its turn; false when it has none.
    pub(super) fn cancel(&mut self) -> bool {
        let (Some(thread), Some(turn)) = (&self.thread, &self.turn) else { return false };
        if !self.interrupted {
            self.outgoing.extend(request(INTERRUPT, "turn/interrupt", json!({"threadId": thread, "turnId": turn})));
            self.interrupted = true;
        }
        true
    }

    /// Answers a question with one of the results that it holds. A turn that is to end is allowed nothing more.
    pub(super) fn decide(&mut self, ask: &Ask, allowed: bool) {
        let answer = if allowed && !self.interrupted { &ask.allow } else { &ask.reject };
        let result = answer.as_deref().and_then(|answer| serde_json::from_str::<Value>(answer).ok());
        if let (Ok(id), Some(result)) = (serde_json::from_str::<RequestId>(&ask.id), result) {
            self.send(json!({"id": id, "result": result}));
        }
    }

    pub(super) fn refuse(&mut self, id: &RequestId, error: &Error) {
        self.send(json!({"id": id, "error": error}));
    }

    fn send(&mut self, message: Value) {
        self.outgoing.extend(line(message));
    }
}

fn words(text: &str) -> Value {
    json!([{"type": "text", "text": text}])
}

fn request(id: i64, method: &str, params: Value) -> Vec<u8> {
    line(json!({"id": id, "method": method, "params": params}))
}

fn line(message: Value) -> Vec<u8> {
    (message.to_string() + "\n").into_bytes()
}
