//! Makes a plan of an objective that a person describes.

use serde_json::{Map, json};

use crate::base::{Refusal, Result};
use crate::cli::App;
use crate::cli::work::plan::shared::maker;
use crate::coordinator::state::input::Command;
use crate::foreman::calls::notes;
use crate::guard::operator;
use crate::hub::{Hub, Transaction, Writer};
use crate::model::plan::slug_of;
use crate::model::priority::Priority;
use crate::ops::tasks::{plan_edit, short_name};
use crate::plans;

/// The optional parts of an objective.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    pub name: Option<String>,
    pub acceptance: Option<String>,
    pub tests: Vec<String>,
    pub diff_limit: Option<u64>,
    pub notes: Option<String>,
    pub priority: Option<Priority>,
}

/// Makes a plan with one step of the objective, and returns its submission. Agents do it, or `[commands] default`.
pub fn submission(app: &App, hub: &Hub, objective: &str, args: &Details) -> Result<Command> {
    if !args.tests.is_empty() {
        operator::require("add tests that run unattended")?;
    }
    notes::check("objective", objective)?;
    let mut details = Map::from_iter([("objective".to_owned(), json!(objective))]);
    let given = [
        ("notes", args.notes.as_ref().map(|notes| json!(notes))),
        ("tests", (!args.tests.is_empty()).then(|| json!(args.tests))),
        ("diff_limit", args.diff_limit.map(|limit| json!(limit))),
    ];
    details.extend(given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    let maker = maker(app)?;
    let mut writer = hub.lock("coordinator submit")?;
    let mut transaction = Transaction::new("make a plan of an objective");
    let (id, task) = match &args.name {
        Some(name) => named(&writer, name)?,
        None => {
            let task = short_name::free(&writer, objective)?;
            (format!("{}-{task}", hub.now().date()), Some(task))
        }
    };
    let new = plans::new::NewPlan {
        name: id.clone(),
        id: Some(id),
        task,
        summary: objective.to_owned(),
        actor: hub.settings()?.coordinator.manager.clone(),
        checkpoint: Some(args.acceptance.clone().unwrap_or_else(|| objective.to_owned())),
        priority: u64::from(args.priority.unwrap_or_default().rank()),
        impact_score: 1,
        layer: Some("L5".to_owned()),
        systemic_targets: vec!["S6".to_owned()],
        details,
        ..Default::default()
    };
    let path = plans::new::create(&writer, &mut transaction, &new)?;
    plan_edit::stage_creation_event(&writer, &mut transaction, &maker, "coordinator submit", &path)?;
    writer.commit(transaction)?;
    drop(writer);
    let made = plans::find(hub, &path)?;
    if let Some(digest) = plans::commands_digest(&made.plan) {
        plan_edit::approve(hub, &made.path, &digest, &operator::name(hub, None)?)?;
        app.say(format!("Approved on this machine: {}", args.tests.join("; ")));
    }
    let step = made.plan.current_step().and_then(|step| step.id().map(str::to_owned));
    let plan = made.id().to_owned();
    let task = made.plan.short_task().unwrap_or(&plan).to_owned();
    Ok(Command::Submit { plan: Some(plan), task, step, priority: None, is_new: true })
}

/// The id of a plan whose name a person chose, and that name as its task's, where it is free.
fn named(writer: &Writer<'_>, name: &str) -> Result<(String, Option<String>)> {
    let hub = writer.hub();
    let id = plans::new::id(name, hub.now())?;
    if plans::new::is_taken(hub, &id) {
        return Err(Refusal::usage("plan.exists", format!("there is a plan {id} already"))
            .next("choose another --name, or omit it to name the plan after the objective")
            .next(format!("or submit the existing plan: teof coordinator submit {id}"))
            .into());
    }
    let task = slug_of(&id).map(str::to_owned);
    let is_free = task.as_ref().map_or(Ok(false), |task| short_name::is_free(writer, task))?;
    Ok((id, task.filter(|_| is_free)))
}

/// Refuses an objective that no agent or command can do, that no test would check, or whose details an agent would not
/// get whole, before anything is written.
pub fn check(hub: &Hub, args: &Details) -> Result<()> {
    for (what, words) in [("notes", &args.notes), ("acceptance", &args.acceptance)] {
        notes::check(what, words.as_deref().unwrap_or_default())?;
    }
    let settings = hub.settings()?;
    let coder = settings.roles.get("coder").is_some_and(|coder| coder.agent.is_some() || coder.command.is_some());
    if !coder && settings.commands.default.is_empty() {
        return Err(Refusal::guard("submit.nobody", "no agent and no command is set up to do the work")
            .because("[roles.coder] has no agent, and [commands] default is empty")
            .next("see which agents work here: teof agent doctor")
            .next("then choose one: teof init --role coder=NAME")
            .into());
    }
    if args.tests.is_empty() && settings.guard.tests.is_empty() {
        return Err(Refusal::guard("submit.unverified", "no test would check the result")
            .because("every result must pass a test before a person is asked about it")
            .next("add a command that must pass: --test \"cargo test\"")
            .next("or for all work: teof init --test \"cargo test\"")
            .into());
    }
    Ok(())
}
