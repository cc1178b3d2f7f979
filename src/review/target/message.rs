//! Builds the message of the commit on the target or in a pull request: a changelog line, a summary, trailers.
//!
//! Title and summary come from requests and agents. They are in separate paragraphs above the trailers, so that git
//! reads none of their lines as a trailer, and CI skip markers are defused.

use crate::base::text;
use crate::hub::worktrees::checkpoint::{TRAILER_JOB, TRAILER_RUN};
use crate::model::run::bundle::Bundle;
use crate::ops::evidence::chain_heads::ChainHeads;

pub const TRAILER_BY: &str = "Teof-Reviewed-By";
pub const TRAILER_REVERTS: &str = "Teof-Reverts";
pub const TRAILER_ASSISTED: &str = "Assisted-by";
/// The stage whose analysis describes the change.
const CODER: &str = "coder";

/// The longest subject, in characters.
const SUBJECT: usize = 72;
/// The longest summary, in characters, and the width of its lines.
const SUMMARY: usize = 2000;
const LINE: usize = 72;
/// The longest value of a trailer, in characters.
const VALUE: usize = 200;
/// What CI services look for in a message, in lower case.
const SKIPS_CI: [&str; 6] = ["[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]", "***no_ci***"];

/// The paragraphs for the commit of work that `by` approved; without `by`, for a pull request. `heads` are those of the
/// record at that moment.
pub fn of_work(bundle: &Bundle, by: Option<&str>, heads: &ChainHeads) -> Vec<String> {
    let title = title(bundle);
    let subject = text::clip(&title, SUBJECT);
    let whole = (subject != title).then(|| wrap(&title));
    let summary = bundle.stages.iter().rfind(|stage| stage.name == CODER && stage.passed);
    let summary = summary.map(|stage| harmless(&stage.outcome, SUMMARY)).filter(|said| *said != title);
    let mut trailers = vec![trailer(TRAILER_JOB, &bundle.job), trailer(TRAILER_RUN, &bundle.run)];
    trailers.extend(by.map(|by| trailer(TRAILER_BY, by)));
    trailers.extend(assisted(bundle).iter().map(|agent| format!("{TRAILER_ASSISTED}: {agent}")));
    trailers.extend(of_heads(heads));
    let parts = [Some(subject), whole, summary.map(|said| wrap(&said)), Some(trailers.join("\n"))];
    parts.into_iter().flatten().collect()
}

/// The paragraphs for the commit that reverts `reverted`.
pub fn of_revert(bundle: &Bundle, reverted: &str, note: Option<&str>, by: &str, heads: &ChainHeads) -> Vec<String> {
    let subject = format!("Revert \"{}\"", text::clip(&title(bundle), SUBJECT - "Revert \"\"".len()));
    let named = [trailer(TRAILER_JOB, &bundle.job), trailer(TRAILER_REVERTS, reverted), trailer(TRAILER_BY, by)];
    let trailers: Vec<_> = named.into_iter().chain(of_heads(heads)).collect();
    let note = note.map(|note| wrap(&harmless(note, SUMMARY)));
    [Some(subject), note, Some(trailers.join("\n"))].into_iter().flatten().collect()
}

/// The title of the work, else its objective, else its task, as one line.
pub fn title(bundle: &Bundle) -> String {
    let named =
        [&bundle.goal.title, &bundle.goal.objective, &bundle.task_id].into_iter().find(|text| !text.trim().is_empty());
    harmless(named.map_or("-", |text| text.trim().lines().next().unwrap_or("-")), SUMMARY)
}

/// The values of [`TRAILER_ASSISTED`]: each agent with its model, once, in the order of the stages.
pub fn assisted(bundle: &Bundle) -> Vec<String> {
    let mut found = Vec::new();
    for stage in &bundle.stages {
        let Some(agent) = &stage.agent else { continue };
        let model = stage.model.as_ref().map(|model| format!(":{model}")).unwrap_or_default();
        let value = one_line(&format!("{agent}{model}"), VALUE);
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

/// How a name stands in [`TRAILER_BY`].
pub fn name_in_trailer(by: &str) -> String {
    one_line(by, VALUE)
}

fn of_heads(heads: &ChainHeads) -> impl Iterator<Item = String> {
    heads.trailers().into_iter().map(|(key, value)| format!("{key}: {value}"))
}

fn trailer(key: &str, value: &str) -> String {
    format!("{key}: {}", one_line(value, VALUE))
}

/// One line, without CI skip markers.
fn harmless(text: &str, max: usize) -> String {
    let line = one_line(text, max);
    let lower = line.to_lowercase();
    match SKIPS_CI.iter().any(|word| lower.contains(word)) {
        true => line.replace(['[', ']'], "'").replace("***", "'"),
        false => line,
    }
}

fn one_line(text: &str, max: usize) -> String {
    let line = text::clip(&text::safe(text.trim()), max);
    if line.is_empty() { "-".to_owned() } else { line }
}

/// Breaks a line between words.
fn wrap(line: &str) -> String {
    let (mut out, mut width) = (String::new(), 0);
    for word in line.split_whitespace() {
        let length = word.chars().count();
        let breaks = width > 0 && width + 1 + length > LINE;
        if width > 0 {
            out.push(if breaks { '\n' } else { ' ' });
        }
        out.push_str(word);
        width = if breaks { length } else { width + length + usize::from(width > 0) };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_agent_is_named_once_with_the_model_that_it_reported() {
        let stage = |name: &str, agent: Option<&str>, model: Option<&str>| {
            serde_json::json!({
                "name": name, "round": 1, "agent": agent, "model": model, "passed": true, "outcome": "ok",
                "duration_seconds": 0.1, "usage": {"input_tokens": 0, "cached_tokens": 0, "output_tokens": 0},
            })
        };
        let mut bundle = serde_json::json!({
            "version": 1, "generated_at": "2026-01-05T10:00:00Z", "job": "j", "run": "j.1", "task_id": "T", "title": "t",
            "objective": "o", "agent_id": "a", "branch": "b", "target_branch": "main", "base_commit": "0", "commit": "1",
            "diff": {"added": 1, "removed": 0, "limit": 9, "files": []}, "tests": [], "findings": [], "passes": 1,
            "receipts": [], "usage": {"input_tokens": 0, "cached_tokens": 0, "output_tokens": 0}, "stages": [],
        });
        bundle["stages"] = serde_json::json!([
            stage("planner", Some("claude"), Some("claude-opus-4-5")),
            stage("coder", Some("claude"), Some("claude-opus-4-5\nTeof-Job: x")),
            stage("tester", Some("claude"), Some("claude-opus-4-5")),
            stage("reviewer", Some("codex"), None),
        ]);
        let bundle: Bundle = serde_json::from_value(bundle).unwrap();
        let odd = "claude:claude-opus-4-5 Teof-Job: x";
        assert_eq!(assisted(&bundle), ["claude:claude-opus-4-5", odd, "codex"], "no model is invented");
    }

    #[test]
    fn a_summary_is_wrapped_and_obeyed_by_no_ci() {
        assert_eq!(wrap("a bb"), "a bb");
        let text = wrap(&"word ".repeat(40));
        assert!(text.lines().all(|line| line.len() <= LINE) && text.lines().count() == 3, "{text}");
        assert_eq!(harmless("Add x [Skip CI]\nTeof-Job: y", 80), "Add x 'Skip CI' Teof-Job: y");
        assert_eq!(harmless("Fix [a]", 80), "Fix [a]");
    }
}
