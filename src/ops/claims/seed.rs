//! Seeds a task for a seat: its assignment and a paused claim, which the seat makes active when it starts (the
//! playbook: claim_seed).

use serde_json::{Value, json};

use super::assign::{self, scaffold};
use super::claim::{self, assigned_to};
use super::known;
use crate::base::Result;
use crate::bus::claim_rules::{self, Notes};
use crate::bus::{assignments, claims};
use crate::guard::claim::Author;
use crate::hub::{self, Hub, Transaction, Writer};
use crate::model::claim::ClaimStatus;
use crate::ops::context::{self, Answer, Call};

/// What a manager prepares.
#[derive(Clone, Debug)]
pub struct Request {
    /// The manager.
    pub author: Author,
    pub task: String,
    /// The seat that is to do the work.
    pub engineer: String,
    /// By id or path; `None`: the plan of the task's assignment.
    pub plan: Option<String>,
    pub branch: Option<String>,
    /// Active or paused.
    pub status: ClaimStatus,
    pub notes: Notes,
    /// Create the folder for the work's receipts.
    pub scaffold: bool,
}

impl Request {
    /// The arguments that distinguish this request from others.
    pub fn arguments(&self) -> Value {
        json!({
            "agent": self.author.agent, "task": self.task, "engineer": self.engineer, "plan": self.plan,
            "branch": self.branch, "status": self.status.as_str(), "notes": format!("{:?}", self.notes),
            "scaffold": self.scaffold,
        })
    }
}

/// Seeds the task; answers as `bus claim` does.
///
/// # Errors
/// `claim.held` (exit 3) when another seat has a live claim, or this one works on it already; `claim.assigned` (exit
/// 1).
pub fn seed(hub: &Hub, request: &Request, repeat: Option<&hub::Request>) -> Result<Answer> {
    let Request { author, task, .. } = request;
    let call = Call { command: "task seed", author, task, bound: false, request: repeat };
    let unknown = known::remark_unknown(hub, task)?;
    context::run(hub, &call, |writer, transaction| {
        let mut done = stage(writer, transaction, request)?;
        done.remarks.extend(unknown);
        Ok(done.into_answer())
    })
}

fn stage(writer: &Writer<'_>, transaction: &mut Transaction, request: &Request) -> Result<claim::Done> {
    let Request { author, task, engineer, .. } = request;
    let hub = writer.hub();
    let old = claims::load(hub, task)?.map(|found| found.claim(hub)).transpose()?;
    // A paused claim of another seat could be taken; its work must not change hands by a template.
    if let Some(old) = old.filter(|old| old.status.is_live())
        && (old.agent_id != *engineer || old.status == ClaimStatus::Active)
    {
        return Err(claim_rules::held(&old, hub.now()).into());
    }
    let to = assign::Request {
        plan: request.plan.clone(),
        branch: request.branch.clone(),
        claim: false,
        ..assign::Request::new(author.clone(), task, engineer)
    };
    let found = assignments::load(hub, task)?.map(|found| found.file);
    let (assignment, mut remarks) = match found.as_ref().and_then(|found| found.engineer()) {
        Some(other) if other != engineer => {
            return Err(assigned_to(task, other, found.as_ref().and_then(|found| found.manager())).into());
        }
        Some(_) => (assign::assignment(hub, &to, assignments::load(hub, task)?.as_ref())?, Vec::new()),
        None => {
            let assigned = assign::stage(writer, transaction, &to)?;
            (assigned.assignment, assigned.remarks)
        }
    };
    let mut claim = assign::claim_for(&assignment, &to);
    claim.status = request.status;
    claim.notes = request.notes.clone();
    let mut done = claim::stage(writer, transaction, &claim)?;
    if request.scaffold {
        scaffold(hub, transaction, &assignment)?;
    }
    done.remarks.append(&mut remarks);
    Ok(done)
}
