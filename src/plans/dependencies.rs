//! Dependencies between tasks: `depends_on` of backlog items, plans and requests.
//!
//! A name is an item's, a request's, a plan's, or a step's (`<plan>/<step>` or `<plan>-<step>`); all names of one
//! piece of work are one node here.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::requests::front_matter::FrontMatter;
use super::requests::vault;
use super::same_work::{Part, Place};
use super::{SameWork, cycles, requests};
use crate::base::text;
use crate::hub::paths;
use crate::model::backlog::{Backlog, ItemStatus};
use crate::model::plan::{Plan, Status};

/// The fields that name dependencies. The backlog's prerequisites are of another kind, and may have any form.
const FIELDS: [&str; 3] = ["depends_on", "depends-on", "dependencies"];
const PREREQUISITES: &str = "prerequisites";
/// How many names a message about a cycle lists.
const SHOWN: usize = 10;

/// The dependencies between works.
#[derive(Clone, Debug, Default)]
pub struct Dependencies {
    known: SameWork,
    /// For each work, the names that it depends on, as written, each with the work that it means.
    needs: BTreeMap<String, BTreeMap<String, String>>,
    /// Work to whether it is done.
    work: BTreeMap<String, bool>,
    /// Dependencies that are not names, and count for nothing: the file, the task, the field.
    unreadable: Vec<(String, String, &'static str)>,
    cycles: Vec<Arc<[String]>>,
    /// Work to its place in `cycles`.
    cycle_of: BTreeMap<String, usize>,
}

/// Why work has to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// This must be done first.
    For(String),
    /// No task has this name.
    Unknown(String),
    /// They depend on each other, directly or indirectly.
    Cycle(Arc<[String]>),
}

impl Wait {
    /// Whether only a person can resolve it.
    pub fn needs_person(&self) -> bool {
        !matches!(self, Wait::For(_))
    }

    pub fn describe(&self) -> String {
        match self {
            Wait::For(name) => format!("it depends on {name}, which is not done"),
            Wait::Unknown(name) => format!("it depends on {}, which does not exist", shown(name)),
            Wait::Cycle(names) => describe_cycle(names),
        }
    }
}

/// Describes a cycle.
pub fn describe_cycle(names: &[String]) -> String {
    let mut words: Vec<_> = names.iter().take(SHOWN).map(|name| shown(name)).collect();
    if names.len() > SHOWN {
        words.push(format!("{} more", names.len() - SHOWN));
    }
    match words.as_slice() {
        [one] => format!("{one} depends on itself, so it cannot start"),
        [one, other] => format!("{one} and {other} depend on each other, so neither can start"),
        [most @ .., last] => {
            format!("{} and {last} depend on each other, so none of them can start", most.join(", "))
        }
        [] => String::new(),
    }
}

fn shown(name: &str) -> String {
    text::clip(&text::safe(name), 80)
}

impl Dependencies {
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
            found.check_form(paths::PLANS, id, &plan.raw);
            found.add(id, all || plan.status() == Some(Status::Done), &plan.raw);
            for step in steps {
                if let Some(name) = step.id().map(|step| format!("{id}/{step}")) {
                    found.work.insert(name, step.status() == Some(Status::Done));
                }
            }
        }
        for item in backlog.map(Backlog::items).unwrap_or_default() {
            if let Some(id) = item.id() {
                found.check_form(paths::BACKLOG, id, item.raw);
                found.add(id, item.status() == Some(ItemStatus::Done), item.raw);
            }
        }
        for (kind, path, text) in files {
            let front = FrontMatter::read(text).ok();
            let done = front.as_ref().is_some_and(|front| front.status() == Some(vault::DONE));
            let fields = front.map(|front| front.fields).unwrap_or_default();
            let names = requests::names_of(kind, path, Some(text));
            found.check_form(path, names.first().unwrap_or(path), &fields);
            names.iter().for_each(|name| found.add(name, done, &fields));
        }
        found.find_cycles();
        found
    }

    fn check_form(&mut self, path: &str, name: &str, fields: &Map<String, Value>) {
        let odd = FIELDS.iter().filter(|field| fields.get(**field).is_some_and(|value| !are_names(value)));
        self.unreadable.extend(odd.map(|field| (path.to_owned(), name.to_owned(), *field)));
    }

    fn add(&mut self, name: &str, done: bool, fields: &Map<String, Value>) {
        let work = self.work_of(name);
        *self.work.entry(work.clone()).or_default() |= done;
        let names = FIELDS.iter().chain([&PREREQUISITES]).filter_map(|field| fields.get(*field)).flat_map(names);
        let names: Vec<_> = names.map(|name| (name.clone(), self.work_of(&name))).collect();
        self.needs.entry(work).or_default().extend(names);
    }

    /// Which names mean the same work.
    pub fn known(&self) -> &SameWork {
        &self.known
    }

    /// The work that a name means: its plan or step, if it has one.
    fn work_of(&self, name: &str) -> String {
        match self.known.place(name) {
            Some(Place { plan, part: Part::Step(step) }) => format!("{plan}/{step}"),
            Some(Place { plan, .. }) if self.known.has_plan(&plan) || self.known.is_request(&plan) => plan,
            _ => name.to_owned(),
        }
    }

    /// Why a task has to wait; `plan` is the plan that does it. `done` knows what was claimed and released as done: that
    /// counts where nothing else says whether work is done. A backlog and a plan say so, also of work that was reverted.
    pub fn wait(&self, task: &str, plan: Option<&str>, done: &dyn Fn(&str) -> bool) -> Option<Wait> {
        // A step waits for what its plan waits for.
        let work = plan.map_or_else(|| self.work_of(task), |plan| self.work_of(plan));
        let names = self.needs.get(&work)?;
        if let Some(at) = self.cycle_of.get(&work) {
            return Some(Wait::Cycle(self.cycles[*at].clone()));
        }
        names.iter().find_map(|(name, needed)| match self.work.get(needed) {
            Some(true) => None,
            None if done(name) => None,
            Some(false) if self.known.is_request(needed) && (done(name) || done(needed)) => None,
            Some(false) => Some(Wait::For(name.clone())),
            None => Some(Wait::Unknown(name.clone())),
        })
    }

    /// Dependencies that are not names, and count for nothing: the file, the task, the field.
    pub fn unreadable(&self) -> &[(String, String, &'static str)] {
        &self.unreadable
    }

    /// The works that depend on each other.
    pub fn cycles(&self) -> &[Arc<[String]>] {
        &self.cycles
    }

    /// Finds the works that depend on themselves through unfinished work.
    fn find_cycles(&mut self) {
        let works: Vec<&String> = self.needs.keys().collect();
        let place = |work: &str| works.binary_search_by(|known| known.as_str().cmp(work)).ok();
        let edge = |needed: &String| {
            // A dependency on a step includes its plan's dependencies.
            let plan = needed.split_once('/').map(|(plan, _)| plan).filter(|plan| self.known.has_plan(plan));
            let next = plan.unwrap_or(needed);
            let is_done = |work: &str| self.work.get(work) == Some(&true);
            if is_done(needed) || is_done(next) { None } else { place(next) }
        };
        let edges: Vec<Vec<usize>> =
            self.needs.values().map(|names| names.values().filter_map(edge).collect()).collect();
        let found: Vec<Arc<[String]>> = cycles::find(&edges)
            .into_iter()
            .map(|cycle| cycle.into_iter().map(|at| works[at].clone()).collect())
            .collect();
        let members =
            |(at, cycle): (usize, &Arc<[String]>)| cycle.iter().map(|work| (work.clone(), at)).collect::<Vec<_>>();
        self.cycle_of = found.iter().enumerate().flat_map(members).collect();
        self.cycles = found;
    }
}

/// The names in a field: a list, or one text with commas. Other values (the backlog's own prerequisites) have none.
fn names(value: &Value) -> Vec<String> {
    let texts: Vec<&str> = match value {
        Value::String(text) => text.split(',').collect(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    texts.into_iter().map(|name| name.trim().replace('\\', "/")).filter(|name| !name.is_empty()).collect()
}

/// Whether all of a value is understood as names, or it is empty.
fn are_names(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(Value::is_string),
        value => value.is_string() || value.is_null(),
    }
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
        let file = |stem: &str, status: &str| {
            let text = format!("---\nid: FR-{stem}\nstatus: {status}\n---\n");
            (vault::LINK, format!("v/{stem}.md"), text)
        };
        let files = [file("1", "done"), file("2", "planned")];
        Dependencies::new(known.with_requests(&files), Some(&backlog), &plans, &files)
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
        assert!(found.cycles().is_empty());
    }

    #[test]
    fn work_that_its_source_calls_open_is_waited_for_although_its_claim_ended_as_done() {
        let steps = json!([{"id": "S1", "status": "blocked"}]);
        let items = json!([
            {"id": "A", "status": "pending"},
            {"id": "B", "status": "pending", "depends_on": ["A"]},
            {"id": "C", "status": "pending", "depends_on": ["p-S1"]},
            {"id": "D", "status": "pending", "depends_on": ["2"]},
        ]);
        let plan = json!({"steps": steps});
        let found = of(&items, &[("2026-01-05-p", plan)]);
        let wait = |task: &str| found.wait(task, None, &|_| true);
        assert_eq!(wait("B"), Some(Wait::For("A".into())));
        assert_eq!(wait("C"), Some(Wait::For("p-S1".into())));
        // Nobody marks a request as done, so its claim tells.
        assert_eq!(wait("D"), None);
        assert_eq!(found.wait("D", None, &|_| false), Some(Wait::For("2".into())));
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
        let words = found.wait("B", None, &|_| false).unwrap().describe();
        assert!(words.contains("B and p depend on each other") || words.contains("p and B depend"), "{words}");
    }

    #[test]
    fn long_chains_and_wide_cycles_are_looked_up() {
        let item = |n: usize, on: usize| json!({"id": format!("I-{n}"), "status": "pending", "depends_on": [format!("I-{on}")]});
        let all = 6000;
        let chain = of(&(0..all).map(|n| item(n, n + 1)).collect(), &[]);
        assert!(chain.cycles().is_empty());
        let waits = (0..all).map(|n| chain.wait(&format!("I-{n}"), None, &|_| false));
        assert_eq!(waits.filter(|wait| matches!(wait, Some(Wait::For(_)))).count(), all - 1);
        let ring = of(&(0..all).map(|n| item(n, (n + 1) % all)).collect(), &[]);
        assert_eq!(ring.cycles().iter().map(|cycle| cycle.len()).collect::<Vec<_>>(), [all]);
        let words = ring.wait("I-7", None, &|_| false).unwrap().describe();
        assert!(words.ends_with(" and 5990 more depend on each other, so none of them can start"), "{words}");
        let told = |names: &[&str]| describe_cycle(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(told(&["c"]), "c depends on itself, so it cannot start");
        assert_eq!(told(&["a", "b"]), "a and b depend on each other, so neither can start");
        assert_eq!(told(&["a", "b", "c"]), "a, b and c depend on each other, so none of them can start");
    }

    #[test]
    fn finished_work_breaks_a_cycle() {
        let items = json!([
            {"id": "A", "status": "pending", "depends_on": ["B"]},
            {"id": "B", "status": "done", "depends_on": ["A"]},
        ]);
        let found = of(&items, &[]);
        assert_eq!((found.wait("A", None, &|_| false), found.cycles().len()), (None, 0));
    }

    #[test]
    fn a_finished_step_of_a_plan_that_waits_closes_no_cycle() {
        let items = json!([{"id": "A", "status": "pending", "depends_on": ["p/S1"]}]);
        let steps = json!([{"id": "S1", "status": "done"}, {"id": "S2", "status": "queued"}]);
        let found = of(&items, &[("p", json!({"depends_on": ["A"], "steps": steps}))]);
        assert_eq!((found.wait("A", None, &|_| false), found.cycles().len()), (None, 0));
    }
}
