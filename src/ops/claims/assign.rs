//! Assigns a task: the assignment, its message and event and, by default, the engineer's claim, in one transaction.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::claim::{self, Done, check_branch, plan_id};
use super::held::Work;
use super::known;
use super::{mirror, prerequisites};
use crate::base::{Result, names};
use crate::bus::{assignments, claims, events, messages};
use crate::guard::claim::Author;
use crate::guard::secrets;
use crate::hub::{self, Hub, Transaction, Writer, paths};
use crate::model::assignment::Assignment;
use crate::model::event::Event;
use crate::model::message::Message;
use crate::ops::context::{self, Answer, Call};
use crate::seats;

/// What a manager asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The manager.
    pub author: Author,
    pub task: String,
    pub engineer: String,
    /// By id or path; `None` keeps the plan of the existing assignment.
    pub plan: Option<String>,
    pub branch: Option<String>,
    pub note: Option<String>,
    /// Claim the task for the engineer in the same transaction.
    pub claim: bool,
    /// The lease of that claim.
    pub lease: Option<Duration>,
    /// Create the folder for the work's receipts.
    pub scaffold: bool,
}

impl Request {
    pub fn new(author: Author, task: impl Into<String>, engineer: impl Into<String>) -> Request {
        let (task, engineer) = (task.into(), engineer.into());
        Request {
            author,
            task,
            engineer,
            plan: None,
            branch: None,
            note: None,
            claim: true,
            lease: None,
            scaffold: false,
        }
    }

    /// The arguments that distinguish this request from others.
    pub fn arguments(&self) -> Value {
        json!({
            "agent": self.author.agent, "task": self.task, "engineer": self.engineer, "plan": self.plan,
            "branch": self.branch, "note": self.note, "claim": self.claim,
            "lease": self.lease.map(|lease| lease.as_secs()), "scaffold": self.scaffold,
        })
    }
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Assigned {
    pub assignment: Assignment,
    /// The engineer's claim, if one was requested.
    pub claim: Option<Done>,
    /// The id of the event.
    pub event: String,
    pub remarks: Vec<String>,
}

impl Assigned {
    /// `{assignment: {…}, event, claim}`; `claim` as `bus claim` answers, or null.
    pub fn document(&self) -> Value {
        let assignment: Map<_, _> = self.assignment.fields().into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        json!({"assignment": assignment, "event": self.event, "claim": self.claim.as_ref().map(Done::document)})
    }
}

/// Assigns a task.
///
/// # Errors
/// An invalid name, text or manager session; with a claim, `claim.held` and `claim.running` (exit 3) when another
/// seat has the task. Then nothing is written.
pub fn assign(hub: &Hub, request: &Request, repeat: Option<&hub::Request>) -> Result<Answer> {
    let Request { author, task, .. } = request;
    let call = Call { command: "task assign", author, task, bound: false, request: repeat };
    let unknown = known::remark_unknown(hub, task)?;
    context::run(hub, &call, |writer, transaction| {
        let mut done = stage(writer, transaction, request)?;
        done.remarks.extend(unknown);
        Ok((done.document(), done.remarks))
    })
}

/// Stages an assignment in a transaction; does not check sessions.
pub fn stage(writer: &Writer<'_>, transaction: &mut Transaction, request: &Request) -> Result<Assigned> {
    let hub = writer.hub();
    seats::retired::refuse(hub, names::check_id("agent", &request.engineer)?, &format!("work on {}", request.task))?;
    let found = assignments::load(hub, &request.task)?;
    let assignment = assignment(hub, request, found.as_ref())?;
    prerequisites::check(hub, &request.task, assignment.plan_id.as_deref(), "assigned")?;
    let mut done = Assigned { assignment, claim: None, event: String::new(), remarks: Vec::new() };
    let Assignment { task_id, engineer, manager, plan_id, branch, .. } = &done.assignment;
    if seats::manifest::of(hub, engineer)?.is_none() && engineer != manager {
        let unknown = seats::known::unknown(hub, engineer)?;
        done.remarks.push(unknown.unwrap_or_else(|| format!("no manifest declares the seat {engineer}")));
    }

    assignments::stage(transaction, found.as_ref(), &done.assignment)?;
    let message = message(&done.assignment);
    messages::stage(writer, transaction, task_id, &message)?;
    if engineer != manager {
        messages::stage(writer, transaction, &messages::inbox(engineer), &message)?;
    }
    let mut event = Event::new(manager, "assign", format!("{manager} assigned {task_id} to {engineer}"))
        .on_task(task_id)
        .meta("engineer", engineer.as_str());
    (event.plan_id, event.branch) = (plan_id.clone(), branch.clone());
    done.event = events::stage(writer, transaction, &context::with_recognition(hub, &request.author, event))?;

    match request.claim {
        true => {
            let claimed = claim::stage(writer, transaction, &claim_for(&done.assignment, request))?;
            done.remarks.extend(claimed.remarks.iter().cloned());
            done.claim = Some(claimed);
        }
        false => {
            let held = claims::load(hub, task_id)?.map(|found| found.file).filter(|claim| claim.is_live());
            let holder = held.as_ref().and_then(|claim| claim.agent_id()).filter(|holder| holder != engineer);
            done.remarks.extend(holder.map(|holder| format!("{holder} still holds {task_id}")));
        }
    }
    done.remarks.extend(mirror::tasks_file(writer, transaction, &done.assignment)?);
    if request.scaffold {
        scaffold(hub, transaction, &done.assignment)?;
    }
    Ok(done)
}

pub(super) fn assignment(hub: &Hub, request: &Request, found: Option<&assignments::Found>) -> Result<Assignment> {
    let engineer = names::check_id("agent", &request.engineer)?;
    let old = found.map(|found| &found.file);
    // The branch belongs to the engineer; the plan belongs to the task.
    let own = old.filter(|old| old.engineer() == Some(engineer));
    if let Some(note) = &request.note {
        crate::bus::check_text("note", note)?;
        secrets::check_text("note", note)?;
    }
    Ok(Assignment {
        task_id: claims::check_task(&request.task)?.to_owned(),
        engineer: engineer.to_owned(),
        manager: names::check_id("agent", &request.author.agent)?.to_owned(),
        assigned_at: hub.now(),
        plan_id: match &request.plan {
            Some(plan) => Some(plan_id(plan)?),
            None => match old.and_then(|old| old.plan_id()) {
                Some(plan) => Some(plan.to_owned()),
                None => Work::near(hub, &request.task, None)?.plan().map(str::to_owned),
            },
        },
        branch: match &request.branch {
            Some(branch) => Some(check_branch(branch)?.to_owned()),
            None => own.and_then(|own| own.branch()).map(str::to_owned),
        },
        note: request.note.clone(),
    })
}

pub(super) fn claim_for(assignment: &Assignment, request: &Request) -> claim::Request {
    let claimant = Author { person: request.author.person.clone(), ..Author::new(&assignment.engineer) };
    claim::Request {
        plan: assignment.plan_id.clone(),
        branch: assignment.branch.clone(),
        lease: request.lease,
        assigned_by: Some(assignment.manager.clone()),
        ..claim::Request::new(claimant, &assignment.task_id)
    }
}

/// The playbook's message of an assignment; the engineer finds it in the inbox, too.
fn message(assignment: &Assignment) -> Message {
    let Assignment { task_id, engineer, manager, .. } = assignment;
    let mut message = Message::new(manager, "assignment", task_id, format!("Assigned to {engineer}"));
    if let Some(plan) = &assignment.plan_id {
        message = message.meta("plan_id", plan.as_str());
    }
    message = message.meta("assignee", engineer.as_str());
    message.branch = assignment.branch.clone();
    message.note = assignment.note.clone();
    message.to = Some(engineer.clone());
    message
}

/// Creates the folder for the work's receipts with an empty file (the playbook: `--scaffold`).
pub(super) fn scaffold(hub: &Hub, transaction: &mut Transaction, assignment: &Assignment) -> Result<()> {
    let what = assignment.plan_id.as_ref().unwrap_or(&assignment.task_id);
    let keep = format!("{}/{what}/.gitkeep", paths::agent(&assignment.engineer));
    if !hub.path(&keep)?.exists() {
        transaction.create(keep, "");
    }
    Ok(())
}
