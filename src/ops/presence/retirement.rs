//! Retires a seat and brings it back: the seat's file and the event, in one transaction.
//!
//! A retired seat raises no alert, gets no unattended work and cannot hold a task. An operator or a manager decides.

use serde_json::{Value, json};

use crate::base::{Refusal, Result, names, text};
use crate::bus::{check_text, claims, events};
use crate::guard::claim::Author;
use crate::guard::operator::OPERATOR;
use crate::guard::secrets;
use crate::hub::{self, Hub, Transaction, Writer};
use crate::model::claim::{ClaimFile, ClaimStatus};
use crate::model::event::Event;
use crate::ops::context::{self, Answer, Call};
use crate::seats::retired::{self, Retirement};
use crate::seats::{handoffs, known, managers};

use super::seats;

/// What is decided about a seat.
#[derive(Clone, Debug)]
pub struct Request {
    pub author: Author,
    pub agent: String,
    pub reason: Option<String>,
    /// Retire it, or bring it back.
    pub retire: bool,
}

impl Request {
    /// The arguments that distinguish this request from others.
    pub fn arguments(&self) -> Value {
        json!({"agent": self.author.agent, "seat": self.agent, "reason": self.reason, "retire": self.retire})
    }
}

/// Retires a seat, or brings it back. The answer is `{agent_id, status, event}`; `event` is null when it was so before.
///
/// # Errors
/// `seat.not_manager` (exit 1) when neither an operator nor a manager decides; `seat.holds` (exit 3) when the seat has
/// an active claim, `seat.handoffs` (exit 3) when it looks after uncommitted changes; `seat.unknown` (exit 4).
pub fn decide(hub: &Hub, request: &Request, repeat: Option<&hub::Request>) -> Result<Answer> {
    let Request { author, agent, reason, retire } = request;
    if let Some(reason) = reason {
        check_text("reason", reason)?;
        secrets::check_text("reason", reason)?;
    }
    names::check_id("agent", agent)?;
    may_decide(hub, &author.agent, agent, *retire)?;
    check_known(hub, agent)?;
    let command = if *retire { "seat retire" } else { "seat revive" };
    let call = Call { command, author, task: agent, bound: false, request: repeat };
    context::run(hub, &call, |writer, transaction| {
        let event = match retired::of(hub, agent)?.is_some() == *retire {
            true => None,
            false => Some(stage(writer, transaction, request)?),
        };
        let status = if *retire { "retired" } else { "active" };
        Ok((json!({"agent_id": agent, "status": status, "event": event}), Vec::new()))
    })
}

fn stage(writer: &Writer<'_>, transaction: &mut Transaction, request: &Request) -> Result<String> {
    let Request { author, agent, reason, retire } = request;
    let hub = writer.hub();
    if *retire {
        check_free(hub, agent, &author.agent)?;
        check_handoffs(hub, agent)?;
    }
    let decision = Retirement { by: Some(author.agent.clone()), since: Some(hub.now()), reason: reason.clone() };
    retired::stage(hub, transaction, agent, *retire, &decision)?;
    let (kind, verb) = if *retire { ("seat_retired", "retired") } else { ("seat_revived", "revived") };
    let reason_text = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let summary = text::clip(&format!("{} {verb} the seat {agent}{reason_text}", author.agent), 500);
    let mut event = Event::new(&author.agent, kind, summary).meta("seat", agent.as_str());
    if let Some(reason) = reason {
        event = event.meta("reason", reason.as_str());
    }
    events::stage(writer, transaction, &context::with_recognition(hub, author, event))
}

/// Passes for the operator and for managers that are not retired themselves.
fn may_decide(hub: &Hub, agent: &str, seat: &str, retire: bool) -> Result<()> {
    if agent == OPERATOR {
        return Ok(());
    }
    retired::refuse(hub, agent, "decide about seats")?;
    if managers::is(hub, agent)? {
        return Ok(());
    }
    Err(Refusal::guard("seat.not_manager", format!("{agent} is not a manager and cannot retire or revive seats"))
        .because("its manifest does not have the role manager in desired_roles, and it is not the coordinator's seat")
        .next("ask a manager: teof bus message --task manager-report --type request --summary …")
        .next(format!("as a person: teof seat {} {seat} --agent operator", if retire { "retire" } else { "revive" }))
        .into())
}

/// Refuses a seat of which nothing is known: no manifest, session, event or claim has its name.
fn check_known(hub: &Hub, agent: &str) -> Result<()> {
    if known::unknown(hub, agent)?.is_none() {
        return Ok(());
    }
    let known = seats::known(hub)?;
    if known.iter().any(|seat| seat.agent_id == agent) {
        return Ok(());
    }
    let meant = names::did_you_mean(agent, known.iter().map(|seat| seat.agent_id.as_str()));
    let message = format!("no such seat: {agent}{meant}");
    Err(Refusal::not_found("seat.unknown", message)
        .because("no manifest, session, event or claim has this name")
        .next("see all seats: teof seat list")
        .into())
}

/// Refuses while the seat has an active claim, which nobody would look after.
fn check_free(hub: &Hub, agent: &str, by: &str) -> Result<()> {
    let claims = claims::list(hub)?.whole;
    let is_active = |claim: &ClaimFile| claim.agent_id() == Some(agent) && claim.status() == Some(ClaimStatus::Active);
    let held: Vec<&str> = claims.iter().filter(|(_, claim)| is_active(claim)).map(|(task, _)| task.as_str()).collect();
    let Some(first) = held.first() else { return Ok(()) };
    Err(Refusal::held("seat.holds", format!("{agent} holds {}", text::counted(held.len(), "active claim")))
        .because(format!("nobody would look after {}", text::clip(&held.join(", "), 300)))
        .next(format!(
            "when it is silent, pause each: teof bus pause {first} --agent {by} --reason \"{agent} retires\""
        ))
        .next(format!("or ask {agent} to release them: teof bus release {first} --agent {agent}"))
        .with("agent_id", agent)
        .with("tasks", held.iter().map(|task| (*task).to_owned()).collect::<Vec<_>>())
        .into())
}

/// Refuses while the seat looks after uncommitted changes, which no list would show any more.
fn check_handoffs(hub: &Hub, agent: &str) -> Result<()> {
    let all = handoffs::all(hub)?;
    let pending = all.iter().filter(|receipt| receipt.owner() == Some(agent));
    let paths: Vec<&str> = pending.map(|receipt| receipt.path.as_str()).collect();
    if paths.is_empty() {
        return Ok(());
    }
    let count = text::counted(paths.len(), "dirty hand-off");
    Err(Refusal::held("seat.handoffs", format!("{agent} looks after {count}"))
        .because(format!("nobody would look after the uncommitted changes in {}", text::clip(&paths.join(", "), 300)))
        .next(format!("give them to another seat: teof dashboard reassign {agent} --to SEAT"))
        .next(format!("or, when they are committed or gone: teof dashboard clear {agent}"))
        .with("agent_id", agent)
        .into())
}
