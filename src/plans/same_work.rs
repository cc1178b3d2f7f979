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
use crate::model::plan::{Plan, Status, slug_of};

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
    /// Items, requests and short names of plans, each with its plan. All names of a request without a plan have one of
    /// these.
    whole: BTreeMap<String, String>,
    /// The other way round.
    of_plan: BTreeMap<String, BTreeSet<String>>,
    plans: BTreeMap<String, Known>,
    /// What plans are called apart from their date; `None` where several are called so.
    short: BTreeMap<String, Option<String>>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    steps: BTreeSet<String>,
    /// Tasks whose claims the plan links to.
    claims: BTreeSet<String>,
}

impl SameWork {
    /// Built from these plans and this backlog; `read` returns the text of a request's file. Requests without a plan
    /// come with [`SameWork::with_requests`].
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
            if let Some(short) = slug_of(id) {
                let several = known.short.contains_key(short);
                known.short.insert(short.to_owned(), Some(id.to_owned()).filter(|_| !several));
            }
        }
        for item in backlog.map(Backlog::items).unwrap_or_default() {
            let Some(id) = item.id() else { continue };
            match item.plan() {
                Some(plan) => drop(known.whole.insert(id.to_owned(), plan.to_owned())),
                // The name is the item's.
                None => drop(known.short.remove(id)),
            }
        }
        for (task, plan) in &known.whole {
            known.of_plan.entry(plan.clone()).or_default().insert(task.clone());
        }
        known
    }

    /// With the requests that no plan does yet: the kind of link, the path, the text of each.
    #[must_use]
    pub fn with_requests(mut self, files: &[(&'static str, String, String)]) -> SameWork {
        for (kind, path, text) in files {
            let names = requests::names_of(kind, path, Some(text));
            if names.iter().any(|name| self.whole.contains_key(name) || self.plans.contains_key(name)) {
                continue;
            }
            let Some(own) = names.first().cloned() else { continue };
            names.iter().for_each(|name| drop(self.short.remove(name)));
            self.of_plan.entry(own.clone()).or_default().extend(names.iter().cloned());
            self.whole.extend(names.into_iter().map(|name| (name, own.clone())));
        }
        self
    }

    /// Built from the whole record.
    pub fn read(hub: &Hub) -> Result<SameWork> {
        let plans: Vec<_> = store::all(hub).into_iter().filter_map(|(_, found)| found.ok()).collect();
        Ok(SameWork::of(hub, backlog_of(hub)?.as_ref(), &plans).with_requests(&requests::texts(hub)))
    }

    /// Built only from the plan of a task: found by its name, the backlog, the request it is named after, its short
    /// name, or `written`, the plan in its claim or assignment. Reads the requests only for a task that is none of these.
    pub fn near(hub: &Hub, task: &str, written: Option<&str>) -> Result<SameWork> {
        let backlog = backlog_of(hub)?;
        let mut ids: BTreeSet<String> = written.map(str::to_owned).into_iter().collect();
        ids.extend(
            backlog.as_ref().and_then(|backlog| backlog.item(task)).and_then(|item| item.plan()).map(str::to_owned),
        );
        let ends = task.match_indices('-').map(|(at, _)| at).chain([task.len()]);
        ids.extend(ends.map(|end| task[..end].to_owned()).filter(|id| store::exists(hub, id)));
        if ids.is_empty() {
            // It may be the short name of a plan, or of its step.
            ids.extend(store::paths(&hub.root).iter().map(|path| store::id_of(path)).filter_map(|id| {
                let rest = task.strip_prefix(slug_of(id)?)?;
                (rest.is_empty() || rest.starts_with('-')).then(|| id.to_owned())
            }));
        }
        let plans: Vec<PlanFile> = ids.iter().filter_map(|id| store::find(hub, id).ok()).collect();
        let known = SameWork::of(hub, backlog.as_ref(), &plans).without_shared_names(hub);
        let is_found = known.place(task).is_some() || plans.iter().any(|file| written == Some(file.id()));
        if is_found || !requests::exist(hub)? {
            return Ok(known);
        }
        // Only plans say which requests are in work, so all plans are read.
        let plans: Vec<_> = store::all(hub).into_iter().filter_map(|(_, found)| found.ok()).collect();
        let known = SameWork::of(hub, backlog.as_ref(), &plans);
        if known.place(task).is_some() {
            return Ok(known);
        }
        Ok(match requests::named(hub, task)? {
            Some(link) => {
                let text = requests::text_of(hub, &link.to).unwrap_or_default();
                let kind = if link.kind == requests::QUEUE { requests::QUEUE } else { vault::LINK };
                known.with_requests(&[(kind, link.to, text)])
            }
            None => known,
        })
    }

    fn of(hub: &Hub, backlog: Option<&Backlog>, plans: &[PlanFile]) -> SameWork {
        let read = |path: &str| requests::text_of(hub, path).ok();
        SameWork::new(backlog, plans.iter().map(|file| (file.id(), &file.plan)), &read)
    }

    /// Drops each short name that another plan has as well, read or not.
    fn without_shared_names(mut self, hub: &Hub) -> SameWork {
        let paths = store::paths(&hub.root);
        let ids: BTreeSet<&str> = paths.iter().map(|path| store::id_of(path)).collect();
        for (short, plan) in &mut self.short {
            if ids.iter().filter(|id| slug_of(id) == Some(short.as_str())).count() > 1 {
                *plan = None;
            }
        }
        self
    }

    /// The place of a task, by its name only.
    pub fn place(&self, task: &str) -> Option<Place> {
        if let Some(plan) = self.whole.get(task) {
            return Some(Place { plan: plan.clone(), part: Part::Whole });
        }
        if let Some(plan) = self.plan_called(task) {
            return Some(Place { plan: plan.to_owned(), part: Part::Whole });
        }
        task.match_indices(['-', '/']).find_map(|(at, _)| {
            let (plan, step) = (self.plan_called(&task[..at])?, &task[at + 1..]);
            let place = || Place { plan: plan.to_owned(), part: Part::Step(step.to_owned()) };
            self.plans.get(plan)?.steps.contains(step).then(place)
        })
    }

    /// The plan of that id, else the only one that is called so apart from its date.
    fn plan_called(&self, name: &str) -> Option<&str> {
        let known = self.plans.get_key_value(name).map(|(id, _)| id.as_str());
        known.or_else(|| self.short.get(name)?.as_deref())
    }

    /// The place of a task, by its name, else by the plan in its claim.
    pub fn place_of(&self, task: &str, written: Option<&str>) -> Option<Place> {
        self.place(task).or_else(|| written.map(Place::mention))
    }

    /// Every task name under which work that overlaps a place could be claimed; names of the claims that the plan links
    /// to are among them, whatever they mention. Of a step, the other steps are not.
    pub fn names_near(&self, place: &Place) -> BTreeSet<String> {
        let plan = &place.plan;
        let mut found = self.of_plan.get(plan).cloned().unwrap_or_default();
        let short = slug_of(plan).filter(|short| self.plan_called(short) == Some(plan));
        let known = self.plans.get(plan);
        for name in std::iter::once(plan.as_str()).chain(short) {
            found.insert(name.to_owned());
            let steps = known.into_iter().flat_map(|known| match &place.part {
                Part::Step(step) => known.steps.get(step).into_iter().collect::<Vec<_>>(),
                _ => known.steps.iter().collect(),
            });
            found.extend(steps.map(|step| format!("{name}-{step}")));
        }
        found.extend(known.into_iter().flat_map(|known| known.claims.iter().cloned()));
        found.retain(|task| names::is_id(task));
        found
    }

    /// Whether the name stands for a request that no plan does yet.
    pub fn is_request(&self, name: &str) -> bool {
        !self.has_plan(name) && self.whole.get(name).is_some_and(|own| own == name)
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
        let names = known.names_near(&place("ND-1"));
        assert!(
            whole.iter().chain(&["2026-01-05-p-S1", "2026-01-05-p-S-2", "OTHER"]).all(|task| names.contains(*task))
        );
        let of_step = known.names_near(&place("2026-01-05-p-S1"));
        assert!(whole.iter().chain(&["2026-01-05-p-S1", "OTHER"]).all(|task| of_step.contains(*task)));
        assert!(!of_step.contains("2026-01-05-p-S-2"));
    }
}
