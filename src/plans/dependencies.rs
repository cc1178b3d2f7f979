//! What has to be done before what: `depends_on` of backlog items, plans and requests.
//!
//! A name is an item's, a request's, a plan's, or a step's (`<plan>/<step>` or `<plan>-<step>`); all names of one
//! piece of work are one here. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::front_matter::FrontMatter;
use super::same_work::{Part, Place};
use super::{SameWork, requests, vault};
use crate::base::text;
use crate::hub::Hub;
use crate::model::backlog::{Backlog, ItemStatus};
use crate::model::plan::{Plan, Status};

/// The fields that name what has to be done before.
const FIELDS: [&str; 4] = ["depends_on", "depends-on", "dependencies", "prerequisites"];
/// The most names that one entry lists.
const MOST: usize = 200;

/// What waits for what.
#[derive(Clone, Debug, Default)]
pub struct Dependencies {
    known: SameWork,
    /// Work to the names that it waits for, as they were written.
    needs: BTreeMap<String, BTreeSet<String>>,
    /// Work to whether it is done.
    work: BTreeMap<String, bool>,
}

/// Why a piece of work has to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// This is to be done first.
    For(String),
    /// Nothing is called so.
    Unknown(String),
    /// Each waits for the next, and the last for the first.
    Cycle(Vec<String>),
}

impl Wait {
    /// Whether it stays so until a person does something about it.
    pub fn needs_person(&self) -> bool {
        !matches!(self, Wait::For(_))
    }

    pub fn words(&self) -> String {
        match self {
            Wait::For(name) => format!("it depends on {name}, which is not done"),
            Wait::Unknown(name) => format!("it depends on {}, and no task is called so", shown(name)),
            Wait::Cycle(names) => cycle_words(names),
        }
    }
}

/// What is wrong with a cycle.
pub fn cycle_words(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| shown(name)).collect();
    format!("{} depend on each other, so none of them can start", names.join(" and "))
}

fn shown(name: &str) -> String {
    text::clip(&text::safe(name), 80)
}

impl Dependencies {
    /// Of the whole record.
    pub fn read(hub: &Hub, known: SameWork, backlog: Option<&Backlog>, plans: &[(&str, &Plan)]) -> Dependencies {
        let files = requests::texts(hub);
        Dependencies::new(known, backlog, plans, &files)
    }

    /// `files` are the vault's and the queue's: the kind of link, the path, the text.
    pub fn new(
        known: SameWork,
        backlog: Option<&Backlog>,
        plans: &[(&str, &Plan)],
        files: &[(&'static str, String, String)],
    ) -> Dependencies {
        let mut found = Dependencies { known, ..Dependencies::default() };
        for (id, plan) in plans {
            let steps = plan.steps();
            let all = !steps.is_empty() && steps.iter().all(|step| step.status() == Some(Status::Done));
            found.add(id, all || plan.status() == Some(Status::Done), &plan.raw);
            for step in steps {
                if let Some(name) = step.id().map(|step| format!("{id}/{step}")) {
                    found.work.insert(name, step.status() == Some(Status::Done));
                }
            }
        }
        for item in backlog.map(Backlog::items).unwrap_or_default() {
            if let Some(id) = item.id() {
                found.add(id, item.status() == Some(ItemStatus::Done), item.raw);
            }
        }
        for (kind, path, text) in files {
            let front = FrontMatter::read(text).ok();
            let done = front.as_ref().is_some_and(|front| front.status() == Some(vault::DONE));
            for name in requests::names_of(kind, path, Some(text)) {
                found.add(&name, done, front.as_ref().map_or(&Map::new(), |front| &front.fields));
            }
        }
        found
    }

    fn add(&mut self, name: &str, done: bool, fields: &Map<String, Value>) {
        let work = self.work_of(name);
        *self.work.entry(work.clone()).or_default() |= done;
        let names = FIELDS.iter().filter_map(|field| fields.get(*field)).flat_map(names);
        self.needs.entry(work).or_default().extend(names.take(MOST));
    }

    /// Which names mean the same work.
    pub fn known(&self) -> &SameWork {
        &self.known
    }

    /// The work that a name means: its plan or its step, where it has one.
    fn work_of(&self, name: &str) -> String {
        match self.known.place(name) {
            Some(Place { plan, part: Part::Step(step) }) => format!("{plan}/{step}"),
            Some(Place { plan, .. }) if self.known.has_plan(&plan) => plan,
            _ => name.to_owned(),
        }
    }

    /// Why a task has to wait; `plan` is the one that does it, `done` knows tasks that live in their claims alone.
    pub fn wait(&self, task: &str, plan: Option<&str>, done: &dyn Fn(&str) -> bool) -> Option<Wait> {
        // A step waits for what its plan waits for.
        let work = plan.map_or_else(|| self.work_of(task), |plan| self.work_of(plan));
        let names = self.needs.get(&work)?;
        if let Some(cycle) = self.cycle(&work) {
            return Some(Wait::Cycle(cycle));
        }
        names.iter().find_map(|name| {
            let needed = self.work_of(name);
            match self.work.get(&needed) {
                _ if done(name) => None,
                Some(true) => None,
                Some(false) => Some(Wait::For(name.clone())),
                None => Some(Wait::Unknown(name.clone())),
            }
        })
    }

    /// The works that wait for each other.
    pub fn cycles(&self) -> Vec<Vec<String>> {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for work in self.needs.keys() {
            let Some(cycle) = self.cycle(work) else { continue };
            let mut members = cycle.clone();
            members.sort();
            if seen.insert(members) {
                found.push(cycle);
            }
        }
        found
    }

    /// The way from a work back to itself, through what is not done.
    fn cycle(&self, from: &str) -> Option<Vec<String>> {
        let mut before: BTreeMap<String, String> = BTreeMap::new();
        let mut queue = vec![from.to_owned()];
        while let Some(at) = queue.pop() {
            for name in self.needs.get(&at).into_iter().flatten() {
                let mut next = self.work_of(name);
                // What waits for a step waits for its plan's needs as well.
                if let Some((plan, _)) = next.split_once('/').filter(|(plan, _)| self.known.has_plan(plan)) {
                    next = plan.to_owned();
                }
                if self.work.get(&next) == Some(&true) {
                    continue;
                }
                if next == from {
                    let mut way = vec![at.clone()];
                    while let Some(earlier) = before.get(way.last()?) {
                        way.push(earlier.clone());
                    }
                    way.reverse();
                    return Some(way);
                }
                if !before.contains_key(&next) {
                    before.insert(next.clone(), at.clone());
                    queue.push(next);
                }
            }
        }
        None
    }
}

/// The names of a field: a list, or one text with commas. What is neither (the backlog's own prerequisites) is none.
fn names(value: &Value) -> Vec<String> {
    let texts: Vec<&str> = match value {
        Value::String(text) => text.split(',').collect(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    texts.into_iter().map(|name| name.trim().replace('\\', "/")).filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(items: &Value, plans: &[(&str, Value)]) -> Dependencies {
        let backlog = json!({ "items": items });
        let backlog = Backlog { raw: backlog.as_object().unwrap().clone() };
        let plans: Vec<(&str, Plan)> =
            plans.iter().map(|(id, plan)| (*id, Plan { raw: plan.as_object().unwrap().clone() })).collect();
        let plans: Vec<_> = plans.iter().map(|(id, plan)| (*id, plan)).collect();
        let known = SameWork::new(Some(&backlog), plans.iter().copied(), &|_| None);
        let files = [(vault::LINK, "v/1.md".to_owned(), "---\nid: FR-1\nstatus: done\n---\n".to_owned())];
        Dependencies::new(known, Some(&backlog), &plans, &files)
    }

    #[test]
    fn work_waits_for_what_it_names_whatever_that_is_called() {
        let plan = json!({"steps": [{"id": "S1", "status": "done"}, {"id": "S2", "status": "queued"}]});
        let items = json!([
            {"id": "A", "status": "pending", "depends_on": ["p/S1", "FR-1"]},
            {"id": "B", "status": "pending", "depends_on": "FR-1, p"},
            {"id": "C", "status": "pending", "prerequisites": ["p-S2"]},
            {"id": "D", "status": "pending", "depends_on": ["NOPE"]},
            {"id": "E", "status": "pending", "depends_on": ["CLAIMED"]},
        ]);
        let found = of(&items, &[("p", plan)]);
        let wait = |task: &str| found.wait(task, None, &|name| name == "CLAIMED");
        assert_eq!(wait("A"), None);
        assert_eq!(wait("B"), Some(Wait::For("p".into())));
        assert_eq!(wait("C"), Some(Wait::For("p-S2".into())));
        assert_eq!(wait("D"), Some(Wait::Unknown("NOPE".into())));
        assert_eq!((wait("E"), wait("F")), (None, None));
        assert_eq!(found.cycles(), [[""; 0]; 0]);
    }

    #[test]
    fn a_cycle_is_found_through_items_and_plans() {
        let items = json!([
            {"id": "A", "status": "pending", "plan_suggestion": "p"},
            {"id": "B", "status": "pending", "depends_on": ["A"]},
            {"id": "C", "status": "pending", "depends_on": ["B"]},
            {"id": "S", "status": "pending", "depends_on": ["S"]},
        ]);
        let plan = json!({"steps": [{"id": "S1", "status": "queued"}], "depends_on": ["B"]});
        let found = of(&items, &[("p", plan)]);
        assert_eq!(found.cycles().len(), 2);
        for (task, plan) in [("A", Some("p")), ("B", None), ("S", None)] {
            assert!(matches!(found.wait(task, plan, &|_| false), Some(Wait::Cycle(_))), "{task}");
        }
        assert_eq!(found.wait("C", None, &|_| false), Some(Wait::For("B".into())), "it only waits for a cycle");
        let words = found.wait("B", None, &|_| false).unwrap().words();
        assert!(words.contains("B and p depend on each other") || words.contains("p and B depend"), "{words}");
    }
}
