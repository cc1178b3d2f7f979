//! Parses and answers `codex app-server`.
//!
//! Its notifications become events; what it asks is answered by [`Talk`], if there is somebody to talk to: a recorded
//! stream is read without. Threads of its subagents report on the same stream: what they do is shown and judged like
//! the rest, but only the call's own thread speaks, counts and ends.

use agent_client_protocol_schema::v1::{Error, RequestId};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::items::{Item, Items};
use super::reports::{RateLimits, Step, TokenUsage, TurnError, Used};
use super::talk::{INITIALIZE, Initialized, STEER, THREAD, TURN, Talk};
use crate::agents::dialog::Dialog;
use crate::agents::event::{Ask, Event};
use crate::agents::failure::Kind;
use crate::agents::lenient::{List, Object, Scalar, read};
use crate::agents::monitor::operation;
use crate::agents::parsers::conversation::Conversation;
use crate::agents::parsers::json_rpc::{self, Message, fail, parsed};
use crate::agents::parsers::shared::{self, Emit};
use crate::base::text;
use crate::model::agent::Quota;

/// Characters of a tool's name.
const MAX_NAME: usize = 100;

#[derive(Debug, Default)]
pub struct AppServer {
    items: Items,
    used: Used,
    /// What is known of the account's limits.
    quotas: Vec<Quota>,
    /// The step of its plan that was shown last.
    step: String,
    /// The thread of this call, and whether its turn has begun and ended.
    thread: Option<String>,
    has_begun: bool,
    is_over: bool,
    talk: Option<Talk>,
}

/// The parameters of its messages.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Params<'a> {
    #[serde(borrow)]
    thread_id: Scalar<'a>,
    item_id: Scalar<'a>,
    message: Scalar<'a>,
    turn: Object<Turn<'a>>,
    item: Object<Item<'a>>,
    token_usage: Object<TokenUsage<'a>>,
    rate_limits: Object<RateLimits<'a>>,
    plan: List<'a, Object<Step<'a>>>,
    error: Option<&'a RawValue>,
    will_retry: Scalar<'a>,
    name: Scalar<'a>,
    status: Scalar<'a>,
    to_model: Scalar<'a>,
    command: Scalar<'a>,
    network_approval_context: Option<&'a RawValue>,
    permissions: Option<&'a RawValue>,
    server_name: Scalar<'a>,
    #[serde(rename = "_meta")]
    meta: Object<Meta<'a>>,
}

/// What a question of an MCP server is about, when codex itself asks it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Meta<'a> {
    #[serde(borrow)]
    codex_approval_kind: Scalar<'a>,
    tool_name: Scalar<'a>,
    tool_params: Option<&'a RawValue>,
}

/// The result of a request that opens a thread.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Opened<'a> {
    #[serde(borrow)]
    thread: Object<Thread<'a>>,
    model: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Thread<'a> {
    #[serde(borrow)]
    id: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Turn<'a> {
    #[serde(borrow)]
    id: Scalar<'a>,
    status: Scalar<'a>,
    error: Object<TurnError<'a>>,
}

impl AppServer {
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
            Message::Answer { to, result } if to >= STEER => {
                if let Some(talk) = &mut self.talk {
                    talk.steered();
                    emit(Event::Steered { taken: result.is_ok() });
                }
            }
            Message::Answer { .. } if self.is_over => {}
            Message::Answer { to, result: Ok(result) } => self.answered(to, result, emit),
            Message::Answer { to, result: Err(error) } => self.refused(to, &error, emit),
            Message::Notification { method, params } => {
                if let Some(params) = params.and_then(parsed::<Params<'_>>) {
                    self.notified(method, &params, emit);
                }
            }
            Message::Request { id, method, params } => {
                let params = params.and_then(parsed::<Params<'_>>);
                match params.and_then(|params| self.ask(&id, method, &params)) {
                    Some(ask) => emit(Event::Asks(ask)),
                    None => {
                        if let Some(talk) = &mut self.talk {
                            talk.refuse(&id, &Error::method_not_found());
                        }
                    }
                }
            }
        }
    }

    fn answered(&mut self, to: i64, result: &RawValue, emit: Emit<'_>) {
        match to {
            INITIALIZE => {
                let told = parsed::<Initialized<'_>>(result);
                if let Some(version) = told.as_ref().and_then(Initialized::version) {
                    emit(Event::Version(version.to_owned()));
                }
                if let Some(talk) = &mut self.talk {
                    talk.initialized();
                }
            }
            THREAD => {
                let opened: Opened<'_> = parsed(result).unwrap_or_default();
                let Some(thread) = opened.thread.0.as_ref().and_then(|thread| thread.id.text()) else {
                    return self.end("it opened a thread without an id".to_owned(), Kind::Other, emit);
                };
                self.thread = Some(thread.to_owned());
                emit(Event::Started { session: Some(thread.to_owned()), model: opened.model.owned() });
                if let Some(talk) = &mut self.talk {
                    talk.opened(thread);
                }
            }
            _ => {}
        }
    }

    /// One of our requests failed.
    fn refused(&mut self, to: i64, error: &Error, emit: Emit<'_>) {
        let said = json_rpc::why(error);
        let resumes = self.talk.as_ref().is_some_and(Talk::resumes);
        let (what, kind) = match to {
            INITIALIZE => ("it refuses the protocol", Kind::SetUp),
            THREAD if resumes => ("it cannot continue the session", Kind::SetUp),
            THREAD => ("it opens no thread", json_rpc::kind(error, &said)),
            TURN => ("it begins no turn", json_rpc::kind(error, &said)),
            _ => return,
        };
        self.end(format!("{what}: {said}"), kind, emit);
    }

    fn notified(&mut self, method: &str, params: &Params<'_>, emit: Emit<'_>) {
        // A turn always names its thread.
        let is_own = params.thread_id.text().map_or(!method.starts_with("turn/"), |thread| self.is_own(thread));
        match method {
            "item/started" | "item/completed" => {
                if let Some(item) = &params.item.0 {
                    self.item(item, method == "item/completed", is_own, emit);
                }
            }
            "account/rateLimits/updated" => {
                for quota in params.rate_limits.0.iter().flat_map(RateLimits::quotas) {
                    quota.clone().add(&mut self.quotas);
                    emit(Event::Quota(quota));
                }
            }
            // A thread that is continued repeats its total first.
            "thread/tokenUsage/updated" if self.has_begun => {
                let thread = params.thread_id.text().unwrap_or_default();
                let used = params.token_usage.0.as_ref().and_then(|report| self.used.report(thread, report));
                used.into_iter().for_each(|used| emit(Event::Usage(used)));
            }
            method if method.starts_with("item/") => emit(Event::Progress),
            _ if is_own => self.own(method, params, emit),
            _ => {}
        }
    }

    /// A notification about the call's own thread, or about none.
    fn own(&mut self, method: &str, params: &Params<'_>, emit: Emit<'_>) {
        match method {
            "turn/started" => {
                let turn = params.turn.0.as_ref().and_then(|turn| turn.id.text());
                self.has_begun = true;
                if let Some(talk) = &mut self.talk {
                    talk.runs(turn);
                }
                emit(Event::Turn);
            }
            "turn/completed" => self.completed(params.turn.0.as_ref().unwrap_or(&Turn::default()), emit),
            "turn/plan/updated" => {
                let steps: Vec<_> = params.plan.items.iter().filter_map(|step| step.0.as_ref()).collect();
                let steps =
                    steps.iter().map(|step| (step.status.is("inProgress"), step.step.text().unwrap_or_default()));
                emit(shared::plan(steps, &mut self.step));
            }
            "error" if params.will_retry.truth() == Some(true) => {
                let error = params.error.and_then(parsed::<TurnError<'_>>).unwrap_or_default();
                emit(Event::Trouble { why: error.why(), kind: error.kind() });
            }
            "warning" => {
                emit(Event::Warning(params.message.text().unwrap_or("it warns of something").to_owned()));
            }
            "model/rerouted" => {
                let model = params.to_model.text().unwrap_or("another model");
                emit(Event::Warning(format!("its service answers with {model}")));
            }
            "mcpServer/startupStatus/updated" if params.status.is("failed") => {
                let name = params.name.text().unwrap_or("?");
                emit(Event::Warning(format!("its MCP server {name} does not start")));
            }
            _ => {}
        }
    }

    /// What a subagent says is not the answer.
    fn item(&mut self, item: &Item<'_>, done: bool, is_own: bool, emit: Emit<'_>) {
        self.items.take(item, done, &mut |event| match event {
            Event::Text { .. } if !is_own => emit(Event::Progress),
            event => emit(event),
        });
    }

    fn completed(&mut self, turn: &Turn<'_>, emit: Emit<'_>) {
        self.is_over = true;
        if let Some(talk) = &mut self.talk {
            talk.runs(None);
        }
        let error = turn.error.0.as_ref();
        match turn.status.text().unwrap_or_default() {
            "completed" => emit(Event::Result { ok: true, text: None, error: None, kind: None }),
            "interrupted" => fail("its turn was interrupted".to_owned(), Kind::Stopped, emit),
            _ => {
                let none = TurnError::default();
                let error = error.unwrap_or(&none);
                error.limit(&self.quotas, emit);
                fail(error.why(), error.kind(), emit);
            }
        }
    }

    /// The call fails before it has a turn.
    fn end(&mut self, why: String, kind: Kind, emit: Emit<'_>) {
        self.is_over = true;
        fail(why, kind, emit);
    }

    fn is_own(&self, thread: &str) -> bool {
        self.thread.as_deref() == Some(thread)
    }

    /// What it asks, if it can be answered with yes or no.
    fn ask(&self, id: &RequestId, method: &str, params: &Params<'_>) -> Option<Ask> {
        let known = params.item_id.text().and_then(|item| self.items.operation(item));
        let answers = |allow: Value, reject: Value| (Some(allow.to_string()), Some(reject.to_string()));
        let simple = answers(json!({"decision": "accept"}), json!({"decision": "decline"}));
        let (tool, operation, (allow, reject)) = match method {
            "item/commandExecution/requestApproval" => {
                let hosts = params.network_approval_context.map(operation::of);
                let parts = [params.command.owned().or(known.map(str::to_owned)), hosts];
                ("command_execution".to_owned(), parts.into_iter().flatten().collect::<Vec<_>>().join("\n"), simple)
            }
            "item/fileChange/requestApproval" => {
                ("file_change".to_owned(), known.unwrap_or_default().to_owned(), simple)
            }
            "item/permissions/requestApproval" => {
                let wanted = params.permissions?;
                let granted = serde_json::from_str::<Value>(wanted.get()).ok()?;
                let answers = answers(json!({"permissions": granted}), json!({"permissions": {}}));
                ("request_permissions".to_owned(), operation::of(wanted), answers)
            }
            // A form for a person gets no answer from us.
            "mcpServer/elicitation/request" => {
                let meta = params.meta.0.as_ref().filter(|meta| meta.codex_approval_kind.is("mcp_tool_call"))?;
                let [server, tool] = [&params.server_name, &meta.tool_name].map(|name| name.text().unwrap_or("?"));
                let answers = answers(json!({"action": "accept", "content": {}}), json!({"action": "decline"}));
                (format!("{server}.{tool}"), meta.tool_params.map(operation::of).unwrap_or_default(), answers)
            }
            _ => return None,
        };
        let id = serde_json::to_string(id).unwrap_or_default();
        Some(Ask { id, tool: text::clip(&text::safe(&tool), MAX_NAME), operation, allow, reject })
    }
}

impl Conversation for AppServer {
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

    fn steer(&mut self, message: &str) -> bool {
        self.talk.as_mut().is_some_and(|talk| talk.steer(message))
    }
}
