//! Reads queue entries, `queue/*.md`, and compares a plan with its entry. Differences are warnings; they never fail a
//! plan (the playbook: queue warnings).

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::plan::Plan;
use crate::plans::validate::LAYERS;

/// A queue entry that a plan comes from.
#[derive(Clone, Debug, Default)]
pub struct QueueRef {
    /// Relative to the hub.
    pub path: String,
    /// From its line `Coordinate: S6:L5`: systemic scale and layer.
    pub coordinate: Option<(u64, String)>,
    /// From its line `Systemic targets: S1, S4`.
    pub targets: Vec<u64>,
}

impl QueueRef {
    pub fn read(path: &str, text: &str) -> QueueRef {
        let coordinate = after(text, "coordinate:").and_then(|rest| {
            let (scale, layer) = rest.split_once(':')?;
            let layer: String = layer.trim().chars().take_while(char::is_ascii_alphanumeric).collect();
            Some((axis(scale.trim())?, layer)).filter(|(_, layer)| LAYERS.contains(&layer.as_str()))
        });
        let words = after(text, "systemic targets:").unwrap_or_default();
        let targets = words.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(axis).collect();
        QueueRef { path: path.to_owned(), coordinate, targets }
    }
}

/// `S7` → 7.
pub fn axis(target: &str) -> Option<u64> {
    target.strip_prefix('S')?.parse().ok().filter(|axis| (1..=10).contains(axis))
}

/// The text after `label` (in lower case) on the first line that has it, without Markdown emphasis.
fn after<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let rest = text.lines().find_map(|line| {
        let at = line.to_ascii_lowercase().find(label)?;
        line.get(at + label.len()..)
    });
    rest.map(|rest| rest.trim().trim_matches(['*', '`', ' ']))
}

/// A difference between a plan and its queue entry.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Warning {
    pub plan_id: String,
    pub queue_ref: String,
    /// `missing_queue_entry`, `systemic_mismatch`, `layer_mismatch`, `missing_systemic_targets` or
    /// `systemic_targets_mismatch`.
    pub issue: &'static str,
    /// What the queue entry says.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub expected: Value,
    /// What the plan says.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub actual: Value,
    pub message: String,
}

/// The warnings for a plan; `read` gives the text of a file of the tree.
pub fn warnings(plan: &Plan, id: &str, read: &dyn Fn(&str) -> Option<String>) -> Vec<Warning> {
    let links = plan.links();
    let refs = links.iter().filter(|(kind, _)| *kind == "queue").map(|(_, path)| *path);
    refs.flat_map(|path| {
        match read(path) {
            Some(text) => departures(plan, &QueueRef::read(path, &text)),
            None => vec![("missing_queue_entry", Value::Null, Value::Null)],
        }
        .into_iter()
        .map(|(issue, expected, actual)| Warning {
            plan_id: id.to_owned(),
            queue_ref: path.to_owned(),
            issue,
            message: match issue {
                "missing_queue_entry" => format!("{path} does not exist"),
                _ => format!("{path} says {expected}, the plan {actual}"),
            },
            expected,
            actual,
        })
        .collect::<Vec<_>>()
    })
    .collect()
}

fn departures(plan: &Plan, entry: &QueueRef) -> Vec<(&'static str, Value, Value)> {
    let mut found = Vec::new();
    if let Some((scale, layer)) = &entry.coordinate {
        if plan.systemic_scale() != Some(*scale) {
            found.push(("systemic_mismatch", json!(scale), json!(plan.systemic_scale())));
        }
        if plan.layer() != Some(layer) {
            found.push(("layer_mismatch", json!(layer), json!(plan.layer())));
        }
    }
    let (expected, actual) =
        (entry.targets.iter().map(|n| format!("S{n}")).collect::<Vec<_>>(), plan.systemic_targets());
    if !expected.is_empty() && actual.is_empty() {
        found.push(("missing_systemic_targets", json!(expected), json!(actual)));
    } else if expected.iter().any(|target| !actual.contains(&target.as_str())) {
        found.push(("systemic_targets_mismatch", json!(expected), json!(actual)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_departs_from_its_queue_entry_is_warned_about() {
        let plan = json!({"layer": "L5", "systemic_scale": 6, "systemic_targets": ["S6"], "links": [
            {"type": "queue", "ref": "queue/1.md"}, {"type": "queue", "ref": "queue/2.md"}, {"type": "bus", "ref": "x"}]});
        let plan = Plan { raw: plan.as_object().unwrap().clone() };
        let issues = |text: &str| {
            let read = |path: &str| (path == "queue/1.md").then(|| text.to_owned());
            warnings(&plan, "p", &read).into_iter().map(|warning| warning.issue).collect::<Vec<_>>()
        };
        assert_eq!(issues("# T\n\n**Coordinate:** S6:L5 (why)\n"), ["missing_queue_entry"]);
        assert_eq!(issues("Coordinate: `S4:L4`"), ["systemic_mismatch", "layer_mismatch", "missing_queue_entry"]);
        assert_eq!(issues("- Systemic Targets: S1, S6"), ["systemic_targets_mismatch", "missing_queue_entry"]);
        assert_eq!(issues("Coordinate: everywhere"), ["missing_queue_entry"]);
    }
}
