//! Finds whether a worker started this process, and for which task, to refuse what a run must not do.
//!
//! One of three signs is enough: the variables that a run's programs start with, a teof among the parent processes,
//! and the kernel's mark ([`exec::is_marked`]). If a run clears the variables, the other signs still show it, and
//! the worker's arguments name its work order.

use std::path::Path;

use crate::base::{Refusal, Result, env, files, lock, text};
use crate::exec::{self, Ancestor};
use crate::hub::Hub;
use crate::model::run::order::OrderFile;

/// The run that this process belongs to.
#[derive(Clone, Debug)]
pub struct Inside {
    /// How this was recognised, as text.
    sign: String,
    /// The worker, if it is alive.
    worker: Option<Ancestor>,
}

/// The task of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    pub agent: String,
    pub task: String,
    pub plan: Option<String>,
    pub step: Option<String>,
}

/// The run that this process belongs to, if any.
pub fn inside() -> Option<Inside> {
    inside_unless(is_not_a_worker)
}

/// Like [`refuse`], but a coordinator may have started this process: it does what a person allowed it beforehand. A
/// run's worker is a teof of its own between the two.
///
/// # Errors
/// `trust.person` (exit 6).
pub fn refuse_below_workers(what: &str) -> Result<()> {
    match inside_unless(|process| is_not_a_worker(process) || is_coordinator(process)) {
        None => Ok(()),
        Some(inside) => Err(inside.refusal(what).into()),
    }
}

fn inside_unless(is_other: impl Fn(&Ancestor) -> bool) -> Option<Inside> {
    let above = exec::ancestors();
    let worker = above.into_iter().flatten().find(|process| process.is_teof() && !is_other(process)).cloned();
    let sign = match (&worker, env::var(env::RUN), &above) {
        (_, Some(run), _) => format!("this is part of run {}", text::safe(&run)),
        (Some(worker), _, _) => match after(&worker.arguments(), "--run") {
            Some(run) => format!("this is part of run {}: its worker is process {}", text::safe(run), worker.pid),
            None => format!("a teof worker started this: process {}", worker.pid),
        },
        _ if exec::is_marked() => {
            "a worker started this, or set its mark on this shell: the file-lock limit (ulimit -x)".to_owned()
        }
        (None, None, None) if cfg!(target_os = "linux") => {
            "/proc does not show the parent processes, so teof cannot tell who runs this command".to_owned()
        }
        _ => return None,
    };
    Some(Inside { sign, worker })
}

/// Refuses in a run; `what` is the refused action: "approve work".
///
/// # Errors
/// `trust.person` (exit 6).
pub fn refuse(what: &str) -> Result<()> {
    match inside() {
        None => Ok(()),
        Some(inside) => Err(inside.refusal(what).into()),
    }
}

/// The commands that run other teof commands: the quickstart in a person's name, `teof mcp` as its seat. A run's worker
/// above them still counts.
fn is_not_a_worker(process: &Ancestor) -> bool {
    let arguments = process.arguments();
    arguments.iter().skip(1).any(|argument| argument == "quickstart") || command_of(&arguments) == Some("mcp")
}

/// `teof coordinator run`, or one of the commands that run a coordinator.
fn is_coordinator(process: &Ancestor) -> bool {
    matches!(command_of(&process.arguments()), Some("coordinator" | "run" | "do"))
}

fn after<'a>(arguments: &'a [String], flag: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|argument| argument == flag)?;
    arguments.get(at + 1).map(String::as_str)
}

impl Inside {
    pub fn refusal(&self, what: &str) -> Refusal {
        Refusal::unattended("trust.person", format!("only a person may {what}"))
            .because(&*self.sign)
            .next("say in your answer what is needed and why; a person will do it")
    }

    /// Whether the run has no worker any more. Not every program of a run descends from its worker: those in a tmux
    /// window do not.
    fn is_over(&self, hub: &Hub) -> Result<bool> {
        // A program of a run may use another repository's record, which knows nothing of the run.
        let is_foreign = env::var(env::ROOT).is_some_and(|root| Path::new(&root) != hub.root);
        match env::var(env::RUN) {
            Some(run) if !is_foreign => Ok(!is_running(hub, &run)?),
            Some(_) => Ok(false),
            None => Ok(self.worker.is_none()),
        }
    }

    /// The run's task, from the order that the worker names in its arguments. `None` when the worker is gone or its
    /// order cannot be read.
    pub fn given(&self, hub: &Hub) -> Option<Given> {
        let worker = self.worker.as_ref()?;
        let arguments = worker.arguments();
        let path = order_of(&arguments)?;
        let places = [Some(hub.root.join(path)), worker.folder().map(|folder| folder.join(path))];
        let bytes =
            places.into_iter().flatten().find_map(|path| files::read(&path, files::MAX_DOCUMENT).ok().flatten())?;
        match OrderFile::parse(&bytes, Path::new(path)).ok()? {
            OrderFile::V2(order) => {
                Some(Given { agent: order.agent_id, task: order.task_id, plan: order.plan_id, step: order.step_id })
            }
            // There, the caller gives seat and task.
            OrderFile::V1(_) => None,
        }
    }
}

/// Whether a worker of this run holds a run lock of the hub, whatever the task: `TEOF_TASK` can be changed.
fn is_running(hub: &Hub, run: &str) -> Result<bool> {
    let Ok(entries) = std::fs::read_dir(hub.local("locks")) else { return Ok(false) };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with("run-") {
            continue;
        }
        // A lock that was taken on a full disk names no run.
        let may_be = |note: String| !note.contains(": run ") || note.split([' ', ',']).any(|word| word == run);
        if lock::is_held(&entry.path())? && lock::holder(&entry.path()).is_none_or(may_be) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The command that `teof [--root <path>] <command> …` names first.
fn command_of(arguments: &[String]) -> Option<&str> {
    let mut words = arguments.iter().skip(1).map(String::as_str);
    loop {
        match words.next()? {
            "--root" => drop(words.next()),
            flag if flag.starts_with('-') => {}
            command => return Some(command),
        }
    }
}

/// The order that `teof … foreman run <order> …` names.
fn order_of(arguments: &[String]) -> Option<&str> {
    let at = arguments.windows(2).position(|pair| pair[0] == "foreman" && pair[1] == "run")?;
    arguments[at + 2..].iter().map(String::as_str).find(|argument| argument.ends_with(".json"))
}

/// In a run, only the run's own seat passes; outside a run, any seat.
///
/// # Errors
/// `agent.not_of_run` (exit 6) when `agent` is another seat; `run.gone` when the worker is gone: its leftover
/// processes must not write. An error when the run locks cannot be read.
pub fn check_seat(hub: &Hub, agent: &str) -> Result<()> {
    let Some(inside) = inside() else { return Ok(()) };
    let own = match inside.given(hub) {
        Some(given) => given.agent,
        None if inside.is_over(hub)? => {
            return Err(Refusal::unattended(
                "run.gone",
                "the worker of this run is gone, so nothing is written for it",
            )
            .because(inside.sign)
            .next("leave it to a person or to the next run")
            .into());
        }
        None => match env::var(env::AGENT) {
            Some(own) => own,
            None => return Ok(()),
        },
    };
    if own == agent {
        return Ok(());
    }
    Err(Refusal::unattended("agent.not_of_run", format!("a run must not write as {}", text::safe(agent)))
        .because(format!("{}, whose seat is {}", inside.sign, text::safe(&own)))
        .next("write as the run's own seat: do not change TEOF_AGENT")
        .into())
}

/// In a run, only the run's own task passes; outside a run, any. `what` is the refused action: "claim another task".
///
/// # Errors
/// `task.not_of_run` (exit 6), also when the run's task is unknown.
pub fn check_task(hub: &Hub, task: &str, what: &str) -> Result<()> {
    let Some(inside) = inside() else { return Ok(()) };
    let own = match inside.given(hub) {
        Some(given) => Some(given.task),
        None => env::var(env::TASK),
    };
    if own.as_deref() == Some(task) {
        return Ok(());
    }
    let own = own.map_or("unknown".to_owned(), |own| text::safe(&own));
    Err(Refusal::unattended("task.not_of_run", format!("only a person may {what} from inside a run"))
        .because(format!("{}, whose task is {own}", inside.sign))
        .next("say in your answer what else to do and why, or post a message to the task's channel")
        .into())
}

/// Refuses to start work inside a run. The coordinator is not a run.
///
/// # Errors
/// `trust.person` (exit 6).
pub fn refuse_to_start(what: &str) -> Result<()> {
    let is_coordinators = |inside: &Inside| {
        let coordinates =
            |worker: &Ancestor| matches!(command_of(&worker.arguments()), Some("coordinator" | "run" | "do"));
        env::var(env::RUN).is_none() && !exec::is_marked() && inside.worker.as_ref().is_some_and(coordinates)
    };
    match inside().filter(|inside| !is_coordinators(inside)) {
        None => Ok(()),
        Some(inside) => Err(inside.refusal(what).into()),
    }
}

/// In a run, only the run's own plan step passes; outside a run, any.
///
/// # Errors
/// `trust.person` (exit 6) for another step, or when the run's step is unknown.
pub fn check_step(hub: &Hub, plan: &str, step: Option<&str>, what: &str) -> Result<()> {
    let Some(inside) = inside() else { return Ok(()) };
    let own = inside
        .given(hub)
        .is_some_and(|given| given.plan.as_deref() == Some(plan) && (step.is_none() || step == given.step.as_deref()));
    if own { Ok(()) } else { Err(inside.refusal(what).into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_worker_names_its_run_and_its_order() {
        let worker = words("teof --root /r foreman run _report/agent/m/manifests/m.json --execute --run job-1.2");
        assert_eq!(order_of(&worker), Some("_report/agent/m/manifests/m.json"));
        assert_eq!(after(&worker, "--run"), Some("job-1.2"));
        assert_eq!(command_of(&worker), Some("foreman"));
        assert_eq!(command_of(&words("teof --json do x")), Some("do"));
        assert_eq!(order_of(&words("teof foreman run --execute --run r.1 o.json")), Some("o.json"));
        assert_eq!(order_of(&words("teof review approve job-1")), None);
    }
}
