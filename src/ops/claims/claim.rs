//! Claims a task: the claim, its event, the plan's link and the backlog's status, in one transaction.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::held::{self, Work};
use super::known;
use super::{exclusive, mirror, prerequisites};
use crate::base::{Refusal, Result, Stamp, lock, names, text, time};
use crate::bus::assignments;
use crate::bus::claim_rules::{self, ClaimRequest, Facts, Notes};
use crate::bus::{activity, claims, events};
use crate::guard::claim::Author;
use crate::guard::operator::OPERATOR;
use crate::guard::secrets;
use crate::hub::{self, Hub, Transaction, Writer, paths};
use crate::model::backlog::ItemStatus;
use crate::model::claim::{Claim, ClaimStatus, MAX_LEASE, default_branch};
use crate::model::event::Event;
use crate::ops::context::{self, Answer, Call};
use crate::seats::retired;

/// What a seat asks for.
#[derive(Clone, Debug)]
pub struct Request {
    pub author: Author,
    pub task: String,
    pub branch: Option<String>,
    /// A plan's id or path; it need not exist.
    pub plan: Option<String>,
    pub status: ClaimStatus,
    pub notes: Notes,
    pub lease: Option<Duration>,
    /// Claim the task even if nobody or another seat is assigned to it; recorded in the event.
    pub allow_unassigned: bool,
    /// The author who assigns the task to this seat in the same transaction; then no assignment is required.
    pub assigned_by: Option<String>,
}

impl Request {
    pub fn new(author: Author, task: impl Into<String>) -> Request {
        Request {
            author,
            task: task.into(),
            branch: None,
            plan: None,
            status: ClaimStatus::Active,
            notes: Notes::Keep,
            lease: None,
            allow_unassigned: false,
            assigned_by: None,
        }
    }

    /// The arguments that distinguish this request from others.
    pub fn arguments(&self) -> Value {
        json!({
            "agent": self.author.agent, "task": self.task, "branch": self.branch, "plan": self.plan,
            "status": self.status.as_str(), "notes": format!("{:?}", self.notes),
            "lease": self.lease.map(|lease| lease.as_secs()), "allow_unassigned": self.allow_unassigned,
        })
    }
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Done {
    pub claim: Claim,
    /// The previous claim, when the owner changed.
    pub from: Option<Claim>,
    /// The event's id; `None` when nothing changed and nothing was written.
    pub event: Option<String>,
    /// Notes for people: stores that could not be synced, and overrides.
    pub remarks: Vec<String>,
}

impl Done {
    /// The claim file, relative to the hub.
    pub fn path(&self) -> String {
        paths::claim(&self.claim.task_id)
    }

    /// `{claim: {…}, path, event, from}`; `event` is null when nothing had to be written.
    pub fn document(&self) -> Value {
        let fields = self.claim.fields().into_iter().filter(|(_, value)| !value.is_null());
        let claim: Map<String, Value> = fields.map(|(key, value)| (key.to_owned(), value)).collect();
        json!({"claim": claim, "path": self.path(), "event": self.event, "from": self.from.as_ref().map(former)})
    }

    pub(in crate::ops) fn into_answer(self) -> (Value, Vec<String>) {
        (self.document(), self.remarks)
    }
}

/// The fields of the previous claim in answers and events.
fn former(from: &Claim) -> Value {
    json!({"agent_id": from.agent_id, "status": from.status.as_str(), "epoch": from.epoch})
}

/// Claims a task. Acknowledged means durable: when this returns, claim and event are on disk.
///
/// # Errors
/// `claim.held` (exit 3) and the other refusals of `claim_rules`; `claim.unassigned` and `claim.assigned` (exit 1); a
/// stale session; an outdated record.
pub fn claim(hub: &Hub, request: &Request, repeat: Option<&hub::Request>) -> Result<Answer> {
    let Request { author, task, .. } = request;
    let call = Call { command: "bus claim", author, task, bound: true, request: repeat };
    let unknown = if request.allow_unassigned { known::remark_unknown(hub, task)? } else { None };
    context::run(hub, &call, |writer, transaction| {
        if request.status != ClaimStatus::Active {
            not_running(hub, author, task)?;
        }
        let mut done = stage(writer, transaction, request)?;
        done.remarks.extend(unknown);
        Ok(done.into_answer())
    })
}

/// Refuses to end or pause a claim while its run is active: the coordinator finalizes the job after the run and would
/// find the task lost (in the playbook, agents release their own claims).
pub(in crate::ops) fn not_running(hub: &Hub, author: &Author, task: &str) -> Result<()> {
    let Some(found) = claims::load(hub, task)? else { return Ok(()) };
    let claim = found.claim(hub)?;
    let own = claim.agent_id == author.agent && claim.status.is_live();
    if own && lock::is_held(&hub.local(&paths::run_lock(&claim.task_id)))? {
        return Err(claim_rules::running(&claim).into());
    }
    Ok(())
}

/// Stages a claim in a transaction; does not check sessions.
pub fn stage(writer: &Writer<'_>, transaction: &mut Transaction, request: &Request) -> Result<Done> {
    let hub = writer.hub();
    let claim_request = claim_request(request)?;
    let found = claims::load(hub, &claim_request.task)?;
    let old = found.as_ref().map(|found| found.claim(hub)).transpose()?;
    if let (Some(old), Some(epoch)) = (&old, request.author.epoch) {
        claim_rules::fence(old, &claim_request.agent, epoch)?;
    }
    let (claim_request, overridden) = match &old {
        None if request.assigned_by.is_none() => first(hub, claim_request, request.allow_unassigned)?,
        _ => (claim_request, None),
    };
    let others = old.as_ref().filter(|old| old.agent_id != claim_request.agent);
    let facts = facts(hub, &request.author, others, false)?;
    let mut decision = claim_rules::claim(old.as_ref(), &claim_request, facts)?;
    let has_it = old.as_ref().is_some_and(|old| old.agent_id == claim_request.agent && old.status.is_live());
    let is_live = decision.claim.status.is_live();
    let is_new = old.as_ref().is_none_or(|old| old.epoch != decision.claim.epoch);
    if is_live {
        retired::refuse(hub, &claim_request.agent, &format!("hold {}", claim_request.task))?;
    }
    // Its own claim under another plan is other work.
    let is_other = old.as_ref().is_some_and(|old| old.plan_id != decision.claim.plan_id);
    if is_live && (!has_it || is_other) {
        let Claim { plan_id, .. } = &mut decision.claim;
        prerequisites::check(hub, &claim_request.task, plan_id.as_deref(), "claimed")?;
        if plan_id.is_some() {
            // The name may be another plan's or request's.
            exclusive::check(hub, &Work::near(hub, &claim_request.task, None)?, &claim_request.agent)?;
        }
        let work = Work::near(hub, &claim_request.task, plan_id.as_deref())?;
        exclusive::check(hub, &work, &claim_request.agent)?;
        work.check(hub, "claim")?;
        *plan_id = plan_id.take().or_else(|| work.plan().map(str::to_owned));
    } else if !is_live {
        // `--status done` is a release.
        held::check(hub, &claim_request.task, "release")?;
    } else if is_new {
        // The holder may pause it or renew the lease.
        held::check(hub, &claim_request.task, "claim")?;
    }
    claims::stage(transaction, found.as_ref(), &decision.claim)?;
    let mut done = Done { claim: decision.claim, from: decision.from, event: None, remarks: Vec::new() };
    if transaction.pending(&done.path()).is_none() {
        return Ok(done);
    }
    let before = old.as_ref().filter(|old| old.agent_id == claim_request.agent);
    let event = event(&done, "claim", summary(&done, before));
    let mut event = context::with_recognition(writer.hub(), &request.author, event);
    if let Some(why) = overridden {
        event = event.meta("allow_unassigned", why);
    }
    if let Some(manager) = &request.assigned_by {
        event = event.meta("assigned_by", manager.as_str());
    }
    done.event = Some(events::stage(writer, transaction, &event)?);
    mirror_claim(writer, transaction, &mut done)?;
    Ok(done)
}

/// The event of a claim change, with its epoch and the previous holder.
pub(in crate::ops) fn event(done: &Done, kind: &str, summary: String) -> Event {
    let Claim { agent_id, task_id, branch, plan_id, status, epoch, .. } = &done.claim;
    let mut event = Event::new(agent_id, kind, summary).on_task(task_id).meta("status", status.as_str());
    event = event.meta("epoch", *epoch);
    event.branch = Some(branch.clone());
    event.plan_id = plan_id.clone();
    if let Some(at) = done.claim.lease_expires_at {
        event = event.meta("lease_expires_at", json!(at));
    }
    match &done.from {
        Some(from) => event.meta("from", former(from)),
        None => event,
    }
}

/// Links the plan to the claim and sets the backlog's status.
pub(in crate::ops) fn mirror_claim(writer: &Writer<'_>, transaction: &mut Transaction, done: &mut Done) -> Result<()> {
    let Claim { task_id, plan_id, status, .. } = &done.claim;
    if let Some(plan) = plan_id {
        done.remarks.extend(mirror::plan_link(writer, transaction, plan, task_id)?);
    }
    let status = match status {
        ClaimStatus::Active | ClaimStatus::Paused => ItemStatus::InProgress,
        ClaimStatus::Released => ItemStatus::Pending,
        ClaimStatus::Done => ItemStatus::Done,
    };
    done.remarks.extend(mirror::backlog(writer, transaction, task_id, status)?);
    Ok(())
}

/// The request for `claim_rules`, with every name checked.
pub(in crate::ops) fn claim_request(request: &Request) -> Result<ClaimRequest> {
    let agent = names::check_id("agent", &request.author.agent)?.to_owned();
    let task = claims::check_task(&request.task)?.to_owned();
    if let Notes::Set(notes) = &request.notes {
        crate::bus::check_length("notes", notes)?;
        secrets::check_text("notes", notes)?;
    }
    if let Some(lease) = request.lease.filter(|lease| *lease > MAX_LEASE) {
        return Err(Refusal::usage("lease.too_long", format!("a lease of {} is too long", time::show_span(lease)))
            .because(format!("the longest is {}", time::show_span(MAX_LEASE)))
            .next("omit --lease: then you keep the claim while you write to the bus")
            .into());
    }
    let branch = match &request.branch {
        Some(branch) => Some(check_branch(branch)?.to_owned()),
        None => None,
    };
    let plan = request.plan.as_deref().map(plan_id).transpose()?;
    Ok(ClaimRequest {
        default_branch: branch_of(&agent, &task),
        task,
        agent,
        branch,
        plan,
        status: request.status,
        notes: request.notes.clone(),
        lease: request.lease,
    })
}

/// The facts that decide whether the author may take another seat's claim; `other` is that claim.
pub(in crate::ops) fn facts(hub: &Hub, author: &Author, other: Option<&Claim>, seen: bool) -> Result<Facts> {
    let run_alive = match other {
        Some(claim) => lock::is_held(&hub.local(&paths::run_lock(&claim.task_id)))?,
        None => false,
    };
    let owner_seen = match other.filter(|_| seen) {
        Some(claim) => activity::last_seen(hub, &claim.agent_id)?,
        None => None,
    };
    let window = match author.agent == OPERATOR {
        true => hub.settings_on_disk()?.claims.agent_window,
        false => hub.settings()?.claims.agent_window,
    };
    Ok(Facts { now: hub.now(), run_alive, owner_seen, window })
}

/// The first claim of a task needs an assignment to the seat or to nobody (the playbook: bus_claim). Plan and branch
/// come from it. Returns the request and what was overridden.
fn first(hub: &Hub, mut claim_request: ClaimRequest, allow: bool) -> Result<(ClaimRequest, Option<String>)> {
    let task = &claim_request.task;
    let Some(assignment) = assignments::load(hub, task)?.map(|found| found.file) else {
        if allow {
            return Ok((claim_request, Some("no assignment".to_owned())));
        }
        if let Some(meant) = known::meant_if_unknown(hub, task)? {
            return Err(Refusal::guard("claim.unassigned", format!("no such task: {task}{meant}"))
                .because("it is in no backlog, plan, vault or queue, and nobody assigned it")
                .next("see what there is: teof task list")
                .next(format!("or, if the name is right, assign and claim it: teof task pickup {task}"))
                .with("task_id", task.as_str())
                .into());
        }
        return Err(Refusal::guard("claim.unassigned", format!("{task} is not assigned"))
            .because("the first claim of a task needs an assignment, so that its manager knows about it")
            .next(format!("assign and claim it: teof task pickup {task}"))
            .next(format!("or claim it without an assignment (recorded): teof bus claim {task} --allow-unassigned"))
            .with("task_id", task.as_str())
            .into());
    };
    match assignment.engineer().filter(|engineer| *engineer != claim_request.agent) {
        Some(engineer) if allow => return Ok((claim_request, Some(format!("assigned to {engineer}")))),
        Some(engineer) => return Err(assigned_to(task, engineer, assignment.manager()).into()),
        None => {}
    }
    claim_request.plan = claim_request.plan.or_else(|| assignment.plan_id().map(str::to_owned));
    let own = format!("agent/{}/", claim_request.agent);
    let branch = assignment.branch().filter(|branch| branch.starts_with(&own) && check_branch(branch).is_ok());
    claim_request.branch = claim_request.branch.or_else(|| branch.map(str::to_owned));
    Ok((claim_request, None))
}

pub(in crate::ops) fn assigned_to(task: &str, engineer: &str, manager: Option<&str>) -> Refusal {
    let manager = manager.unwrap_or("the manager");
    Refusal::guard("claim.assigned", format!("{task} is assigned to {engineer}"))
        .because(format!("only {engineer} may claim it first"))
        .next(format!("ask {manager} to assign it to you, or take another task: teof task list"))
        .with("task_id", task)
        .with("engineer", engineer)
}

fn summary(done: &Done, before: Option<&Claim>) -> String {
    let Claim { agent_id, task_id, status, epoch, .. } = &done.claim;
    match (&done.from, before) {
        (Some(from), _) => format!("{agent_id} claimed {task_id} from {} ({})", from.agent_id, from.status),
        (None, None) => format!("{agent_id} claimed {task_id}"),
        (None, Some(before)) if before.epoch < *epoch => {
            format!("{agent_id} claimed {task_id} again (it was {})", before.status)
        }
        (None, Some(_)) => format!("{agent_id} changed its claim of {task_id} ({status})"),
    }
}

/// The playbook's default branch, or a slug when the task's name is not a valid branch name.
pub fn branch_of(agent: &str, task: &str) -> String {
    let branch = default_branch(agent, task);
    if check_branch(&branch).is_ok() { branch } else { format!("agent/{agent}/{}", names::slug(task)) }
}

/// Checks for a valid branch name under `agent/` (the playbook: check_agent_bus).
pub(in crate::ops) fn check_branch(branch: &str) -> Result<&str> {
    let refuse = |why: &str| {
        let shown = text::clip(&text::safe(branch), 120);
        Refusal::usage("branch.invalid", format!("invalid branch for a claim: {shown:?}"))
            .because(why)
            .next("use agent/<seat>/<topic>, or omit --branch")
    };
    if !branch.starts_with("agent/") {
        return Err(refuse("branches of claims must begin with agent/").into());
    }
    if branch.len() > 200 || !git2::Branch::name_is_valid(branch).unwrap_or(false) {
        return Err(refuse("it is not a valid git branch name").into());
    }
    Ok(branch)
}

/// The id of a plan given by id or path.
pub(in crate::ops) fn plan_id(plan: &str) -> Result<String> {
    let name = plan.trim().rsplit('/').next().unwrap_or(plan);
    let id = name.strip_suffix(crate::model::plan::SUFFIX).unwrap_or(name);
    names::check_id("plan", id).map(str::to_owned)
}

/// Renews the lease of a claim proven by its epoch: for a running worker, without an event.
pub fn renew(hub: &Hub, agent: &str, task: &str, epoch: u64, lease: Duration) -> Result<Stamp> {
    let mut writer = hub.lock(&format!("renew {task}"))?;
    let mut transaction = Transaction::new(format!("renew {task}"));
    let until = stage_renewal(&writer, &mut transaction, agent, task, epoch, lease)?;
    writer.commit(transaction)?;
    Ok(until)
}

/// Stages the renewal in a transaction; returns the end of the lease.
pub fn stage_renewal(
    writer: &Writer<'_>,
    transaction: &mut Transaction,
    agent: &str,
    task: &str,
    epoch: u64,
    lease: Duration,
) -> Result<Stamp> {
    let hub = writer.hub();
    let found = claims::load(hub, task)?.ok_or_else(|| missing(hub, task))?;
    let claim = claim_rules::renew(&found.claim(hub)?, agent, epoch, lease, hub.now())?;
    claims::stage(transaction, Some(&found), &claim)?;
    Ok(claim.lease_expires_at.unwrap_or_else(|| hub.now()))
}

/// Refuses a task that nobody holds.
pub(in crate::ops) fn missing(hub: &Hub, task: &str) -> Refusal {
    let claims = claims::list(hub).map(|listing| listing.whole).unwrap_or_default();
    let held = claims.iter().filter(|(_, claim)| claim.is_live()).map(|(task, _)| task.as_str());
    let meant = names::did_you_mean(task, held);
    Refusal::not_found("claim.not_found", format!("{task} is not claimed{meant}"))
        .next(format!("assign and claim it: teof task pickup {task}"))
        .next("see the holders of tasks: teof task list")
        .with("task_id", task)
}
