//! Turns what an agent reports of its turn into events: text, tool calls, its plan, and what it used.
//!
//! Agents differ in when they say what a tool is called with: with the call, in a later update, or only when they ask
//! for permission. A call becomes an event once its operation is known, or once it runs.

use std::collections::HashMap;

use agent_client_protocol_schema::v1::{
    ContentBlock, Meta, PermissionOption, PermissionOptionKind, Plan, PlanEntryStatus, PromptResponse, RequestId,
    RequestPermissionRequest, SessionUpdate, ToolCallContent, ToolCallStatus, ToolCallUpdate, ToolCallUpdateFields,
    ToolKind, UsageUpdate,
};
use serde_json::Value;
use serde_json::value::to_raw_value;

use super::super::shared::{self, Emit, MAX_TEXT, clipped};
use super::super::usage;
use crate::agents::event::{Ask, Event};
use crate::agents::monitor::operation;
use crate::base::text;
use crate::model::agent::Usage;

/// How many tool calls are remembered.
const MAX_CALLS: usize = 4096;
/// Characters of a tool's name, and of an id.
const MAX_NAME: usize = 100;
const MAX_ID: usize = 200;
/// Keys of an input that say where, and not what.
const PLACES: [&str; 2] = ["cwd", "workdir"];

#[derive(Debug)]
pub(super) struct Updates {
    earlier: Usage,
    usage: Usage,
    /// Tokens that single requests reported.
    requests: Usage,
    /// The message whose text came last; `None` after anything else.
    said: Option<Option<String>>,
    /// The piece of text that came last, clipped.
    last: String,
    /// The agent says that its service failed.
    is_broken: bool,
    calls: HashMap<String, Call>,
    /// The step of its plan that was shown last.
    step: String,
}

/// What is known of a tool call.
#[derive(Debug, Default)]
struct Call {
    name: Option<String>,
    kind: Option<ToolKind>,
    title: String,
    input: Option<Value>,
    /// The arguments as it shows them; null as long as they are not whole.
    shown: Option<Value>,
    places: Vec<String>,
    output: String,
    is_told: bool,
}

impl Updates {
    pub(super) fn new(earlier: Usage) -> Self {
        let (usage, requests, said, last, is_broken, calls, step) = Default::default();
        Self { earlier, usage, requests, said, last, is_broken, calls, step }
    }

    pub(super) fn take(&mut self, update: SessionUpdate, emit: Emit<'_>) {
        match update {
            SessionUpdate::AgentMessageChunk(chunk) => {
                self.request_counted(chunk.meta.as_ref(), emit);
                match chunk.content {
                    ContentBlock::Text(said) if !said.text.is_empty() => {
                        let of = Some(chunk.message_id.map(|id| id.to_string()));
                        let more = self.said == of;
                        self.said = of;
                        self.last = clipped(&said.text, MAX_TEXT);
                        emit(Event::Text { text: said.text, more });
                    }
                    _ => emit(Event::Progress),
                }
            }
            SessionUpdate::AgentThoughtChunk(_) => {
                self.said = None;
                emit(Event::Progress);
            }
            SessionUpdate::ToolCall(call) => self.call(call.into(), true, emit),
            SessionUpdate::ToolCallUpdate(update) => self.call(update, false, emit),
            SessionUpdate::Plan(plan) => self.plan(&plan, emit),
            SessionUpdate::UsageUpdate(update) => self.cost(&update, emit),
            SessionUpdate::SessionInfoUpdate(info) => {
                let own = info.meta.as_ref().and_then(|meta| meta.get("codex")?.get("threadStatus")?.get("type"));
                if let Some(status) = own.and_then(Value::as_str) {
                    self.is_broken = status == "systemError";
                }
            }
            _ => {}
        }
    }

    /// It asks for permission.
    pub(super) fn asked(&mut self, id: RequestId, request: RequestPermissionRequest, emit: Emit<'_>) {
        self.said = None;
        let options = &request.options;
        let (allow, reject) = (
            option(options, PermissionOptionKind::AllowOnce, PermissionOptionKind::AllowAlways),
            option(options, PermissionOptionKind::RejectOnce, PermissionOptionKind::RejectAlways),
        );
        let call = self.known(&request.tool_call);
        let asked = Call::of(request.tool_call.fields.clone(), request.tool_call.meta.as_ref());
        call.learn(asked);
        call.tell(emit);
        let (tool, operation) = (call.name(), call.operation());
        let id = serde_json::to_string(&id).unwrap_or_default();
        emit(Event::Asks(Ask { id, tool, operation, allow, reject }));
    }

    /// The end of the turn, and what the whole of it used. Agents that do not say it here said it with each request,
    /// or in a place of their own.
    pub(super) fn counted(&mut self, end: &PromptResponse, emit: Emit<'_>) {
        let told = end.usage.as_ref().map(|told| {
            let cached_tokens = told.cached_read_tokens.unwrap_or(0);
            let cached = cached_tokens.saturating_add(told.cached_write_tokens.unwrap_or(0));
            let thought = told.thought_tokens.unwrap_or(0);
            // Some count these within input and output; the sum of all tells.
            let beside = told.total_tokens.saturating_sub(told.input_tokens.saturating_add(told.output_tokens));
            let of =
                |part: u64, others: u64| if beside == part || beside == part.saturating_add(others) { part } else { 0 };
            Usage {
                input_tokens: told.input_tokens.saturating_add(of(cached, thought)),
                cached_tokens,
                output_tokens: told.output_tokens.saturating_add(of(thought, cached)),
                cost_usd: None,
            }
        });
        let own = || {
            let counts = end.meta.as_ref()?.get("quota")?.get("token_count")?;
            let count = |key: &str| counts.get(key).and_then(Value::as_u64);
            let (input, output) = (count("input_tokens")?, count("output_tokens")?);
            Some(Usage { input_tokens: input, output_tokens: output, ..Usage::default() })
        };
        let tokens = [told, own(), Some(self.requests)].into_iter().flatten().find(|used| used.tokens() > 0);
        if let Some(tokens) = tokens {
            self.usage = Usage { cost_usd: self.usage.cost_usd, ..tokens };
            emit(Event::Usage(self.usage));
        }
    }

    /// Why a turn failed that the agent calls ended: codex-acp and copilot tell a failure of their service as text.
    pub(super) fn failure(&self) -> Option<&str> {
        let has_counted = self.usage.tokens() > 0 || self.requests.tokens() > 0;
        let last = self.last.trim();
        let failed = self.is_broken || (!has_counted && last.starts_with("Error: "));
        failed.then_some(if last.is_empty() { "its service failed" } else { last })
    }

    /// Some agents say beside a piece of text what one request used.
    fn request_counted(&mut self, meta: Option<&Meta>, emit: Emit<'_>) {
        let Some(used) = meta.and_then(|meta| meta.get("usage")) else { return };
        let count = |key: &str| used.get(key).and_then(Value::as_u64).unwrap_or(0);
        let one = Usage {
            input_tokens: count("inputTokens"),
            cached_tokens: count("cachedReadTokens"),
            output_tokens: count("outputTokens").saturating_add(count("thoughtTokens")),
            cost_usd: None,
        };
        self.requests = self.requests.plus(one);
        emit(Event::Usage(Usage { cost_usd: self.usage.cost_usd, ..self.requests }));
    }

    /// What the session cost so far, in money that we count.
    fn cost(&mut self, update: &UsageUpdate, emit: Emit<'_>) {
        let in_dollars = |cost: &&agent_client_protocol_schema::v1::Cost| {
            cost.currency.eq_ignore_ascii_case("usd") && cost.amount.is_finite() && cost.amount >= 0.0
        };
        let Some(cost) = update.cost.as_ref().filter(in_dollars) else { return };
        let total = Usage { cost_usd: Some(cost.amount), ..self.earlier };
        self.usage.cost_usd = usage::since(total, self.earlier).cost_usd;
        let tokens = if self.usage.tokens() > 0 { self.usage } else { self.requests };
        emit(Event::Usage(Usage { cost_usd: self.usage.cost_usd, ..tokens }));
    }

    fn plan(&mut self, plan: &Plan, emit: Emit<'_>) {
        let steps = plan.entries.iter().map(|one| (one.status == PlanEntryStatus::InProgress, one.content.as_str()));
        emit(shared::plan(steps, &mut self.step));
    }

    fn known(&mut self, update: &ToolCallUpdate) -> &mut Call {
        if self.calls.len() >= MAX_CALLS {
            self.calls.clear();
        }
        self.calls.entry(clipped(&update.tool_call_id.0, MAX_ID)).or_default()
    }

    fn call(&mut self, update: ToolCallUpdate, is_new: bool, emit: Emit<'_>) {
        self.said = None;
        let status = update.fields.status;
        let call = self.known(&update);
        let now = Call::of(update.fields.clone(), update.meta.as_ref());
        let says_what = now.input().is_some_and(|input| !what(input).is_empty());
        let is_partial = now.input().is_some_and(Value::is_null);
        call.learn(now);
        let is_pending = matches!(status, Some(ToolCallStatus::Pending) | None);
        if says_what || !(is_pending || is_partial) {
            call.tell(emit);
        }
        match status {
            Some(ToolCallStatus::Completed | ToolCallStatus::Failed) => {
                let ok = status == Some(ToolCallStatus::Completed) && !has_failed(&update);
                let output = std::mem::take(&mut call.output);
                self.calls.remove(&clipped(&update.tool_call_id.0, MAX_ID));
                emit(Event::ToolResult { ok, output });
            }
            _ if is_new || says_what => {}
            _ => emit(Event::Progress),
        }
    }
}

impl Call {
    fn of(fields: ToolCallUpdateFields, meta: Option<&Meta>) -> Call {
        let own = |path: [&str; 2]| meta.and_then(|meta| meta.get(path[0])?.get(path[1])).and_then(Value::as_str);
        let plain = |key: &str| meta.and_then(|meta| meta.get(key)).and_then(Value::as_str);
        let named = plain("toolName").or_else(|| plain("tool_name")).or_else(|| own(["claudeCode", "toolName"]));
        let name = fields.name.or_else(|| named.map(str::to_owned));
        let content = fields.content.unwrap_or_default();
        let mut output = content.iter().filter_map(text_of).collect::<Vec<_>>().join("\n");
        if output.is_empty() {
            let raw = fields.raw_output.as_ref().and_then(Value::as_str);
            output = raw.or_else(|| own(["terminal_output_delta", "data"])).unwrap_or_default().to_owned();
        }
        // kimi shows the arguments as text, piece by piece, and gives them as input once the call runs.
        let is_open = matches!(fields.status, Some(ToolCallStatus::Pending | ToolCallStatus::InProgress));
        let shown = Some(&output).filter(|said| is_open && said.trim_start().starts_with('{'));
        Call {
            name,
            kind: fields.kind,
            title: fields.title.unwrap_or_default(),
            input: fields.raw_input,
            shown: shown.map(|said| serde_json::from_str(said).unwrap_or_default()),
            places: fields.locations.unwrap_or_default().iter().map(|at| at.path.display().to_string()).collect(),
            output: clipped(&output, MAX_TEXT),
            is_told: false,
        }
    }

    /// Adds what an update says; what it leaves out stays.
    fn learn(&mut self, now: Call) {
        self.name = now.name.or(self.name.take());
        self.kind = now.kind.or(self.kind);
        self.input = now.input.or(self.input.take());
        self.shown = now.shown.or(self.shown.take());
        for (text, new) in [(&mut self.title, now.title), (&mut self.output, now.output)] {
            if !new.is_empty() {
                *text = new;
            }
        }
        if !now.places.is_empty() {
            self.places = now.places;
        }
    }

    fn name(&self) -> String {
        let word = || match self.kind {
            Some(ToolKind::Read) => "read",
            Some(ToolKind::Edit) => "edit",
            Some(ToolKind::Delete) => "delete",
            Some(ToolKind::Move) => "move",
            Some(ToolKind::Search) => "search",
            Some(ToolKind::Execute) => "execute",
            Some(ToolKind::Think) => "think",
            Some(ToolKind::Fetch) => "fetch",
            _ => "tool",
        };
        text::clip(&text::safe(self.name.as_deref().unwrap_or_else(word)), MAX_NAME)
    }

    fn input(&self) -> Option<&Value> {
        self.input.as_ref().or(self.shown.as_ref())
    }

    /// What it does. Without an input its title says it, as far as a title does.
    fn operation(&self) -> String {
        let input = self.input().map(what).unwrap_or_default();
        match self.kind {
            _ if !input.is_empty() => input,
            Some(ToolKind::Execute | ToolKind::Fetch) => self.title.clone(),
            _ => self.places.join("\n"),
        }
    }

    /// The event of the call, once.
    fn tell(&mut self, emit: Emit<'_>) {
        if std::mem::replace(&mut self.is_told, true) {
            return;
        }
        let input = match self.input() {
            Some(input) if !what(input).is_empty() => input.to_string(),
            _ => serde_json::json!({ "title": self.title }).to_string(),
        };
        emit(Event::ToolUse { name: self.name(), input: clipped(&input, MAX_TEXT), operation: self.operation() });
    }
}

/// What an input says that a tool does, without where.
fn what(input: &Value) -> String {
    if input.is_null() {
        return String::new();
    }
    let mut input = input.clone();
    if let Some(fields) = input.as_object_mut() {
        PLACES.iter().for_each(|place| drop(fields.remove(*place)));
    }
    to_raw_value(&input).map(|raw| operation::of(&raw)).unwrap_or_default()
}

fn text_of(content: &ToolCallContent) -> Option<&str> {
    match content {
        ToolCallContent::Content(content) => match &content.content {
            ContentBlock::Text(said) => Some(&said.text),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a command that is complete ended with another code than 0, where the agent says it.
fn has_failed(update: &ToolCallUpdate) -> bool {
    let raw = update.fields.raw_output.as_ref();
    let codes = [
        update.meta.as_ref().and_then(|meta| meta.get("terminal_exit")?.get("exit_code")),
        raw.and_then(|output| output.get("metadata")?.get("exit")),
        raw.and_then(|output| output.get("exit_code")),
    ];
    codes.into_iter().flatten().any(|code| code.as_i64().is_some_and(|code| code != 0))
}

/// The name of an answer of this kind, or of the other one.
fn option(options: &[PermissionOption], kind: PermissionOptionKind, or: PermissionOptionKind) -> Option<String> {
    let of = |kind| options.iter().find(|option| option.kind == kind);
    of(kind).or_else(|| of(or)).map(|option| option.option_id.to_string())
}
