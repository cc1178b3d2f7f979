//! The hooks that each program calls, in the form of its settings. Pure.

use serde_json::{Map, Value, json};

/// The start of every hook's command, by which a hook of teof is known.
pub const COMMAND: &str = "teof hook ";

/// One event: the argument of `teof hook`, its names, and the tools that it is called for (all: empty).
struct Hooked {
    event: &'static str,
    claude: &'static str,
    gemini: Option<&'static str>,
    cursor: Option<&'static str>,
    tools: &'static str,
    gemini_tools: &'static str,
    cursor_tools: &'static str,
}

const fn hooked(event: &'static str, claude: &'static str) -> Hooked {
    Hooked { event, claude, gemini: None, cursor: None, tools: "", gemini_tools: "", cursor_tools: "" }
}

/// Codex calls its events as Claude Code does.
const EVENTS: [Hooked; 8] = [
    Hooked { gemini: Some("SessionStart"), cursor: Some("sessionStart"), ..hooked("session-start", "SessionStart") },
    Hooked { gemini: Some("BeforeAgent"), ..hooked("prompt", "UserPromptSubmit") },
    Hooked { gemini: Some("BeforeTool"), cursor: Some("preToolUse"), ..hooked("before-tool", "PreToolUse") },
    Hooked {
        gemini: Some("AfterTool"),
        cursor: Some("postToolUse"),
        tools: "Write|Edit|MultiEdit|NotebookEdit|apply_patch|Bash",
        gemini_tools: "write_file|replace|run_shell_command",
        cursor_tools: "Write|Edit|StrReplace|Delete|Shell",
        ..hooked("after-tool", "PostToolUse")
    },
    Hooked { cursor: Some("subagentStart"), ..hooked("subagent-start", "SubagentStart") },
    Hooked { cursor: Some("subagentStop"), ..hooked("subagent-stop", "SubagentStop") },
    Hooked { gemini: Some("AfterAgent"), cursor: Some("stop"), ..hooked("stop", "Stop") },
    Hooked { gemini: Some("SessionEnd"), cursor: Some("sessionEnd"), ..hooked("session-end", "SessionEnd") },
];

/// Whose hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Claude Code and Codex.
    Claude,
    Gemini,
    Cursor,
}

/// The hooks of a program: event to its one entry.
pub fn of(program: For) -> Vec<(&'static str, Value)> {
    let entry = |one: &Hooked| {
        let command = format!("{COMMAND}{}", one.event);
        match program {
            For::Claude => Some((one.claude, group(&command, one.tools))),
            For::Gemini => Some((one.gemini?, group(&command, one.gemini_tools))),
            For::Cursor => {
                let mut entry = json!({ "command": command });
                if !one.cursor_tools.is_empty() {
                    entry["matcher"] = json!(one.cursor_tools);
                }
                Some((one.cursor?, entry))
            }
        }
    };
    EVENTS.iter().filter_map(entry).collect()
}

/// The hook that makes Claude Code's worktrees. Only where every repository is teof's: with it, Claude Code makes none.
pub fn worktree() -> (&'static str, Value) {
    ("WorktreeCreate", group(&format!("{COMMAND}worktree-create"), ""))
}

fn group(command: &str, tools: &str) -> Value {
    let mut group = Map::new();
    if !tools.is_empty() {
        group.insert("matcher".to_owned(), json!(tools));
    }
    group.insert("hooks".to_owned(), json!([{ "type": "command", "command": command }]));
    Value::Object(group)
}

/// The plugin's file for a program. Claude Code and Codex share one; Gemini CLI looks for its own in the same place,
/// and Claude Code 2.1.197 refuses a file that has events of others: so the extension is a folder of its own.
pub fn file(program: For) -> String {
    let events: Map<String, Value> =
        of(program).into_iter().map(|(event, entry)| (event.to_owned(), json!([entry]))).collect();
    match program {
        For::Cursor => document(&json!({ "version": 1, "hooks": events })),
        For::Claude | For::Gemini => document(&json!({ "hooks": events })),
    }
}

pub fn document(value: &Value) -> String {
    crate::base::json::pretty(value) + "\n"
}
