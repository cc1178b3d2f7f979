//! Channels of messages: `_bus/messages/<channel>.jsonl`, a task's, `manager-report`, or `agent-<id>`.

use super::line;
use crate::base::{Result, names};
use crate::hub::{Act, Writer, paths};
use crate::model::message::Message;

/// Puts a message into an act.
///
/// # Errors
/// When a name cannot be used or a text is empty or too long; nothing is put into the act then.
pub fn stage(writer: &Writer<'_>, act: &mut Act, channel: &str, message: &Message) -> Result<()> {
    names::check_id("channel", channel)?;
    names::check_id("agent", &message.from)?;
    names::check_id("task", &message.task_id)?;
    line::check_word("type", &message.kind)?;
    line::check_text("summary", &message.summary)?;
    line::check_length("note", message.note.as_deref().unwrap_or_default())?;
    let line = message.line(writer.hub().now());
    line::check_line(&line)?;
    act.append(paths::channel(channel), &line);
    Ok(())
}
