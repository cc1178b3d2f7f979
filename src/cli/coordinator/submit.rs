//! `teof coordinator submit`

use std::process::ExitCode;

use serde_json::{Map, json};

use super::send::send;
use crate::base::{Refusal, Result, names, text};
use crate::cli::App;
use crate::coordinator::input::Command;
use crate::coordinator::store;
use crate::guard::trust;
use crate::hub::{Act, Hub};
use crate::ops::reopen::{self, Asked};
use crate::plans::{self, requests, vault};

/// Name a backlog item, a request of the vault or the queue, a plan (its next step is meant), or a step as
/// `<plan>/<step>` or `<plan>-<step>`.
///
/// What is blocked is open again with it, when a person asks.
///
/// With --objective a plan with one step is made. Tests that are given here are approved with it, on this
/// machine: the person who gives them has read them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What is to be done next
    #[arg(required_unless_present = "objective")]
    task: Option<String>,
    /// Say what is wanted instead: a plan is made of it
    #[arg(long, value_name = "TEXT", conflicts_with = "task")]
    objective: Option<String>,
    /// How one knows that the objective is reached; else the objective itself
    #[arg(long, value_name = "TEXT", requires = "objective")]
    acceptance: Option<String>,
    /// A command line that must pass on the result, besides those of the settings (repeatable)
    #[arg(long = "test", value_name = "COMMAND", requires = "objective")]
    tests: Vec<String>,
    /// Lines added plus lines removed, at most
    #[arg(long, value_name = "LINES", requires = "objective")]
    diff_limit: Option<u64>,
    /// What else whoever does it should know
    #[arg(long, value_name = "TEXT", requires = "objective")]
    notes: Option<String>,
    /// Why, for the others
    #[arg(long)]
    note: Option<String>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let waiting = store::load(hub)?.submissions.len();
    let most = hub.settings()?.coordinator.queue;
    if waiting >= most {
        return Err(full(most).into());
    }
    let command = match (&args.task, &args.objective) {
        (Some(task), _) => named(hub, task)?,
        (None, Some(objective)) => plan_of(app, hub, objective, &args)?,
        (None, None) => return Err(Refusal::usage("submit.nothing", "name what is to be done").into()),
    };
    if reopened(hub, &command)? {
        app.say("it was blocked; it is open again");
    }
    send(app, command, args.note)
}

fn reopened(hub: &Hub, command: &Command) -> Result<bool> {
    let Command::Submit { task, plan, step } = command else { return Ok(false) };
    reopen::reopen(
        hub,
        match plan {
            Some(plan) => Asked::Step { plan, step: step.as_deref() },
            None => Asked::Item(task),
        },
    )
}

fn full(most: usize) -> Refusal {
    Refusal::guard("submit.full", format!("the queue is full: {most} submissions wait"))
        .because("only what was asked for by name waits in it; the rest is chosen as slots become free")
        .next("see them: teof coordinator status")
        .next("take one out: teof coordinator cancel <task>")
}

/// The task that a name means; refused when there is none, so that nobody waits for a typing error.
fn named(hub: &Hub, name: &str) -> Result<Command> {
    if let Some((plan, step)) = name.trim_matches('/').rsplit_once('/').filter(|(plan, _)| !plan.contains('/')) {
        let found = plans::find(hub, plan)?;
        step_of(&found, step)?;
        let task = format!("{}-{step}", found.id());
        return Ok(Command::Submit { task, plan: Some(found.id().into()), step: Some(step.into()) });
    }
    names::check_id("task", name)?;
    let is_item = plans::backlog::read(hub)?.item(name).is_some() || is_request(hub, name)?;
    let steps = plans::all(hub).into_iter().filter_map(|(_, found)| found.ok());
    let of_plan = steps.into_iter().find_map(|file| {
        let rest = name.strip_prefix(file.id())?;
        let step = rest.strip_prefix('-').filter(|step| file.plan.step(step).is_some()).map(str::to_owned);
        (rest.is_empty() || step.is_some()).then(|| (file.id().to_owned(), step))
    });
    match of_plan {
        _ if is_item => Ok(Command::Submit { task: name.into(), plan: None, step: None }),
        Some((plan, step)) => Ok(Command::Submit { task: name.into(), plan: Some(plan), step }),
        None => Err(Refusal::not_found("task.not_found", format!("neither an item nor a plan is called {name}"))
            .next("see what there is: teof task list")
            .into()),
    }
}

/// Whether a file of the vault or the queue is called so.
fn is_request(hub: &Hub, name: &str) -> Result<bool> {
    let queue = requests::listed(hub, requests::QUEUE, &hub.settings()?.sources.queue_folder)?;
    Ok(vault::planned(hub)?.iter().chain(&queue).any(|entry| entry.task == name))
}

fn step_of(found: &plans::PlanFile, step: &str) -> Result<()> {
    if found.plan.step(step).is_some() {
        return Ok(());
    }
    Err(Refusal::not_found("step.not_found", format!("the plan {} has no step {step}", found.id()))
        .next(format!("see its steps: teof plan show {}", found.id()))
        .into())
}

/// A plan with one step that has the objective. Agents do it, or `[commands] default`.
fn plan_of(app: &App, hub: &Hub, objective: &str, args: &Args) -> Result<Command> {
    runnable(hub, args)?;
    if !args.tests.is_empty() {
        trust::require_person("give tests that are run unattended")?;
    }
    let mut details = Map::from_iter([("objective".to_owned(), json!(objective))]);
    let given = [
        ("notes", args.notes.as_ref().map(|notes| json!(notes))),
        ("tests", (!args.tests.is_empty()).then(|| json!(args.tests))),
        ("diff_limit", args.diff_limit.map(|limit| json!(limit))),
    ];
    details.extend(given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    let mut writer = hub.lock("coordinator submit")?;
    let mut act = Act::new("make a plan of an objective");
    let new = plans::new::NewPlan {
        name: text::clip(objective, 60),
        summary: objective.to_owned(),
        actor: hub.settings()?.coordinator.manager.clone(),
        checkpoint: Some(args.acceptance.clone().unwrap_or_else(|| objective.to_owned())),
        priority: 2,
        impact_score: 1,
        layer: Some("L5".to_owned()),
        systemic_targets: vec!["S6".to_owned()],
        details,
        ..Default::default()
    };
    let path = plans::new::create(&writer, &mut act, &new)?;
    writer.perform(act)?;
    drop(writer);
    let plan = plans::find(hub, &path)?;
    if let Some(digest) = plans::commands_digest(&plan.plan) {
        trust::approve(hub, plan.id(), &digest, &app.person()?)?;
        app.say(format!("approved with it, on this machine: {}", args.tests.join("; ")));
    }
    let step = plan.plan.current_step().and_then(|step| step.id().map(str::to_owned));
    app.say(format!("made {path}; it is yours to edit until it begins"));
    let task = plan.id().to_owned();
    Ok(Command::Submit { plan: Some(task.clone()), task, step })
}

/// Refuses what nobody would do, or nobody could verify, before anything is written.
fn runnable(hub: &Hub, args: &Args) -> Result<()> {
    let settings = hub.settings()?;
    let coder = settings.roles.get("coder").is_some_and(|coder| coder.agent.is_some() || coder.command.is_some());
    if !coder && settings.commands.default.is_empty() {
        return Err(Refusal::guard("submit.nobody", "nobody would do it")
            .because("no agent is bound to code, and [commands] default names nothing to run")
            .next("bind one in teof.toml: [roles.coder] agent = \"claude\"; which are here: teof agent doctor")
            .into());
    }
    if args.tests.is_empty() && settings.guard.tests.is_empty() {
        return Err(Refusal::guard("submit.unverified", "nothing would verify the result")
            .because("work without a test waits for a person")
            .next("name a command that must pass: --test \"cargo test\"")
            .next("or name it for all work in teof.toml: [guard] tests")
            .into());
    }
    Ok(())
}
