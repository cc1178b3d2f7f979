//! Ends a session with a reflection: what worked, what stalled, and nudges for the next one (the playbook, session loop
//! 13).
//!
//! The reflection, its entry in the ledger and the handshake are one transaction. The commitment sentinel reads
//! reflections: a promise in one must name its task or plan.

use serde_json::json;

use crate::base::{Refusal, Result, Stamp, digest, files, text};
use crate::bus::{check_length, check_text, claims, events};
use crate::guard::claim::Author;
use crate::guard::secrets;
use crate::hub::{self, Hub, paths};
use crate::model::event::Event;
use crate::ops::context::{self, Answer, Call};
use crate::receipts::ledger;

/// The sections of a reflection.
const SECTIONS: [&str; 3] = ["What worked", "What stalled", "Nudges for the next session"];
/// The longest prepared reflection, in bytes.
const MAX_TEXT: usize = 64 << 10;

/// What a seat says about its session.
#[derive(Clone, Debug)]
pub enum Reflection {
    /// For each section its items.
    Items([Vec<String>; 3]),
    /// Prepared Markdown.
    Text(String),
}

/// The end of a session.
#[derive(Clone, Debug)]
pub struct Request {
    pub author: Author,
    pub reflection: Reflection,
    /// Of the handshake.
    pub summary: String,
    pub focus: String,
}

/// The headings, to be filled in.
pub fn template() -> String {
    SECTIONS.map(|heading| format!("## {heading}\n\n- \n")).join("\n")
}

/// Writes the reflection and posts the handshake; the answer is `{path, event}`.
///
/// # Errors
/// `wrap.empty` (exit 2) for a reflection without content; a secret; a stale session.
pub fn wrap(hub: &Hub, request: &Request, repeat: Option<&hub::Request>) -> Result<Answer> {
    let Request { author, .. } = request;
    check_text("summary", &request.summary)?;
    let body = body(&request.reflection)?;
    [&body, &request.summary, &request.focus]
        .into_iter()
        .try_for_each(|said| secrets::check_text("reflection", said))?;
    let call = Call { command: "session wrap", author, task: "", bound: false, request: repeat };
    context::run(hub, &call, |writer, transaction| {
        let agent = &author.agent;
        let stem = format!("{}/reflections/{}", paths::agent(agent), hub.now().date());
        let path = hub.free_path(&stem, ".md")?;
        let text = format!("{}{body}", head(agent, hub.now()));
        ledger::enter(writer, transaction, agent, &[(path.clone(), digest::sha256(text.as_bytes()))])?;
        transaction.create(path.as_str(), text);
        let mut event = Event::new(agent, "handshake", request.summary.as_str()).meta("focus", request.focus.as_str());
        event.receipts = vec![path.clone()];
        let event = events::stage(writer, transaction, &context::with_recognition(hub, author, event))?;
        Ok((json!({"path": path, "event": event}), still_held(hub, agent)?))
    })
}

fn head(agent: &str, now: Stamp) -> String {
    format!("# Reflection of {agent}, {}\n\ncaptured_at: {now}\n\n", now.date())
}

fn body(reflection: &Reflection) -> Result<String> {
    let sections = match reflection {
        Reflection::Text(text) => {
            if text.len() > MAX_TEXT {
                return Err(Refusal::usage("text.too_long", "the reflection is too long")
                    .because(format!("it has {} bytes, limit {MAX_TEXT}", text.len()))
                    .next("put details into a file under _report/, and name it")
                    .into());
            }
            let said = text.lines().any(|line| !line.trim_start_matches(['#', '-', '*', ' ']).trim().is_empty());
            let is_filled = said && text.trim() != template().trim();
            return if is_filled { Ok(text::safe_block(text.trim()) + "\n") } else { Err(empty().into()) };
        }
        Reflection::Items(sections) => sections,
    };
    let said = || sections.iter().flatten();
    said().try_for_each(|item| check_length("reflection", item))?;
    if said().all(|item| item.trim().is_empty()) {
        return Err(empty().into());
    }
    let section = |(heading, items): (&str, &Vec<String>)| {
        let items: Vec<_> = items.iter().map(|item| item.trim()).filter(|item| !item.is_empty()).collect();
        let items: String = match items.is_empty() {
            true => "- none\n".to_owned(),
            false => items.into_iter().map(|item| format!("- {}\n", text::safe(item))).collect(),
        };
        format!("## {heading}\n\n{items}")
    };
    Ok(SECTIONS.into_iter().zip(sections).map(section).collect::<Vec<_>>().join("\n"))
}

fn empty() -> Refusal {
    Refusal::usage("wrap.empty", "the reflection says nothing")
        .because("the next session learns from what worked and what stalled")
        .next("say it: teof session wrap --worked \"…\" --stalled \"…\" --nudge \"…\"")
        .next("or fill in a template: teof session wrap --template > wrap.md, then teof session wrap --from wrap.md")
}

/// A reminder of what the seat still holds.
fn still_held(hub: &Hub, agent: &str) -> Result<Vec<String>> {
    let claims = claims::list(hub)?.whole;
    let held = claims.iter().filter(|(_, claim)| claim.is_live() && claim.agent_id() == Some(agent));
    Ok(held
        .map(|(task, _)| format!("{agent} still holds {task}; release it when it is done: teof bus release {task}"))
        .collect())
}

/// Reads a prepared reflection.
///
/// # Errors
/// When it cannot be read or is not text.
pub fn from_bytes(bytes: Vec<u8>) -> Result<Reflection> {
    let text = String::from_utf8(bytes).map_err(|_| {
        Refusal::usage("wrap.not_text", "the reflection is not UTF-8 text").next("save it as UTF-8 and run it again")
    })?;
    Ok(Reflection::Text(text))
}

/// The longest file that `--from` reads, in bytes: enough to say how long it is.
pub const MAX_FILE: u64 = files::MAX_DOCUMENT;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reflection_has_each_section_and_one_line_per_item() {
        let items = Reflection::Items([vec!["Tests\n## first".into()], vec![], vec![" ".into(), "Ask early".into()]]);
        let text = body(&items).unwrap();
        assert_eq!(
            text,
            "## What worked\n\n- Tests ## first\n\n## What stalled\n\n- none\n\n## Nudges for the next session\n\n- Ask early\n"
        );
        let code = |reflection| Refusal::of(&body(&reflection).unwrap_err()).unwrap().code;
        assert_eq!(code(Reflection::Items([vec![" ".into()], vec![], vec![]])), "wrap.empty");
        assert_eq!(code(Reflection::Text(template())), "wrap.empty");
        assert_eq!(code(Reflection::Text("x".repeat(MAX_TEXT + 1))), "text.too_long");
        assert_eq!(body(&Reflection::Text(template() + "- all\n")).unwrap().lines().next(), Some("## What worked"));
    }
}
