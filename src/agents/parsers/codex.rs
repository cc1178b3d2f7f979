//! Parses `codex exec --json`.
//!
//! Its quirks: it may retry after a top-level `error`; an item of type `error` is a warning; `usage` is the thread's
//! running total; some items only report their end, some never do. What its service says of the account's limits is not in
//! the stream.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::shared::{Emit, LineParser, MAX_TEXT, OpenCalls, clipped, tool};
use super::usage;
use crate::agents::event::Event;
use crate::agents::failure;
use crate::agents::lenient::{ErrorText, Object, Scalar};
use crate::model::agent::Usage;

#[derive(Debug)]
pub struct Codex {
    earlier: Usage,
    open: OpenCalls,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Line<'a> {
    #[serde(rename = "type", borrow)]
    kind: Scalar<'a>,
    thread_id: Scalar<'a>,
    message: Scalar<'a>,
    error: ErrorText,
    item: Object<Item<'a>>,
    usage: Object<Counts<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Item<'a> {
    #[serde(borrow)]
    id: Scalar<'a>,
    #[serde(rename = "type")]
    kind: Scalar<'a>,
    text: Scalar<'a>,
    message: Scalar<'a>,
    command: Option<&'a RawValue>,
    changes: Option<&'a RawValue>,
    arguments: Option<&'a RawValue>,
    query: Option<&'a RawValue>,
    aggregated_output: Scalar<'a>,
    exit_code: Scalar<'a>,
    server: Scalar<'a>,
    tool: Scalar<'a>,
    status: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Counts<'a> {
    #[serde(borrow)]
    input_tokens: Scalar<'a>,
    cached_input_tokens: Scalar<'a>,
    output_tokens: Scalar<'a>,
}

impl Codex {
    pub fn new(earlier: Usage) -> Self {
        Self { earlier, open: OpenCalls::default() }
    }
}

impl LineParser for Codex {
    type Line<'a> = Line<'a>;

    fn read(&mut self, line: &Line<'_>, emit: Emit<'_>) {
        match line.kind.text().unwrap_or_default() {
            "thread.started" => emit(Event::Started { session: line.thread_id.owned(), model: None }),
            "turn.started" => emit(Event::Turn),
            kind @ ("item.started" | "item.updated" | "item.completed") => {
                if let Some(item) = &line.item.0 {
                    self.item(item, kind == "item.completed", emit);
                }
            }
            "turn.completed" => {
                if let Some(counts) = &line.usage.0 {
                    emit(Event::Usage(usage::since(counts.usage(), self.earlier)));
                }
                emit(Event::Result { ok: true, text: None, error: None, kind: None });
            }
            "turn.failed" => {
                let error = line.error.0.clone().unwrap_or_else(|| "the turn failed".to_owned());
                let kind = Some(failure::kind_of(None, &error));
                emit(Event::Result { ok: false, text: None, error: Some(error), kind });
            }
            "error" => {
                let why = line.message.text().or(line.error.0.as_deref()).unwrap_or("it reports an error");
                emit(Event::Trouble { why: failure::why(why), kind: failure::kind_of(None, why) });
            }
            _ => {}
        }
    }
}

impl Codex {
    fn item(&mut self, item: &Item<'_>, done: bool, emit: Emit<'_>) {
        let name = match item.kind.text().unwrap_or_default() {
            "agent_message" => {
                let text = item.text.owned().unwrap_or_default();
                return emit(if done { Event::Text { text, more: false } } else { Event::Progress });
            }
            "error" => return emit(Event::Warning(failure::why(item.message.text().unwrap_or("an item failed")))),
            "mcp_tool_call" => {
                format!("{}.{}", item.server.text().unwrap_or("mcp"), item.tool.text().unwrap_or("?"))
            }
            name @ ("command_execution" | "file_change" | "web_search" | "collab_tool_call") => name.to_owned(),
            _ => return emit(Event::Progress),
        };
        let input = item.command.or(item.changes).or(item.arguments).or(item.query);
        let id = item.id.text().unwrap_or_default();
        if !done {
            return emit(if self.open.begin(id) { tool(Some(&name), input) } else { Event::Progress });
        }
        if !self.open.end(id) {
            emit(tool(Some(&name), input));
        }
        let failed = ["failed", "declined"].iter().any(|status| item.status.is(status))
            || !matches!(item.exit_code, Scalar::Nothing | Scalar::Whole(0));
        let output = clipped(item.aggregated_output.text().unwrap_or_default(), MAX_TEXT);
        emit(Event::ToolResult { ok: !failed, output });
    }
}

impl Counts<'_> {
    /// `input_tokens` includes the cached ones, `output_tokens` the reasoning.
    fn usage(&self) -> Usage {
        Usage {
            input_tokens: self.input_tokens.count(),
            cached_tokens: self.cached_input_tokens.count(),
            output_tokens: self.output_tokens.count(),
            cost_usd: None,
        }
    }
}
