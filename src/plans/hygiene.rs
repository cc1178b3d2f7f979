//! Finds statuses that are spelt in another way than the playbook's, and respells them (the playbook: plan_hygiene).
//!
//! Every other byte of a plan stays. A status is respelt only when the plan does not become invalid by it.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::evidence::Evidence;
use super::validate;
use crate::model::json::edit::EditableJson;
use crate::model::plan::{Plan, Status};
use crate::model::run::outcome::Finding;

/// A status that is respelt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// The JSON pointer of the status.
    pub at: String,
    pub from: String,
    pub to: String,
}

/// What was found in a plan.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    pub path: String,
    pub fixes: Vec<Fix>,
    /// What a person must fix: unknown statuses, receipts listed twice, and respellings that would need evidence.
    pub problems: Vec<Finding>,
    /// The bytes that were checked.
    #[serde(skip)]
    pub before: Vec<u8>,
    /// The text with all fixes.
    #[serde(skip)]
    pub after: Option<String>,
}

/// Checks a plan. `path` is relative to the hub and appears in the problems.
pub fn check(path: &str, bytes: &[u8]) -> Checked {
    let mut checked =
        Checked { path: path.to_owned(), fixes: Vec::new(), problems: Vec::new(), before: bytes.to_vec(), after: None };
    let Ok(mut document) = EditableJson::parse(bytes, Path::new(path)) else {
        checked.problems = findings(path, bytes);
        return checked;
    };
    for fix in respellings(&document) {
        let mut fixed = document.clone();
        if fixed.set(&fix.at, fix.to.as_str()).is_err() {
            continue;
        }
        let known = findings(path, document.bytes());
        let is_known = |new: &Finding| known.iter().any(|old| old.code == new.code && old.message == new.message);
        let added: Vec<_> = findings(path, fixed.bytes()).into_iter().filter(|new| !is_known(new)).collect();
        match added.is_empty() {
            true => {
                document = fixed;
                checked.fixes.push(fix);
            }
            false => checked.problems.extend(added.into_iter().map(|finding| Finding {
                message: format!("{:?} cannot become {:?}: {}", fix.from, fix.to, finding.message),
                ..finding
            })),
        }
    }
    checked.problems.extend(findings(path, document.bytes()));
    checked.after = Some(document.into_text()).filter(|_| !checked.fixes.is_empty());
    checked
}

/// The problems with statuses and lists of receipts.
fn findings(path: &str, bytes: &[u8]) -> Vec<Finding> {
    const CODES: [&str; 8] = [
        "plan.status",
        "step.status",
        "plan.two_in_progress",
        "plan.unproven",
        "plan.receipts",
        "step.receipts",
        "receipt.duplicate",
        "plan.unreadable",
    ];
    let is_status = |found: &Finding| {
        CODES.contains(&found.code.as_str()) || (found.code == "plan.checkpoint" && found.message.contains("status"))
    };
    let found = validate::check(path, bytes, Some(&|_| Evidence::Tracked));
    found.into_iter().filter(is_status).collect()
}

/// Every status with another spelling.
fn respellings(document: &EditableJson) -> Vec<Fix> {
    let plan = Plan { raw: document.object().clone() };
    let mut places = vec![("/status".to_owned(), spelling as fn(&str) -> Option<&'static str>)];
    places.extend(plan.steps().iter().map(|step| (format!("/steps/{}/status", step.index), spelling as _)));
    places.push(("/checkpoint/status".to_owned(), checkpoint_spelling));
    let fix = |(at, spelling): (String, fn(&str) -> Option<&'static str>)| {
        let from = document.get(&at).and_then(Value::as_str)?.to_owned();
        let to = spelling(&from.trim().to_lowercase()).filter(|to| *to != from)?.to_owned();
        Some(Fix { at, from, to })
    };
    places.into_iter().filter_map(fix).collect()
}

/// The status of a plan or a step that a word means.
fn spelling(word: &str) -> Option<&'static str> {
    Status::meant(word).map(Status::as_str)
}

/// The status of a checkpoint that a word means.
fn checkpoint_spelling(word: &str) -> Option<&'static str> {
    match word {
        "in-progress" | "in_progress" => Some("pending"),
        "completed" | "complete" | "done" => Some("satisfied"),
        other => validate::CHECKPOINTS.into_iter().find(|known| *known == other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "_plans/2026-01-05-fix.plan.json";
    /// Keys in no order, one-line arrays, a tab, an escape.
    const DRIFTED: &str = "{\n\t\"summary\": \"\\u00e9\",\"version\": 0, \"plan_id\": \"2026-01-05-fix\",\n  \"created\": \"2026-01-05T10:00:00Z\", \"actor\": \"a\", \"status\": \"in-progress\",\n  \"layer\": \"L5\", \"systemic_scale\": 6, \"systemic_targets\": [\"S6\"],\n  \"steps\": [{\"id\": \"S1\", \"title\": \"one\", \"status\": \"Completed\"}, {\"status\": \"active\", \"title\": \"two\", \"id\": \"S2\"}],\n  \"checkpoint\": {\"status\": \"done\", \"owner\": \"a\", \"description\": \"d\"},\n  \"receipts\": []\n}\n";

    fn fixes(checked: &Checked) -> Vec<String> {
        checked.fixes.iter().map(|fix| format!("{} {} {}", fix.at, fix.from, fix.to)).collect()
    }

    #[test]
    fn a_status_is_respelt_and_every_other_byte_stays() {
        let checked = check(PATH, DRIFTED.as_bytes());
        assert_eq!(
            fixes(&checked),
            ["/status in-progress in_progress", "/steps/0/status Completed done", "/steps/1/status active in_progress"]
        );
        let after = DRIFTED
            .replace("\"in-progress\"", "\"in_progress\"")
            .replace("\"Completed\"", "\"done\"")
            .replace("\"active\"", "\"in_progress\"");
        assert_eq!(checked.after.as_deref(), Some(after.as_str()));
        // Nothing proves that the checkpoint is satisfied.
        let codes: Vec<_> = checked.problems.iter().map(|problem| problem.code.as_str()).collect();
        assert_eq!(codes, ["plan.unproven", "plan.checkpoint"], "{:?}", checked.problems);
        let again = check(PATH, after.as_bytes());
        assert_eq!((again.fixes, again.after), (vec![], None));
    }

    #[test]
    fn what_a_person_must_decide_is_not_respelt() {
        let two = DRIFTED.replace("\"Completed\"", "\"active\"");
        let checked = check(PATH, two.as_bytes());
        assert!(fixes(&checked).contains(&"/steps/0/status active in_progress".to_owned()));
        assert!(checked.problems.iter().any(|problem| problem.code == "plan.two_in_progress"), "{checked:?}");
        let odd = check(PATH, DRIFTED.replace("\"Completed\"", "\"someday\"").as_bytes());
        assert!(odd.problems.iter().any(|problem| problem.code == "step.status"), "{odd:?}");
        assert_eq!(check(PATH, b"[]").problems[0].code, "plan.unreadable");
    }
}
