//! Tools about plans and evidence: plan_step and receipt.

use schemars::JsonSchema;
use serde::Deserialize;

use super::tool::{Effect, Tool};
use crate::faces::mcp::command::Line;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    Queued,
    InProgress,
    Blocked,
    Done,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanStep {
    /// The plan's id.
    plan: String,
    /// The step's id, such as S1.
    step: String,
    status: Option<Status>,
    /// New note of the step.
    note: Option<String>,
    /// Your claim's epoch; an old one is refused.
    epoch: Option<u64>,
}

/// The step now.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct Step {
    plan_id: String,
    /// The plan's file, relative to the repository.
    path: String,
    step_id: String,
    status: Option<String>,
}

impl Tool for PlanStep {
    type Answer = Step;
    const NAME: &'static str = "plan_step";
    const TITLE: &'static str = "Update a plan step";
    const ABOUT: &'static str = "Set the status or the note of a step of a plan that you have claimed. \
        An unattended run may only change the note of its own step.";
    const EFFECT: Effect = Effect::Settles;

    fn line(&self) -> Line {
        let status = self.status.map(|status| match status {
            Status::Queued => "queued",
            Status::InProgress => "in_progress",
            Status::Blocked => "blocked",
            Status::Done => "done",
        });
        Line::new("plan step set")
            .maybe("status", status)
            .maybe("note", self.note.as_ref())
            .maybe("epoch", self.epoch)
            .word(&self.plan)
            .word(&self.step)
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The files, relative to the repository: under _report/, such as _report/agent/<seat>/tests.txt.
    paths: Vec<String>,
}

/// The receipts that the ledger did not have yet.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct Entered {
    entered: Vec<Entry>,
}

#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Entry {
    path: String,
    sha256: String,
}

impl Tool for Receipt {
    type Answer = Entered;
    const NAME: &'static str = "receipt";
    const TITLE: &'static str = "Add receipts";
    const ABOUT: &'static str = "Enter files with evidence (the output of tests, logs) into the ledger, with their \
        hashes. A receipt is written once: never change the file afterwards. Name it in an event, too.";
    const EFFECT: Effect = Effect::Settles;

    fn line(&self) -> Line {
        self.paths.iter().fold(Line::new("receipts add"), |line, path| line.word(path))
    }
}
