//! Escalates decisions that wait too long: one request to the managers each, until something happens (the playbook:
//! `bus_message --type request --meta escalation=consensus`).

use serde_json::{Value, json};

use crate::base::{Refusal, Result, names};
use crate::bus::messages;
use crate::consensus::decisions::{self, Decision, Due};
use crate::consensus::lines::{CONSENSUS, DECISION, ESCALATION};
use crate::guard::claim::Author;
use crate::guard::operator::{self, OPERATOR};
use crate::hub::{Hub, Transaction, Writer, paths};
use crate::model::message::{MANAGER_REPORT, Message};
use crate::ops::context::{self, Answer, Call};
use crate::seats::{known, retired};

/// A request to escalate.
#[derive(Clone, Debug)]
pub struct Request {
    pub author: Author,
    /// Only these; none: every decision that is due.
    pub decisions: Vec<String>,
    /// The seat that is to follow up; it gets the request in its inbox.
    pub assign: Option<String>,
}

/// What would be escalated, and what is already: `{escalated: [{decision_id, why}], standing: [{decision_id,
/// escalated_at}]}`.
///
/// # Errors
/// `consensus.unknown` (exit 4).
pub fn preview(hub: &Hub, request: &Request) -> Result<Value> {
    let (due, standing) = due(hub, request)?;
    Ok(document(&due, &standing))
}

/// Posts a request to manager-report for each due decision that has none since its last update; answers as
/// [`preview`].
///
/// # Errors
/// `consensus.unknown` and `seat.unknown` (exit 4); `seat.retired` (exit 1); a stale session.
pub fn escalate(hub: &Hub, request: &Request) -> Result<Answer> {
    if let Some(seat) = &request.assign {
        known::require(hub, seat)?;
        retired::refuse(hub, seat, "follow up a decision")?;
    }
    let call = Call { command: "consensus escalate", author: &request.author, task: "", bound: false, request: None };
    let asked = requests(hub)?;
    let mut found = due(hub, request)?;
    context::run(hub, &call, |writer, transaction| {
        // Two callers post one request; only what was posted meanwhile makes the whole log be read under the lock.
        if requests(hub)? != asked {
            found = due(hub, request)?;
        }
        let (due, standing) = &found;
        due.iter().try_for_each(|(decision, why)| stage(writer, transaction, request, decision, *why))?;
        Ok((document(due, standing), Vec::new()))
    })
}

/// How long the channel of the requests is, in bytes.
fn requests(hub: &Hub) -> Result<u64> {
    let path = hub.path(&paths::channel(MANAGER_REPORT))?;
    Ok(path.metadata().map_or(0, |found| found.len()))
}

type Escalations = (Vec<(Decision, Due)>, Vec<Decision>);

fn due(hub: &Hub, request: &Request) -> Result<Escalations> {
    let all = decisions::read(hub, &[])?;
    for wanted in &request.decisions {
        if !all.iter().any(|decision| decision.decision_id == *wanted) {
            return Err(unknown(wanted, &all).into());
        }
    }
    let is_wanted =
        |decision: &Decision| request.decisions.is_empty() || request.decisions.contains(&decision.decision_id);
    let (mut due, mut standing) = (Vec::new(), Vec::new());
    for decision in all.into_iter().filter(is_wanted) {
        match decision.due {
            Some(_) if decision.is_escalated() => standing.push(decision),
            Some(why) => due.push((decision, why)),
            None => {}
        }
    }
    Ok((due, standing))
}

pub(super) fn unknown(wanted: &str, all: &[Decision]) -> Refusal {
    let meant = names::did_you_mean(wanted, all.iter().map(|decision| decision.decision_id.as_str()));
    let shown = crate::base::text::clip(&crate::base::text::safe(wanted), 60);
    Refusal::not_found("consensus.unknown", format!("no such decision: {shown}{meant}"))
        .next("see all decisions: teof consensus dashboard")
}

fn stage(
    writer: &Writer<'_>,
    transaction: &mut Transaction,
    request: &Request,
    decision: &Decision,
    why: Due,
) -> Result<()> {
    let id = decision.decision_id.as_str();
    let author = &request.author;
    let summary = format!("Decision {id}: {}", why.describe());
    let mut message = Message::new(&author.agent, "request", MANAGER_REPORT, summary)
        .meta(ESCALATION, CONSENSUS)
        .meta(DECISION, id)
        .meta("reason", json!(why));
    if author.agent == OPERATOR {
        let person = author.person.clone().unwrap_or_else(|| operator::person(writer.hub()));
        message = message.meta("recognised", person.recognised.as_str()).meta("by", person.name);
    }
    if let Some(seat) = &request.assign {
        message = message.meta("assignee", names::check_id("agent", seat)?);
        message.to = Some(seat.clone());
        messages::stage(writer, transaction, &messages::inbox(seat), &message)?;
    }
    messages::stage(writer, transaction, MANAGER_REPORT, &message)
}

fn document(due: &[(Decision, Due)], standing: &[Decision]) -> Value {
    let escalated: Vec<_> =
        due.iter().map(|(decision, why)| json!({"decision_id": decision.decision_id, "why": why.describe()})).collect();
    let standing: Vec<_> = standing
        .iter()
        .map(|decision| json!({"decision_id": decision.decision_id, "escalated_at": decision.escalated_at}))
        .collect();
    json!({"escalated": escalated, "standing": standing})
}
