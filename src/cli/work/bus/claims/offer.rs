//! Offers the next free task to a seat whose claim was refused.

use crate::base::Refusal;
use crate::cli::App;
use crate::conductor::candidate::Candidate;
use crate::conductor::take;
use crate::coordinator::state::store;

/// Adds the best task that `agent` could take instead to a refusal of the kind "somebody has it".
/// An error in this does not replace the refusal.
pub fn instead(app: &App, agent: &str, error: anyhow::Error) -> anyhow::Error {
    let refusal = match error.downcast::<Refusal>() {
        Ok(refusal) if refusal.code.starts_with("claim.") => refusal,
        Ok(refusal) => return refusal.into(),
        Err(error) => return error,
    };
    match app.hub().and_then(|hub| take::free(hub, agent, store::load(hub)?.excluded())) {
        Ok(Some(Candidate { task_id: task, .. }))
            if refusal.data.get("task_id").and_then(|id| id.as_str()) != Some(&task) =>
        {
            refusal.next(format!("free now: teof task pickup {task}")).with("next_task", task).into()
        }
        Ok(_) => refusal.into(),
        Err(e) => {
            tracing::debug!("no free task could be told: {e:#}");
            refusal.into()
        }
    }
}
