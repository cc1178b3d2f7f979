//! Reads the stores into candidates: the backlog's items, the open plans' next steps, the requests of vault and queue,
//! and what an operator submitted. The facts about each (claims, assignments, holds) are put on by
//! [`facts`](super::facts).
//!
//! It decides nothing: work that cannot be taken becomes a candidate, too, with the reason in its standing, so that
//! the choice can report it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::candidate::{Candidate, Source, Standing, Taker, replace_open};
use super::facts::Facts;
use super::work::WorkResolver;
use crate::base::{Refusal, Result, names};
use crate::hub::Hub;
use crate::model::assignment::AssignmentFile;
use crate::model::backlog::{Backlog, Item};
use crate::model::plan::{Link, Plan, Status, Step};
use crate::model::priority::Priority;
use crate::plans::dependencies::Dependencies;
use crate::plans::reader::Found;
use crate::plans::requests::vault;
use crate::plans::requests::{self, Entry, Request};
use crate::plans::{SameWork, of_request};

/// The sources to read.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    pub backlog: bool,
    pub plans: bool,
    pub vault: bool,
    pub queue: bool,
    /// Assignments without a source; they have nothing to run for a worker.
    pub assignments: bool,
    /// Submissions in order; looked up in every source, enabled or not.
    pub submissions: Vec<Submission>,
}

/// Work submitted by an operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    /// A task of the backlog, `<plan>-<step>`, or a plan, which means its next step.
    pub task_id: String,
    pub plan_id: Option<String>,
    pub step_id: Option<String>,
    /// Replaces the priority of its source.
    pub priority: Option<Priority>,
}

impl Scope {
    /// The sources that the settings enable.
    pub fn enabled(hub: &Hub) -> Result<Scope> {
        let sources = &hub.settings()?.sources;
        Ok(Scope {
            backlog: sources.backlog,
            plans: sources.plans,
            vault: sources.vault,
            queue: sources.queue,
            assignments: true,
            submissions: Vec::new(),
        })
    }

    pub fn backlog() -> Scope {
        Scope { backlog: true, ..Scope::default() }
    }
}

/// All candidates, in no particular order. `plans` and `backlog` are what the caller read.
pub fn gather(
    hub: &Hub,
    scope: &Scope,
    taker: Taker<'_>,
    plans: &Plans,
    backlog: Option<&Backlog>,
) -> Result<Vec<Candidate>> {
    let resolver = match taker {
        Taker::Seat(_) => None,
        Taker::Worker => Some(WorkResolver::new(hub)?),
    };
    let whole = plans.iter().filter_map(|(id, found)| Some((id.as_str(), (**found).as_ref().ok()?)));
    let files = requests::texts(hub);
    let known = SameWork::new(backlog, whole, &|path| requests::text_of(hub, path).ok()).with_requests(&files);
    let facts = Facts::read(hub, &known)?;
    let whole: Vec<_> = plans.iter().filter_map(|(id, found)| Some((id.as_str(), (**found).as_ref().ok()?))).collect();
    let dependencies = Dependencies::new(known, backlog, &whole, &files);
    let reader = SourceReader { hub, plans, resolver };
    let mut candidates = reader.all(scope, backlog, &facts)?;
    submit(&mut candidates, &scope.submissions);
    candidates.retain(|c| {
        let enabled = match c.source {
            Source::Submission | Source::Assignment => true,
            Source::Backlog => scope.backlog,
            Source::Plan => scope.plans,
            Source::Vault => scope.vault,
            Source::Queue => scope.queue,
        };
        enabled || c.submitted.is_some()
    });
    if scope.assignments && taker != Taker::Worker {
        let items = backlog.map(Backlog::items).unwrap_or_default();
        let items = items.iter().filter_map(|item| item.id().map(str::to_owned));
        let known: HashSet<String> = candidates.iter().map(|c| c.task_id.clone()).chain(items).collect();
        candidates.extend(facts.open_assignments().filter(|(task, _)| !known.contains(*task)).map(assigned));
    }
    for candidate in &mut candidates {
        facts.apply(hub, dependencies.known(), candidate)?;
        if let (Taker::Seat(_), Some(seat)) = (taker, facts.finished(&candidate.task_id)) {
            let why = format!(
                "{seat} released it as done, but its source is still open; to do it again: teof task pickup {}",
                candidate.task_id
            );
            replace_open(&mut candidate.standing, Standing::Blocked(why));
        }
        let plan = candidate.plan_id.as_deref().filter(|_| candidate.origin.is_none());
        candidate.waits = dependencies.wait(&candidate.task_id, plan, &|task| facts.is_done(task));
    }
    Ok(candidates)
}

/// Every plan by id.
pub type Plans = BTreeMap<String, Arc<Found>>;

/// The plans and the taker.
struct SourceReader<'a> {
    hub: &'a Hub,
    plans: &'a Plans,
    /// For a worker: what may run.
    resolver: Option<WorkResolver<'a>>,
}

impl SourceReader<'_> {
    /// What the sources have, and everything if something was submitted: it may be in any of them.
    fn all(&self, scope: &Scope, backlog: Option<&Backlog>, facts: &Facts) -> Result<Vec<Candidate>> {
        let everything = !scope.submissions.is_empty();
        let mut candidates = Vec::new();
        if let Some(backlog) = backlog.filter(|_| scope.backlog || everything) {
            candidates.extend(backlog.items().into_iter().filter_map(|item| self.item(item)));
        }
        if scope.vault || everything {
            candidates
                .extend(vault::planned(self.hub)?.into_iter().filter_map(|entry| self.request(entry, Source::Vault)));
        }
        if scope.queue || everything {
            let entries = requests::list(self.hub, requests::QUEUE, &self.hub.settings()?.sources.queue_folder)?;
            // The entry itself does not say that it is done.
            let open = entries.into_iter().filter(|entry| !facts.is_done(&entry.task));
            candidates.extend(open.filter_map(|entry| self.request(entry, Source::Queue)));
        }
        if scope.plans || everything {
            let items = candidates.iter().filter(|c| match c.source {
                Source::Vault => scope.vault,
                _ => scope.backlog,
            });
            let spoken_for: HashSet<String> = items.filter_map(|c: &Candidate| c.plan_id.clone()).collect();
            let others = self.plans.iter().filter(|(id, _)| !spoken_for.contains(*id));
            candidates.extend(others.filter_map(|(id, plan)| self.plan(id, plan)));
        }
        Ok(candidates)
    }

    /// An item; `None` when it is done.
    fn item(&self, item: Item<'_>) -> Option<Candidate> {
        let standing = match item.raw.get("status").and_then(|status| status.as_str()) {
            Some("pending") => Standing::Open,
            Some("in_progress") => Standing::InProgress,
            Some("blocked") => Standing::Blocked(blocked("the item", item.id().unwrap_or_default())),
            Some("done") => return None,
            Some(other) => Standing::Damaged(format!("its status is {other:?}; only pending items start")),
            None => Standing::Damaged("it has no status".into()),
        };
        let place = format!("backlog item {}", item.index + 1);
        let mut candidate = Candidate {
            title: item.title().unwrap_or_default().to_owned(),
            priority: item.priority(),
            position: item.index,
            plan_id: item.plan().map(str::to_owned),
            standing,
            ..Candidate::new(item.id().unwrap_or(&place), Source::Backlog)
        };
        if !item.id().is_some_and(names::is_id) {
            candidate.standing = Standing::Damaged(format!("{place} has no id that is a valid task name"));
        }
        let Some((id, found)) = item.plan().and_then(|plan| self.plans.get_key_value(plan)) else {
            match &self.resolver {
                Some(resolver) if resolver.has_coder() => {
                    let link = Link { kind: requests::BACKLOG.into(), to: candidate.task_id.clone() };
                    self.becomes_a_plan(&requests::from_item(&item), link, &mut candidate);
                }
                Some(resolver) => resolver.of_item(item, &mut candidate),
                None => {}
            }
            return Some(candidate);
        };
        // The item represents its plan's next step, with its own name and rank.
        let own_priority = item.raw.contains_key("priority");
        let candidate = self.for_its_plan(candidate, id, found);
        let plans = (**found).as_ref().ok().filter(|_| !own_priority).map(Plan::priority);
        Some(Candidate { priority: plans.unwrap_or(candidate.priority), ..candidate })
    }

    /// A candidate that represents its plan's next step.
    fn for_its_plan(&self, mut candidate: Candidate, id: &str, found: &Found) -> Candidate {
        let Some(next) = self.next(id, found) else {
            let why = Standing::Unavailable(format!("its plan {id} is done, but the item is not"));
            replace_open(&mut candidate.standing, why);
            return candidate;
        };
        replace_open(&mut candidate.standing, next.standing);
        Candidate {
            step_id: next.step_id,
            created: next.created,
            work: next.work,
            route: next.route,
            missing: next.missing,
            ..candidate
        }
    }

    /// A request of the vault or the queue. A vault request represents its plan; the plan of a queue entry is its own
    /// candidate.
    fn request(&self, entry: Entry, source: Source) -> Option<Candidate> {
        let mut candidate = Candidate { position: entry.position, ..Candidate::new(&entry.task, source) };
        let link = (entry.link.kind.as_str(), entry.link.to.as_str());
        let plan =
            self.plans.iter().find(|(_, found)| (***found).as_ref().is_ok_and(|plan| plan.links().contains(&link)));
        if plan.is_none() && self.is_settling(&entry.link.to) {
            candidate.standing = Standing::Settling;
            return Some(candidate);
        }
        let wanted = match &entry.request {
            Ok(wanted) => wanted,
            Err(why) => {
                candidate.standing = Standing::Damaged(why.clone());
                return Some(candidate);
            }
        };
        candidate.title.clone_from(&wanted.title);
        candidate.priority = wanted.priority;
        match plan {
            Some(_) if source == Source::Queue => None,
            Some((id, found)) => {
                candidate.plan_id = Some(id.clone());
                Some(self.for_its_plan(candidate, id, found))
            }
            None => {
                self.becomes_a_plan(wanted, entry.link, &mut candidate);
                Some(candidate)
            }
        }
    }

    /// A person who takes it reads the file; a worker might get only half of it.
    fn is_settling(&self, path: &str) -> bool {
        let settle = self.hub.settings().map_or(Duration::ZERO, |settings| settings.sources.settle);
        self.resolver.is_some() && requests::is_settling(self.hub, path, settle)
    }

    /// Its plan is created on assignment; it is rated like that plan's first step.
    fn becomes_a_plan(&self, wanted: &Request, link: Link, candidate: &mut Candidate) {
        // A person who takes it writes the plan.
        let Some(resolver) = &self.resolver else { return };
        if !names::is_id(&candidate.task_id) {
            return;
        }
        let draft = of_request::plan_id(self.hub, &candidate.task_id, &wanted.title)
            .and_then(|id| Ok((of_request::draft(self.hub, wanted, &link, &id, self.hub.now())?, id)));
        let (plan, id) = match draft {
            Ok(found) => found,
            Err(e) => {
                let next = Refusal::of(&e).and_then(|r| r.next.first()).map(|next| format!("; {next}"));
                let why = format!("cannot create a plan from {}: {e}{}", link.to, next.unwrap_or_default());
                return replace_open(&mut candidate.standing, Standing::Damaged(why));
            }
        };
        if let Some(step) = plan.current_step() {
            candidate.step_id = step.id().map(str::to_owned);
            resolver.of_step(&plan, &step, candidate);
        }
        candidate.plan_id = Some(id);
        candidate.origin = Some(link);
    }

    /// A plan without an item; `None` when it is done.
    fn plan(&self, id: &str, found: &Found) -> Option<Candidate> {
        let mut next = self.next(id, found)?;
        if let Some(step) = &next.step_id {
            next.task_id = match found {
                Ok(plan) => plan.task_of(id, step),
                Err(_) => format!("{id}-{step}"),
            };
            if !names::is_id(&next.task_id) {
                let why = format!("{:?} is not a valid task name: rename the step or the plan", next.task_id);
                replace_open(&mut next.standing, Standing::Damaged(why));
            }
        }
        Some(next)
    }

    /// The next step of a plan; `None` when it is done.
    fn next(&self, id: &str, found: &Found) -> Option<Candidate> {
        let mut next = Candidate { plan_id: Some(id.to_owned()), ..Candidate::new(id, Source::Plan) };
        let plan = match found {
            Ok(plan) => plan,
            Err(why) => {
                next.standing = Standing::Damaged(why.clone());
                return Some(next);
            }
        };
        next.priority = plan.priority();
        next.created = plan.created();
        next.title = plan.summary().unwrap_or_default().to_owned();
        match plan.status() {
            Some(Status::Done) => return None,
            Some(Status::Blocked) => {
                next.standing = Standing::Blocked(blocked("its plan", plan.short_task().unwrap_or(id)));
            }
            _ => {}
        }
        match plan.current_step() {
            Some(step) => self.step(plan, &step, &mut next),
            None => replace_open(
                &mut next.standing,
                Standing::Unclosed(format!(
                    "all its steps are done; close it as a person: teof plan checkpoint {id} satisfied && teof plan \
                        status {id} done"
                )),
            ),
        }
        Some(next)
    }

    fn step(&self, plan: &Plan, step: &Step<'_>, next: &mut Candidate) {
        next.step_id = step.id().map(str::to_owned);
        next.title = step.title().unwrap_or_default().to_owned();
        if step.status() == Some(Status::Blocked) {
            let (step, plan_id) = (step.id().unwrap_or_default(), next.plan_id.as_deref().unwrap_or_default());
            let what = format!("step {step} of its plan");
            let name = plan.short_task().map_or_else(|| format!("{plan_id}/{step}"), str::to_owned);
            replace_open(&mut next.standing, Standing::Blocked(blocked(&what, &name)));
        }
        if let Some(resolver) = &self.resolver {
            resolver.of_step(plan, step, next);
        }
    }
}

/// What is blocked, and how to retry it.
fn blocked(what: &str, name: &str) -> String {
    format!("{what} is blocked; to retry it: teof coordinator submit {name}")
}

/// An assignment without a source: a seat may take it, but a worker has nothing to run.
fn assigned((task, assignment): (&str, &AssignmentFile)) -> Candidate {
    Candidate {
        plan_id: assignment.plan_id().map(str::to_owned),
        title: assignment.note().unwrap_or_default().to_owned(),
        created: assignment.assigned_at(),
        ..Candidate::new(task, Source::Assignment)
    }
}

/// Marks submitted candidates; an unknown submission becomes a candidate with the reason.
fn submit(candidates: &mut Vec<Candidate>, submissions: &[Submission]) {
    let (mut by_task, mut by_plan): (HashMap<String, usize>, HashMap<String, usize>) = Default::default();
    for (at, c) in candidates.iter().enumerate() {
        by_task.entry(c.task_id.clone()).or_insert(at);
        if let Some(plan) = &c.plan_id {
            by_plan.entry(plan.clone()).or_insert(at);
        }
    }
    for (place, submission) in submissions.iter().enumerate() {
        let plan = submission.plan_id.as_ref().and_then(|plan| by_plan.get(plan));
        let named = [by_task.get(&submission.task_id), by_plan.get(&submission.task_id), plan];
        let found = named.into_iter().flatten().min().and_then(|at| candidates.get_mut(*at));
        let why = match found {
            None => "no open item or plan has this name".to_owned(),
            Some(c) if submission.step_id.is_some() && c.step_id != submission.step_id => {
                format!("its plan's next step is {}: steps run in order", c.step_id.as_deref().unwrap_or("none"))
            }
            Some(c) => {
                c.submitted.get_or_insert(place);
                c.priority = submission.priority.unwrap_or(c.priority);
                continue;
            }
        };
        candidates.push(Candidate {
            submitted: Some(place),
            position: place,
            plan_id: submission.plan_id.clone(),
            step_id: submission.step_id.clone(),
            standing: Standing::Unavailable(why),
            ..Candidate::new(&submission.task_id, Source::Submission)
        });
    }
}
