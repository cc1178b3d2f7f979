//! Sessions of people: an interactive agent, or a shell, in a window of the hub's tmux server.
//!
//! Such a session is not supervised. It lives as long as its window, whatever becomes of its starter and of the
//! coordinator, and the process in the window notes how it ended.

use std::path::Path;

use super::executor;
use crate::agents::{self, Agent};
use crate::base::{Refusal, Result, Stamp, env, text};
use crate::exec;
use crate::exec::tmux::{self, Ended, Server, Terminal, Window};
use crate::hub::worktrees::setup;
use crate::hub::{Hub, Worktree};
use crate::model::run::job_name::short;
use crate::sessions::{self, Environment, LocalStorage, Mode, ProcessId, SessionRecord, SessionStorage, Status};

const EXECUTOR: &str = "tmux";

/// What is started for a task.
pub struct Wanted<'a> {
    pub task: &'a str,
    /// The holder of the claim; `None` for a person without a seat.
    pub seat: Option<&'a str>,
    pub epoch: u64,
    pub worktree: &'a Path,
    pub branch: &'a str,
    pub program: Program,
}

/// What runs in a terminal.
pub enum Program {
    Agent {
        agent: Box<Agent>,
        prompt: Option<String>,
    },
    /// The person's shell.
    Shell(String),
}

/// A command line, and the variables that it gets besides the usual ones.
type Called = (Vec<String>, Vec<(String, String)>);

impl Program {
    fn name(&self) -> &str {
        match self {
            Program::Agent { agent, .. } => &agent.name,
            Program::Shell(shell) => shell.rsplit('/').next().unwrap_or(shell),
        }
    }

    /// Arguments and variables.
    ///
    /// # Errors
    /// `agent.missing`; and when the agent takes no prompt in a terminal.
    fn call(&self) -> Result<Called> {
        match self {
            Program::Shell(shell) => Ok((vec![shell.clone()], exec::allowed(&[]))),
            Program::Agent { agent, prompt } => {
                let mut env = exec::allowed(&agent.env.iter().chain(&agent.keys).cloned().collect::<Vec<_>>());
                env.extend(agent.set.clone());
                Ok((agent.interactive(prompt.as_deref())?, env))
            }
        }
    }
}

/// Refuses a program that no terminal could start, before anything is claimed for it.
///
/// # Errors
/// Without tmux or the agent's program; when the agent takes no prompt in a terminal.
pub fn check(program: &Program, folder: &Path) -> Result<()> {
    Server::check()?;
    if let Program::Agent { agent, .. } = program
        && agents::find_program(agent.program(), folder).is_none()
    {
        let program = text::safe(agent.program());
        return Err(Refusal::guard(
            "agent.missing",
            format!("the agent {} is not installed: no program {program}", agent.name),
        )
        .next("see which agents are here: teof agent doctor")
        .into());
    }
    program.call().map(|_| ())
}

/// Opens the terminal and records its session.
///
/// # Errors
/// As [`check`]; when tmux opens no window.
pub fn start(hub: &Hub, wanted: &Wanted) -> Result<SessionRecord> {
    check(&wanted.program, wanted.worktree)?;
    let (argv, mut env) = wanted.program.call()?;
    let storage = LocalStorage::of(hub);
    let now = hub.now();
    let id = storage.reserve(&format!("terminal-{}", now.compact()))?;
    let folder = storage.folder(&id);
    let log = folder.join(sessions::STREAM);
    if let Some(found) = Worktree::at(wanted.worktree) {
        env.extend(setup::slot_of(hub, &found.git_dir)?.variables());
    }
    env.push((env::TASK.to_owned(), wanted.task.to_owned()));
    if let Some(seat) = wanted.seat {
        env.push((env::AGENT.to_owned(), seat.to_owned()));
        env.push((env::CLAIM_EPOCH.to_owned(), wanted.epoch.to_string()));
    }
    let mut record = SessionRecord {
        id: id.clone(),
        mode: Mode::Dispatch,
        status: Status::Running,
        task_id: Some(wanted.task.to_owned()),
        agent_id: wanted.seat.map(str::to_owned),
        program: Some(wanted.program.name().to_owned()),
        environment: Environment { executor: EXECUTOR.to_owned(), ..Environment::default() },
        worktree: wanted.worktree.to_owned(),
        branch: Some(wanted.branch.to_owned()),
        log: log.clone(),
        started_at: Some(now),
        last_activity: Some(now),
        ..SessionRecord::default()
    };
    let terminal = Terminal {
        argv,
        cwd: wanted.worktree.to_owned(),
        env,
        marks: marks(hub, &id),
        name: format!("{}-{}", wanted.task, Mode::Dispatch.as_str()),
        key: id,
        log,
        max_log: hub.settings()?.worker.max_output,
        launcher: exec::own_file()?,
    };
    open(&executor::of_people(hub), &terminal, &folder, &storage, &mut record).inspect_err(|_| {
        let _ = storage.remove(&record.id);
    })?;
    Ok(record)
}

/// Opens the window and saves its record. Nothing is left open that is not recorded.
fn open(
    server: &Server,
    terminal: &Terminal,
    folder: &Path,
    storage: &LocalStorage,
    record: &mut SessionRecord,
) -> Result<()> {
    let window = tmux::open_terminal(server, terminal, folder)?;
    record.process = exec::started(window.pid).map(|started| ProcessId { pid: window.pid, started });
    storage.save(record).inspect_err(|_| server.close(&window))
}

/// The variables that identify a session's processes.
fn marks(hub: &Hub, id: &str) -> Vec<(String, String)> {
    vec![(env::SESSION.to_owned(), id.to_owned()), (env::ROOT.to_owned(), hub.root.display().to_string())]
}

/// The terminals that are open.
///
/// # Errors
/// When the sessions cannot be read.
pub fn all_open(hub: &Hub) -> Result<Vec<SessionRecord>> {
    let all = LocalStorage::of(hub).list()?.sessions.into_iter().filter(|one| one.mode == Mode::Dispatch);
    Ok(all.map(observed).filter(|one| !one.status.is_over()).collect())
}

/// Why a job must not work on a branch, if a person's terminal is open there.
///
/// # Errors
/// As [`all_open`].
pub fn why_not(hub: &Hub, branch: &str) -> Result<Option<String>> {
    let found = all_open(hub)?.into_iter().find(|one| one.branch.as_deref() == Some(branch));
    Ok(found.map(|one| format!("{} is open on {branch}", short(&one.id))))
}

/// The record of a session as it is now: a terminal's end is noted in its folder, and what died without a word is lost.
#[must_use]
pub fn observed(record: SessionRecord) -> SessionRecord {
    terminal(record).observed(&|process| exec::started(process.pid) == Some(process.started))
}

/// The record of a terminal: when it was last used, and how it ended.
fn terminal(mut record: SessionRecord) -> SessionRecord {
    let Some(folder) = record.log.parent().filter(|_| record.mode == Mode::Dispatch && !record.status.is_over()) else {
        return record;
    };
    record.last_activity = modified(&record.log).or(record.last_activity);
    let Some(ended) = tmux::ended(folder) else { return record };
    record.exit_code = ended.exit_code();
    (record.status, record.reason) = match ended {
        Ended::Exited(0) => (Status::Done, None),
        Ended::Exited(code) => (Status::Failed, Some(format!("exit code {code}"))),
        Ended::Signalled(signal) => (Status::Failed, Some(format!("killed by signal {signal}"))),
        Ended::NotStarted(why) => (Status::Failed, Some(format!("could not start: {}", text::safe(&why)))),
    };
    record.ended_at = tmux::ended_at(folder).and_then(stamp).or(record.last_activity);
    record
}

/// Ends a terminal with all its processes, and records who wanted that and why.
///
/// # Errors
/// `session.not_ended` when a process survives; when the record cannot be written.
pub fn end(hub: &Hub, record: &SessionRecord, why: &str) -> Result<SessionRecord> {
    let grace = hub.settings()?.worker.grace;
    // First, because interactive shells end at SIGHUP, not at SIGTERM. A server that does not answer changes nothing.
    if let Ok(Some((server, window))) = window(hub, record) {
        server.close(&window);
    }
    let (_, survivors) = exec::end_marked(marks(hub, &record.id), grace);
    if !survivors.is_empty() {
        return Err(Refusal::guard(
            "session.not_ended",
            format!("session {} has processes that do not end", record.id),
        )
        .because(survivors.iter().map(|left| left.pid.to_string()).collect::<Vec<_>>().join(", "))
        .into());
    }
    LocalStorage::of(hub).update(&record.id, &mut |record| {
        record.status = Status::Cancelled;
        record.reason = Some(text::safe(why));
        record.ended_at = Some(hub.now());
        record.last_activity = modified(&record.log).or(record.last_activity);
        Ok(())
    })
}

/// The window of a session, and its server, if it is open.
///
/// # Errors
/// When a server does not answer.
pub fn window(hub: &Hub, record: &SessionRecord) -> Result<Option<(Server, Window)>> {
    for server in [executor::of_people(hub), executor::of_runs(hub)] {
        if let Some(window) = server.find(&record.id)? {
            return Ok(Some((server, window)));
        }
    }
    Ok(None)
}

fn modified(path: &Path) -> Option<Stamp> {
    stamp(path.metadata().ok()?.modified().ok()?)
}

fn stamp(at: std::time::SystemTime) -> Option<Stamp> {
    let seconds = at.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
    i64::try_from(seconds).ok().map(Stamp::from_unix)
}
