//! The digest that a person approves with a plan: its exact commands, and the guards around them.

use serde_json::{Value, json};

use crate::base::{digest, json as layout};
use crate::model::plan::{Plan, Step};

/// The fields of a step that decide what runs and within which limits.
const BINDING: [&str; 8] = ["commands", "tests", "rollback", "agent", "diff_limit", "allowed", "denied", "protected"];

/// The SHA-256 of everything that running the plan would execute, with the guards of each step; any
/// change to it needs a new approval. `None` when no step has anything to execute.
///
/// Raw values are hashed, not parsed ones, so that no spelling hides anything.
pub fn commands_digest(plan: &Plan) -> Option<String> {
    let steps: Vec<Value> = plan.steps().iter().filter(|step| executes(step)).map(binding).collect();
    if steps.is_empty() {
        return None;
    }
    let all = json!({"plan_id": plan.id(), "steps": steps});
    Some(digest::sha256(layout::compact(&layout::sorted(&all)).as_bytes()))
}

fn executes(step: &Step<'_>) -> bool {
    ["commands", "tests", "rollback"].iter().any(|field| step.raw.contains_key(*field))
}

fn binding(step: &Step<'_>) -> Value {
    let fields = BINDING.iter().filter_map(|field| Some(((*field).to_owned(), step.raw.get(*field)?.clone())));
    json!([step.id(), fields.collect::<serde_json::Map<_, _>>()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Option<String> {
        commands_digest(&Plan { raw: serde_json::from_str(text).unwrap() })
    }

    #[test]
    fn progress_keeps_an_approval_and_another_command_does_not() {
        let plan = r#"{"plan_id": "p", "steps": [{"id": "S1", "status": "queued", "commands": [["a", "b"]], "diff_limit": 10}]}"#;
        let approved = digest(plan).unwrap();
        assert_eq!(digest(&plan.replace("queued", "done")).unwrap(), approved);
        for (from, to) in
            [("\"b\"", "\"c\""), ("10", "1000"), ("S1", "S2"), ("\"p\"", "\"q\""), ("[\"a\", \"b\"]", "\"a b\"")]
        {
            assert_ne!(digest(&plan.replace(from, to)).unwrap(), approved, "{to}");
        }
        assert_eq!(digest(r#"{"steps": [{"id": "S1", "agent": "x"}]}"#), None);
    }
}
