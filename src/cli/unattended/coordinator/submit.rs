//! `teof coordinator submit`

use std::cell::Cell;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::objective::{self, Details};
use super::send::send_all;
use super::submit_names::{self, Asked};
use crate::base::{Refusal, Result, files};
use crate::cli::App;
use crate::cli::support::command_line;
use crate::cli::support::help::MORE;
use crate::coordinator::state::input::Command;
use crate::coordinator::state::store;
use crate::foreman::calls::notes;
use crate::guard::operator;
use crate::hub::{Hub, paths};
use crate::model::priority::Priority;
use crate::ops::tasks::reopen;
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
    #[arg(long = "test", value_name = "COMMAND", value_parser = command_line::parse, requires = "words")]
    tests: Vec<String>,
    /// Most lines that may be added plus removed
    #[arg(long, value_name = "LINES", requires = "words", help_heading = MORE)]
    diff_limit: Option<u64>,
    /// More details for the agent
    #[arg(long, value_name = "TEXT", requires = "words")]
    notes: Option<String>,
    /// How urgent: urgent, high, medium or low; more urgent work may pause a running job
    #[arg(long, value_name = "PRIORITY", value_parser = priority)]
    priority: Option<Priority>,
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
    let details = Details {
        name: args.name,
        acceptance: args.acceptance,
        tests: args.tests,
        diff_limit: args.diff_limit,
        notes: args.notes,
        priority: args.priority,
    };
    for wanted in &wanted {
        if let Wanted::Objective(objective) = wanted {
            notes::check("objective", objective)?;
        }
    }
    notes::check("note", args.note.as_deref().unwrap_or_default())?;
    check_room(hub, wanted.len())?;
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
        objective::check(hub, &details)?;
    }
    let is_told = Cell::new(false);
    let command = |wanted| match wanted {
        Wanted::Task(asked) => task(app, hub, asked, args.priority),
        Wanted::Objective(text) => {
            let same = plans::of_words(hub, &text).into_iter().rfind(|plan| plan.plan.is_open());
            let command = objective::submission(app, hub, &text, &details)?;
            if let Command::Submit { plan: Some(plan), task, step, .. } = &command {
                let step = step.as_deref().unwrap_or("S1");
                let edit = format!("; to edit it before it starts: teof plan step set {plan} {step} --note \"...\"");
                app.say(format!("Created plan {plan}{}", if is_told.replace(true) { "" } else { &edit }));
                if let Some(same) = same {
                    app.warn(format!(
                        "{} has the same words; to drop the new one: teof coordinator cancel {task}",
                        same.id()
                    ));
                }
            }
            Ok(command)
        }
    };
    // Each is queued before the next plan is made: one that fails leaves no plan behind that nobody queued.
    send_all(app, wanted.into_iter().map(command), args.note)
}

/// Refuses when that many more submissions do not fit in the queue.
///
/// # Errors
/// `submit.full` (exit 1).
pub fn check_room(hub: &Hub, more: usize) -> Result<()> {
    let waiting = store::queued(hub)?;
    let most = hub.settings()?.coordinator.queue;
    match waiting + more > most {
        true => Err(full(&hub.shown(paths::SETTINGS), waiting, more, most).into()),
        false => Ok(()),
    }
}

/// The submission of a task; what was blocked is open again.
pub fn task(app: &App, hub: &Hub, asked: Asked, priority: Option<Priority>) -> Result<Command> {
    let (item, plan, step) = (asked.item.as_deref(), asked.plan.as_deref(), asked.step.as_deref());
    let request = asked.request.as_deref();
    if reopen::reopen(hub, reopen::ReopenRequest { item, plan, step, request })? {
        app.say(format!("{} is open again", asked.task));
    }
    submit_names::is_open(hub, &asked)?;
    Ok(Command::Submit { task: asked.task, plan: asked.plan, step: asked.step, priority, is_new: false })
}

/// A priority as people write it.
fn priority(text: &str) -> Result<Priority, String> {
    Priority::named(text).ok_or_else(|| "use urgent, high, medium or low".to_owned())
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
        read_whole(std::io::stdin().lock()).map_err(refuse)?
    } else {
        let read = files::read(file, MAX_FILE).map_err(|e| refuse(format!("{e:#}")))?;
        read.ok_or_else(|| refuse("there is no such file".into()))?
    };
    let text = String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8".into()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    if lines.is_empty() {
        return Err(refuse("it is empty".into()).into());
    }
    Ok(lines)
}

/// Reads to the end.
///
/// # Errors
/// Why it cannot, also when there is more than [`MAX_FILE`].
fn read_whole(input: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    input.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    match bytes.len() as u64 > MAX_FILE {
        true => Err(format!("it is larger than {MAX_FILE} bytes")),
        false => Ok(bytes),
    }
}

/// `settings`: the path of the settings, for people.
fn full(settings: &str, waiting: usize, more: usize, most: usize) -> Refusal {
    let what = match waiting >= most {
        true => format!("the queue is full: {waiting} of {most} submissions wait"),
        false => format!("{more} more do not fit in the queue: {waiting} of {most} submissions wait"),
    };
    let refusal = Refusal::guard("submit.full", what).because(format!(
        "the limit is coordinator.queue = {most} in teof.toml; queued tasks start as slots become free"
    ));
    let refusal = match waiting {
        0 => refusal.next(format!("submit at most {most} at a time")),
        _ => refusal.next("see them, to cancel some: teof status"),
    };
    refusal
        .next(format!("or set queue = {} under [coordinator] in {settings}", waiting + more))
        .with("limit", most)
        .with("waiting", waiting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_over_the_limit_is_refused_and_not_cut() {
        let most = usize::try_from(MAX_FILE).unwrap();
        assert_eq!(read_whole(&vec![b'x'; most][..]).unwrap().len(), most);
        assert!(read_whole(&vec![b'x'; most + 1][..]).unwrap_err().contains("larger than 262144 bytes"));
    }
}
