//! Finds which tasks are names of the same work: a plan, its steps, its backlog item and its request.
//!
//! Work has one holder, under any of its names. This file only decides what belongs together; `bus` knows who holds
//! what.

use std::collections::{BTreeMap, BTreeSet};

use super::requests::vault;
use super::{PlanFile, backlog, requests, store};
use crate::base::{Refusal, Result, names};
use crate::hub::Hub;
use crate::model::backlog::Backlog;
use crate::model::plan::{Plan, Status};

/// The plan that a task belongs to, and which part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub plan: String,
    pub part: Part,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The plan itself, or its item or request.
    Whole,
    Step(String),
    /// Another task whose claim names the plan.
    Mention,
}

impl Place {
    /// The place of an unknown task whose claim names a plan.
    pub fn mention(plan: &str) -> Place {
        Place { plan: plan.to_owned(), part: Part::Mention }
    }

    /// The name of the plan or of its step as a task.
    pub fn task(&self) -> String {
        match &self.part {
            Part::Step(step) => format!("{}-{step}", self.plan),
            Part::Whole | Part::Mention => self.plan.clone(),
        }
    }

    /// Whether two seats must not hold both. Two steps, and two tasks that only mention the plan, are different work.
    pub fn overlaps(&self, other: &Place) -> bool {
        self.plan == other.plan
            && match (&self.part, &other.part) {
                (Part::Mention, Part::Mention) => false,
                (Part::Step(one), Part::Step(other)) => one == other,
                _ => true,
            }
    }
}

/// The task names of the work of some plans.
#[derive(Clone, Debug, Default)]
pub struct SameWork {
    /// Items, requests and short names of plans, each with its plan.
    whole: BTreeMap<String, String>,
    plans: BTreeMap<String, Known>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    steps: BTreeSet<String>,
    /// Tasks whose claims the plan links to.
    claims: BTreeSet<String>,
}

impl SameWork {
    /// Built from these plans and this backlog; `read` returns the text of a request's file.
    pub fn new<'a>(
        backlog: Option<&Backlog>,
        plans: impl IntoIterator<Item = (&'a str, &'a Plan)>,
        read: &dyn Fn(&str) -> Option<String>,
    ) -> SameWork {
        let mut known = SameWork::default();
        for (id, plan) in plans {
            let steps = plan.steps().iter().filter_map(|step| step.id().map(str::to_owned)).collect();
            let mut of_plan = Known { steps, claims: BTreeSet::new() };
            known.whole.extend(plan.short_task().map(|short| (short.to_owned(), id.to_owned())));
            for (kind, to) in plan.links() {
                match kind {
                    "bus" => of_plan.claims.extend(claimed_task(to)),
                    vault::LINK | requests::QUEUE => {
                        let text = if plan.status() == Some(Status::Done) { None } else { read(to) };
                        let tasks = requests::names_of(kind, to, text.as_deref());
                        known.whole.extend(tasks.into_iter().map(|task| (task, id.to_owned())));
                    }
                    _ => {}
                }
            }
            known.plans.insert(id.to_owned(), of_plan);
        }
        for item in backlog.map(Backlog::items).unwrap_or_default() {
            if let (Some(id), Some(plan)) = (item.id(), item.plan()) {
                known.whole.insert(id.to_owned(), plan.to_owned());
            }
        }
        known
    }

    /// Built from the whole record.
    pub fn read(hub: &Hub) -> Result<SameWork> {
        let plans: Vec<_> = store::all(hub).into_iter().filter_map(|(_, found)| found.ok()).collect();
        Ok(SameWork::of(hub, backlog_of(hub)?.as_ref(), &plans))
    }

    /// Built only from the plan of a task: found by its name, the backlog, the request it is named after, its short
    /// name, or `written`, the plan in its claim or assignment. Reads only requests that a plan links to.
    pub fn near(hub: &Hub, task: &str, written: Option<&str>) -> Result<SameWork> {
        let backlog = backlog_of(hub)?;
        let mut ids: BTreeSet<String> = written.map(str::to_owned).into_iter().collect();
        ids.extend(
            backlog.as_ref().and_then(|backlog| backlog.item(task)).and_then(|item| item.plan()).map(str::to_owned),
        );
        let ends = task.match_indices('-').map(|(at, _)| at).chain([task.len()]);
        ids.extend(ends.map(|end| task[..end].to_owned()).filter(|id| store::exists(hub, id)));
        if ids.is_empty() {
            // It may be the short name of a plan.
            ids.extend(store::dated(hub, task));
        }
        // Only plans say which requests are in work, so the plans are read.
        let plans: Vec<PlanFile> = match ids.is_empty() && requests::exist(hub)? {
            true => store::all(hub).into_iter().filter_map(|(_, found)| found.ok()).collect(),
            false => ids.iter().filter_map(|id| store::find(hub, id).ok()).collect(),
        };
        Ok(SameWork::of(hub, backlog.as_ref(), &plans))
    }

    fn of(hub: &Hub, backlog: Option<&Backlog>, plans: &[PlanFile]) -> SameWork {
        let read = |path: &str| requests::text_of(hub, path).ok();
        SameWork::new(backlog, plans.iter().map(|file| (file.id(), &file.plan)), &read)
    }

    /// The place of a task, by its name only.
    pub fn place(&self, task: &str) -> Option<Place> {
        if let Some(plan) = self.whole.get(task) {
            return Some(Place { plan: plan.clone(), part: Part::Whole });
        }
        if self.plans.contains_key(task) {
            return Some(Place { plan: task.to_owned(), part: Part::Whole });
        }
        task.match_indices('-').find_map(|(at, _)| {
            let step = &task[at + 1..];
            let known = self.plans.get(&task[..at])?;
            let place = || Place { plan: task[..at].to_owned(), part: Part::Step(step.to_owned()) };
            known.steps.contains(step).then(place)
        })
    }

    /// The place of a task, by its name, else by the plan in its claim.
    pub fn place_of(&self, task: &str, written: Option<&str>) -> Option<Place> {
        self.place(task).or_else(|| written.map(Place::mention))
    }

    /// Every task name under which the plan or a part of it could be claimed.
    pub fn names(&self, plan: &str) -> BTreeSet<String> {
        let mut found: BTreeSet<String> =
            self.whole.iter().filter(|(_, of)| *of == plan).map(|(task, _)| task.clone()).collect();
        found.insert(plan.to_owned());
        if let Some(known) = self.plans.get(plan) {
            found.extend(known.steps.iter().map(|step| format!("{plan}-{step}")));
            found.extend(known.claims.iter().cloned());
        }
        found.retain(|task| names::is_id(task));
        found
    }

    /// Whether there is a plan of that id.
    pub fn has_plan(&self, plan: &str) -> bool {
        self.plans.contains_key(plan)
    }
}

/// An unreadable backlog names no plan and does not stop work.
fn backlog_of(hub: &Hub) -> Result<Option<Backlog>> {
    match backlog::read(hub) {
        Ok(backlog) => Ok(Some(backlog)),
        Err(e) if Refusal::of(&e).is_some() => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// `_bus/claims/QUEUE-001.json` → `QUEUE-001`.
fn claimed_task(path: &str) -> Option<String> {
    let name = path.rsplit('/').next()?.strip_suffix(".json")?;
    names::is_id(name).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn known() -> SameWork {
        let plan = json!({
            "steps": [{"id": "S1"}, {"id": "S-2"}],
            "links": [
                {"type": "vault", "ref": "vault/x/045.md"}, {"type": "queue", "ref": "queue/041-clock.md"},
                {"type": "bus", "ref": "_bus/claims/OTHER.json"}
            ],
        });
        let plan = Plan { raw: plan.as_object().unwrap().clone() };
        let backlog = json!({"items": [
            {"id": "ND-1", "plan_suggestion": "2026-01-05-p"}, {"id": "ND-2", "plan_suggestion": ""},
            {"id": "ND-4", "plan_suggestion": "_plans/2026-01-05-p.plan.json"},
            {"id": "ND-5", "plan_suggestion": "exploratory/2026-01-05-p"},
        ]});
        let backlog = Backlog { raw: backlog.as_object().unwrap().clone() };
        let read = |path: &str| (path == "vault/x/045.md").then(|| "---\nid: FR-45\n---\n# x\n".to_owned());
        SameWork::new(Some(&backlog), [("2026-01-05-p", &plan)], &read)
    }

    #[test]
    fn item_request_plan_and_step_are_one_piece_of_work() {
        let known = known();
        let place = |task: &str| known.place(task).unwrap_or_else(|| panic!("{task}"));
        let whole = ["ND-1", "ND-4", "ND-5", "FR-45", "041-clock", "041-CLOCK", "2026-01-05-p"];
        for one in whole {
            for other in whole.iter().chain(&["2026-01-05-p-S1", "2026-01-05-p-S-2"]) {
                assert!(place(one).overlaps(&place(other)) && place(other).overlaps(&place(one)), "{one} {other}");
            }
        }
        assert!(!place("2026-01-05-p-S1").overlaps(&place("2026-01-05-p-S-2")), "two steps are two pieces of work");
        let mention = known.place_of("OTHER", Some("2026-01-05-p")).unwrap();
        assert!(mention.overlaps(&place("ND-1")) && !mention.overlaps(&mention), "a mention is no work of its own");
        for task in ["ND-2", "ND-3", "2026-01-05-p-S3", "2026-01-05"] {
            assert_eq!(known.place(task), None, "{task}");
        }
        let names = known.names("2026-01-05-p");
        assert!(
            whole.iter().chain(&["2026-01-05-p-S1", "2026-01-05-p-S-2", "OTHER"]).all(|task| names.contains(*task))
        );
    }
}
