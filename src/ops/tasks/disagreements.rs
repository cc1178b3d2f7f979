//! Finds tasks whose claim and assignment disagree: another seat works on it than the manager named, or for another
//! plan.

use serde::Serialize;

use crate::base::{Result, text};
use crate::bus::{assignments, claims};
use crate::hub::Hub;
use crate::model::assignment::AssignmentFile;
use crate::model::claim::ClaimFile;

/// A claim that is not what the assignment asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Disagreement {
    pub task_id: String,
    /// The assigned seat; `None`: nobody.
    pub engineer: Option<String>,
    pub manager: Option<String>,
    /// The seat of the claim.
    pub holder: String,
    pub claim_status: Option<String>,
    pub assigned_plan: Option<String>,
    pub claimed_plan: Option<String>,
    /// In one sentence, without control characters.
    pub why: String,
}

/// What a claim says.
#[derive(Clone, Copy, Debug)]
pub struct Claimed<'a> {
    pub holder: &'a str,
    pub status: Option<&'a str>,
    pub plan: Option<&'a str>,
}

impl<'a> Claimed<'a> {
    fn of(claim: &'a ClaimFile) -> Option<Claimed<'a>> {
        Some(Claimed { holder: claim.agent_id()?, status: claim.status_text(), plan: claim.plan_id() })
    }
}

/// All of them, by task. A claim without an assignment, and an assignment without a claim, agree.
///
/// # Errors
/// When the folders cannot be read; damaged files are left out.
pub fn all(hub: &Hub) -> Result<Vec<Disagreement>> {
    let assignments = assignments::list(hub)?.whole;
    let claims = claims::list(hub)?;
    let disagreement =
        |(task, assignment): &(String, AssignmentFile)| of(task, assignment, Claimed::of(claims.get(task)?)?);
    Ok(assignments.iter().filter_map(disagreement).collect())
}

/// What a task's claim and its assignment disagree about, if anything.
pub fn of(task: &str, assignment: &AssignmentFile, claim: Claimed<'_>) -> Option<Disagreement> {
    let (engineer, holder) = (assignment.engineer(), claim.holder);
    let (assigned, claimed) = (assignment.plan_id(), claim.plan);
    let mut why = Vec::new();
    if engineer != Some(holder) {
        why.push(format!("assigned to {}, claimed by {holder}", engineer.unwrap_or("nobody")));
    }
    if let (Some(assigned), Some(claimed)) = (assigned, claimed)
        && assigned != claimed
    {
        why.push(format!("assigned for plan {assigned}, claimed for {claimed}"));
    }
    (!why.is_empty()).then(|| Disagreement {
        task_id: task.to_owned(),
        engineer: engineer.map(str::to_owned),
        manager: assignment.manager().map(str::to_owned),
        holder: holder.to_owned(),
        claim_status: claim.status.map(str::to_owned),
        assigned_plan: assigned.map(str::to_owned),
        claimed_plan: claimed.map(str::to_owned),
        why: text::safe(&why.join("; ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value, json};

    fn why(assignment: Value, claim: Value) -> Option<String> {
        let raw = |value: Value| -> Map<String, Value> { value.as_object().unwrap().clone() };
        let claim = ClaimFile { raw: raw(claim) };
        of("T", &AssignmentFile { raw: raw(assignment) }, Claimed::of(&claim)?).map(|found| found.why)
    }

    #[test]
    fn a_claim_of_another_seat_or_plan_disagrees_with_its_assignment() {
        let claim = || json!({"agent_id": "a", "plan_id": "p"});
        let because = |assignment| why(assignment, claim()).unwrap_or_default();
        assert_eq!(because(json!({"engineer": "a", "plan_id": "_plans/p.plan.json"})), "");
        assert_eq!(because(json!({"engineer": "a", "plan_id": null})), "", "an assignment need not name a plan");
        assert_eq!(because(json!({"engineer": "b"})), "assigned to b, claimed by a");
        assert_eq!(because(json!({"engineer": "unassigned"})), "assigned to nobody, claimed by a");
        assert_eq!(because(json!({"engineer": "a", "plan_id": "q"})), "assigned for plan q, claimed for p");
    }
}
