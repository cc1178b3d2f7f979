//! Claims that say something else than the assignments of their tasks.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

use crate::base::text;
use crate::board::claims::Claim;
use crate::model::assignment::AssignmentFile;

/// A claim and an assignment of one task that do not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Disagreement {
    pub task_id: String,
    /// `holder`, `unassigned` or `plan`.
    pub about: &'static str,
    /// One line for people.
    pub message: String,
    /// What the claim says.
    pub claim: Option<String>,
    /// What the assignment says.
    pub assignment: Option<String>,
}

/// All of them, by task.
pub fn find(claims: &[Claim], assignments: &[(&str, &AssignmentFile)]) -> Vec<Disagreement> {
    let assignments: HashMap<&str, &AssignmentFile> = assignments.iter().copied().collect();
    let mut found = Vec::new();
    for claim in claims {
        if let Some(assignment) = assignments.get(claim.task.as_str()) {
            found.extend(compare(claim, assignment));
        }
    }
    found
}

fn compare(claim: &Claim, assignment: &AssignmentFile) -> Vec<Disagreement> {
    let disagreement = |about, message: String, said: Option<&str>, assigned: Option<&str>| Disagreement {
        task_id: claim.task.clone(),
        about,
        message,
        claim: said.map(str::to_owned),
        assignment: assigned.map(text::safe),
    };
    let (task, holder) = (&claim.task, claim.seat.as_deref());
    let shown = holder.unwrap_or("nobody");
    let mut found = Vec::new();
    match assignment.engineer() {
        Some(engineer) if Some(text::safe(engineer).as_str()) != holder => {
            let verb = if claim.is_live { "holds" } else { "held" };
            let message = format!("{shown} {verb} {task}, which is assigned to {}", text::safe(engineer));
            found.push(disagreement("holder", message, holder, Some(engineer)));
        }
        None if assignment.raw.get("engineer").and_then(Value::as_str) == Some("unassigned") => {
            let message =
                format!("the assignment of {task} names nobody, and its claim is {}, by {shown}", claim.status);
            found.push(disagreement("unassigned", message, holder, None));
        }
        _ => {}
    }
    if let (Some(said), Some(assigned)) = (&claim.plan, assignment.plan_id())
        && *said != text::safe(assigned)
    {
        let message = format!("the claim of {task} is for plan {said}, its assignment for {}", text::safe(assigned));
        found.push(disagreement("plan", message, Some(said), Some(assigned)));
    }
    found
}
