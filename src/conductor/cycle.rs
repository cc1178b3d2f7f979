//! One cycle of the conductor: choose an item of the backlog, hand out its prompt, keep a receipt.
//!
//! The claim, the backlog's status and the receipt are one transaction: there is no moment at which an item
//! is taken and nothing shows why. An item that is not handed out (a dry run, a plan that was not
//! asked for) is never taken, so there is nothing to give back when the machine stops in between.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::alert::{self, Topic};
use super::candidate::{Candidate, Taker};
use super::prompt::{self, Guardrails, Step, Task};
use super::receipt::{self, Evidence, Outcome};
use super::select::{Reason, Skipped};
use super::sources::Scope;
use super::{Observation, observe};
use crate::base::{Refusal, Result, names};
use crate::guard::claim::{Author, admit};
use crate::guard::consent::{self, Action, Actor};
use crate::guard::prerequisites::{self, AUTHENTICITY, CI_SUMMARY};
use crate::hub::{Hub, Transaction, paths};
use crate::{ops, plans, receipts};

/// What the operator asks for.
#[derive(Clone, Debug)]
pub struct Request {
    pub author: Author,
    pub guardrails: Guardrails,
    /// Only an item of this plan.
    pub plan: Option<String>,
    pub dry_run: bool,
}

/// How a cycle ended.
#[derive(Debug)]
pub enum Cycle {
    /// No item can be taken; the reasons.
    Nothing(Vec<Skipped>),
    /// Items wait, and the backlog's prerequisites do not hold; the bus was told.
    Unmet(String),
    /// An item was selected.
    Asked(Box<Asked>),
}

/// An item was selected, and this was made of it.
#[derive(Debug)]
pub struct Asked {
    pub outcome: Outcome,
    pub task_id: String,
    pub prompt: String,
    /// Relative to the hub.
    pub receipt: String,
    /// What the receipt says.
    pub payload: Map<String, Value>,
    /// What people should know besides.
    pub remarks: Vec<String>,
}

/// Runs one cycle. `excluded` are items that are not to be chosen, with the reason.
///
/// # Errors
/// A backlog that cannot be read; a session that is not fresh (unless it is a dry run); whatever
/// refuses the claim.
pub fn run(hub: &Hub, request: &Request, excluded: &BTreeMap<String, String>) -> Result<Cycle> {
    let agent = request.author.agent.as_str();
    let first = observe_backlog(hub, agent, excluded)?;
    let unmet = first.prerequisites.failure();
    let waiting = first.ranking.skipped.iter().any(|skipped| skipped.reason == Reason::Prerequisites);
    if waiting || unmet.is_none() {
        alert::notify(hub, agent, Topic::Prerequisites, unmet.as_deref(), &first.prerequisites)?;
    }
    match (first.ranking.eligible.first(), unmet) {
        (None, Some(unmet)) if waiting => Ok(Cycle::Unmet(unmet)),
        (None, _) => Ok(Cycle::Nothing(first.ranking.skipped)),
        (Some(chosen), _) => ask(hub, request, excluded, request.outcome(chosen)),
    }
}

impl Request {
    fn outcome(&self, chosen: &Candidate) -> Outcome {
        match (&self.plan, self.dry_run) {
            (Some(wanted), _) if chosen.plan_id.as_ref() != Some(wanted) => Outcome::PlanMismatch,
            (_, true) => Outcome::DryRun,
            (_, false) => Outcome::Prompted,
        }
    }
}

fn observe_backlog(hub: &Hub, agent: &str, excluded: &BTreeMap<String, String>) -> Result<Observation> {
    let found = observe(hub, &Scope::backlog(), Taker::Seat(agent), excluded.clone())?;
    match found.ranking.skipped.iter().find(|s| s.reason == Reason::Damaged && s.task_id == paths::BACKLOG) {
        Some(skipped) => Err(Refusal::guard("backlog.damaged", skipped.text.clone())
            .next(format!("fix it by hand; see what changed in it: git log -p -3 -- {}", paths::BACKLOG))
            .into()),
        None => Ok(found),
    }
}

/// Chooses again, now that nobody else can write, and does it.
fn ask(hub: &Hub, request: &Request, excluded: &BTreeMap<String, String>, expected: Outcome) -> Result<Cycle> {
    // A refusal for a stale session writes a line: it must come before the lock.
    let stale = match expected {
        Outcome::Prompted => admit(hub, &request.author, None, "conductor")?,
        Outcome::DryRun | Outcome::PlanMismatch => None,
    };
    let mut writer = hub.lock("conductor")?;
    let Observation { ranking, prerequisites, backlog } = observe_backlog(hub, &request.author.agent, excluded)?;
    let choice = ranking.into_choice();
    let Some(chosen) = choice.chosen else { return Ok(Cycle::Nothing(choice.skipped)) };
    let backlog = backlog.unwrap_or_default();
    let task = describe(hub, &chosen, backlog.item(&chosen.task_id).and_then(|item| item.notes()));
    let prompt = prompt::render(&task, &request.guardrails);
    let outcome = request.outcome(&chosen);
    if outcome == Outcome::Prompted && expected != Outcome::Prompted {
        return Err(changed().into());
    }
    let mut transaction = Transaction::new(format!("conductor: {}", chosen.task_id));
    let mut remarks = Vec::new();
    let mut epoch = None;
    if outcome == Outcome::Prompted {
        let claim = claim_of(request, &chosen);
        let done = ops::claims::claim::stage(&writer, &mut transaction, &claim)?;
        epoch = Some(done.claim.epoch);
        remarks.extend(done.remarks);
        if let Some(stale) = stale {
            stale.record(&mut transaction);
            remarks.push(stale.message);
        }
    }
    let payload = receipt::payload(
        hub,
        &Evidence {
            agent: &request.author.agent,
            outcome,
            wanted_plan: request.plan.as_deref(),
            task: &task,
            epoch,
            guardrails: &request.guardrails,
            prerequisites: &prerequisites,
            skipped: &choice.skipped,
            prompt: &prompt,
        },
    );
    let path = receipt::path(hub, request.guardrails.folder())?;
    receipts::write(&writer, &mut transaction, &request.author.agent, &path, payload.clone())?;
    writer.commit(transaction)?;
    Ok(Cycle::Asked(Box::new(Asked { outcome, task_id: chosen.task_id, prompt, receipt: path, payload, remarks })))
}

/// Between the two looks an item came to the front whose prompt needs a session, which was not asked for.
fn changed() -> Refusal {
    Refusal::held("conductor.changed", "the backlog changed while it was read").next("try again")
}

/// The backlog is the assignment: the claim needs no other, and says so in its event.
fn claim_of(request: &Request, chosen: &Candidate) -> ops::claims::claim::Request {
    ops::claims::claim::Request {
        plan: chosen.plan_id.clone().filter(|plan| names::is_id(plan)),
        allow_unassigned: true,
        ..ops::claims::claim::Request::new(request.author.clone(), chosen.task_id.as_str())
    }
}

fn describe(hub: &Hub, chosen: &Candidate, notes: Option<&str>) -> Task {
    let plan = chosen.plan_id.as_deref().and_then(|plan| plans::find(hub, plan).ok());
    let step = plan.as_ref().and_then(|file| file.plan.step(chosen.step_id.as_deref()?)).map(|step| Step {
        id: step.id().unwrap_or_default().to_owned(),
        title: step.title().map(str::to_owned),
        notes: step.notes().map(str::to_owned),
    });
    Task {
        id: chosen.task_id.clone(),
        title: chosen.title.clone(),
        plan_suggestion: chosen.plan_id.clone(),
        notes: notes.map(str::to_owned),
        step,
    }
}

/// Before every cycle of a loop: consent for another one, and no halt (the conductor's guardrails:
/// "may only loop when auto_enabled and continuous are true"). `done` counts the cycles so far.
///
/// # Errors
/// Exit 6 when the consent does not permit it; a halt is told to the bus besides.
pub fn may_go_on(hub: &Hub, agent: &str, done: u64) -> Result<()> {
    let found = prerequisites::check(hub, None)?;
    let standing = consent::standing(hub)?;
    let cycle = consent::Cycle { done, idle: false, attention: found.attention(), ci_failed: found.ci_failed() };
    let permitted = standing.require(Actor::ConductorLoop, Action::Cycle(cycle));
    let calm = consent::Cycle { attention: false, ci_failed: false, ..cycle };
    // Only what the halts add to a consent that is there is news; a consent that is not there is none.
    let halted = permitted.is_err() && standing.require(Actor::ConductorLoop, Action::Cycle(calm)).is_ok();
    let why = permitted.as_ref().err().filter(|_| halted).map(ToString::to_string);
    if permitted.is_ok() || halted {
        alert::notify(hub, agent, Topic::Halt, why.as_deref(), &found)?;
    }
    permitted
}

/// The folders whose change may make another cycle worth while.
pub fn watched(hub: &Hub) -> Vec<PathBuf> {
    let files =
        [paths::CONSENT, AUTHENTICITY, CI_SUMMARY].map(|file| file.rsplit_once('/').map_or("", |(folder, _)| folder));
    let folders = [paths::PLANS, paths::CLAIMS, paths::ASSIGNMENTS, paths::MESSAGES].into_iter().chain(files);
    folders.map(|folder| hub.root.join(folder)).collect()
}
