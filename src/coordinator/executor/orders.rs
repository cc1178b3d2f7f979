//! Builds work orders from the step, the settings and the current repository.

use anyhow::Context;
use git2::{ErrorCode, Repository};
use serde_json::{Map, Value};

use crate::base::{Refusal, Result, text};
use crate::conductor::reviewers;
use crate::conductor::routing::{self, Route};
use crate::coordinator::state::Job;
use crate::foreman::commands::terminals;
use crate::guard::secrets;
use crate::guard::trust::commands;
use crate::hub::worktrees::convention::{self, Existing};
use crate::hub::worktrees::job_refs;
use crate::hub::{Hub, paths};
use crate::model::claim::ClaimFile;
use crate::model::command::Command;
use crate::model::plan::{Plan, Status, Step};
use crate::model::run::order::{Complexity, Goal, Order, Request, Rollback, VERSION};
use crate::plans::{self, requests};
use crate::review::decision;

/// The path of a job's order, relative to the hub; each time the job is sent back it gets a new one.
pub fn path(manager: &str, job: &Job) -> String {
    format!("{}/manifests/manifest-{}.json", paths::agent(manager), job.known_as())
}

/// Builds the order of a claimed job.
///
/// # Errors
/// When the step is missing, its commands are not trusted (exit 6), or the order is incomplete: then it waits for a
/// person and lists what is missing.
pub fn make(hub: &Hub, manager: &str, job: &Job, claim: &ClaimFile) -> Result<Order> {
    let settings = hub.settings()?;
    let plan = job.plan.as_deref().map(|plan| plans::find(hub, plan)).transpose()?;
    let step = match (&plan, job.step.as_deref()) {
        (Some(file), Some(id)) => Some(file.plan.step(id).ok_or_else(|| gone(job, id))?),
        _ => None,
    };
    let whole = plan.as_ref().map(|file| &file.plan);
    let mut order = of_job(hub, manager, job, claim, whole, step.as_ref())?;
    if let (Some(file), Some(step)) = (&plan, &step) {
        of_step(&mut order, &file.plan, step).map_err(|why| damaged(job, &why))?;
    } else {
        of_item(hub, &mut order)?;
    }
    if let (Some(file), Some(step)) = (&plan, &step)
        && let Some(found) = routing::of_step(settings, &file.plan, step)
    {
        let found = found.map_err(|why| damaged(job, &why))?;
        by_agents(hub, manager, &mut order, found)?;
    }
    let missing = order.missing();
    if !missing.is_empty() {
        return Err(Refusal::guard("order.incomplete", format!("the order lacks: {}", missing.join(", ")))
            .because("teof does not start work without these")
            .into());
    }
    trusted(hub, whole, &order)?;
    Ok(order)
}

/// An order as the job and the settings have it, before its step or item adds to it.
fn of_job(
    hub: &Hub,
    manager: &str,
    job: &Job,
    claim: &ClaimFile,
    plan: Option<&Plan>,
    step: Option<&Step>,
) -> Result<Order> {
    let settings = hub.settings()?;
    let target = hub.target()?.ok_or_else(|| Refusal::guard("order.no_target", "the hub is on no branch"))?;
    // Work that was sent back is ported to the current target.
    let earlier = plan.filter(|_| job.rework.is_none());
    let mut base = base(hub, earlier, step, &target)?;
    let mut branch = claim.branch().map_or_else(|| format!("agent/{}/{}", job.seat, job.task), str::to_owned);
    match (&job.rework, convention::existing(hub, &job.task, &target, &|branch| terminals::why_not(hub, branch))?) {
        (None, Existing::Branch { name, tip }) => (branch, base) = (name, tip.to_string()),
        // The branch stays as the job leaves it: what is sent back goes on from where the job began, on its own branch.
        (Some(_), _) if convention::has_adopted(hub, &job.id) => base = began(hub, &job.id)?.unwrap_or(base),
        _ => {}
    }
    Ok(Order {
        version: VERSION,
        order: format!("order-{}", job.known_as()),
        generated_at: hub.now(),
        manager_agent: manager.to_owned(),
        agent_id: job.seat.clone(),
        job: Some(job.id.clone()),
        task_id: job.task.clone(),
        plan_id: job.plan.clone(),
        step_id: job.step.clone(),
        goal: Goal {
            title: job.title.clone(),
            objective: job.title.clone(),
            request: request(hub, plan, &job.task),
            ..Goal::default()
        },
        notes: None,
        commands: settings.commands.default.iter().map(|line| Command::shell(line)).collect(),
        expected_receipts: Vec::new(),
        rollback: Rollback { base_commit: base.clone(), commands: Vec::new() },
        branch,
        base_commit: base,
        target_branch: target,
        epoch: claim.epoch(),
        guardrails: settings.guardrails(),
        stages: Vec::new(),
        roles: Default::default(),
        reviewer: None,
        passes: settings.pipeline.passes,
        budget: Default::default(),
        rework: job.rework.clone(),
        said_before: super::reviews::said_before(hub, job)?,
    })
}

/// The commit on which a job began.
fn began(hub: &Hub, job: &str) -> Result<Option<String>> {
    let repo = Repository::open_bare(&hub.common_dir).context("open the repository")?;
    Ok(job_refs::of_job(&repo, job).map(|(base, _)| base.to_string()))
}

/// The maximum part of a request in an order, in characters; the rest stays in its file.
const MAX_REQUEST: usize = 60_000;

/// The complete request behind the work, without secrets.
fn request(hub: &Hub, plan: Option<&Plan>, task: &str) -> Option<Request> {
    let (from, text) = requests::full_text(hub, plan, task)?;
    let text = secrets::redact(&text::safe_block(&text));
    let more = text.chars().count().saturating_sub(MAX_REQUEST);
    let text = match more {
        0 => text,
        more => format!("{}\n({more} more characters in {from})", text::clip(&text, MAX_REQUEST)),
    };
    Some(Request { from, text })
}

/// Fills in the order for agents: roles, reviewer and budget.
fn by_agents(hub: &Hub, manager: &str, order: &mut Order, found: (Complexity, Route)) -> Result<()> {
    let (complexity, route) = found;
    order.commands.clear();
    if route.stages.iter().any(|stage| stage == "reviewer") {
        order.reviewer = Some(reviewers::of(hub, manager, &order.agent_id)?);
    }
    order.stages = route.stages;
    order.roles = route.roles;
    order.passes = route.passes;
    order.budget = route.budget;
    order.goal.complexity = Some(complexity);
    Ok(())
}

/// The base of the work: the plan's newest finished step that is not on the target branch yet (finished branches wait
/// for a person), else the target branch.
fn base(hub: &Hub, plan: Option<&Plan>, step: Option<&Step<'_>>, target: &str) -> Result<String> {
    let git = hub.git();
    let head = tip(hub, target)?;
    let (Some(plan), Some(step)) = (plan, step) else { return Ok(head) };
    let steps = plan.steps();
    let finished = steps.iter().rev().filter(|s| s.index < step.index && s.status() == Some(Status::Done));
    let is_on_target = |commit: &str| git.succeeds(&["merge-base", "--is-ancestor", commit, &head]);
    for commit in finished.filter_map(Step::last_commit) {
        let squashed = || decision::merged_as(hub, commit)?.map_or(Ok(false), |merged| is_on_target(&merged));
        if is_on_target(commit)? || squashed()? {
            break;
        }
        // A deleted branch may be lost.
        if git.succeeds(&["cat-file", "-e", &format!("{commit}^{{commit}}")])? {
            return Ok(commit.to_owned());
        }
    }
    Ok(head)
}

/// The commit of the target branch.
fn tip(hub: &Hub, target: &str) -> Result<String> {
    let repo = Repository::open_bare(&hub.common_dir).context("open the repository")?;
    let found = repo.find_reference(&format!("refs/heads/{target}")).and_then(|found| found.peel_to_commit());
    match found {
        Ok(commit) => Ok(commit.id().to_string()),
        Err(e) if matches!(e.code(), ErrorCode::NotFound | ErrorCode::InvalidSpec) => {
            Err(Refusal::guard("order.no_target", format!("the target branch {target} does not exist"))
                .because("the work starts from its newest commit")
                .next(format!("create it: git branch {target} <commit>"))
                .next("or set another one: git.target in teof.toml")
                .into())
        }
        Err(e) => Err(e).with_context(|| format!("read the branch {target}")),
    }
}

/// The order as it is written.
pub fn payload(order: &Order) -> Map<String, Value> {
    match serde_json::to_value(order) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

fn of_step(order: &mut Order, plan: &Plan, step: &Step<'_>) -> Result<(), String> {
    let own = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let commands = step.commands()?;
    if !commands.is_empty() {
        order.commands = commands;
    }
    // A backlog item may stand for a plan with many steps, which would all get the same title.
    if let Some(title) = step.title().filter(|title| !title.trim().is_empty()) {
        title.clone_into(&mut order.goal.title);
    }
    order.expected_receipts = step.expected_receipts()?;
    order.rollback.commands = step.rollback()?;
    if let Some(objective) = step.objective() {
        order.goal.objective = objective.to_owned();
    }
    order.notes = step.notes().map(str::to_owned);
    order.goal.acceptance = plan.checkpoint().description().map(str::to_owned);
    order.goal.layer = plan.layer().map(str::to_owned);
    order.goal.systemic_targets = own(plan.systemic_targets());
    let rails = &mut order.guardrails;
    rails.diff_limit = step.diff_limit().unwrap_or(rails.diff_limit);
    rails.tests.extend(own(step.tests()).into_iter().filter(|test| !rails.tests.contains(test)).collect::<Vec<_>>());
    if !step.allowed().is_empty() {
        rails.allowed = own(step.allowed());
    }
    rails.denied.extend(own(step.denied()));
    rails.protected.extend(own(step.protected()));
    Ok(())
}

fn of_item(hub: &Hub, order: &mut Order) -> Result<()> {
    let backlog = plans::backlog::read(hub)?;
    let Some(item) = backlog.item(&order.task_id) else { return Ok(()) };
    order.notes = item.notes().map(str::to_owned);
    order.goal.layer = item.layer().map(str::to_owned);
    order.goal.systemic_targets = item.systemic_targets().into_iter().map(str::to_owned).collect();
    Ok(())
}

/// Checks everything that the worker would execute, right before it is written.
fn trusted(hub: &Hub, plan: Option<&Plan>, order: &Order) -> Result<()> {
    let digest = plan.and_then(|plan| Some((plan.id()?, plans::commands_digest(plan)?)));
    let plan = digest.as_ref().map(|(id, digest)| (*id, digest.as_str()));
    commands::trusted(hub)?.require(plan, &order.commands)
}

fn gone(job: &Job, step: &str) -> Refusal {
    let plan = job.plan.as_deref().unwrap_or_default();
    Refusal::not_found("step.not_found", format!("plan {plan} no longer has step {step}"))
}

fn damaged(job: &Job, why: &str) -> Refusal {
    Refusal::guard("step.invalid", format!("cannot read the step of {}", job.task)).because(why)
}
