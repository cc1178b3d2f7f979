//! An assignment: a manager asks a seat to take a task.

use serde_json::{Map, Value, json};

use super::plan::id_of;
use super::text;
use crate::base::Stamp;

/// An assignment file as found.
#[derive(Clone, Debug)]
pub struct AssignmentFile {
    pub raw: Map<String, Value>,
}

impl AssignmentFile {
    pub fn task_id(&self) -> Option<&str> {
        text(&self.raw, "task_id")
    }

    /// The assigned seat. The playbook's bus guard writes the word `unassigned` for nobody.
    pub fn engineer(&self) -> Option<&str> {
        text(&self.raw, "engineer").filter(|engineer| *engineer != "unassigned")
    }

    pub fn manager(&self) -> Option<&str> {
        text(&self.raw, "manager")
    }

    /// The plan's id; the field may hold its path.
    pub fn plan_id(&self) -> Option<&str> {
        text(&self.raw, "plan_id").map(id_of).filter(|id| !id.is_empty())
    }

    pub fn branch(&self) -> Option<&str> {
        text(&self.raw, "branch")
    }

    pub fn note(&self) -> Option<&str> {
        text(&self.raw, "note")
    }

    pub fn assigned_at(&self) -> Option<Stamp> {
        text(&self.raw, "assigned_at").and_then(Stamp::parse)
    }
}

/// A new assignment.
#[derive(Clone, Debug, schemars::JsonSchema)]
pub struct Assignment {
    pub task_id: String,
    pub engineer: String,
    pub manager: String,
    pub assigned_at: Stamp,
    pub plan_id: Option<String>,
    pub branch: Option<String>,
    pub note: Option<String>,
}

impl Assignment {
    /// Every field with its value, as the playbook wrote it: absent ones are `null` in the file.
    pub fn fields(&self) -> [(&'static str, Value); 7] {
        [
            ("assigned_at", json!(self.assigned_at)),
            ("branch", json!(self.branch)),
            ("engineer", json!(self.engineer)),
            ("manager", json!(self.manager)),
            ("note", json!(self.note)),
            ("plan_id", json!(self.plan_id)),
            ("task_id", json!(self.task_id)),
        ]
    }

    /// A new assignment file: pretty, keys sorted, ASCII, final newline.
    pub fn to_new_file(&self) -> String {
        let map: Map<_, _> = self.fields().into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        crate::base::json::pretty_sorted_ascii(&map.into())
    }
}
