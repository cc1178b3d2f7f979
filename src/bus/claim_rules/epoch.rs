//! Fencing: who may write to a task, and with which epoch.

use super::refusals::old_epoch;
use crate::base::Refusal;
use crate::model::claim::{Claim, ClaimFile};

/// Refuses when `epoch` is not the claim's, or `agent` does not own a live claim.
pub fn fence(claim: &Claim, agent: &str, epoch: u64) -> Result<(), Refusal> {
    if claim.epoch == epoch && (claim.agent_id == agent || !claim.status.is_live()) {
        return Ok(());
    }
    Err(old_epoch(&claim.task_id, epoch, claim.epoch, &claim.agent_id, claim.status.as_str()))
}

/// Refuses an epoch that differs from the task's claim, whatever its holder and status: work that started under an
/// old epoch is obsolete.
pub fn is_current(task: &str, found: Option<&ClaimFile>, shown: u64) -> Result<(), Refusal> {
    match found {
        Some(claim) if claim.epoch() == shown => Ok(()),
        Some(claim) => {
            let (owner, status) = (claim.agent_id().unwrap_or(""), claim.status_text().unwrap_or("unknown"));
            Err(old_epoch(task, shown, claim.epoch(), owner, status))
        }
        None => Err(Refusal::held("claim.epoch", format!("{task} is not claimed"))
            .because(format!("epoch {shown} was given, but the task has no claim"))
            .next("omit --epoch, or see the claims: teof task list")
            .with("task_id", task)
            .with("shown_epoch", shown)),
    }
}

/// Refuses when `agent` may not write to a task (the playbook: claim_guard). Without a claim nobody may write, while
/// it is live only its owner, and after its end anyone. An epoch that is given must be the claim's, even after the
/// end.
pub fn may_write(task: &str, found: Option<&ClaimFile>, agent: &str, epoch: Option<u64>) -> Result<(), Refusal> {
    let Some(claim) = found else {
        return Err(Refusal::guard("claim.missing", format!("{task} is not claimed"))
            .because("writing to a task requires its claim")
            .next(format!("assign and claim it in one step: teof task pickup {task}")));
    };
    let owner = claim.agent_id().unwrap_or("");
    let status = claim.status_text().unwrap_or("unknown");
    if let Some(shown) = epoch.filter(|shown| *shown != claim.epoch()) {
        return Err(old_epoch(task, shown, claim.epoch(), owner, status));
    }
    if claim.is_terminal() || owner == agent {
        return Ok(());
    }
    Err(Refusal::held("claim.not_yours", format!("{task} is claimed by {owner}, not by {agent}"))
        .because(format!("the claim of {owner} is {status}"))
        .next(format!("wait until {owner} releases it, or send a message: teof bus message --task agent-{owner} …"))
        .with("task_id", task)
        .with("agent_id", owner)
        .with("status", status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stamp;
    use crate::model::claim::ClaimStatus;

    #[test]
    fn an_old_epoch_writes_nothing() {
        let file = |claim: &Claim| ClaimFile {
            raw: claim.fields().into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        };
        let mut now = Claim {
            task_id: "QUEUE-001".into(),
            agent_id: "a".into(),
            branch: "agent/a/queue-001".into(),
            status: ClaimStatus::Active,
            claimed_at: Stamp::parse("2026-01-05T01:00:00Z").unwrap(),
            plan_id: None,
            notes: None,
            released_at: None,
            epoch: 3,
            lease_expires_at: None,
        };
        let code = |claim: &Claim, agent, epoch| may_write("T", Some(&file(claim)), agent, epoch).map_err(|r| r.code);
        assert_eq!(code(&now, "a", Some(3)), Ok(()));
        assert_eq!(code(&now, "a", Some(2)), Err("claim.epoch"));
        assert_eq!(code(&now, "b", None), Err("claim.not_yours"));
        now.status = ClaimStatus::Done;
        assert_eq!(code(&now, "b", None), Ok(()), "after its end a claim guards nothing");
        assert_eq!(code(&now, "b", Some(2)), Err("claim.epoch"));
        assert_eq!(may_write("T", None, "a", None).unwrap_err().code, "claim.missing");
    }
}
