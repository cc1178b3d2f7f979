//! Parses `stream-json` of claude; amp, cursor-agent and qwen use it with small differences.
//!
//! Its quirks: a `result` may be followed by another turn and another `result`; `success` with `is_error` is a
//! failure, and so is any other subtype whatever `is_error` says; messages of the model `<synthetic>` come from the
//! program itself; some counts are per call, some per session.

use std::collections::VecDeque;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::shared::{Emit, LineParser, OpenCalls, Part, clipped, output, quota, tool};
use super::usage;
use crate::agents::event::{Event, RateLimit};
use crate::agents::failure::{self, Kind};
use crate::agents::lenient::{Entries, ErrorText, List, Object, Scalar};
use crate::agents::limits;
use crate::model::agent::Usage;

/// The model name of messages that the program itself writes.
const SYNTHETIC: &str = "<synthetic>";
/// A message is printed once for each of its blocks; so many messages may be interleaved.
const RECENT: usize = 16;

#[derive(Debug)]
pub struct Claude {
    earlier: Usage,
    /// Of the results so far.
    settled: Usage,
    /// Of the messages since the last result, by their ids.
    recent: VecDeque<(String, Usage)>,
    /// Of the messages since the last result that are no longer among the recent ones.
    passed: Usage,
    /// qwen: the result's `usage` is the session's running total.
    totals: bool,
    named: bool,
    /// Whether the model is known.
    modelled: bool,
    open: OpenCalls,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Line<'a> {
    #[serde(rename = "type", borrow)]
    kind: Scalar<'a>,
    subtype: Scalar<'a>,
    session_id: Scalar<'a>,
    model: Scalar<'a>,
    claude_code_version: Scalar<'a>,
    qwen_code_version: Scalar<'a>,
    message: Object<Message<'a>>,
    usage: Object<Counts<'a>>,
    is_error: Scalar<'a>,
    result: Scalar<'a>,
    error: ErrorText,
    errors: List<'a, ErrorText>,
    api_error_status: Scalar<'a>,
    error_status: Scalar<'a>,
    total_cost_usd: Scalar<'a>,
    #[serde(rename = "modelUsage")]
    model_usage: Entries<Object<Counts<'a>>>,
    model_usage_since_last_result: Option<Entries<Object<Counts<'a>>>>,
    tasks: List<'a, IgnoredAny>,
    rate_limit_info: Object<Limit<'a>>,
    data: Object<Retry<'a>>,
    call_id: Scalar<'a>,
    tool_call: Entries<Object<Called<'a>>>,
    permission_denials: List<'a, IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    id: Scalar<'a>,
    model: Scalar<'a>,
    content: List<'a, Object<Block<'a>>>,
    usage: Object<Counts<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Block<'a> {
    #[serde(rename = "type", borrow)]
    kind: Scalar<'a>,
    text: Scalar<'a>,
    name: Scalar<'a>,
    input: Option<&'a RawValue>,
    content: List<'a, Object<Part<'a>>>,
    is_error: Scalar<'a>,
}

/// What a message or a result used; the counts by model have other names, and a cost.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Counts<'a> {
    #[serde(borrow, alias = "inputTokens")]
    input_tokens: Scalar<'a>,
    #[serde(alias = "cacheCreationInputTokens")]
    cache_creation_input_tokens: Scalar<'a>,
    #[serde(alias = "cacheReadInputTokens")]
    cache_read_input_tokens: Scalar<'a>,
    #[serde(alias = "outputTokens")]
    output_tokens: Scalar<'a>,
    #[serde(rename = "costUSD")]
    cost: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Limit<'a> {
    #[serde(borrow)]
    status: Scalar<'a>,
    resets_at: Scalar<'a>,
    rate_limit_type: Scalar<'a>,
    utilization: Scalar<'a>,
    is_using_overage: Scalar<'a>,
    unified_windows: Entries<Object<Window<'a>>>,
}

/// How much of one limit is used, as a part of 1.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Window<'a> {
    #[serde(borrow)]
    utilization: Scalar<'a>,
    resets_at: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Retry<'a> {
    #[serde(borrow)]
    attempt: Scalar<'a>,
    error: ErrorText,
}

/// cursor-agent: a tool's call, under the tool's name.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Called<'a> {
    #[serde(borrow)]
    args: Option<&'a RawValue>,
    result: Entries<IgnoredAny>,
}

impl Claude {
    pub fn new(earlier: Usage) -> Self {
        Self {
            earlier,
            settled: Usage::default(),
            recent: VecDeque::new(),
            passed: Usage::default(),
            totals: false,
            named: false,
            modelled: false,
            open: OpenCalls::default(),
        }
    }
}

impl LineParser for Claude {
    type Line<'a> = Line<'a>;

    fn read(&mut self, line: &Line<'_>, emit: Emit<'_>) {
        let kind = line.kind.text().unwrap_or_default();
        let begins = kind == "system" && (line.subtype.is("init") || line.subtype.is("session_start"));
        if begins || (!self.named && line.session_id.text().is_some()) {
            self.named = true;
            self.modelled |= line.model.text().is_some();
            emit(Event::Started { session: line.session_id.owned(), model: line.model.owned() });
        }
        if let Some(version) = line.claude_code_version.owned().or_else(|| line.qwen_code_version.owned()) {
            emit(Event::Version(version));
        }
        match kind {
            "system" => self.system(line, begins, emit),
            "assistant" => self.assistant(line, emit),
            "user" => self.answers(line, emit),
            "tool_call" => self.tool_call(line, emit),
            "thinking" | "control_request" => emit(Event::Progress),
            "rate_limit_event" => limit(line, emit),
            "result" => self.result(line, emit),
            "error" => emit(trouble(line.error.0.as_deref().unwrap_or("it reports an error"), None)),
            _ => {}
        }
    }
}

impl Claude {
    fn system(&mut self, line: &Line<'_>, begins: bool, emit: Emit<'_>) {
        self.totals |= line.qwen_code_version.text().is_some();
        match line.subtype.text().unwrap_or_default() {
            _ if begins => emit(Event::Turn),
            "background_tasks_changed" => emit(Event::Background(!line.tasks.items.is_empty())),
            "api_retry" => {
                let why = line.error.0.as_deref().unwrap_or("unknown");
                emit(trouble(&format!("the service failed ({why}) and is tried again"), line.error_status.whole()));
            }
            "retry" => {
                let data = line.data.0.as_ref();
                let said = data.and_then(|data| data.error.0.as_deref());
                let attempt = data.map_or(0, |data| data.attempt.count());
                emit(trouble(said.unwrap_or(&format!("the service is tried again (attempt {attempt})")), None));
            }
            "task_started" | "task_progress" | "task_notification" => emit(Event::Progress),
            _ => {}
        }
    }

    fn assistant(&mut self, line: &Line<'_>, emit: Emit<'_>) {
        let Some(message) = &line.message.0 else { return };
        if message.model.is(SYNTHETIC) {
            let said: Vec<&str> = message.content.items.iter().filter_map(|b| b.0.as_ref()?.text.text()).collect();
            return emit(trouble(&said.join(" "), line.api_error_status.whole()));
        }
        if let Some(model) = message.model.owned().filter(|_| !self.modelled) {
            self.modelled = true;
            emit(Event::Started { session: None, model: Some(model) });
        }
        if let Some(text) = message.content.text.as_ref().filter(|text| !text.is_empty()) {
            emit(Event::Text { text: text.to_string(), more: false });
        }
        for block in message.content.items.iter().filter_map(|block| block.0.as_ref()) {
            match block.kind.text().unwrap_or_default() {
                "text" => {
                    if let Some(text) = block.text.text().filter(|text| !text.is_empty()) {
                        emit(Event::Text { text: text.to_owned(), more: false });
                    }
                }
                "tool_use" | "server_tool_use" => emit(tool(block.name.text(), block.input)),
                "thinking" | "redacted_thinking" => emit(Event::Progress),
                _ => {}
            }
        }
        if let (Some(id), Some(counts)) = (message.id.text(), &message.usage.0) {
            self.count(id, counts.usage());
            emit(Event::Usage(self.so_far()));
        }
    }

    fn answers(&mut self, line: &Line<'_>, emit: Emit<'_>) {
        let Some(message) = &line.message.0 else { return };
        for block in message.content.items.iter().filter_map(|block| block.0.as_ref()) {
            if block.kind.is("tool_result") {
                let ok = block.is_error.truth() != Some(true);
                emit(Event::ToolResult { ok, output: output(&block.content) });
            }
        }
    }

    /// cursor-agent: one line when a tool begins and one when it is done; the name is the key.
    fn tool_call(&mut self, line: &Line<'_>, emit: Emit<'_>) {
        let Some((key, Object(Some(called)))) = line.tool_call.0.iter().find(|(key, _)| key.ends_with("ToolCall"))
        else {
            return;
        };
        let name = key.strip_suffix("ToolCall");
        let id = line.call_id.text().unwrap_or_default();
        if line.subtype.is("completed") {
            if !self.open.end(id) {
                emit(tool(name, called.args));
            }
            // `success`, or one of many words for its contrary.
            let ok = called.result.0.iter().any(|(key, _)| key == "success");
            emit(Event::ToolResult { ok, output: String::new() });
        } else if self.open.begin(id) {
            emit(tool(name, called.args));
        }
    }

    fn result(&mut self, line: &Line<'_>, emit: Emit<'_>) {
        self.settle(line);
        emit(Event::Usage(self.so_far()));
        if !line.permission_denials.items.is_empty() {
            emit(Event::Warning(format!("{} calls of tools were not allowed", line.permission_denials.items.len())));
        }
        let ok = line.subtype.is("success") && line.is_error.truth() != Some(true);
        let text = line.result.owned().filter(|text| !text.trim().is_empty());
        if ok {
            return emit(Event::Result { ok, text, error: None, kind: None });
        }
        let subtype = line.subtype.text().unwrap_or("no subtype");
        let error = line.error.0.clone();
        let error = error.or_else(|| line.errors.items.iter().find_map(|said| said.0.clone())).or(text);
        let error = error.unwrap_or_else(|| subtype.to_owned());
        let kind = match subtype {
            "error_max_turns" | "error_max_structured_output_retries" => Kind::Turns,
            "error_max_budget_usd" => Kind::Budget,
            _ => failure::kind_of(line.api_error_status.whole(), &error),
        };
        emit(Event::Result { ok, text: None, error: Some(error), kind: Some(kind) });
    }

    fn count(&mut self, id: &str, counts: Usage) {
        if let Some((_, known)) = self.recent.iter_mut().find(|(known, _)| known == id) {
            *known = usage::larger(*known, counts);
            return;
        }
        self.recent.push_back((clipped(id, 200), counts));
        if self.recent.len() > RECENT
            && let Some((_, counts)) = self.recent.pop_front()
        {
            self.passed = self.passed.plus(counts);
        }
    }

    /// Of the messages since the last result.
    fn live(&self) -> Usage {
        self.recent.iter().fold(self.passed, |sum, (_, counts)| sum.plus(*counts))
    }

    fn so_far(&self) -> Usage {
        self.settled.plus(self.live())
    }

    /// A result's own counts replace those of its messages, which are of the beginnings of answers.
    fn settle(&mut self, line: &Line<'_>) {
        let live = self.live();
        self.recent.clear();
        self.passed = Usage::default();
        let said = line.usage.0.as_ref().map(Counts::usage).unwrap_or_default();
        if self.totals {
            let run = usage::since(said, self.earlier);
            self.settled = usage::larger(run, self.settled.plus(live));
            return;
        }
        // With those of other agents that it called, which `usage` leaves out.
        let increment = line.model_usage_since_last_result.as_ref().map(total);
        let counted = usage::larger(said, increment.unwrap_or_default());
        let cost = match (increment, line.total_cost_usd.sum()) {
            (Some(increment), _) if increment.cost_usd.is_some() => {
                Some(self.settled.cost_usd.unwrap_or(0.0) + increment.cost_usd.unwrap_or(0.0))
            }
            (_, Some(total)) => Some(self.cost_of_run(total, &line.model_usage, said)),
            _ => self.settled.cost_usd,
        };
        let tokens = if counted.tokens() == 0 { live } else { counted };
        self.settled = Usage { cost_usd: cost, ..self.settled.plus(tokens) };
    }

    /// `total_cost_usd` is of the run, or in versions that count on when a session is gone on with, of the
    /// session: then the counts by model hold more than this run's and the earlier ones together.
    fn cost_of_run(&self, total_cost: f64, by_model: &Entries<Object<Counts<'_>>>, said: Usage) -> f64 {
        let earlier = self.earlier.cost_usd.unwrap_or(0.0);
        let before = self.earlier.plus(self.settled).tokens();
        let counts_on = self.earlier.tokens() > 0 && total(by_model).tokens() >= before.saturating_add(said.tokens());
        if counts_on { (total_cost - earlier).max(0.0) } else { total_cost }
    }
}

impl Counts<'_> {
    fn usage(&self) -> Usage {
        let cached = self.cache_read_input_tokens.count();
        let written = self.cache_creation_input_tokens.count();
        Usage {
            input_tokens: self.input_tokens.count().saturating_add(written).saturating_add(cached),
            cached_tokens: cached,
            output_tokens: self.output_tokens.count(),
            cost_usd: self.cost.sum(),
        }
    }
}

fn total(by_model: &Entries<Object<Counts<'_>>>) -> Usage {
    by_model.0.iter().filter_map(|(_, of)| of.0.as_ref()).fold(Usage::default(), |sum, of| sum.plus(of.usage()))
}

fn trouble(why: &str, status: Option<u64>) -> Event {
    Event::Trouble { why: failure::why(why), kind: failure::kind_of(status, why) }
}

fn limit(line: &Line<'_>, emit: Emit<'_>) {
    let Some(info) = &line.rate_limit_info.0 else { return };
    emit(Event::RateLimit(RateLimit {
        rejected: info.status.is("rejected") && info.is_using_overage.truth() != Some(true),
        resets_at: info.resets_at.whole().and_then(limits::epoch),
        what: clipped(info.rate_limit_type.text().unwrap_or("limit"), 100),
    }));
    let percent = |part: &Scalar<'_>| part.sum().map(|part| part * 100.0);
    let windows = info.unified_windows.0.iter().filter_map(|(name, window)| Some((name.as_str(), window.0.as_ref()?)));
    let windows = windows.map(|(name, window)| quota(name, percent(&window.utilization), &window.resets_at));
    let own = quota(info.rate_limit_type.text().unwrap_or("limit"), percent(&info.utilization), &info.resets_at);
    windows.chain([own]).flatten().for_each(emit);
}
