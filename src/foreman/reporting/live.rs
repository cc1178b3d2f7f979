//! Publishes what a run does at this moment, for screens ([`Live`]).
//!
//! The file is replaced at most four times a second and never synced. A failed write is ignored: nothing depends on it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::agents::Agent;
use crate::base::{Stamp, files, json, text};
use crate::foreman::telemetry::Tracer;
use crate::foreman::work::Work;
use crate::guard::secrets;
use crate::hub::{Hub, paths};
use crate::model::agent::Usage;
use crate::model::run::live::Live;
use crate::model::run::noticed::{Errors, Noticed};

/// The shortest time between two writes.
const EVERY: Duration = Duration::from_millis(250);
/// The longest line, in characters.
const LINE: usize = 200;
/// How many of the last things that were noticed are published.
const NOTICED: usize = 5;

/// Describes one run until it is dropped.
pub struct Publisher<'a> {
    /// The same for a collector of traces, which gets it at the end.
    pub trace: Tracer,
    hub: &'a Hub,
    path: PathBuf,
    now: RefCell<Described>,
}

struct Described {
    live: Live,
    /// Whether the file is older than `live`.
    is_new: bool,
    written: Option<Instant>,
}

impl<'a> Publisher<'a> {
    /// Writes the file for the first time.
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
        };
        let path = hub.local(&paths::live(run));
        if let Err(e) = files::create_parent(&path) {
            tracing::debug!("cannot publish what {run} does: {e:#}");
        }
        let trace = Tracer::start(hub, &work.order, run, started_at);
        let publisher =
            Publisher { trace, hub, path, now: RefCell::new(Described { live, is_new: true, written: None }) };
        publisher.tick();
        publisher
    }

    /// A stage begins.
    pub fn stage(&self, name: &str, round: u32) {
        let at = self.hub.now();
        self.trace.stage(name, round);
        self.change(|live| {
            (live.stage, live.round, live.stage_since) = (Some(name.to_owned()), Some(round), Some(at));
            (live.agent, live.last_tool, live.last_line, live.last_at) = (None, None, None, Some(at));
        });
    }

    /// An agent is called.
    pub fn agent(&self, agent: &Agent) {
        self.change(|live| {
            (live.agent, live.takes_notes) = (Some(agent.name.clone()), agent.takes_messages());
            (live.tools, live.errors) = Default::default();
        });
    }

    /// Its call is over.
    pub fn agent_ended(&self) {
        self.change(|live| live.takes_notes = false);
    }

    /// What the agent did so far in this call.
    pub fn counted(&self, tools: &BTreeMap<String, u64>, errors: Errors) {
        self.change(|live| {
            live.tools.clone_from(tools);
            live.errors = errors;
        });
    }

    /// A rule matched.
    pub fn noticed(&self, noticed: &Noticed) {
        self.change(|live| {
            live.noticed.push(noticed.clone());
            let more = live.noticed.len().saturating_sub(NOTICED);
            live.noticed.drain(..more);
        });
    }

    /// The worker printed a line. Indented ones repeat what its agent said, or tell how a stage ended.
    pub fn said(&self, line: &str) {
        if !line.starts_with(' ') {
            self.line(&secrets::redact(line));
        }
    }

    /// The agent said a line. Without secrets, like a tool's call.
    pub fn line(&self, line: &str) {
        let (at, line) = (self.hub.now(), shown(line));
        self.change(|live| (live.last_line, live.last_at) = (Some(line), Some(at)));
    }

    /// The agent called a tool.
    pub fn tool(&self, call: &str) {
        let (at, call) = (self.hub.now(), shown(call));
        self.change(|live| (live.last_tool, live.last_at) = (Some(call), Some(at)));
    }

    /// What the job used so far.
    pub fn used(&self, usage: Usage) {
        let (tokens, cost) = (usage.tokens(), usage.cost_usd);
        let known = (self.now.borrow().live.tokens, self.now.borrow().live.cost_usd);
        if known != (tokens, cost) {
            self.change(|live| (live.tokens, live.cost_usd) = (tokens, cost));
        }
    }

    /// Writes the last change, if it is time. Called often.
    pub fn tick(&self) {
        let mut now = self.now.borrow_mut();
        if !now.is_new || now.written.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        (now.is_new, now.written) = (false, Some(Instant::now()));
        if let Err(e) = files::replace_unsynced(&self.path, json::compact(&now.live).as_bytes()) {
            tracing::debug!("cannot publish what {} does: {e:#}", now.live.run);
        }
    }

    fn change(&self, change: impl FnOnce(&mut Live)) {
        let mut now = self.now.borrow_mut();
        change(&mut now.live);
        now.is_new = true;
        drop(now);
        self.tick();
    }
}

impl Drop for Publisher<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn shown(line: &str) -> String {
    text::clip(text::safe(line).trim(), LINE)
}
