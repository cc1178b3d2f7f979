//! What a verification found: the evidence of a commit, and each check with its result.

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::Stamp;
use crate::guard::operator::Recognised;
use crate::model::run::bundle::Receipt;
use crate::ops::evidence::heads::Heads;

/// What a commit is to teof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The commit of the target that brought approved work.
    Delivered,
    /// It undoes a delivered commit.
    Revert,
    /// A job's work that no person has approved yet: on its branch, or in a pull request.
    Offered,
    /// A commit of the record itself.
    Record,
    /// No job made it.
    NoJob,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Ok,
    Failed,
    /// Cannot be told from what is in this repository.
    Unchecked,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Check {
    pub name: &'static str,
    pub outcome: Outcome,
    /// For people.
    pub message: String,
}

/// The checks of one commit, as they are made.
#[derive(Debug, Default)]
pub struct Checks(pub Vec<Check>);

impl Checks {
    pub fn ok(&mut self, name: &'static str, message: impl Into<String>) {
        self.0.push(Check { name, outcome: Outcome::Ok, message: message.into() });
    }

    pub fn failed(&mut self, name: &'static str, message: impl Into<String>) {
        self.0.push(Check { name, outcome: Outcome::Failed, message: message.into() });
    }

    pub fn unchecked(&mut self, name: &'static str, message: impl Into<String>) {
        self.0.push(Check { name, outcome: Outcome::Unchecked, message: message.into() });
    }

    /// Passed when nothing is wrong.
    pub fn expect(&mut self, name: &'static str, good: impl Into<String>, wrong: Vec<String>) {
        if wrong.is_empty() {
            return self.ok(name, good);
        }
        wrong.into_iter().for_each(|why| self.failed(name, why));
    }
}

/// What `teof verify` found out about a commit.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Verified {
    pub commit: String,
    pub subject: String,
    pub role: Role,
    /// Every check passed or could not be made.
    pub ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    pub checks: Vec<Check>,
}

/// The evidence behind a commit, from the record.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Evidence {
    pub record: RecordUsed,
    pub job: String,
    pub run: String,
    pub task: String,
    pub seat: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Receipt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope: Option<Receipt>,
    pub bundle: Receipt,
    /// The commit that the work began from.
    pub base_commit: String,
    pub reviewed_commit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_before: Option<String>,
    pub agents: Vec<AgentUse>,
    pub guards: Vec<Guard>,
    pub receipts: Vec<Receipt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approver>,
    /// What the commit carries; none before teof wrote them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heads: Option<HeadsOf>,
    /// A later delivered commit whose heads cover the decision, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealed_by: Option<String>,
}

/// The record that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RecordUsed {
    /// A ref, or the hub's folder.
    pub name: String,
    /// `None`: files of the hub that are not committed yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// A call of an agent.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct AgentUse {
    pub stage: String,
    pub round: u32,
    pub agent: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Of the program, as it said; `None` when it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub prompt_sha256: String,
    pub output_sha256: String,
}

/// A check of the result: a test, a set-up command or another command.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Guard {
    /// `tests`, a stage, or `merge` for the tests of the merged tree.
    pub of: String,
    pub command: String,
    pub passed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// `None`: the record does not keep it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_sha256: Option<String>,
}

/// Who approved, and how the person was recognised.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Approver {
    pub by: String,
    pub recognised: Recognised,
    pub at: Stamp,
    pub decision: Receipt,
    /// Who granted the policy that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_granted_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<u64>,
}

/// The chain heads that a commit carries.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct HeadsOf {
    pub log: Heads,
    pub ledger: Heads,
}
