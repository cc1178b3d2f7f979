//! Tools that change a claim: next, claim, release.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::tool::{Concern, Effect, Tool};
use crate::faces::mcp::command::Line;
use crate::faces::mcp::errors::Refused;
use crate::model::claim;

/// What a command that changes a claim answers.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct Changed {
    claim: claim::Claim,
    /// The claim's file, relative to the repository.
    path: String,
    /// The event's id; null when nothing had to be written.
    event: Option<String>,
    /// The previous claim, when the owner changed.
    from: Option<Map<String, Value>>,
    /// The request was answered before, and nothing was written this time.
    repeated: bool,
    remarks: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Next {
    /// A note on what you are going to do.
    notes: Option<String>,
    /// The claim's lease, such as 30m. It is renewed while this server runs.
    lease: Option<String>,
    /// Idempotency key: repeating it within 7 days returns the first answer.
    request_id: Option<String>,
}

impl Tool for Next {
    type Answer = Changed;
    const NAME: &'static str = "next";
    const TITLE: &'static str = "Claim the best free task";
    const ABOUT: &'static str = "Choose the best task that is free for you, and claim it in one step. \
        Use it when you are to find work yourself. Its answer names the task, the branch to work on and the epoch.";
    const EFFECT: Effect = Effect::Adds;

    fn line(&self) -> Line {
        Line::new("bus claim")
            .switch("next", true)
            .maybe("notes", self.notes.as_ref())
            .maybe("lease", self.lease.as_ref())
            .maybe("request-id", self.request_id.as_ref())
    }

    fn concern(&self) -> Concern {
        Concern::Claims(self.lease.clone())
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The task's id.
    task: String,
    /// A note on the state of the work.
    notes: Option<String>,
    /// The plan that the work belongs to, by id.
    plan: Option<String>,
    /// The branch for the work; without it agent/<seat>/<task>.
    branch: Option<String>,
    /// The claim's lease, such as 30m. It is renewed while this server runs.
    lease: Option<String>,
    /// Claim it although it is not assigned to you; recorded.
    #[serde(default)]
    allow_unassigned: bool,
    /// Take the task over from an agent whose claim has expired: why. It gets a message.
    take_over: Option<String>,
    /// Idempotency key: repeating it within 7 days returns the first answer.
    request_id: Option<String>,
}

impl Tool for Claim {
    type Answer = Changed;
    const NAME: &'static str = "claim";
    const TITLE: &'static str = "Claim a task";
    const ABOUT: &'static str = "Claim a task before you work on it: no other agent can work on it then. \
        If another one holds it, the error says who and until when, and what is free. Claiming your own task again \
        renews it.";
    const EFFECT: Effect = Effect::Adds;

    fn line(&self) -> Line {
        let line = match &self.take_over {
            Some(reason) => Line::new("bus takeover").flag("reason", reason),
            None => Line::new("bus claim").switch("allow-unassigned", self.allow_unassigned),
        };
        line.flag("task", &self.task)
            .maybe("notes", self.notes.as_ref())
            .maybe("plan", self.plan.as_ref())
            .maybe("branch", self.branch.as_ref())
            .maybe("lease", self.lease.as_ref())
            .maybe("request-id", self.request_id.as_ref())
    }

    fn concern(&self) -> Concern {
        Concern::Claims(self.lease.clone())
    }

    fn check(&self) -> Result<(), Refused> {
        if self.take_over.is_none() || !self.allow_unassigned {
            return Ok(());
        }
        let message = "take_over and allow_unassigned do not go together";
        let refused = Refused::usage("mcp.arguments", message, "leave allow_unassigned out");
        Err(refused.because("a takeover needs no assignment, so nothing would be recorded of it"))
    }
}

/// What becomes of a task that is released.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    #[default]
    Done,
    Released,
    Paused,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The task's id.
    task: String,
    /// done (the default): the work is done. released: others may take it. paused: you keep it.
    status: Option<Status>,
    /// Where the work stands, for the next agent.
    notes: Option<String>,
    /// Your claim's epoch; an old one is refused.
    epoch: Option<u64>,
    /// Idempotency key: repeating it within 7 days returns the first answer.
    request_id: Option<String>,
}

impl Tool for Release {
    type Answer = Changed;
    const NAME: &'static str = "release";
    const TITLE: &'static str = "Release a task";
    const ABOUT: &'static str = "Release your claim when the work is done, or give it up for others (status released). \
        Report and add receipts first.";
    const EFFECT: Effect = Effect::Adds;

    fn line(&self) -> Line {
        let status = match self.status.unwrap_or_default() {
            Status::Done => "done",
            Status::Released => "released",
            Status::Paused => "paused",
        };
        Line::new("bus release")
            .flag("task", &self.task)
            .flag("status", status)
            .maybe("notes", self.notes.as_ref())
            .maybe("epoch", self.epoch)
            .maybe("request-id", self.request_id.as_ref())
    }

    fn concern(&self) -> Concern {
        Concern::Leaves(self.task.clone())
    }
}
