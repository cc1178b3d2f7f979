//! Resolves a name that was given to `teof coordinator submit`: an item, a request, a plan, or a step.

use crate::base::{Refusal, Result, names, text};
use crate::coordinator::state::{Ending, Phase, State, store};
use crate::hub::Hub;
use crate::model::backlog::ItemStatus;
use crate::model::plan::{Link, Status};
use crate::ops::tasks;
use crate::plans::requests::vault;
use crate::plans::{self, SameWork, requests};

/// The work that a name means.
#[derive(Debug, Default)]
pub struct Asked {
    /// The name under which it is queued.
    pub task: String,
    /// It is an item of the backlog.
    pub item: Option<String>,
    /// The plan that does it, if there is one.
    pub plan: Option<String>,
    pub step: Option<String>,
    /// The path of a request of the vault that no plan does yet.
    pub request: Option<String>,
}

/// The work that a name means.
///
/// # Errors
/// `task.not_found` (exit 4) when there is none; `task.done` when all of it is done.
pub fn resolve(hub: &Hub, name: &str) -> Result<Asked> {
    if let Some((plan, step)) = name.trim_matches('/').rsplit_once('/').filter(|(plan, _)| !plan.contains('/')) {
        return of_plan(hub, None, plan, Some(step));
    }
    if name.contains(char::is_whitespace) {
        return Err(Refusal::usage(
            "submit.words",
            format!("no task is called {:?}", text::clip(&text::safe(name), 60)),
        )
        .because("the name of a task has no spaces")
        .next(format!("describe new work: teof coordinator submit --objective {}", text::shell_word(name)))
        .into());
    }
    names::check_id("task", name)?;
    let there = |plan: &str| plans::find(hub, plan).is_ok().then(|| plan.to_owned());
    let backlog = plans::backlog::read(hub)?;
    if let Some(item) = backlog.item(name) {
        if item.status() == Some(ItemStatus::Done) {
            return Err(done(hub, name, format!("the item {name}")).into());
        }
        let plan = item.plan().and_then(there);
        return Ok(Asked { task: name.into(), item: Some(name.into()), plan, ..Asked::default() });
    }
    let known = SameWork::near(hub, name, None)?;
    match known.place(name).filter(|place| known.has_plan(&place.plan)) {
        Some(place) => match place.part {
            plans::same_work::Part::Step(step) => of_plan(hub, Some(name), &place.plan, Some(&step)),
            _ => of_plan(hub, Some(name), &place.plan, None),
        },
        None => match requests::named(hub, name)? {
            Some(link) => Ok(of_request(requests::task_of(hub, &link).unwrap_or_else(|| name.to_owned()), link)),
            // A plan by its name without the date.
            None => match plans::find(hub, name) {
                Ok(plan) => of_plan(hub, None, plan.id(), None),
                Err(_) => Err(unknown(hub, name).into()),
            },
        },
    }
}

fn of_request(task: String, link: Link) -> Asked {
    let request = Some(link.to).filter(|_| link.kind == vault::LINK);
    Asked { task, request, ..Asked::default() }
}

fn of_plan(hub: &Hub, name: Option<&str>, plan: &str, step: Option<&str>) -> Result<Asked> {
    let found = plans::find(hub, plan)?;
    let id = found.id().to_owned();
    match step.map(|step| (step, found.plan.step(step))) {
        Some((step, None)) => {
            let steps = found.plan.steps();
            let known = steps.iter().filter_map(|step| step.id());
            return Err(Refusal::not_found(
                "step.not_found",
                format!("no such step: {step}{}", names::did_you_mean(step, known)),
            )
            .next(format!("see the steps of the plan: teof plan show {id}"))
            .into());
        }
        Some((step, Some(found))) if found.status() == Some(Status::Done) => {
            return Err(done(hub, &format!("{id}-{step}"), format!("the step {step} of {id}")).into());
        }
        _ if found.plan.status() == Some(Status::Done) => return Err(done(hub, &id, format!("the plan {id}")).into()),
        _ => {}
    }
    let task = match (name, step) {
        (_, Some(step)) => found.plan.task_of(&id, step),
        (Some(name), None) if name != id => name.to_owned(),
        (_, None) => found.plan.short_task().unwrap_or(&id).to_owned(),
    };
    Ok(Asked { task, plan: Some(id), step: step.map(str::to_owned), ..Asked::default() })
}

/// Everything that the names mean; refused whole, with all that is wrong, so that nobody waits for a typing error.
///
/// # Errors
/// As [`resolve`] for one name; for several, the first one's code, and `data.refused` names all of them.
pub fn resolve_all(hub: &Hub, names: &[&str]) -> Result<Vec<Asked>> {
    let (mut found, mut refused) = (Vec::new(), Vec::new());
    for name in names {
        match resolve(hub, name) {
            Ok(asked) => found.push(asked),
            Err(e) => match e.downcast::<Refusal>() {
                Ok(refusal) => refused.push((*name, refusal)),
                Err(fault) => return Err(fault),
            },
        }
    }
    match refused.len() {
        0 => Ok(found),
        1 => Err(refused.remove(0).1.into()),
        several => {
            let all: Vec<_> = refused.iter().map(|(name, _)| text::clip(&text::safe(name), 130)).collect();
            let each = refused.iter().map(|(_, refusal)| match &refusal.reason {
                Some(reason) => format!("{} ({reason})", refusal.message),
                None => refusal.message.clone(),
            });
            let first = &refused[0].1;
            Err(Refusal::new(
                first.exit,
                first.code,
                format!("{several} of these cannot be queued: {}", all.join(", ")),
            )
            .because(format!("{}; nothing was queued", each.collect::<Vec<_>>().join("; ")))
            .next("see what there is: teof task list")
            .with("refused", all)
            .into())
        }
    }
}

/// Whether a request of the vault is planned, now that what was blocked is open again.
pub fn is_open(hub: &Hub, asked: &Asked) -> Result<()> {
    let Some(path) = &asked.request else { return Ok(()) };
    if vault::planned(hub)?.iter().any(|entry| entry.link.to == *path) {
        return Ok(());
    }
    Err(Refusal::guard("request.not_planned", format!("{} is not planned", asked.task))
        .because(format!("the status in {path} is not {}", vault::PLANNED))
        .next(format!("set its status to {} in {path}, then submit it again", vault::PLANNED))
        .into())
}

fn done(hub: &Hub, name: &str, what: String) -> Refusal {
    let refusal = Refusal::guard("task.done", format!("{what} is done"));
    let state = store::load(hub).unwrap_or_else(|_| State::new());
    let refusal = match state.jobs.iter().rev().find(|job| job.is_called(name)) {
        Some(job) => refusal.next(format!("undo the result: teof review revert {}", job.short())),
        None => refusal,
    };
    refusal.next("describe what is left: teof do \"…\"")
}

/// The refusal of a job's own name: its task is what is done.
fn a_job(hub: &Hub, name: &str) -> Option<Refusal> {
    let state = store::load(hub).ok()?;
    let job = state.find(name).ok().filter(|job| job.names().is_own(name))?;
    let (short, task, standing) = (job.short(), text::safe(&job.task), job.label());
    let is_newest = state.find(&job.task).is_ok_and(|newest| newest.id == job.id);
    let refusal = Refusal::not_found("task.is_job", format!("{short} is a job of {task}"))
        .because(format!("its state: {standing}"))
        .with("task", job.task.as_str())
        .with("phase", standing);
    Some(match job.phase {
        Phase::Review { .. } => refusal.next(format!("decide about its result: teof review {short}")),
        Phase::Question { .. } => refusal.next(format!("answer it: teof coordinator answer {short} \"…\"")),
        Phase::Over { ending: Ending::Done, .. } | Phase::Finalizing { .. } => {
            refusal.next(format!("see what it did: teof logs {short}"))
        }
        Phase::Over { .. } if !is_newest => refusal.next(format!("see why: teof logs {short}")),
        _ => refusal.next(format!("do its task: teof do {task}")),
    })
}

fn unknown(hub: &Hub, name: &str) -> Refusal {
    if let Some(refusal) = a_job(hub, name) {
        return refusal;
    }
    let table = tasks::table(hub).unwrap_or_default();
    if table.tasks.iter().any(|row| row.task_id == name) {
        // Only a claim or an assignment names it.
        return Refusal::not_found("task.not_found", format!("{name} is in no backlog, plan, vault or queue"))
            .next(format!("add it: teof task add {name} --title \"…\""));
    }
    let open = table.tasks.iter().filter(|row| row.state != tasks::State::Done).map(|row| row.task_id.as_str());
    let meant = names::did_you_mean(name, open);
    Refusal::not_found("task.not_found", format!("no such task, plan or job: {name}{meant}"))
        .next("see all tasks: teof task list")
        .next("or describe the work in a sentence: teof do \"…\"")
}
