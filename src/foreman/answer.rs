//! What an agent answers: one JSON object at the end of its final text. Pure.
//!
//! Everything in it is the agent's word: commands are proposals, receipts are names to look for, and a
//! finding of its own never stops a run by itself; its verdict does.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::pipeline::{REVIEWER, TESTER};
use crate::base::text;
use crate::guard::secrets;
use crate::model::command::Command;
use crate::model::event::Severity;
use crate::model::outcome::Finding;

/// How much of a final text is looked through, from its end, in bytes, and for how many beginnings.
const MAX_TEXT: usize = 256 << 10;
const MAX_TRIES: usize = 2_000;
/// What is kept of an answer: characters of a text, and the number of entries in each list.
const MAX_KEPT: usize = 16_000;
const MAX_MESSAGE: usize = 2_000;
const MAX_ENTRIES: usize = 50;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub analysis: String,
    pub commands: Vec<Command>,
    pub receipts: Vec<String>,
    /// The tester's and the reviewer's: whether the work may pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed: Option<bool>,
    /// 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<u8>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// Reads the answer of a role; the error says what is wrong with it, for whoever is asked again.
pub fn parse(said: &str, role: &str) -> Result<Answer, String> {
    let object = last_object(said).ok_or("there is no JSON object in it")?;
    let mut answer = Answer {
        analysis: kept(object.get("analysis").and_then(Value::as_str).ok_or("\"analysis\" is not a string")?, MAX_KEPT),
        ..Answer::default()
    };
    for value in list(&object, "commands")? {
        answer.commands.push(Command::parse(value).map_err(|why| format!("\"commands\": {why}"))?);
    }
    for value in list(&object, "receipts")? {
        answer.receipts.push(kept(value.as_str().ok_or("\"receipts\" holds something else than strings")?, 400));
    }
    if let Some((yes, no)) = words(role) {
        let verdict = object.get("verdict").and_then(Value::as_str).unwrap_or_default();
        answer.passed = match verdict {
            _ if verdict == yes => Some(true),
            _ if verdict == no => Some(false),
            _ => return Err(format!("\"verdict\" is neither {yes:?} nor {no:?}")),
        };
        let confidence = object.get("confidence").and_then(Value::as_u64).filter(|value| *value <= 100);
        answer.confidence = Some(confidence.ok_or("\"confidence\" is no whole number from 0 to 100")? as u8);
        for value in list(&object, "findings")?.iter().take(MAX_ENTRIES) {
            answer.findings.push(finding(value, role)?);
        }
    }
    answer.commands.truncate(MAX_ENTRIES);
    answer.receipts.truncate(MAX_ENTRIES);
    Ok(answer)
}

/// The words of a role's verdict, for the work and against it.
pub fn words(role: &str) -> Option<(&'static str, &'static str)> {
    match role {
        TESTER => Some(("pass", "fail")),
        REVIEWER => Some(("approve", "reject")),
        _ => None,
    }
}

fn list<'a>(object: &'a Map<String, Value>, key: &str) -> Result<&'a [Value], String> {
    match object.get(key) {
        Some(Value::Array(items)) => Ok(items),
        None if key == "findings" => Ok(&[]),
        _ => Err(format!("{key:?} is not an array")),
    }
}

fn finding(value: &Value, role: &str) -> Result<Finding, String> {
    let message = value.get("message").and_then(Value::as_str).ok_or("a finding has no \"message\"")?;
    let severity = match value.get("severity").and_then(Value::as_str) {
        Some("high" | "medium" | "critical" | "major") => Severity::Medium,
        _ => Severity::Low,
    };
    let path = value.get("file").and_then(Value::as_str).unwrap_or_default();
    let code = if role == TESTER { "test.finding" } else { "review.finding" };
    let found = Finding::new(severity, code, kept(path, 400), kept(message, MAX_MESSAGE));
    Ok(match value.get("line").and_then(Value::as_u64) {
        Some(line) => found.at(line),
        None => found,
    })
}

/// Safe to keep and to show, without secrets.
fn kept(value: &str, max: usize) -> String {
    text::clip(&secrets::redact(&text::safe_block(value.trim())), max)
}

/// The last JSON object that stands by itself in a text, in a fence or not.
fn last_object(said: &str) -> Option<Map<String, Value>> {
    let mut from = said.len().saturating_sub(MAX_TEXT);
    while !said.is_char_boundary(from) {
        from += 1;
    }
    let said = &said[from..];
    let mut found = None;
    let mut at = 0;
    for _ in 0..MAX_TRIES {
        at += said.get(at..)?.find('{').unwrap_or(said.len() - at);
        if at >= said.len() {
            break;
        }
        let mut values = serde_json::Deserializer::from_str(&said[at..]).into_iter::<Map<String, Value>>();
        match values.next() {
            Some(Ok(object)) => {
                at += values.byte_offset();
                found = Some(object);
            }
            _ => at += 1,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::pipeline::{CODER, PLANNER};
    use super::*;

    #[test]
    fn the_last_object_counts_fenced_or_not() {
        let said = "First I thought {\"analysis\": \"a\"} but {no}.\n```json\n{\"analysis\": \"b {\\\"c\\\": 1}\", \"commands\": [[\"ls\", \"-l\"], \"make\"], \"receipts\": [\"_report/x.json\"]}\n```\n";
        let answer = parse(said, CODER).unwrap();
        assert_eq!(answer.analysis, "b {\"c\": 1}");
        assert_eq!(answer.commands.iter().map(Command::to_string).collect::<Vec<_>>(), ["ls -l", "make"]);
        assert_eq!((answer.receipts.len(), answer.passed), (1, None));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (said, role, why) in [
            ("done", CODER, "no JSON object"),
            ("{\"analysis\": 1}", PLANNER, "analysis"),
            ("{\"analysis\": \"a\", \"receipts\": []}", CODER, "commands"),
            ("{\"analysis\": \"a\", \"commands\": [3], \"receipts\": []}", CODER, "commands"),
            ("{\"analysis\": \"a\", \"commands\": [], \"receipts\": [1]}", CODER, "receipts"),
            ("{\"analysis\": \"a\", \"commands\": [], \"receipts\": []}", REVIEWER, "approve"),
            (
                "{\"analysis\": \"a\", \"commands\": [], \"receipts\": [], \"verdict\": \"pass\", \"confidence\": 101}",
                TESTER,
                "confidence",
            ),
        ] {
            assert!(parse(said, role).unwrap_err().contains(why), "{said}");
        }
    }

    #[test]
    fn a_verdict_carries_confidence_and_findings_that_do_not_stop_by_themselves() {
        let said = r#"{"analysis": "", "commands": [], "receipts": [], "verdict": "reject", "confidence": 70,
            "findings": [{"file": "src/a.rs", "line": 7, "message": "wrong\u001b[31m", "severity": "high"}, {"message": "m"}]}"#;
        let answer = parse(said, REVIEWER).unwrap();
        assert_eq!((answer.passed, answer.confidence), (Some(false), Some(70)));
        let first = &answer.findings[0];
        assert_eq!((first.path.as_deref(), first.line, first.stops()), (Some("src/a.rs"), Some(7), false));
        assert!(!first.message.contains('\u{1b}') && answer.findings[1].severity == "low");
    }

    proptest! {
        #[test]
        fn any_text_is_read(said in any::<String>(), role in prop::sample::select(&super::super::pipeline::ROLES[..])) {
            let _ = parse(&said, role);
        }

        #[test]
        fn an_answer_is_found_after_any_text(before in "[^{]*") {
            let said = before + "{\"analysis\": \"x\", \"commands\": [], \"receipts\": []}\n";
            prop_assert_eq!(parse(&said, CODER).unwrap().analysis, "x");
        }
    }
}
