//! A work order: the input of a worker. Version 2, flat; the playbook's version 1 is read too.
//!
//! The coordinator's design log: "JSON describing plan_id, step_id, objective, commands,
//! expected_receipts, rollback".

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::outcome::Finding;
use crate::base::{Refusal, Result, Stamp, json, names, time::Span, time::span};
use crate::model::agent::{AgentSession, Usage};
use crate::model::command::Command;
use crate::model::is_default;
use crate::model::{text, texts};

/// The version that is written.
pub const VERSION: u64 = 2;

/// The stages of agents' work, in order; a role has the name of its stage.
pub const STAGES: [&str; 4] = ["planner", "coder", "tester", "reviewer"];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Order {
    pub version: u64,
    /// The order's own id.
    pub order: String,
    pub generated_at: Stamp,
    pub manager_agent: String,
    /// The seat that does the work.
    pub agent_id: String,
    /// The coordinator's job; absent when a person wrote the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    pub task_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_id: Option<String>,
    #[serde(flatten)]
    pub goal: Goal,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    #[serde(default)]
    pub commands: Vec<Command>,
    #[serde(default)]
    pub expected_receipts: Vec<ExpectedReceipt>,
    pub rollback: Rollback,
    pub branch: String,
    pub base_commit: String,
    pub target_branch: String,
    /// The epoch of the work's claim.
    pub epoch: u64,
    pub guardrails: Guardrails,
    #[serde(default)]
    pub stages: Vec<String>,
    /// The binding of each role; a role has the name of its stage.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<String, Binding>,
    /// The seat that reviews; never the one that does the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewer: Option<String>,
    /// Maximum number of coder passes, including the first.
    #[serde(default = "passes")]
    pub passes: u32,
    /// What the job may spend.
    #[serde(default)]
    pub budget: Spend,
    /// If the job was sent back: the findings, and the work to continue from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rework: Option<Rework>,
    /// What people said about earlier results of this task that were rejected, sent back or reverted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub said_before: Vec<Finding>,
}

/// What the work is for: in its order, and in the bundle that its result is reviewed by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Goal {
    pub title: String,
    pub objective: String,
    /// When the objective counts as reached: the plan's checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<String>,
    /// The layer and the systemic targets that the work serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    #[serde(default)]
    pub systemic_targets: Vec<String>,
    /// The complete request behind the work. Treated as data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// The request's complexity and its parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complexity: Option<Complexity>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ExpectedReceipt {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Relative to the repository; `<timestamp>` and globs stand for what the run fills in.
    pub path: String,
}

/// A request as it was when the order was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Request {
    /// Its location: a path relative to the hub.
    pub from: String,
    /// From the front matter to the last line.
    pub text: String,
}

/// The rollback. Only a person runs the commands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Rollback {
    pub base_commit: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Command>,
}

/// The limits for the result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Guardrails {
    /// Lines added plus lines removed.
    pub diff_limit: u64,
    /// Run by the foreman in the worktree, exactly as given.
    #[serde(default)]
    pub tests: Vec<String>,
    /// Globs; empty means everywhere that is not denied.
    #[serde(default)]
    pub allowed: Vec<String>,
    #[serde(default)]
    pub denied: Vec<String>,
    /// Globs whose change needs a person.
    #[serde(default)]
    pub protected: Vec<String>,
    /// Globs of generated files, which do not count for the diff limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generated: Vec<String>,
    /// Files that were copied into the worktree and must not leave it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copied: Vec<String>,
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub no_output: Duration,
    /// Limit on an agent's time without progress.
    #[serde(with = "span", default = "no_event")]
    #[schemars(with = "Span")]
    pub no_event: Duration,
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub wall: Duration,
}

/// The binding of a role: an agent, or a command line whose exit code decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// A custom prompt template, relative to the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
}

/// A limit on what is used; 0 means no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Spend {
    pub tokens: u64,
    /// US dollars.
    pub cost: f64,
}

impl Spend {
    /// Whether usage is over the limit.
    pub fn is_over(self, usage: Usage) -> bool {
        (self.tokens > 0 && usage.tokens() > self.tokens)
            || (self.cost > 0.0 && usage.cost_usd.is_some_and(|cost| cost > self.cost))
    }
}

/// The estimated complexity of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Complexity {
    /// 0 to 10.
    pub score: u8,
    /// Its parts: the rated fields and their points.
    pub parts: Vec<(String, u8)>,
    /// The routing rule used, as text.
    pub route: String,
}

/// A job that was sent back after its work was finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Rework {
    /// 1 for the first time.
    pub nth: u32,
    /// The coder's passes before it, which count.
    pub passes_used: u32,
    /// The commit whose changes are ported to the order's base.
    pub carry: String,
    /// The run whose result this commit is. Older states do not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The findings for which it was sent back.
    pub findings: Vec<Finding>,
    /// The coder's session to resume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<AgentSession>,
    /// What the job had used before it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub spent: Usage,
}

fn passes() -> u32 {
    3
}

fn no_event() -> Duration {
    Duration::from_secs(20 * 60)
}

impl Order {
    /// What the order lacks of goal, acceptance, verification, risk, recovery and targets (the
    /// playbook's systemic check). An order that lacks anything waits for a person.
    pub fn missing(&self) -> Vec<&'static str> {
        let blank = |text: Option<&str>| text.is_none_or(|text| text.trim().is_empty());
        let checks = [
            ("goal", blank(Some(&self.goal.objective))),
            ("acceptance", blank(self.goal.acceptance.as_deref())),
            ("verification", self.guardrails.tests.is_empty() && self.expected_receipts.is_empty()),
            ("risk", self.guardrails.diff_limit == 0),
            ("recovery", blank(Some(&self.rollback.base_commit)) && self.rollback.commands.is_empty()),
            ("targets", blank(self.goal.layer.as_deref()) || self.goal.systemic_targets.is_empty()),
        ];
        checks.into_iter().filter(|(_, missing)| *missing).map(|(name, _)| name).collect()
    }
}

/// An order of either version, as found.
#[derive(Clone, Debug)]
pub enum OrderFile {
    V2(Box<Order>),
    V1(Box<OrderV1>),
}

/// The playbook's manifest (version 1): a plan step with commands, and nothing about a branch.
#[derive(Clone, Debug)]
pub struct OrderV1 {
    pub manager_agent: String,
    pub plan_id: String,
    pub plan_summary: String,
    pub step_id: String,
    pub step_title: String,
    pub step_notes: Option<String>,
    pub layer_targets: Vec<String>,
    pub systemic_targets: Vec<String>,
    pub commands: Vec<Command>,
    pub expected_receipts: Vec<ExpectedReceipt>,
    /// `require_session_boot`, `run_scan_before`, `run_scan_after`, `ensure_plan_update`.
    pub guardrails: BTreeMap<String, bool>,
}

/// An order, for its JSON Schema: of teof, or of the playbook.
#[derive(Debug, schemars::JsonSchema)]
#[schemars(untagged)]
pub enum OrderFields {
    V2(Box<Order>),
    V1(Box<OrderV1Fields>),
}

/// The playbook's manifest.
#[derive(Debug, schemars::JsonSchema)]
pub struct OrderV1Fields {
    #[schemars(extend("const" = 1))]
    pub version: u64,
    pub manager_agent: Option<String>,
    pub plan: PlanPart,
    pub step: StepPart,
    pub commands: Vec<Command>,
    #[schemars(default)]
    pub expected_receipts: Vec<ExpectedReceipt>,
    /// `require_session_boot`, `run_scan_before`, `run_scan_after`, `ensure_plan_update`.
    #[schemars(default)]
    pub guardrails: BTreeMap<String, Value>,
}

/// The plan of the playbook's manifest.
#[derive(Debug, schemars::JsonSchema)]
pub struct PlanPart {
    pub id: String,
    pub summary: Option<String>,
    #[schemars(default)]
    pub layer_targets: Vec<String>,
    #[schemars(default)]
    pub systemic_targets: Vec<String>,
}

/// The step of the playbook's manifest.
#[derive(Debug, schemars::JsonSchema)]
pub struct StepPart {
    pub id: String,
    pub title: Option<String>,
    pub notes: Option<String>,
}

impl OrderFile {
    /// Reads an order; `path` is named in the refusal.
    ///
    /// The receipt hash is not checked here: that is a question to the bytes (`receipts::`).
    pub fn parse(bytes: &[u8], path: &Path) -> Result<OrderFile> {
        let raw = json::parse_object(bytes, path)?;
        let refuse = |why: String| {
            Refusal::guard("order.invalid", format!("{} is not a work order", path.display()))
                .because(why)
                .next("teof schema order")
        };
        match raw.get("version").and_then(Value::as_u64) {
            Some(1) => v1(&raw).map(|order| OrderFile::V1(Box::new(order))).map_err(|why| refuse(why).into()),
            Some(VERSION) => {
                let order: Order = serde_json::from_value(Value::Object(raw)).map_err(|e| refuse(e.to_string()))?;
                for (what, id) in
                    [("task", Some(&order.task_id)), ("agent", Some(&order.agent_id)), ("plan", order.plan_id.as_ref())]
                {
                    if let Some(id) = id {
                        names::check_id(what, id)?;
                    }
                }
                Ok(OrderFile::V2(Box::new(order)))
            }
            Some(newer) if newer > VERSION => {
                Err(refuse(format!("it has version {newer}; this teof supports 1 and {VERSION}")).into())
            }
            _ => Err(refuse("its version is not 1 or 2".into()).into()),
        }
    }
}

fn v1(raw: &Map<String, Value>) -> Result<OrderV1, String> {
    let part = |key: &str| raw.get(key).and_then(Value::as_object).ok_or(format!("{key} is missing or not an object"));
    let (plan, step) = (part("plan")?, part("step")?);
    let need = |map: &Map<String, Value>, key: &str, whose: &str| {
        text(map, key).map(str::to_owned).ok_or(format!("{whose}.{key} is missing"))
    };
    let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect();
    let commands = match raw.get("commands") {
        Some(Value::Array(items)) => items.iter().map(Command::parse).collect::<Result<_, _>>()?,
        _ => return Err("commands is missing or not an array".into()),
    };
    let expected_receipts = match raw.get("expected_receipts") {
        None => Vec::new(),
        Some(list) => serde_json::from_value(list.clone()).map_err(|e| format!("expected_receipts: {e}"))?,
    };
    let guardrails = part("guardrails").map_or_else(
        |_| BTreeMap::new(),
        |map| map.iter().filter_map(|(key, value)| Some((key.clone(), value.as_bool()?))).collect(),
    );
    Ok(OrderV1 {
        manager_agent: text(raw, "manager_agent").unwrap_or("manager").to_owned(),
        plan_id: need(plan, "id", "plan")?,
        plan_summary: text(plan, "summary").unwrap_or_default().to_owned(),
        step_id: need(step, "id", "step")?,
        step_title: text(step, "title").unwrap_or_default().to_owned(),
        step_notes: text(step, "notes").map(str::to_owned),
        layer_targets: owned(texts(plan, "layer_targets")),
        systemic_targets: owned(texts(plan, "systemic_targets")),
        commands,
        expected_receipts,
        guardrails,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_playbooks_order_is_read() {
        let bytes = br#"{"version":1,"manager_agent":"codex-4","plan":{"id":"2025-10-19-a","summary":"s","systemic_targets":["S1"]},
            "step":{"id":"step-2","title":"t"},"commands":[{"label":"l","description":"d","cmd":["true"]}],
            "expected_receipts":[{"description":"r","path":"_report/x/<timestamp>.json"}],"guardrails":{"run_scan_before":true}}"#;
        let OrderFile::V1(order) = OrderFile::parse(bytes, Path::new("m.json")).unwrap() else { panic!() };
        assert_eq!((order.plan_id.as_str(), order.step_id.as_str()), ("2025-10-19-a", "step-2"));
        assert_eq!(order.commands[0].title(), "l");
        assert!(order.guardrails["run_scan_before"]);
    }

    #[test]
    fn an_order_of_the_future_is_not_guessed_at() {
        let error = OrderFile::parse(br#"{"version":3}"#, Path::new("m.json")).unwrap_err();
        assert!(Refusal::of(&error).unwrap().reason.as_ref().unwrap().contains("version 3"));
    }
}
