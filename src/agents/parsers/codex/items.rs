//! The items of a turn: messages, commands, changes and other tool calls. Both ways of speaking to codex report them,
//! one in snake case and the other in camel case.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::agents::event::Event;
use crate::agents::failure;
use crate::agents::lenient::Scalar;
use crate::agents::parsers::shared::{Emit, MAX_TEXT, clipped, tool};

/// How many open calls are remembered, for versions that never report the end of some.
const MAX_OPEN: usize = 4096;
const MAX_ID: usize = 200;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Item<'a> {
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
    #[serde(alias = "aggregatedOutput")]
    aggregated_output: Scalar<'a>,
    #[serde(alias = "exitCode")]
    exit_code: Scalar<'a>,
    server: Scalar<'a>,
    tool: Scalar<'a>,
    status: Scalar<'a>,
}

/// Calls that have started and not ended: the operation of each. Some items report only their end, some never do.
#[derive(Debug, Default)]
pub(super) struct Items {
    open: HashMap<String, String>,
}

impl Items {
    /// An item started or changed, or is done.
    pub(super) fn take(&mut self, item: &Item<'_>, done: bool, emit: Emit<'_>) {
        let name = match &*snake(item.kind.text().unwrap_or_default()) {
            // What we said ourselves.
            "user_message" | "hook_prompt" => return,
            "agent_message" => {
                let text = item.text.owned().unwrap_or_default();
                return emit(if done { Event::Text { text, more: false } } else { Event::Progress });
            }
            "error" => return emit(Event::Warning(failure::why(item.message.text().unwrap_or("an item failed")))),
            "mcp_tool_call" => {
                format!("{}.{}", item.server.text().unwrap_or("mcp"), item.tool.text().unwrap_or("?"))
            }
            name @ ("command_execution"
            | "file_change"
            | "web_search"
            | "collab_tool_call"
            | "collab_agent_tool_call") => name.to_owned(),
            _ => return emit(Event::Progress),
        };
        let id = clipped(item.id.text().unwrap_or_default(), MAX_ID);
        let is_open = self.open.contains_key(&id);
        if !is_open {
            let call = tool(Some(&name), item.command.or(item.changes).or(item.arguments).or(item.query));
            if let (false, Event::ToolUse { operation, .. }) = (done, &call) {
                self.opened(id, operation.clone());
            }
            emit(call);
        } else if !done {
            emit(Event::Progress);
        } else {
            self.open.remove(&id);
        }
        if !done {
            return;
        }
        let failed = ["failed", "declined"].iter().any(|status| item.status.is(status))
            || !matches!(item.exit_code, Scalar::Nothing | Scalar::Whole(0));
        let output = clipped(item.aggregated_output.text().unwrap_or_default(), MAX_TEXT);
        emit(Event::ToolResult { ok: !failed, output });
    }

    /// What the open call with this id does.
    pub(super) fn operation(&self, id: &str) -> Option<&str> {
        self.open.get(&clipped(id, MAX_ID)).map(String::as_str)
    }

    fn opened(&mut self, id: String, operation: String) {
        if self.open.len() >= MAX_OPEN {
            self.open.clear();
        }
        self.open.insert(id, operation);
    }
}

/// A name in snake case, of one in camel case too.
fn snake(name: &str) -> Cow<'_, str> {
    if !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    Cow::Owned(out)
}
