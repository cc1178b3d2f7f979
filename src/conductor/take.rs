//! Takes the best eligible task in one step: for `bus claim --next` and `task pickup`.

use std::collections::BTreeMap;

use serde_json::json;

use super::candidate::{Candidate, Taker};
use super::observe;
use super::select::Ranking;
use super::sources::Scope;
use crate::base::{Refusal, Result};
use crate::hub::{self, Hub};
use crate::ops::claims::claim::Request;
use crate::ops::claims::pickup::pickup;
use crate::ops::{self, Answer};

/// Takes the best task for the author of `terms`, whose own task is ignored. If another seat was faster, takes the
/// next best: the choice needs no lock, the claim decides. `excluded`: as for [`observe`].
///
/// # Errors
/// `task.none` (exit 4) when no task can be taken, with the passed-over tasks and reasons.
pub fn next(
    hub: &Hub,
    terms: &Request,
    excluded: BTreeMap<String, String>,
    repeat: Option<&hub::Request>,
) -> Result<Answer> {
    if let Some(answer) = ops::answered(hub, repeat)? {
        return Ok(answer);
    }
    let mut lost = excluded;
    loop {
        let ranking = rank(hub, &terms.author.agent, lost.clone())?;
        let Some(best) = ranking.eligible.first() else { return Err(nothing(&ranking).into()) };
        let request = Request {
            task: best.task_id.clone(),
            plan: terms.plan.clone().or_else(|| best.plan_id.clone()),
            ..terms.clone()
        };
        match pickup(hub, &request, repeat) {
            Err(e) if is_gone(&e) => lost.insert(best.task_id.clone(), e.to_string()),
            done => return done,
        };
    }
}

/// The task that [`next`] would take.
pub fn free(hub: &Hub, agent: &str, excluded: BTreeMap<String, String>) -> Result<Option<Candidate>> {
    Ok(rank(hub, agent, excluded)?.eligible.into_iter().next())
}

fn rank(hub: &Hub, agent: &str, lost: BTreeMap<String, String>) -> Result<Ranking> {
    Ok(observe(hub, &Scope::enabled(hub)?, Taker::Seat(agent), lost)?.ranking)
}

/// Whether the task stopped being free between the choice and the claim.
fn is_gone(error: &anyhow::Error) -> bool {
    Refusal::of(error).is_some_and(|refusal| {
        matches!(
            refusal.code,
            "claim.held" | "claim.running" | "claim.assigned" | "task.on_hold" | "task.prerequisites"
        )
    })
}

fn nothing(ranking: &Ranking) -> Refusal {
    let refusal = Refusal::not_found("task.none", "no task can start");
    let passed: Vec<_> =
        ranking.skipped.iter().map(|skipped| format!("{}: {}", skipped.task_id, skipped.text)).collect();
    let refusal = match passed.len() {
        0 => refusal.because("backlog, plans and assignments have no open task"),
        1..=5 => refusal.because(passed.join("\n")),
        n => refusal.because(format!("{}\nand {} more", passed[..5].join("\n"), n - 5)),
    };
    refusal.next("list all tasks: teof task list").with("skipped", json!(ranking.skipped))
}
