//! What a program says when it calls a hook. Pure.
//!
//! Every field is read leniently: programs change their JSON without notice, and a field with a new type must not cost
//! more than that field.

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::base::{Refusal, Result, text};

/// The largest identifier of a program that is kept, in bytes.
const MAX_ID: usize = 200;

/// A program with hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Claude,
    Codex,
    Gemini,
    Cursor,
}

impl Program {
    pub fn as_str(self) -> &'static str {
        match self {
            Program::Claude => "claude",
            Program::Codex => "codex",
            Program::Gemini => "gemini",
            Program::Cursor => "cursor",
        }
    }
}

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    SessionStart,
    Prompt,
    BeforeTool,
    AfterTool,
    SubagentStart,
    SubagentStop,
    Stop,
    SessionEnd,
    WorktreeCreate,
}

/// One call of a hook.
#[derive(Clone, Debug)]
pub struct Call {
    pub program: Program,
    /// The program's own name of the event, such as `PreToolUse`.
    pub event: String,
    /// The program's own id of its session.
    pub session: String,
    /// The subagent that acts, by the program's own id.
    pub subagent: Option<String>,
    /// What kind of subagent, such as `general-purpose`.
    pub kind: Option<String>,
    /// Where the program works.
    pub cwd: Option<PathBuf>,
    pub model: Option<String>,
    /// The program's own log of its session.
    pub transcript: Option<PathBuf>,
    /// Why a session starts: `startup`, `resume`, `clear`, `compact`.
    pub source: Option<String>,
    /// Why a session ends: `clear`, `resume`, `logout`, `prompt_input_exit`, `other`.
    pub reason: Option<String>,
    pub tool: Option<String>,
    pub input: Value,
    /// The program continues because a stop hook told it to.
    pub is_continued: bool,
    /// What it said last.
    pub last_message: Option<String>,
    /// The name of a worktree to make.
    pub name: Option<String>,
}

impl Call {
    /// Reads what a program wrote to the hook's stdin.
    ///
    /// # Errors
    /// `hook.input` when it is not a JSON object. Exit 1: for the programs, exit 2 is a refusal of the tool.
    pub fn parse(bytes: &[u8]) -> Result<Call> {
        let fields: Map<String, Value> = serde_json::from_slice(bytes).map_err(|e| {
            Refusal::guard("hook.input", "the hook got no JSON object on stdin")
                .because(text::safe(&e.to_string()))
                .next("agent programs call this command; install its hooks: teof agent setup")
        })?;
        Ok(Self::of(fields))
    }

    fn of(mut fields: Map<String, Value>) -> Call {
        let input = fields.remove("tool_input").unwrap_or_default();
        let text = |key: &str| fields.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let owned = |key: &str| text(key).map(str::to_owned);
        let id = |key: &str| text(key).map(|id| text::clip(id, MAX_ID));
        let roots = fields.get("workspace_roots").and_then(Value::as_array);
        let root = || roots.and_then(|roots| roots.first()).and_then(Value::as_str);
        Call {
            program: program(&fields),
            event: owned("hook_event_name").unwrap_or_default(),
            session: id("session_id").or_else(|| id("conversation_id")).unwrap_or_default(),
            subagent: id("agent_id").or_else(|| id("subagent_id")),
            kind: id("agent_type").or_else(|| id("subagent_type")),
            cwd: text("cwd").or_else(root).map(PathBuf::from),
            model: id("model"),
            transcript: text("agent_transcript_path").or_else(|| text("transcript_path")).map(PathBuf::from),
            source: owned("source"),
            reason: owned("reason"),
            tool: id("tool_name"),
            input,
            is_continued: fields.get("stop_hook_active").and_then(Value::as_bool).unwrap_or_default()
                || fields.get("loop_count").and_then(Value::as_u64).is_some_and(|count| count > 0),
            last_message: owned("last_assistant_message").or_else(|| owned("prompt_response")),
            name: owned("name"),
        }
    }

    /// The text of a field of the tool's input.
    pub fn argument(&self, key: &str) -> Option<&str> {
        self.input.get(key).and_then(Value::as_str)
    }
}

/// Which program wrote this. Codex took over Claude Code's fields, and adds `turn_id`.
fn program(fields: &Map<String, Value>) -> Program {
    let has = |key: &str| fields.contains_key(key);
    let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();
    let transcript = text("transcript_path");
    if has("cursor_version") || has("conversation_id") {
        return Program::Cursor;
    }
    if has("timestamp") && has("session_id") && !has("permission_mode") {
        return Program::Gemini;
    }
    let is_rollout = transcript.rsplit('/').next().is_some_and(|name| name.starts_with("rollout-"));
    match has("turn_id") || is_rollout {
        true => Program::Codex,
        false => Program::Claude,
    }
}
