//! What a hook answers, in the form of each program. Pure.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::call::{Call, Moment, Program};
use crate::base::{Refusal, text};

/// What a hook answers. Empty: nothing is printed, and the program goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Why the tool call is refused.
    pub refused: Option<String>,
    /// What the agent is told.
    pub context: Option<String>,
    /// What the agent is to do before it stops.
    pub unfinished: Option<String>,
    /// The worktree that was made.
    pub worktree: Option<PathBuf>,
}

impl Answer {
    pub fn refused(why: String) -> Answer {
        Answer { refused: Some(why), ..Answer::default() }
    }

    pub fn context(told: String) -> Answer {
        Answer { context: Some(told), ..Answer::default() }
    }

    /// What is printed; `None` for nothing.
    pub fn render(&self, moment: Moment, call: &Call) -> Option<String> {
        if let Some(path) = &self.worktree {
            // The only answer that is not JSON.
            return Some(path.display().to_string());
        }
        let document = match call.program {
            Program::Claude | Program::Codex => self.as_claude(moment, call),
            Program::Gemini => self.as_gemini(moment, call),
            Program::Cursor => self.as_cursor(moment),
        };
        document.map(|document| document.to_string())
    }

    /// Claude Code's form, which Codex took over.
    fn as_claude(&self, moment: Moment, call: &Call) -> Option<Value> {
        if let Some(why) = &self.unfinished {
            return Some(json!({ "decision": "block", "reason": why }));
        }
        let mut output = json!({ "hookEventName": event(moment, call) });
        if let Some(why) = &self.refused {
            output["permissionDecision"] = json!("deny");
            output["permissionDecisionReason"] = json!(why);
        } else if let Some(told) = &self.context {
            output["additionalContext"] = json!(told);
        } else {
            return None;
        }
        Some(json!({ "hookSpecificOutput": output }))
    }

    fn as_gemini(&self, moment: Moment, call: &Call) -> Option<Value> {
        if let Some(why) = self.refused.as_ref().or(self.unfinished.as_ref()) {
            return Some(json!({ "decision": "deny", "reason": why }));
        }
        let told = self.context.as_ref()?;
        // Before a tool it has no place for what the agent should read.
        Some(match moment {
            Moment::BeforeTool => json!({ "systemMessage": told }),
            _ => json!({ "hookSpecificOutput": { "hookEventName": call.event, "additionalContext": told } }),
        })
    }

    fn as_cursor(&self, moment: Moment) -> Option<Value> {
        if let Some(why) = &self.refused {
            return Some(json!({ "permission": "deny", "user_message": why, "agent_message": why }));
        }
        if let Some(why) = &self.unfinished {
            return Some(json!({ "followup_message": why }));
        }
        let told = self.context.as_ref()?;
        Some(match moment {
            Moment::BeforeTool => json!({ "permission": "allow", "agent_message": told }),
            _ => json!({ "additional_context": told }),
        })
    }
}

/// A refusal as an agent reads it: what, why, and what to do.
pub fn told(refusal: &Refusal) -> String {
    let mut lines = vec![text::safe(&refusal.message)];
    lines.extend(refusal.reason.iter().map(|reason| format!("cause: {}", text::safe(reason))));
    lines.extend(refusal.next.iter().map(|next| format!("fix: {}", text::safe(next))));
    lines.join("\n")
}

/// The event as Claude Code calls it; the program checks that the answer names its own event.
fn event(moment: Moment, call: &Call) -> &str {
    if !call.event.is_empty() {
        return &call.event;
    }
    match moment {
        Moment::SessionStart => "SessionStart",
        Moment::Prompt => "UserPromptSubmit",
        Moment::BeforeTool => "PreToolUse",
        Moment::AfterTool => "PostToolUse",
        Moment::SubagentStart => "SubagentStart",
        Moment::SubagentStop => "SubagentStop",
        Moment::Stop => "Stop",
        Moment::SessionEnd => "SessionEnd",
        Moment::WorktreeCreate => "WorktreeCreate",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_is_answered_in_its_own_form() {
        let call = |text: &str| Call::parse(text.as_bytes()).unwrap();
        let claude = call(r#"{"session_id":"s","hook_event_name":"PreToolUse","permission_mode":"default"}"#);
        let gemini = call(r#"{"session_id":"s","hook_event_name":"BeforeTool","timestamp":"t"}"#);
        let cursor = call(r#"{"conversation_id":"s","hook_event_name":"preToolUse","cursor_version":"2"}"#);
        let (no, note) = (Answer::refused("no".into()), Answer::context("note".into()));
        let stop = Answer { unfinished: Some("report".into()), ..Answer::default() };
        let before = Moment::BeforeTool;
        for (answer, moment, call, wanted) in [
            (
                &no,
                before,
                &claude,
                r#"{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"deny","permissionDecisionReason":"no"}}"#,
            ),
            (&no, before, &gemini, r#"{"decision":"deny","reason":"no"}"#),
            (&no, before, &cursor, r#"{"permission":"deny","user_message":"no","agent_message":"no"}"#),
            (
                &note,
                before,
                &claude,
                r#"{"hookSpecificOutput":{"hookEventName":"PreToolUse","additionalContext":"note"}}"#,
            ),
            (&note, before, &gemini, r#"{"systemMessage":"note"}"#),
            (&note, Moment::SessionStart, &cursor, r#"{"additional_context":"note"}"#),
            (&stop, Moment::Stop, &claude, r#"{"decision":"block","reason":"report"}"#),
            (&stop, Moment::Stop, &cursor, r#"{"followup_message":"report"}"#),
        ] {
            assert_eq!(answer.render(moment, call).as_deref(), Some(wanted));
        }
        assert_eq!(Answer::default().render(before, &claude), None);
    }
}
