//! Publishes what a run does at this moment: [`Live`] for the run, and one [`SessionRecord`] for each of its programs.
//!
//! What a program does is only in its session's record; the run's file names that session, and is replaced with it
//! because screens watch its folder. Both are replaced at most four times a second, and the record is synced at its
//! end: a command that is over sooner is only seen then.
//! A failed write is ignored: no decision of the run depends on them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::agents::Agent;
use crate::agents::monitor::Monitor;
use crate::base::{Result, Stamp, env, files, json, text};
use crate::exec;
use crate::foreman::telemetry::Tracer;
use crate::foreman::work::Work;
use crate::guard::secrets;
use crate::hub::{Hub, paths};
use crate::model::agent::{Quota, Quotas, Usage};
use crate::model::run::live::Live;
use crate::model::run::noticed::{Errors, Noticed};
use crate::sessions::{
    ERRORS, Environment, LocalStorage, Mode, ProcessId, STREAM, SessionRecord, SessionStorage, Status, StopRequest,
};

/// The shortest time between two writes.
const EVERY: Duration = Duration::from_millis(250);
/// The longest line, in characters.
const LINE: usize = 200;
/// How many of the last things that were noticed are published.
const NOTICED: usize = 5;
/// How much of a run's name begins the names of its sessions, in bytes.
const MAX_RUN: usize = 80;

/// Describes one run until it is dropped.
pub struct Publisher<'a> {
    /// The same for a collector of traces, which gets it at the end.
    pub trace: Tracer,
    pub hub: &'a Hub,
    path: PathBuf,
    storage: LocalStorage,
    now: RefCell<Described>,
}

struct Described {
    live: Live,
    session: Option<SessionRecord>,
    /// Whether the files are older than this.
    is_new: bool,
    written: Option<Instant>,
    /// When somebody's request to end the session was last looked for.
    looked: Option<Instant>,
}

/// The folder of a session that begins soon.
#[derive(Clone, Debug)]
pub struct SessionFolder {
    pub id: String,
    path: PathBuf,
}

/// A session that begins now.
#[derive(Clone, Copy, Debug)]
pub struct SessionStart<'a> {
    pub folder: &'a SessionFolder,
    pub mode: Mode,
    /// The agent's name, or the command's label.
    pub program: &'a str,
    /// The worktree and its branch.
    pub place: (&'a Path, &'a str),
    pub environment: &'a Environment,
    /// What the job used before.
    pub spent: Usage,
    /// The agent's own session, as far as it is known.
    pub agent_session: Option<&'a str>,
    /// That session began earlier.
    pub resumes: bool,
    pub model: Option<&'a str>,
}

impl SessionFolder {
    /// Where the program's raw output goes.
    pub fn stream(&self) -> PathBuf {
        self.path.join(STREAM)
    }

    /// Where its stderr goes when that is kept apart.
    pub fn errors(&self) -> PathBuf {
        self.path.join(ERRORS)
    }
}

impl<'a> Publisher<'a> {
    /// Writes the run's file for the first time.
    pub fn start(hub: &'a Hub, work: &Work, run: &str, started_at: Stamp) -> Publisher<'a> {
        let live = Live {
            run: run.to_owned(),
            job: work.order.job.clone(),
            task_id: work.order.task_id.clone(),
            agent_id: work.order.agent_id.clone(),
            started_at,
            stage: None,
            round: None,
            stage_since: None,
            session: None,
            agent: None,
            last_tool: None,
            last_line: None,
            last_at: None,
            takes_notes: false,
            tools: BTreeMap::new(),
            errors: Errors::default(),
            noticed: Vec::new(),
            tokens: 0,
            cost_usd: None,
            run_tokens: 0,
            run_cost_usd: None,
            quotas: Quotas::new(),
        };
        let path = hub.local(&paths::live(run));
        if let Err(e) = files::create_parent(&path) {
            tracing::debug!("cannot publish what {run} does: {e:#}");
        }
        let trace = Tracer::start(hub, &work.order, run, started_at);
        let now = RefCell::new(Described { live, session: None, is_new: true, written: None, looked: None });
        let publisher = Publisher { trace, hub, path, storage: LocalStorage::of(hub), now };
        publisher.tick();
        publisher
    }

    /// The run's name.
    pub fn run(&self) -> String {
        self.now.borrow().live.run.clone()
    }

    /// A stage begins.
    pub fn stage(&self, name: &str, round: u32) {
        let at = self.hub.now();
        self.trace.stage(name, round);
        self.change(|now| {
            let live = &mut now.live;
            (live.stage, live.round, live.stage_since) = (Some(name.to_owned()), Some(round), Some(at));
            (live.agent, live.last_tool, live.last_line, live.last_at) = (None, None, None, Some(at));
        });
    }

    /// The stage that runs, as its programs are told.
    pub fn stage_variable(&self) -> Option<(String, String)> {
        Some((env::STAGE.to_owned(), self.now.borrow().live.stage.clone()?))
    }

    /// An agent is called.
    pub fn agent(&self, agent: &Agent) {
        self.change(|now| {
            let live = &mut now.live;
            (live.agent, live.takes_notes) = (Some(agent.name.clone()), agent.takes_messages());
            (live.tools, live.errors) = Default::default();
        });
    }

    /// Its call is over.
    pub fn agent_ended(&self) {
        self.change(|now| now.live.takes_notes = false);
    }

    /// What the agent did so far in this call.
    pub fn counted(&self, seen: &Monitor) {
        self.change(|now| {
            now.live.errors = seen.errors;
            if let Some(record) = &mut now.session {
                record.tools.clone_from(&seen.tools);
                record.errors = seen.errors;
                record.noticed.clone_from(&seen.noticed);
            }
        });
    }

    /// A rule matched.
    pub fn noticed(&self, noticed: &Noticed) {
        self.change(|now| {
            let all = &mut now.live.noticed;
            all.push(noticed.clone());
            let more = all.len().saturating_sub(NOTICED);
            all.drain(..more);
        });
    }

    /// The worker printed a line. Indented ones repeat what its agent said, or tell how a stage ended.
    pub fn said(&self, line: &str) {
        if !line.starts_with(' ') {
            let (at, line) = (self.hub.now(), shown(&secrets::redact(line)));
            self.change(|now| (now.live.last_line, now.live.last_at) = (Some(line), Some(at)));
        }
    }

    /// Makes the folder of a session, whose name in this run is `name`.
    pub fn reserve(&self, name: &str) -> Result<SessionFolder> {
        let run = self.run();
        let start = &run[..run.len().min(MAX_RUN)];
        let id = self.storage.reserve(&format!("{start}-{}", name.get(..MAX_RUN / 2).unwrap_or(name)))?;
        Ok(SessionFolder { path: self.storage.folder(&id), id })
    }

    /// A program starts.
    pub fn begin(&self, start: &SessionStart) {
        let clean = |text: Option<&str>| text.filter(|text| secrets::redact(text) == *text).map(str::to_owned);
        let SessionStart { folder, mode, place, spent, .. } = *start;
        let resumed = start.agent_session.filter(|_| start.resumes);
        self.end(|record| {
            (record.status, record.reason) = (Status::Failed, Some("the worker could not supervise it".into()));
        });
        let at = self.hub.now();
        let pid = std::process::id().cast_signed();
        self.change(|now| {
            now.session = Some(SessionRecord {
                id: folder.id.clone(),
                mode,
                parent_id: resumed.and_then(|session| self.record_of(session)),
                agent_session: clean(start.agent_session),
                model: clean(start.model),
                task_id: Some(now.live.task_id.clone()),
                job: now.live.job.clone(),
                run: Some(now.live.run.clone()),
                stage: now.live.stage.clone(),
                round: now.live.round,
                agent_id: Some(now.live.agent_id.clone()),
                program: Some(shown(&secrets::redact(start.program))),
                environment: start.environment.clone(),
                worktree: place.0.to_owned(),
                branch: Some(place.1.to_owned()),
                log: folder.stream(),
                supervisor: process(pid),
                last_activity: Some(at),
                started_at: Some(at),
                ..SessionRecord::default()
            });
            now.live.session = Some(self.storage.record(&folder.id));
            if mode != Mode::Process {
                (now.live.tokens, now.live.cost_usd) = (spent.tokens(), spent.cost_usd);
                // People may want to watch, stop or answer it at once.
                now.written = None;
            }
        });
    }

    /// The session's program runs, as this process.
    pub fn started(&self, pid: i32) {
        self.session(|record| (record.status, record.process) = (Status::Running, process(pid)));
    }

    /// The agent tells its own session and its model.
    pub fn identify(&self, agent_session: Option<&str>, model: Option<&str>) {
        let clean = |text: &str| Some(text.to_owned()).filter(|text| secrets::redact(text) == *text);
        self.session(|record| {
            record.agent_session = agent_session.and_then(clean).or(record.agent_session.take());
            record.model = model.and_then(clean).or(record.model.take());
        });
    }

    /// The newest record of one of the agent's own sessions.
    fn record_of(&self, agent_session: &str) -> Option<String> {
        let earlier = self.storage.list().unwrap_or_default().sessions;
        let is_same = |other: &SessionRecord| other.agent_session.as_deref() == Some(agent_session);
        earlier.into_iter().rev().find(is_same).map(|parent| parent.id)
    }

    /// The agent said a line; without secrets, like a tool's call. `counts`: it is a message of its own.
    pub fn line(&self, line: &str, counts: bool) {
        let line = shown(line);
        self.active(|record| {
            record.last_message = Some(line);
            record.messages += u64::from(counts);
        });
    }

    /// The agent called a tool.
    pub fn tool(&self, call: &str) {
        let call = shown(call);
        self.active(|record| record.last_tool = Some(call));
    }

    /// The program printed something.
    pub fn active(&self, change: impl FnOnce(&mut SessionRecord)) {
        let at = self.hub.now();
        self.session(|record| {
            record.last_activity = Some(at);
            // Not every executor tells a process.
            if record.status == Status::Starting {
                record.status = Status::Running;
            }
            change(record);
        });
    }

    /// What this run used so far, for the day's budget.
    pub fn run_used(&self, usage: Usage) {
        let (tokens, cost) = (usage.tokens(), usage.cost_usd);
        let known = (self.now.borrow().live.run_tokens, self.now.borrow().live.run_cost_usd);
        if known != (tokens, cost) {
            self.change(|now| (now.live.run_tokens, now.live.run_cost_usd) = (tokens, cost));
        }
    }

    /// An agent says how much of its account's limit is used.
    pub fn quota(&self, agent: &str, quota: &Quota) {
        self.change(|now| quota.clone().add(now.live.quotas.entry(agent.to_owned()).or_default()));
    }

    /// What the session used so far.
    pub fn used(&self, usage: Usage) {
        let is_known = self.now.borrow().session.as_ref().is_none_or(|record| record.usage == usage);
        if !is_known {
            self.session(|record| record.usage = usage);
        }
    }

    /// Who wants the session to end now. Looked for a few times a second.
    pub fn stop_request(&self) -> Option<StopRequest> {
        let mut now = self.now.borrow_mut();
        if now.looked.is_some_and(|at| at.elapsed() < EVERY) {
            return None;
        }
        now.looked = Some(Instant::now());
        StopRequest::read(&self.storage.folder(&now.session.as_ref()?.id))
    }

    /// The session's program is over.
    pub fn end(&self, describe: impl FnOnce(&mut SessionRecord)) {
        let at = self.hub.now();
        let Some(mut record) = self.now.borrow_mut().session.take() else { return };
        describe(&mut record);
        (record.ended_at, record.last_activity) = (Some(at), Some(at));
        self.save(&record);
        self.change(|now| {
            let live = &mut now.live;
            let whole =
                Usage { input_tokens: live.tokens, cost_usd: live.cost_usd, ..Usage::default() }.plus(record.usage);
            (live.session, live.tokens, live.cost_usd) = (None, whole.tokens(), whole.cost_usd);
            (live.last_tool, live.last_line) = (record.last_tool, record.last_message);
            live.last_at = Some(at);
            if record.mode != Mode::Process {
                live.tools = record.tools;
                // What it used counts for the day's budget.
                now.written = None;
            }
        });
    }

    /// Writes the last change, if it is time. Called often.
    pub fn tick(&self) {
        let mut now = self.now.borrow_mut();
        if !now.is_new || now.written.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        (now.is_new, now.written) = (false, Some(Instant::now()));
        // The record first: the run's file names it.
        if let Some(record) = &now.session {
            self.save(record);
        }
        if let Err(e) = files::replace_unsynced(&self.path, json::compact(&now.live).as_bytes()) {
            tracing::debug!("cannot publish what {} does: {e:#}", now.live.run);
        }
    }

    fn save(&self, record: &SessionRecord) {
        if let Err(e) = self.storage.save(record) {
            tracing::debug!("cannot save session {}: {e:#}", record.id);
        }
    }

    fn session(&self, change: impl FnOnce(&mut SessionRecord)) {
        self.change(|now| {
            if let Some(record) = &mut now.session {
                change(record);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Described)) {
        let mut now = self.now.borrow_mut();
        change(&mut now);
        now.is_new = true;
        drop(now);
        self.tick();
    }
}

impl Drop for Publisher<'_> {
    fn drop(&mut self) {
        self.end(|record| {
            (record.status, record.reason) = (Status::Failed, Some("its run ended before it".into()));
        });
        let _ = std::fs::remove_file(&self.path);
    }
}

fn process(pid: i32) -> Option<ProcessId> {
    Some(ProcessId { pid, started: exec::started(pid)? })
}

fn shown(line: &str) -> String {
    text::clip(text::safe(line).trim(), LINE)
}
