//! The strict rules: a plan has evidence for what is marked done.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::findings::{Findings, shown};
use crate::model::plan::Plan;
use crate::plans::Evidence;

pub fn check(plan: &Plan, evidence: &dyn Fn(&str) -> Evidence, found: &mut Findings) {
    if plan.checkpoint().status() == Some("satisfied") && plan.receipts().is_empty() {
        let hint = "attach evidence: teof plan attach";
        found.note("/checkpoint", "plan.unproven", "the checkpoint is satisfied, but the plan has no receipt", hint);
    }
    // The playbook: a receipt may appear once in the plan's list and once among all steps.
    let steps = plan.steps();
    let of_steps = steps.iter().flat_map(|step| listed(step.raw, format!("/steps/{}", step.index)));
    let mut asked = BTreeSet::new();
    for (whose, list) in [("the plan", listed(&plan.raw, String::new())), ("the steps", of_steps.collect())] {
        let mut seen = BTreeSet::new();
        for (at, path) in list {
            if !seen.insert(path) {
                let message = format!("{} appears more than once in the receipts of {whose}", shown(path));
                found.note(at, "receipt.duplicate", message, "list it once");
            } else if asked.insert(path) {
                receipt(at, path, evidence, found);
            }
        }
    }
}

fn receipt(at: String, path: &str, evidence: &dyn Fn(&str) -> Evidence, found: &mut Findings) {
    if path.contains("://") {
        return;
    }
    let name = shown(path);
    if path.starts_with('/') || path.split('/').any(|part| part == "..") || path.trim().is_empty() {
        let message = format!("the receipt {name} is not a path inside the repository");
        return found.note(at, "receipt.path", message, "write it relative to the root of the repository");
    }
    match evidence(path) {
        Evidence::Tracked => {}
        Evidence::Untracked => {
            let hint = "git add it, or copy it into _report/ and add that: teof receipts add";
            found.note(at, "receipt.untracked", format!("the receipt {name} is not tracked"), hint);
        }
        Evidence::Missing => {
            let hint = "create it or restore it from git";
            found.note(at, "receipt.missing", format!("the receipt {name} does not exist"), hint);
        }
        Evidence::Damaged(why) => {
            found.note(at, "receipt.damaged", format!("the receipt {name} is damaged: {why}"), "create it again");
        }
    }
}

/// The receipts in a list, each with its pointer.
fn listed(raw: &Map<String, Value>, at: String) -> Vec<(String, &str)> {
    let items = raw.get("receipts").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    items.iter().enumerate().filter_map(|(i, item)| Some((format!("{at}/receipts/{i}"), item.as_str()?))).collect()
}
