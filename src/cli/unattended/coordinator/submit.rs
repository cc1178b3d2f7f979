//! `teof coordinator submit`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Map, json};

use super::send::send_all;
use super::submit_names::{self, Asked};
use crate::base::{Refusal, Result, files, text};
use crate::cli::App;
use crate::cli::support::help::MORE;
use crate::cli::work::plan::shared::maker;
use crate::coordinator::state::input::Command;
use crate::coordinator::state::store;
use crate::guard::{operator, secrets};
use crate::hub::{Hub, Transaction};
use crate::ops::tasks::{plan_edit, reopen};
use crate::plans;

/// Queue a task ahead of the backlog
///
/// Name backlog items, requests of the vault or the queue, plans (the next step is meant), or steps as
/// `<plan>/<step>` or `<plan>-<step>`. A blocked task that a person submits is open again.
///
/// With --objective a plan with one step is made from your words. Tests that you give here count as approved on
/// this machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof coordinator submit QUEUE-001\n\
\x20 teof coordinator submit --objective \"Document the parser\" --test true")]
pub struct Args {
    /// Tasks, plans or steps, in this order
    #[arg(required_unless_present_any = ["objective", "file"], conflicts_with = "words")]
    tasks: Vec<String>,
    /// Describe what you want; a plan is made of it
    #[arg(long, value_name = "TEXT", group = "words")]
    objective: Option<String>,
    /// Read objectives or task names from a file, one per line (- is stdin)
    #[arg(long, value_name = "FILE", group = "words")]
    file: Option<PathBuf>,
    /// Name of the plan [default: made from the objective]
    #[arg(long, value_name = "NAME", requires = "objective", help_heading = MORE)]
    name: Option<String>,
    /// How to tell that the objective is reached [default: the objective]
    #[arg(long, value_name = "TEXT", requires = "objective", help_heading = MORE)]
    acceptance: Option<String>,
    /// A test command that must pass, besides those of the settings; repeatable
    #[arg(long = "test", value_name = "COMMAND", requires = "words")]
    tests: Vec<String>,
    /// Most lines that may be added plus removed
    #[arg(long, value_name = "LINES", requires = "words", help_heading = MORE)]
    diff_limit: Option<u64>,
    /// More details for the agent
    #[arg(long, value_name = "TEXT", requires = "words")]
    notes: Option<String>,
    /// Why; the other seats see it
    #[arg(long)]
    note: Option<String>,
}

/// The largest file of objectives, in bytes.
const MAX_FILE: u64 = 256 * 1024;

/// One thing that is submitted.
enum Wanted {
    Task(Asked),
    Objective(String),
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let wanted = wanted(hub, &args)?;
    for wanted in &wanted {
        if let Wanted::Objective(objective) = wanted {
            secrets::check_text("objective", objective)?;
        }
    }
    secrets::check_text("note", args.note.as_deref().unwrap_or_default())?;
    let waiting = store::load(hub)?.submissions.len();
    let most = hub.settings()?.coordinator.queue;
    if waiting + wanted.len() > most {
        return Err(full(waiting, wanted.len(), most).into());
    }
    for wanted in &wanted {
        match wanted {
            Wanted::Task(asked) => {
                let plan = asked.plan.as_deref().unwrap_or(&asked.task);
                operator::run::check_step(hub, plan, asked.step.as_deref(), "submit other work")?;
            }
            Wanted::Objective(_) => operator::run::refuse("submit other work")?,
        }
    }
    if wanted.iter().any(|wanted| matches!(wanted, Wanted::Objective(_))) {
        runnable(hub, &args)?;
    }
    let mut commands = Vec::new();
    for wanted in wanted {
        commands.push(match wanted {
            Wanted::Task(asked) => {
                let (item, plan, step) = (asked.item.as_deref(), asked.plan.as_deref(), asked.step.as_deref());
                let request = asked.request.as_deref();
                if reopen::reopen(hub, reopen::ReopenRequest { item, plan, step, request })? {
                    app.say(format!("{} was blocked; it is open again", asked.task));
                }
                submit_names::is_open(hub, &asked)?;
                Command::Submit { task: asked.task, plan: asked.plan, step: asked.step }
            }
            Wanted::Objective(objective) => plan_of(app, hub, &objective, &args)?,
        });
    }
    send_all(app, commands, args.note)
}

/// Everything that is asked for, in its order.
fn wanted(hub: &Hub, args: &Args) -> Result<Vec<Wanted>> {
    if let Some(objective) = &args.objective {
        return Ok(vec![Wanted::Objective(objective.clone())]);
    }
    let lines = match &args.file {
        Some(file) => lines(file)?,
        None => args.tasks.clone(),
    };
    let is_objective = |line: &str| args.file.is_some() && line.contains(' ');
    let names: Vec<_> = lines.iter().map(String::as_str).filter(|line| !is_objective(line)).collect();
    let mut tasks = submit_names::resolve_all(hub, &names)?.into_iter();
    let wanted = lines.iter().filter_map(|line| match is_objective(line) {
        true => Some(Wanted::Objective(line.clone())),
        false => tasks.next().map(Wanted::Task),
    });
    Ok(wanted.collect())
}

/// The lines of a file that say something; `#` begins a comment.
fn lines(file: &Path) -> Result<Vec<String>> {
    let refuse = |why: String| {
        Refusal::usage("submit.file", format!("{} cannot be read", file.display()))
            .because(why)
            .next("name a text file with one task or objective on each line: --file work.txt")
    };
    let bytes = if file == Path::new("-") {
        let mut bytes = Vec::new();
        let read = std::io::Read::read_to_end(&mut std::io::Read::take(std::io::stdin(), MAX_FILE), &mut bytes);
        read.map_err(|e| refuse(e.to_string()))?;
        bytes
    } else {
        let read = files::read(file, MAX_FILE).map_err(|e| refuse(format!("{e:#}")))?;
        read.ok_or_else(|| refuse("there is no such file".into()))?
    };
    let text = String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8".into()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    if lines.is_empty() {
        return Err(refuse("it holds no line".into()).into());
    }
    Ok(lines)
}

fn full(waiting: usize, more: usize, most: usize) -> Refusal {
    let what = match waiting >= most {
        true => format!("the queue is full: {waiting} of {most} submissions wait"),
        false => format!("{more} more do not fit into the queue: {waiting} of {most} submissions wait"),
    };
    Refusal::guard("submit.full", what)
        .because(format!(
            "the limit is coordinator.queue = {most} in teof.toml; the rest is chosen as slots become free"
        ))
        .next("see them: teof coordinator status")
        .next("take one out: teof coordinator cancel <task>")
        .with("limit", most)
        .with("waiting", waiting)
}

/// A plan with one step that has the objective. Agents do it, or `[commands] default`.
fn plan_of(app: &App, hub: &Hub, objective: &str, args: &Args) -> Result<Command> {
    if !args.tests.is_empty() {
        operator::require("give tests that are run unattended")?;
    }
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
    let id = match &args.name {
        Some(name) => named(hub, name)?,
        None => plans::new::free_id(hub, &text::clip(objective, 60))?,
    };
    let new = plans::new::NewPlan {
        name: id.clone(),
        id: Some(id),
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
    let path = plans::new::create(&writer, &mut transaction, &new)?;
    plan_edit::stage_creation_event(&writer, &mut transaction, &maker, "coordinator submit", &path)?;
    writer.commit(transaction)?;
    drop(writer);
    let made = plans::find(hub, &path)?;
    if let Some(digest) = plans::commands_digest(&made.plan) {
        plan_edit::approve(hub, &made.path, &digest, &app.person()?)?;
        app.say(format!("approved with it, on this machine: {}", args.tests.join("; ")));
    }
    let step = made.plan.current_step().and_then(|step| step.id().map(str::to_owned));
    app.say(format!("made {path}; it is yours to edit until it begins"));
    let task = made.id().to_owned();
    Ok(Command::Submit { plan: Some(task.clone()), task, step })
}

/// The id of a plan whose name a person chose.
fn named(hub: &Hub, name: &str) -> Result<String> {
    let id = plans::new::id(name, hub.now())?;
    if plans::new::is_taken(hub, &id) {
        return Err(Refusal::usage("plan.exists", format!("there is a plan {id} already"))
            .next("choose another --name, or leave it out: then the plan is numbered")
            .next(format!("to have that plan done: teof coordinator submit {id}"))
            .into());
    }
    Ok(id)
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
