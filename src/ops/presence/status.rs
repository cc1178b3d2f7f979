//! `bus status`: claims, latest events, and whether a manager is active (the playbook: bus_status).
//!
//! Reads only. Where the playbook's tool has bugs (a preset's window that is shown but not used, a limit before the
//! filters), this follows that tool's documentation.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::base::{Result, Stamp};
use crate::bus::log::Log;
use crate::bus::{Damaged, claims, holds};
use crate::hub::{Hub, paths};
use crate::model::claim::ClaimFile;
use crate::model::event::{AUDIT, EventView, Severity};

use crate::seats::editing::{self, Edit};

use super::heartbeat::{self, Heartbeat, Manager, Presence, Windows};
use super::observe;

/// The options.
#[derive(Clone, Debug)]
pub struct Query {
    pub preset: Option<Preset>,
    /// Seats whose claims and events are shown; empty: all.
    pub agents: Vec<String>,
    /// Severities of the events; empty: all, and events without one.
    pub severities: Vec<Severity>,
    /// Only claims that are active or paused.
    pub active_only: bool,
    /// Maximum number of events after filtering; 0: all.
    pub limit: usize,
    /// Overrides the window.
    pub since: Option<Stamp>,
    /// How far back events go; `None`: no limit.
    pub window: Option<Duration>,
    /// Time after which a silent manager is stale; `None`: not checked.
    pub manager_window: Option<Duration>,
    /// Seats that count as managers, besides those that are.
    pub managers: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// For a seat that supports others.
    Support,
    /// For a manager.
    Manager,
}

const HOUR: u64 = 3600;

impl Preset {
    pub fn parse(text: &str) -> Option<Preset> {
        [Preset::Support, Preset::Manager].into_iter().find(|preset| preset.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Preset::Support => "support",
            Preset::Manager => "manager",
        }
    }
}

impl Query {
    /// The defaults, or those of a preset.
    pub fn new(preset: Option<Preset>) -> Query {
        let (limit, hours) = match preset {
            None => (10, 24),
            Some(Preset::Support) => (20, 6),
            Some(Preset::Manager) => (20, 4),
        };
        Query {
            preset,
            agents: Vec::new(),
            severities: match preset {
                None => Vec::new(),
                Some(Preset::Support) => vec![Severity::Medium, Severity::High],
                Some(Preset::Manager) => vec![Severity::High],
            },
            active_only: preset == Some(Preset::Support),
            limit,
            since: None,
            window: Some(Duration::from_secs(hours * HOUR)),
            manager_window: Windows::default().manager,
            managers: Vec::new(),
        }
    }

    fn cut_off(&self, now: Stamp) -> Option<Stamp> {
        self.since.or_else(|| Some(now.minus(self.window?)))
    }

    fn takes_agent(&self, agent: Option<&str>) -> bool {
        self.agents.is_empty() || agent.is_some_and(|agent| self.agents.iter().any(|wanted| wanted == agent))
    }

    fn takes_event(&self, view: &EventView<'_>) -> bool {
        let severity = view.severity.as_deref().and_then(Severity::parse);
        self.takes_agent(view.agent_id.as_deref())
            && (self.severities.is_empty() || severity.is_some_and(|severity| self.severities.contains(&severity)))
    }
}

/// The result.
#[derive(Debug)]
pub struct Report {
    pub query: Query,
    /// By task.
    pub claims: Vec<Held>,
    /// Newest last.
    pub events: Vec<Map<String, Value>>,
    /// `None`: not checked.
    pub managers: Option<Heartbeat>,
    /// Reviews by another seat, of the shown claims' tasks; newest last.
    pub audits: Vec<Map<String, Value>>,
    /// Unreadable files.
    pub damaged: Vec<Damaged>,
    pub size: crate::bus::log::Size,
}

#[derive(Debug)]
pub struct Held {
    pub task: String,
    pub claim: ClaimFile,
    /// Why the task is on hold, if it is.
    pub hold: Option<String>,
    /// What its seat edits for it, as hooks told it within the last hour, newest first.
    pub editing: Vec<Edit>,
}

/// Reads claims, events and managers.
pub fn read(hub: &Hub, query: Query) -> Result<Report> {
    let log = Log::read(hub)?;
    let listing = claims::list(hub)?;
    let mut damaged = listing.damaged;
    let mut claims = Vec::new();
    let edits = editing::recent(hub);
    for (task, claim) in listing.whole {
        if query.takes_agent(claim.agent_id()) && (claim.is_live() || !query.active_only) {
            let hold = if claim.is_live() { holds::on(hub, &task)?.map(|hold| hold.summary) } else { None };
            let of_it = |edit: &&Edit| edit.task.as_ref() == Some(&task);
            let own = claim.agent_id().and_then(|seat| edits.get(seat)).filter(|_| claim.is_live());
            let editing = own.into_iter().flatten().filter(of_it).cloned().collect();
            claims.push(Held { task, claim, hold, editing });
        }
    }
    let since = query.cut_off(hub.now());
    let parsed = |lines: Vec<Vec<u8>>| lines.iter().filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let events = parsed(log.latest(since, query.limit, |view| query.takes_event(view))?);
    let audits = parsed(log.latest(since, AUDITS, |view| is_audit(view, &claims))?);
    let managers = match query.manager_window {
        Some(window) => {
            let windows = Windows { manager: Some(window), agent: None };
            let observed = observe::observe(hub, &log, &[], windows, &query.managers)?;
            damaged.extend(observed.damaged);
            Some(heartbeat::evaluate(&observed.facts, windows))
        }
        None => None,
    };
    Ok(Report { claims, events, managers, audits, damaged, size: log.size(), query })
}

/// At most this many audits are shown.
const AUDITS: usize = 50;

/// Whether an event is a review, by another seat, of a claim that is shown.
fn is_audit(view: &EventView<'_>, claims: &[Held]) -> bool {
    let of_another =
        |held: &Held| view.task_id.as_deref() == Some(&*held.task) && held.claim.agent_id() != view.agent_id.as_deref();
    view.event.as_deref() == Some(AUDIT) && claims.iter().any(of_another)
}

/// What `teof bus status --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Document<'a> {
    /// As in their files, with `_path`, `_hold` where one stops the task, and `_editing`: what the seat edits for it.
    claims: Vec<Map<String, Value>>,
    /// As in the log, newest first, with `_index` (1: the newest).
    events: Vec<Map<String, Value>>,
    /// Reviews by another seat, as in the log.
    audits: &'a [Map<String, Value>],
    filters: Filters<'a>,
    /// `None`: not checked.
    manager_status: Option<ManagerStatus<'a>>,
    /// Unreadable files.
    damaged: &'a [Damaged],
    log: &'a crate::bus::log::Size,
}

/// The options that were used.
#[derive(Debug, Serialize, JsonSchema)]
struct Filters<'a> {
    agents: &'a [String],
    active_only: bool,
    limit: usize,
    since: Option<Stamp>,
    window_hours: f64,
    /// Minutes.
    manager_window: f64,
    preset: Option<&'static str>,
    severity: Vec<&'static str>,
}

/// Which managers wrote within the window.
#[derive(Debug, Serialize, JsonSchema)]
struct ManagerStatus<'a> {
    window_minutes: f64,
    candidates: Vec<&'a str>,
    active: Vec<heartbeat::Entry<'a>>,
    stale: Vec<heartbeat::Entry<'a>>,
    missing: Vec<&'a str>,
}

impl Report {
    /// `{claims[], events[], audits[], filters, manager_status, damaged[], log}`: claims as in their files with
    /// `_path`, events as in the log with `_index` (1: the newest).
    pub fn document(&self) -> Document<'_> {
        let claims = self.claims.iter().map(Held::document).collect();
        let count = self.events.len();
        let events = self.events.iter().enumerate().rev().map(|(i, event)| {
            let mut event = event.clone();
            event.insert("_index".into(), json!(count - i));
            event
        });
        let query = &self.query;
        let filters = Filters {
            agents: &query.agents,
            active_only: query.active_only,
            limit: query.limit,
            since: query.since,
            window_hours: query.window.map_or(0.0, |window| window.as_secs_f64() / HOUR as f64),
            manager_window: query.manager_window.map_or(0.0, |window| window.as_secs_f64() / 60.0),
            preset: query.preset.map(Preset::as_str),
            severity: query.severities.iter().map(|severity| severity.as_str()).collect(),
        };
        Document {
            claims,
            events: events.collect(),
            audits: &self.audits,
            filters,
            manager_status: self.managers.as_ref().map(manager_status),
            damaged: &self.damaged,
            log: &self.size,
        }
    }
}

impl Held {
    fn document(&self) -> Map<String, Value> {
        let mut map = self.claim.raw.clone();
        map.insert("_path".into(), json!(paths::claim(&self.task)));
        if let Some(hold) = &self.hold {
            map.insert("_hold".into(), json!(hold));
        }
        if !self.editing.is_empty() {
            map.insert("_editing".into(), json!(self.editing));
        }
        map
    }
}

fn manager_status(heartbeat: &Heartbeat) -> ManagerStatus<'_> {
    let entries = |presence| heartbeat.managers_in(presence).map(Manager::entry).collect::<Vec<_>>();
    ManagerStatus {
        window_minutes: heartbeat::minutes(heartbeat.windows.manager),
        candidates: heartbeat.managers.iter().map(|manager| manager.agent_id.as_str()).collect(),
        active: entries(Presence::Active),
        stale: entries(Presence::Stale),
        missing: heartbeat.managers_in(Presence::Missing).map(|manager| manager.agent_id.as_str()).collect(),
    }
}
