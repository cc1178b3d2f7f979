//! Tools that write to the bus: event and message.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::tool::{Concern, Effect, Tool};
use crate::base::Exit;
use crate::faces::mcp::command::Line;
use crate::faces::mcp::errors::Refused;
use crate::model::message::LIFT;

/// What was written.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct Written {
    agent_id: String,
    /// For each event its id, for each message its channel.
    written: Vec<Map<String, Value>>,
    /// The request was answered before, and nothing was written this time.
    repeated: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Severity {
    Low,
    Medium,
    High,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// status, complete, proposal, pr_opened, audit, observation, alert, or a kind of your own.
    event: String,
    /// What happened, in one sentence.
    summary: String,
    /// The task it concerns. status, complete, proposal, pr_opened and audit need your claim of it.
    task: Option<String>,
    /// The plan it concerns, by id.
    plan: Option<String>,
    /// The branch it concerns.
    branch: Option<String>,
    /// The pull request it concerns.
    pr: Option<String>,
    /// Files with evidence, relative to the repository.
    #[serde(default)]
    receipts: Vec<String>,
    severity: Option<Severity>,
    /// Your seat, when you audit the task of another one.
    reviewer: Option<String>,
    /// More data.
    #[serde(default)]
    meta: BTreeMap<String, String>,
    /// Your claim's epoch; an old one is refused.
    epoch: Option<u64>,
    /// Idempotency key: repeating it within 7 days returns the first answer.
    request_id: Option<String>,
}

impl Tool for Event {
    type Answer = Written;
    const NAME: &'static str = "event";
    const TITLE: &'static str = "Report progress";
    const ABOUT: &'static str = "Write an event to the shared log: progress (status), the end of the work (complete), \
        something that others should know (observation, alert).";
    const EFFECT: Effect = Effect::Adds;

    fn line(&self) -> Line {
        let severity = self.severity.map(|severity| match severity {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
        });
        Line::new("bus event")
            .flag("event", &self.event)
            .flag("summary", &self.summary)
            .maybe("task", self.task.as_ref())
            .maybe("plan", self.plan.as_ref())
            .maybe("branch", self.branch.as_ref())
            .maybe("pr", self.pr.as_ref())
            .each("receipt", &self.receipts)
            .maybe("severity", severity)
            .maybe("reviewer", self.reviewer.as_ref())
            .each("extra", pairs(&self.meta))
            .maybe("epoch", self.epoch)
            .maybe("request-id", self.request_id.as_ref())
    }

    fn concern(&self) -> Concern {
        self.task.clone().map_or(Concern::Nothing, Concern::Uses)
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// A task, manager-report, or agent-<seat> for one seat.
    channel: String,
    /// status, note, request, reminder, hold, … On a task that you do not hold: one that reports nothing, such as
    /// question.
    #[serde(rename = "type")]
    kind: String,
    /// The message, in one sentence.
    summary: String,
    /// More details.
    note: Option<String>,
    /// A role or seat that also gets the message.
    to: Option<String>,
    /// The plan it concerns, by id.
    plan: Option<String>,
    /// The branch it concerns.
    branch: Option<String>,
    /// Files with evidence, relative to the repository.
    #[serde(default)]
    receipts: Vec<String>,
    /// More data.
    #[serde(default)]
    meta: BTreeMap<String, String>,
    /// Your claim's epoch; an old one is refused.
    epoch: Option<u64>,
    /// Idempotency key: repeating it within 7 days returns the first answer.
    request_id: Option<String>,
}

impl Tool for Message {
    type Answer = Written;
    const NAME: &'static str = "message";
    const TITLE: &'static str = "Send a message";
    const ABOUT: &'static str = "Write a message to a channel: that of a task, manager-report for the managers, or \
        agent-<seat> for one agent. Use it to ask, to answer and to hand information on.";
    const EFFECT: Effect = Effect::Adds;

    fn line(&self) -> Line {
        Line::new("bus message")
            .flag("task", &self.channel)
            .flag("type", &self.kind)
            .flag("summary", &self.summary)
            .maybe("note", self.note.as_ref())
            .maybe("target", self.to.as_ref())
            .maybe("plan", self.plan.as_ref())
            .maybe("branch", self.branch.as_ref())
            .each("receipt", &self.receipts)
            .each("meta", pairs(&self.meta))
            .maybe("epoch", self.epoch)
            .maybe("request-id", self.request_id.as_ref())
    }

    fn concern(&self) -> Concern {
        Concern::Uses(self.channel.clone())
    }

    fn check(&self) -> Result<(), Refused> {
        if self.kind.trim() != LIFT {
            return Ok(());
        }
        let fix = "say in your answer why the hold should be lifted; a person will do it";
        Err(Refused {
            exit: Exit::Unattended as u8,
            ..Refused::usage("trust.person", "only a person may lift a hold", fix)
        })
    }
}

fn pairs(meta: &BTreeMap<String, String>) -> impl Iterator<Item = String> {
    meta.iter().map(|(key, value)| format!("{key}={value}"))
}
