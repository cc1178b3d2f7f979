//! Plans with their progress.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::cached::Documents;
use crate::base::{Stamp, files, json, text};
use crate::hub::Hub;
use crate::model::plan::{self, SUFFIX, Status, id_of};
use crate::plans::store::FOLDERS;

/// A plan.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    pub id: String,
    /// Relative to the hub.
    pub path: String,
    /// `queued`, `in_progress`, `blocked`, `done`, or what else the file says.
    pub status: String,
    /// Queued, in progress or blocked, or of an unknown status: not done.
    pub is_open: bool,
    pub summary: String,
    pub actor: Option<String>,
    pub created: Option<Stamp>,
    /// When its file was last written.
    pub updated: Option<Stamp>,
    /// The higher the more urgent is the lower number; `None` without one.
    pub priority: Option<i64>,
    pub layer: Option<String>,
    pub steps_done: usize,
    pub steps_total: usize,
    pub steps: Vec<Step>,
    /// `pending`, `satisfied`, `superseded`, or what else the file says.
    pub checkpoint: Option<String>,
    /// The receipts of the plan itself; those of its steps are counted there.
    pub receipts: Vec<String>,
    /// `(type, ref)`.
    pub links: Vec<(String, String)>,
    /// As in the file, where a queue entry may differ from it.
    #[serde(skip)]
    pub(super) raw: Option<Arc<plan::Plan>>,
}

/// A step of a plan.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub id: String,
    pub title: String,
    /// As in [`Plan::status`].
    pub status: String,
    pub is_done: bool,
    pub receipts: Vec<String>,
}

impl Plan {
    /// The steps that are not done.
    pub fn pending(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| !step.is_done)
    }

    fn of(path: &str, plan: plan::Plan, updated: Option<Stamp>) -> Plan {
        let raw = |map: &serde_json::Map<String, serde_json::Value>| match map.get("status") {
            None | Some(serde_json::Value::Null) => Status::Queued.as_str().to_owned(),
            Some(value) => text::safe(value.as_str().unwrap_or("unknown")),
        };
        let steps = plan.steps().into_iter().map(|step| {
            let status = raw(step.raw);
            Step {
                id: text::safe(step.id().unwrap_or_default()),
                title: text::safe(step.title().unwrap_or_default()),
                is_done: step.is_done(),
                status,
                receipts: step.receipts().into_iter().map(text::safe).collect(),
            }
        });
        let steps: Vec<_> = steps.collect();
        let status = raw(&plan.raw);
        Plan {
            id: text::safe(id_of(path)),
            path: path.to_owned(),
            is_open: !plan.is_done(),
            status,
            summary: text::safe(plan.summary().unwrap_or_default()),
            actor: plan.actor().map(text::safe),
            created: plan.created(),
            updated,
            priority: plan.raw.get("priority").and_then(serde_json::Value::as_i64),
            layer: plan.layer().map(text::safe),
            steps_done: steps.iter().filter(|step| step.is_done).count(),
            steps_total: steps.len(),
            steps,
            checkpoint: plan.checkpoint().status().map(text::safe),
            receipts: plan.receipts().into_iter().map(text::safe).collect(),
            links: plan.links().into_iter().map(|(kind, to)| (text::safe(kind), text::safe(to))).collect(),
            raw: plan.links().iter().any(|(kind, _)| *kind == "queue").then(|| Arc::new(plan.clone())),
        }
    }
}

/// Plans as read last.
#[derive(Default)]
pub(super) struct Plans {
    files: Documents<Plan>,
    shown: Arc<Vec<Plan>>,
}

impl Plans {
    /// All plans by id, and whether one changed.
    pub fn read(&mut self, hub: &Hub) -> (Arc<Vec<Plan>>, bool) {
        let folders = FOLDERS.map(|folder| hub.root.join(folder));
        let is_changed = self.files.refresh(&folders, |name| name.ends_with(SUFFIX), |path| read(hub, path));
        if is_changed {
            let mut plans: Vec<_> = self.files.values().cloned().collect();
            plans.sort_by(|a, b| a.id.cmp(&b.id));
            self.shown = Arc::new(plans);
        }
        (Arc::clone(&self.shown), is_changed)
    }
}

/// `None` for a file that is no plan; `plan validate` names it.
fn read(hub: &Hub, path: &Path) -> Option<Plan> {
    let bytes = files::read(path, files::MAX_DOCUMENT).ok()??;
    let raw = json::parse_object(&bytes, path).ok()?;
    let written = std::fs::metadata(path).and_then(|found| found.modified()).ok();
    let updated = written.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let relative = path.strip_prefix(&hub.root).ok()?.to_str()?;
    Some(Plan::of(relative, plan::Plan { raw }, updated.map(|at| Stamp::from_unix(at.as_secs().cast_signed()))))
}
