//! A plan: steps with receipts and a checkpoint, `_plans/<YYYY-MM-DD-slug>.plan.json`.
//!
//! Readers here are lenient, so that lists and selectors work on trees as they are; `plans::validate` checks the
//! rules.

pub mod fields;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::Stamp;
pub use crate::base::names::slug_of;
use crate::model::command::Command;
use crate::model::priority::Priority;
use crate::model::run::order::ExpectedReceipt;
use crate::model::{text, texts};

/// What follows a plan's id in its file name.
pub const SUFFIX: &str = ".plan.json";

/// The id of a plan that is named by its id or by a path: `_plans/exploratory/P.plan.json` → `P`.
pub fn id_of(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.strip_suffix(SUFFIX).unwrap_or(name)
}

/// The status of a plan or of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Queued,
    InProgress,
    Blocked,
    Done,
}

impl Status {
    pub const ALL: [Status; 4] = [Self::Queued, Self::InProgress, Self::Blocked, Self::Done];

    /// Reads a status as the playbook's validator does: `pending` is taken for `queued`, other
    /// synonyms (`completed`, `active`, `in-progress`) are not.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "pending" => Some(Self::Queued),
            _ => Self::ALL.into_iter().find(|status| status.as_str() == text),
        }
    }

    /// What a word means, with other tools' synonyms too: `completed` is done. For readers; a validator takes
    /// [`Status::parse`].
    pub fn meant(word: &str) -> Option<Self> {
        match word.trim().to_lowercase().as_str() {
            "in-progress" | "in progress" | "active" => Some(Self::InProgress),
            "completed" | "complete" | "closed" => Some(Self::Done),
            "pending" | "pending_review" => Some(Self::Queued),
            other => Self::parse(other),
        }
    }

    /// Whether a field, as found, means done.
    fn is_done(map: &Map<String, Value>) -> bool {
        map.get("status").and_then(Value::as_str).and_then(Self::meant) == Some(Self::Done)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Blocked => "blocked",
            Self::Done => "done",
        }
    }

    /// The playbook's transitions; done is final.
    pub fn may_become(self, next: Status) -> bool {
        match self {
            Self::Queued => true,
            Self::InProgress => next != Self::Queued,
            Self::Blocked => next != Self::Queued,
            Self::Done => next == Self::Done,
        }
    }

    /// A field as found: absent is queued, an illegal value is `None`.
    fn of(map: &Map<String, Value>) -> Option<Status> {
        match map.get("status") {
            None | Some(Value::Null) => Some(Self::Queued),
            Some(value) => Self::parse(value.as_str()?),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A plan file as found.
#[derive(Clone, Debug)]
pub struct Plan {
    pub raw: Map<String, Value>,
}

impl Plan {
    pub fn id(&self) -> Option<&str> {
        text(&self.raw, "plan_id")
    }

    /// The short name of its work as a task, where it says one, which can only be its own slug.
    pub fn short_task(&self) -> Option<&str> {
        text(&self.raw, "task_id").filter(|short| self.id().and_then(slug_of) == Some(short))
    }

    /// What one of its steps is called as a task: the plan's short name where there is one and this is its only step,
    /// else `<plan>-<step>`. `id` is the plan's.
    pub fn task_of(&self, id: &str, step: &str) -> String {
        match self.short_task() {
            Some(short) if self.steps().len() == 1 => short.to_owned(),
            _ => format!("{id}-{step}"),
        }
    }

    pub fn summary(&self) -> Option<&str> {
        text(&self.raw, "summary")
    }

    pub fn actor(&self) -> Option<&str> {
        text(&self.raw, "actor")
    }

    pub fn created(&self) -> Option<Stamp> {
        text(&self.raw, "created").and_then(Stamp::parse)
    }

    /// `None` when the field's value is not a status.
    pub fn status(&self) -> Option<Status> {
        Status::of(&self.raw)
    }

    /// Done, in whatever word.
    pub fn is_done(&self) -> bool {
        Status::is_done(&self.raw)
    }

    /// Queued or in progress: there may be something to do.
    pub fn is_open(&self) -> bool {
        matches!(self.status(), Some(Status::Queued | Status::InProgress))
    }

    /// Whether all its steps are done, and a person has to say whether it reached its goal.
    pub fn awaits_checkpoint(&self) -> bool {
        let steps = self.steps();
        let is_open = !matches!(self.checkpoint().status(), Some("satisfied" | "superseded"));
        is_open && !steps.is_empty() && steps.iter().all(|step| step.status() == Some(Status::Done))
    }

    pub fn priority(&self) -> Priority {
        Priority::of(self.raw.get("priority"))
    }

    pub fn impact_score(&self) -> Option<i64> {
        self.raw.get("impact_score").and_then(Value::as_i64)
    }

    pub fn layer(&self) -> Option<&str> {
        text(&self.raw, "layer")
    }

    /// Absent means the layer itself (the playbook's validator).
    pub fn layer_targets(&self) -> Vec<&str> {
        match self.raw.contains_key("layer_targets") {
            true => texts(&self.raw, "layer_targets"),
            false => self.layer().into_iter().collect(),
        }
    }

    pub fn systemic_scale(&self) -> Option<u64> {
        self.raw.get("systemic_scale").and_then(Value::as_u64)
    }

    pub fn systemic_targets(&self) -> Vec<&str> {
        texts(&self.raw, "systemic_targets")
    }

    pub fn checkpoint(&self) -> Checkpoint<'_> {
        Checkpoint { raw: self.raw.get("checkpoint").and_then(Value::as_object) }
    }

    /// The plan's own receipts, not those of its steps.
    pub fn receipts(&self) -> Vec<&str> {
        texts(&self.raw, "receipts")
    }

    /// `(type, ref)` of every whole link.
    pub fn links(&self) -> Vec<(&str, &str)> {
        let links = self.raw.get("links").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        links
            .iter()
            .filter_map(|link| Some((text(link.as_object()?, "type")?, text(link.as_object()?, "ref")?)))
            .collect()
    }

    /// The steps, in order; entries that are not objects are passed over.
    pub fn steps(&self) -> Vec<Step<'_>> {
        let steps = self.raw.get("steps").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        steps.iter().enumerate().filter_map(|(index, raw)| Some(Step { index, raw: raw.as_object()? })).collect()
    }

    pub fn step(&self, id: &str) -> Option<Step<'_>> {
        self.steps().into_iter().find(|step| step.id() == Some(id))
    }

    /// The first step that is not done: steps run in order, one at a time.
    pub fn current_step(&self) -> Option<Step<'_>> {
        self.steps().into_iter().find(|step| step.status() != Some(Status::Done))
    }
}

/// What a plan comes from: a file of the vault or the queue, an item of the backlog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Link {
    /// `vault`, `queue` or `backlog`; people write others.
    #[serde(rename = "type")]
    pub kind: String,
    /// A path relative to the hub, or an id.
    #[serde(rename = "ref")]
    pub to: String,
}

/// How one knows that the plan reached its goal.
#[derive(Clone, Copy, Debug)]
pub struct Checkpoint<'a> {
    raw: Option<&'a Map<String, Value>>,
}

impl<'a> Checkpoint<'a> {
    pub fn description(&self) -> Option<&'a str> {
        text(self.raw?, "description")
    }

    pub fn owner(&self) -> Option<&'a str> {
        text(self.raw?, "owner")
    }

    /// `pending`, `satisfied` or `superseded`, if the plan is valid.
    pub fn status(&self) -> Option<&'a str> {
        text(self.raw?, "status")
    }
}

/// A step of a plan. Besides the playbook's fields it may say what a worker needs:
/// `commands`, `expected_receipts`, `tests`, `rollback`, `agent`, `objective`, and guards of its own:
/// `diff_limit`, `allowed`, `denied`, `protected`.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Its place in `steps`.
    pub index: usize,
    pub raw: &'a Map<String, Value>,
}

impl<'a> Step<'a> {
    pub fn id(&self) -> Option<&'a str> {
        text(self.raw, "id")
    }

    pub fn title(&self) -> Option<&'a str> {
        text(self.raw, "title")
    }

    /// `None` when the field's value is not a status.
    pub fn status(&self) -> Option<Status> {
        Status::of(self.raw)
    }

    /// Done, in whatever word.
    pub fn is_done(&self) -> bool {
        Status::is_done(self.raw)
    }

    pub fn notes(&self) -> Option<&'a str> {
        text(self.raw, "notes")
    }

    pub fn receipts(&self) -> Vec<&'a str> {
        texts(self.raw, "receipts")
    }

    /// The goal in a worker's words; else the title.
    pub fn objective(&self) -> Option<&'a str> {
        text(self.raw, "objective").or_else(|| self.title())
    }

    /// The agent that is to do the step, by the name that the settings give it.
    pub fn agent(&self) -> Option<&'a str> {
        text(self.raw, "agent")
    }

    /// What is to be run; the error says which command is wrong and how.
    pub fn commands(&self) -> Result<Vec<Command>, String> {
        commands(self.raw.get("commands"))
    }

    /// How to go back; run on a person's word only.
    pub fn rollback(&self) -> Result<Vec<Command>, String> {
        commands(self.raw.get("rollback"))
    }

    /// Paths, or objects `{path, description?}`.
    pub fn expected_receipts(&self) -> Result<Vec<ExpectedReceipt>, String> {
        list(self.raw.get("expected_receipts"))?
            .iter()
            .map(|item| match item {
                Value::String(path) => Ok(ExpectedReceipt { description: None, path: path.clone() }),
                other => serde_json::from_value(other.clone()).map_err(|e| e.to_string()),
            })
            .collect()
    }

    /// The commit that the last run left on its branch.
    pub fn last_commit(&self) -> Option<&'a str> {
        let commit = self.raw.get("last_run")?.get("commit")?.as_str()?;
        (commit.len() >= 40 && commit.bytes().all(|b| b.is_ascii_hexdigit())).then_some(commit)
    }

    /// Command lines that must pass before the step counts as done.
    pub fn tests(&self) -> Vec<&'a str> {
        texts(self.raw, "tests")
    }

    /// Lines added plus lines removed.
    pub fn diff_limit(&self) -> Option<u64> {
        self.raw.get("diff_limit").and_then(Value::as_u64)
    }

    /// Globs that the step may change; empty means everywhere that is not denied.
    pub fn allowed(&self) -> Vec<&'a str> {
        texts(self.raw, "allowed")
    }

    pub fn denied(&self) -> Vec<&'a str> {
        texts(self.raw, "denied")
    }

    /// Globs whose change needs a person.
    pub fn protected(&self) -> Vec<&'a str> {
        texts(self.raw, "protected")
    }
}

fn list(field: Option<&Value>) -> Result<&[Value], String> {
    match field {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(other) => Err(format!("a list is expected, not {}", crate::base::json::kind(other))),
    }
}

fn commands(field: Option<&Value>) -> Result<Vec<Command>, String> {
    let numbered = list(field)?.iter().enumerate();
    numbered.map(|(i, value)| Command::parse(value).map_err(|why| format!("command {}: {why}", i + 1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan(value: Value) -> Plan {
        Plan { raw: value.as_object().unwrap().clone() }
    }

    #[test]
    fn steps_run_in_order_and_odd_entries_keep_their_place() {
        let plan = plan(
            json!({"steps": [{"id": "S1", "status": "done"}, "odd", {"id": "S2", "status": "pending"}, {"id": "S3"}]}),
        );
        let step = plan.current_step().unwrap();
        assert_eq!((step.id(), step.index, step.status()), (Some("S2"), 2, Some(Status::Queued)));
        assert_eq!(plan.step("S3").unwrap().index, 3);
    }

    #[test]
    fn done_is_final() {
        let allowed: Vec<_> = Status::ALL
            .iter()
            .flat_map(|a| Status::ALL.iter().filter(|b| a.may_become(**b)).map(move |b| format!("{a}>{b}")))
            .collect();
        assert_eq!(
            allowed.join(" "),
            "queued>queued queued>in_progress queued>blocked queued>done in_progress>in_progress in_progress>blocked in_progress>done blocked>in_progress blocked>blocked blocked>done done>done"
        );
    }

    #[test]
    fn a_worker_gets_its_fields_from_the_step() {
        let plan = plan(json!({"steps": [{"id": "S1", "title": "t",
            "commands": [["make", "a"], "make b", {"cmd": ["c"], "timeout": 5}],
            "expected_receipts": ["_report/a.json", {"path": "_report/b.json", "description": "b"}],
            "tests": ["cargo test"], "diff_limit": 20, "agent": "claude"}, {"id": "S2", "commands": [3]}, {"id": "S3", "commands": "x"}]}));
        let steps = plan.steps();
        assert_eq!(steps[0].commands().unwrap().len(), 3);
        assert_eq!(steps[0].expected_receipts().unwrap()[1].path, "_report/b.json");
        assert_eq!(
            (steps[0].tests(), steps[0].diff_limit(), steps[0].agent()),
            (vec!["cargo test"], Some(20), Some("claude"))
        );
        assert!(steps[1].commands().unwrap_err().starts_with("command 1: "));
        assert!(steps[2].commands().is_err(), "a lone string is not a list of commands");
        assert_eq!(plan.step("S2").unwrap().objective(), None);
    }

    #[test]
    fn unreadable_statuses_are_not_guessed() {
        assert_eq!(plan(json!({"status": "completed"})).status(), None);
        assert_eq!(plan(json!({"status": 1})).status(), None);
        assert_eq!(plan(json!({})).status(), Some(Status::Queued));
        assert!(!plan(json!({"status": "blocked"})).is_open());
    }
}
