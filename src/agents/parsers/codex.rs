//! `codex exec --json`.
//!
//! What is odd about it: a top-level `error` may be one that it tries again, and an item of type `error` is
//! a warning; `usage` is the thread's running total; some items only ever end, some never do.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::shown::{MAX_SHOWN, Open, Tell, shown, tool};
use super::usage;
use crate::agents::event::Event;
use crate::agents::failure;
use crate::agents::lenient::{Object, Said, Scalar, read};
use crate::model::agent::Usage;

#[derive(Debug)]
pub struct Codex {
    earlier: Usage,
    open: Open,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line<'a> {
    #[serde(rename = "type", borrow)]
    kind: Scalar<'a>,
    thread_id: Scalar<'a>,
    message: Scalar<'a>,
    error: Said,
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
        Self { earlier, open: Open::default() }
    }

    pub fn line(&mut self, line: &[u8], tell: Tell<'_>) -> bool {
        read(line, |line| match serde_json::from_slice::<Line<'_>>(line) {
            Ok(line) => {
                self.read(&line, tell);
                true
            }
            Err(_) => false,
        })
    }

    fn read(&mut self, line: &Line<'_>, tell: Tell<'_>) {
        match line.kind.text().unwrap_or_default() {
            "thread.started" => tell(Event::Started { session: line.thread_id.owned(), model: None }),
            "turn.started" => tell(Event::Turn),
            kind @ ("item.started" | "item.updated" | "item.completed") => {
                if let Some(item) = &line.item.0 {
                    self.item(item, kind == "item.completed", tell);
                }
            }
            "turn.completed" => {
                if let Some(counts) = &line.usage.0 {
                    tell(Event::Usage(usage::since(counts.usage(), self.earlier)));
                }
                tell(Event::Result { ok: true, text: None, error: None, kind: None });
            }
            "turn.failed" => {
                let error = line.error.0.clone().unwrap_or_else(|| "the turn failed".to_owned());
                let kind = Some(failure::kind_of(None, &error));
                tell(Event::Result { ok: false, text: None, error: Some(error), kind });
            }
            "error" => {
                let why = line.message.text().or(line.error.0.as_deref()).unwrap_or("it reports an error");
                tell(Event::Trouble { why: failure::why(why), kind: failure::kind_of(None, why) });
            }
            _ => {}
        }
    }

    fn item(&mut self, item: &Item<'_>, done: bool, tell: Tell<'_>) {
        let name = match item.kind.text().unwrap_or_default() {
            "agent_message" => {
                let text = item.text.owned().unwrap_or_default();
                return tell(if done { Event::Text { text, more: false } } else { Event::Progress });
            }
            "error" => return tell(Event::Warning(failure::why(item.message.text().unwrap_or("an item failed")))),
            "mcp_tool_call" => {
                format!("{}.{}", item.server.text().unwrap_or("mcp"), item.tool.text().unwrap_or("?"))
            }
            name @ ("command_execution" | "file_change" | "web_search" | "collab_tool_call") => name.to_owned(),
            _ => return tell(Event::Progress),
        };
        let input = item.command.or(item.changes).or(item.arguments).or(item.query);
        let id = item.id.text().unwrap_or_default();
        if !done {
            return tell(if self.open.begin(id) { tool(Some(&name), input) } else { Event::Progress });
        }
        if !self.open.end(id) {
            tell(tool(Some(&name), input));
        }
        let failed = ["failed", "declined"].iter().any(|status| item.status.is(status))
            || !matches!(item.exit_code, Scalar::Nothing | Scalar::Whole(0));
        let output = shown(item.aggregated_output.text().unwrap_or_default(), MAX_SHOWN);
        tell(Event::ToolResult { ok: !failed, output });
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
