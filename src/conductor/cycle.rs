//! One cycle of the conductor: choose a backlog item, print its prompt, write a receipt.
//!
//! The claim, the backlog's status and the receipt are one transaction, so that a taken item always has its receipt.
//! An item that is not handed out (a dry run, another plan) is never taken, so a crash leaves nothing to undo.

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

/// The operator's options.
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
    /// No item can be taken, with the reasons.
    Nothing(Vec<Skipped>),
    /// Items wait, but the backlog's prerequisites are not met; reported to the bus.
    Unmet(String),
    /// An item was selected.
    Asked(Box<Asked>),
}

/// A selected item and its prompt.
#[derive(Debug)]
pub struct Asked {
    pub outcome: Outcome,
    pub task_id: String,
    pub prompt: String,
    /// Relative to the hub.
    pub receipt: String,
    /// The receipt's content.
    pub payload: Map<String, Value>,
    /// Notes for people.
    pub remarks: Vec<String>,
}

/// Runs one cycle. `excluded` are items that must not be chosen, with the reason.
///
/// # Errors
/// An unreadable backlog; a stale session (except in a dry run); refusals of the claim.
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
            .next(format!("fix it by hand; see its last changes: git log -p -3 -- {}", paths::BACKLOG))
            .into()),
        None => Ok(found),
    }
}

/// Chooses again under the lock, and takes the item.
fn ask(hub: &Hub, request: &Request, excluded: &BTreeMap<String, String>, expected: Outcome) -> Result<Cycle> {
    // A refusal for a stale session writes a log line, which needs the lock, so it comes first.
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

/// Between the two choices, an item that needs a session check came to the front.
fn changed() -> Refusal {
    Refusal::held("conductor.changed", "the backlog changed while it was read").next("try again")
}

/// The backlog counts as the assignment, which the claim's event records.
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

/// Called before every cycle of a loop: requires consent for another one, and no halt (the conductor's guardrails:
/// "may only loop when auto_enabled and continuous are true"). `done` counts the cycles so far.
///
/// # Errors
/// Exit 6 when consent does not allow it; a halt is also reported to the bus.
pub fn may_go_on(hub: &Hub, agent: &str, done: u64) -> Result<()> {
    let found = prerequisites::check(hub, None)?;
    let standing = consent::standing(hub)?;
    let cycle = consent::Cycle { done, idle: false, attention: found.attention(), ci_failed: found.ci_failed() };
    let permitted = standing.require(Actor::ConductorLoop, Action::Cycle(cycle));
    let calm = consent::Cycle { attention: false, ci_failed: false, ..cycle };
    // Only a halt of an existing consent is reported; a missing consent is not.
    let halted = permitted.is_err() && standing.require(Actor::ConductorLoop, Action::Cycle(calm)).is_ok();
    let why = permitted.as_ref().err().filter(|_| halted).map(ToString::to_string);
    if permitted.is_ok() || halted {
        alert::notify(hub, agent, Topic::Halt, why.as_deref(), &found)?;
    }
    permitted
}

/// The folders whose changes may allow another cycle.
pub fn watched(hub: &Hub) -> Vec<PathBuf> {
    let files =
        [paths::CONSENT, AUTHENTICITY, CI_SUMMARY].map(|file| file.rsplit_once('/').map_or("", |(folder, _)| folder));
    let folders = [paths::PLANS, paths::CLAIMS, paths::ASSIGNMENTS, paths::MESSAGES].into_iter().chain(files);
    folders.map(|folder| hub.root.join(folder)).collect()
}
