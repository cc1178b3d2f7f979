//! The structural rules: fields, formats, statuses, one step in progress.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::findings::{Findings, is_plan_id, shown};
use crate::base::text;
use crate::model::plan::{self, Plan, Status, Step};

/// The layers that a plan may name.
pub const LAYERS: [&str; 7] = ["L0", "L1", "L2", "L3", "L4", "L5", "L6"];
/// The statuses of a checkpoint.
pub const CHECKPOINTS: [&str; 3] = ["pending", "satisfied", "superseded"];

pub fn check(plan: &Plan, path: &str, found: &mut Findings) {
    head(plan, path, found);
    steps(plan, found);
    checkpoint_and_links(plan, found);
    systemic(&plan.raw, found);
}

fn head(plan: &Plan, path: &str, found: &mut Findings) {
    let raw = &plan.raw;
    if raw.get("version").and_then(Value::as_u64).is_none() {
        found.note("/version", "plan.version", "version must be a whole number, 0 or more", "");
    }
    let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(plan::SUFFIX);
    match plan.id() {
        None => found.note("/plan_id", "plan.id", "plan_id is missing", "set it to the file's name"),
        Some(id) if id != name => {
            let message = format!("plan_id {} differs from the file name {name}", shown(id));
            found.note("/plan_id", "plan.id", message, "rename the file or fix plan_id");
        }
        Some(id) if !is_plan_id(id) => {
            let hint = "use a date and a lower-case slug: 2026-01-05-fix-the-parser";
            found.note("/plan_id", "plan.id", format!("plan_id {} has the wrong format", shown(id)), hint);
        }
        Some(_) => {}
    }
    if plan.created().is_none() {
        found.note("/created", "plan.created", "created must be a UTC time", "write it as 2026-01-05T10:00:00Z");
    }
    for field in ["actor", "summary"] {
        if crate::model::text(raw, field).is_none() {
            found.note(format!("/{field}"), "plan.field", format!("{field} must be a string"), "");
        }
    }
    status(raw, "", "the plan", "plan.status", found);
    strings(raw, "", "receipts", "the plan", "plan.receipts", found);
    if raw.contains_key("legacy_loop_target") {
        let hint = "remove it; layer_targets replaces it";
        found.note("/legacy_loop_target", "plan.legacy_key", "legacy_loop_target is no longer allowed", hint);
    }
}

fn steps(plan: &Plan, found: &mut Findings) {
    let Some(items) = plan.raw.get("steps").and_then(Value::as_array).filter(|items| !items.is_empty()) else {
        return found.note("/steps", "plan.steps", "steps must be a list with at least one step", "");
    };
    for i in (0..items.len()).filter(|i| !items[*i].is_object()) {
        found.note(format!("/steps/{i}"), "plan.steps", format!("step {} is not an object", i + 1), "");
    }
    let mut seen = BTreeSet::new();
    let mut running = None;
    for one in plan.steps() {
        let at = format!("/steps/{}", one.index);
        let name = match one.id() {
            Some(id) => format!("step {}", shown(id)),
            None => format!("step number {}", one.index + 1),
        };
        match one.id() {
            None => found.note(&at, "step.id", format!("{name} has no id"), ""),
            Some(id) if !seen.insert(id) => {
                let message = format!("the id {} is used by more than one step", shown(id));
                found.note(format!("{at}/id"), "step.duplicate_id", message, "give each step its own id");
            }
            Some(_) => {}
        }
        if one.title().is_none() {
            found.note(&at, "step.title", format!("{name} has no title"), "");
        }
        status(one.raw, &at, &name, "step.status", found);
        if one.status() == Some(Status::InProgress)
            && let Some(first) = running.replace(name.clone())
        {
            let message = format!("{name} and {first} are both in progress");
            let hint = "one step at a time: set the other to blocked or done";
            found.note(format!("{at}/status"), "plan.two_in_progress", message, hint);
        }
        step_fields(&one, &at, &name, found);
    }
}

/// Checks the fields that a worker gets: one with the wrong type must not count as missing.
fn step_fields(step: &Step<'_>, at: &str, name: &str, found: &mut Findings) {
    strings(step.raw, at, "receipts", name, "step.receipts", found);
    for field in ["tests", "allowed", "denied", "protected"] {
        strings(step.raw, at, field, name, "step.field", found);
    }
    for field in ["agent", "objective"] {
        if step.raw.get(field).is_some_and(|value| !value.is_string()) {
            found.note(format!("{at}/{field}"), "step.field", format!("{field} of {name} must be a string"), "");
        }
    }
    if step.raw.contains_key("diff_limit") && step.diff_limit().is_none() {
        let message = format!("diff_limit of {name} must be a whole number of lines");
        found.note(format!("{at}/diff_limit"), "step.field", message, "");
    }
    let hint = "a command is an argv list, a line for sh, or {cmd, label, cwd, env, timeout}";
    for (field, read) in [("commands", step.commands()), ("rollback", step.rollback())] {
        if let Err(why) = read {
            let message = format!("{field} of {name}: {}", text::clip(&why, 200));
            found.note(format!("{at}/{field}"), "step.commands", message, hint);
        }
    }
    if let Err(why) = step.expected_receipts() {
        let message = format!("expected_receipts of {name}: {}", text::clip(&why, 200));
        let hint = "an expected receipt is a path or {path, description}";
        found.note(format!("{at}/expected_receipts"), "step.field", message, hint);
    }
}

fn checkpoint_and_links(plan: &Plan, found: &mut Findings) {
    let checkpoint = plan.checkpoint();
    if checkpoint.description().is_none() || checkpoint.owner().is_none() {
        let message = "checkpoint must be an object with description, owner and status";
        found.note("/checkpoint", "plan.checkpoint", message, "describe how to see that the plan reached its goal");
    }
    if !checkpoint.status().is_some_and(|status| CHECKPOINTS.contains(&status)) {
        let message = "the checkpoint's status must be pending, satisfied or superseded";
        found.note("/checkpoint/status", "plan.checkpoint", message, "");
    }
    match plan.raw.get("links") {
        None => {}
        Some(Value::Array(links)) => {
            let whole = |link: &Value| {
                link.as_object()
                    .is_some_and(|link| ["type", "ref"].iter().all(|k| crate::model::text(link, k).is_some()))
            };
            for i in (0..links.len()).filter(|i| !whole(&links[*i])) {
                found.note(format!("/links/{i}"), "plan.links", format!("link {} lacks type or ref", i + 1), "");
            }
        }
        Some(_) => found.note("/links", "plan.links", "links must be a list of {type, ref}", ""),
    }
}

fn systemic(raw: &Map<String, Value>, found: &mut Findings) {
    if !crate::model::text(raw, "layer").is_some_and(|layer| LAYERS.contains(&layer)) {
        found.note("/layer", "plan.layer", "layer must be one of L0 to L6", "");
    }
    if !raw.get("systemic_scale").and_then(Value::as_u64).is_some_and(|scale| (1..=10).contains(&scale)) {
        let message = "systemic_scale must be a whole number from 1 to 10";
        found.note("/systemic_scale", "plan.systemic_scale", message, "");
    }
    let axis = |target: &Value| {
        let number = target.as_str().and_then(|text| text.strip_prefix('S')).and_then(|n| n.parse::<u8>().ok());
        number.is_some_and(|n| (1..=10).contains(&n) && target == &format!("S{n}"))
    };
    let targets = raw.get("systemic_targets").and_then(Value::as_array);
    if !targets.is_some_and(|targets| !targets.is_empty() && targets.iter().all(axis)) {
        let message = "systemic_targets must be a list of S1 to S10, at least one";
        found.note("/systemic_targets", "plan.systemic_targets", message, "");
    }
    let layer = |target: &Value| target.as_str().is_some_and(|target| LAYERS.contains(&target));
    let layers = raw.get("layer_targets");
    if layers.is_some_and(|layers| !layers.as_array().is_some_and(|layers| layers.iter().all(layer))) {
        found.note("/layer_targets", "plan.layer_targets", "layer_targets must be a list of L0 to L6", "");
    }
}

fn status(raw: &Map<String, Value>, at: &str, whose: &str, code: &str, found: &mut Findings) {
    let Some(value) = raw.get("status") else { return };
    if value.as_str().and_then(Status::parse).is_none() {
        let message = format!("invalid status {} for {whose}", shown(&value.to_string()));
        found.note(format!("{at}/status"), code, message, "use queued, in_progress, blocked or done");
    }
}

fn strings(raw: &Map<String, Value>, at: &str, field: &str, whose: &str, code: &str, found: &mut Findings) {
    let Some(value) = raw.get(field) else { return };
    if !value.as_array().is_some_and(|items| items.iter().all(Value::is_string)) {
        found.note(format!("{at}/{field}"), code, format!("{field} of {whose} must be a list of strings"), "");
    }
}
