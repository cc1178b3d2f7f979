//! Finds promises without a follow-up, such as "next time" (the playbook: commitment_guard).
//!
//! A promise in a channel is followed up when it names a plan, or when the same agent later posts there with a
//! receipt. In a reflection it is followed up when its line names a plan or a task.

use crate::base::text;
use crate::guard::Finding;
use crate::guard::capped::{self, Capped};
use crate::guard::preflight::Tree;
use crate::hub::paths;
use crate::model::message::MessageLine;

/// The playbook's phrases.
const PHRASES: [&str; 4] = ["next time", "mental note", "i'll remember", "later on"];
/// Where the playbook keeps reflections that wait to become work.
const INTAKE: &str = "_report/usage/reflection-intake";
/// Where a seat keeps its own, below its folder.
const OF_SEATS: &str = "reflections";

/// Every promise without a follow-up.
pub fn open(tree: &Tree) -> Vec<Finding> {
    let mut found = Capped::per_file();
    for path in tree.files(paths::MESSAGES, ".jsonl") {
        if let Ok(Some(bytes)) = tree.read_log(&path) {
            found.extend(in_channel(&path, &bytes));
        }
    }
    let intake = [tree.files(INTAKE, ".md"), tree.files(INTAKE, ".jsonl")].concat();
    for path in intake.into_iter().chain(tree.of_seats(OF_SEATS, ".md")) {
        // Another sentinel reports unreadable files.
        if let Ok(Some(bytes)) = tree.read(&path) {
            found.extend(in_reflection(&path, &String::from_utf8_lossy(&bytes)));
        }
    }
    found.into_findings()
}

fn in_channel(path: &str, bytes: &[u8]) -> Vec<Finding> {
    let mut open: Vec<(String, Finding)> = Vec::new();
    for (line, number) in bytes.split(|b| *b == b'\n').zip(1_u64..) {
        // A message is parsed when it may promise something, or may keep a promise.
        let promise = phrase(&String::from_utf8_lossy(line));
        if promise.is_none() && open.is_empty() {
            continue;
        }
        let Some(message) = MessageLine::parse(line) else { continue };
        let from = message.from().unwrap_or_default().to_owned();
        if !crate::model::texts(&message.raw, "receipts").is_empty() {
            open.retain(|(who, _)| *who != from);
        }
        if let Some(phrase) = promise.filter(|_| message.meta("plan_id").is_none()) {
            let text = message.summary().unwrap_or_default().to_owned();
            // Beyond this many, follow-ups are no longer searched for.
            if open.len() < capped::PER_CODE {
                open.push((from, finding(path, number, phrase, &text)));
            } else if let Some((_, last)) = open.last_mut() {
                last.more += 1;
            }
        }
    }
    open.into_iter().map(|(_, finding)| finding).collect()
}

fn in_reflection(path: &str, text: &str) -> Vec<Finding> {
    let names_work = |line: &str| line.contains("_plans/") || line.contains("QUEUE-") || line.contains("ND-");
    let lines = text.lines().zip(1_u64..).filter(|(line, _)| !names_work(line));
    lines.filter_map(|(line, number)| Some(finding(path, number, phrase(line)?, line))).collect()
}

fn phrase(line: &str) -> Option<&'static str> {
    let lower = line.to_lowercase();
    PHRASES.into_iter().find(|phrase| lower.contains(phrase))
}

fn finding(path: &str, line: u64, phrase: &str, excerpt: &str) -> Finding {
    let excerpt = text::clip(&text::safe(excerpt.trim()), 80);
    Finding::low("commitment.open", path, format!("promise {phrase:?} without follow-up: {excerpt}"))
        .at(line)
        .hint("add a backlog item or plan and post its id: teof task add, teof bus message --meta plan_id=…")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "_bus/messages/A.jsonl";

    fn lines(found: &[Finding]) -> Vec<u64> {
        found.iter().map(|found| found.line.unwrap()).collect()
    }

    fn message(from: &str, summary: &str, more: &str) -> String {
        format!("{{\"from\":\"{from}\",\"summary\":\"{summary}\"{more}}}\n")
    }

    #[test]
    fn a_promise_is_open_until_its_author_posts_a_receipt() {
        let promise = message("a", "Next time I run the tests", "");
        let other = message("b", "done", ",\"receipts\":[\"x\"]");
        let kept = message("a", "done", ",\"receipts\":[\"x\"]");
        assert_eq!(lines(&in_channel(PATH, (promise.clone() + &other).as_bytes())), [1]);
        assert_eq!(lines(&in_channel(PATH, (promise.clone() + &other + &kept).as_bytes())), [] as [u64; 0]);
        assert_eq!(lines(&in_channel(PATH, (kept + &promise).as_bytes())), [2], "a receipt of before keeps nothing");
        let planned = message("a", "later on", ",\"meta\":{\"plan_id\":\"2026-01-05-x\"}");
        assert_eq!(lines(&in_channel(PATH, planned.as_bytes())), [] as [u64; 0]);
    }

    #[test]
    fn a_reflection_must_name_its_work_on_the_line() {
        let text = "# Notes\nMental note: check dates\nlater on, see QUEUE-012\nI'LL REMEMBER this\n";
        let found = in_reflection("r.md", text);
        assert_eq!(lines(&found), [2, 4]);
        assert!(found[0].message.contains("\"mental note\"") && found[0].message.contains("check dates"));
    }
}
