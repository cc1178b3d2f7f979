//! `bus status`: claims, latest events, and whether a manager is active (the playbook: bus_status).
//!
//! Reads only. Where the playbook's tool has bugs (a preset's window that is shown but not used, a limit before the
//! filters), this follows that tool's documentation.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::base::{Result, Stamp};
use crate::bus::log::Log;
use crate::bus::{Damaged, assignments, claims, holds};
use crate::hub::{Hub, paths};
use crate::model::claim::ClaimFile;
use crate::model::event::{EventView, Severity};
use crate::seats::manifest;

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
            manager_window: Some(Duration::from_secs(30 * 60)),
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
    pub managers: Option<Managers>,
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
}

/// The managers by their last heartbeat (the playbook: bus_heartbeat).
#[derive(Debug, Default)]
pub struct Managers {
    pub candidates: Vec<String>,
    /// `{agent_id, last_seen, summary, meta}`
    pub active: Vec<Value>,
    pub stale: Vec<Value>,
    pub missing: Vec<String>,
}

/// Reads claims, events and managers.
pub fn read(hub: &Hub, query: Query) -> Result<Report> {
    let log = Log::read(hub)?;
    let listing = claims::list(hub)?;
    let mut damaged = listing.damaged;
    let mut claims = Vec::new();
    for (task, claim) in listing.whole {
        if query.takes_agent(claim.agent_id()) && (claim.is_live() || !query.active_only) {
            let hold = if claim.is_live() { holds::on(hub, &task)?.map(|hold| hold.summary) } else { None };
            claims.push(Held { task, claim, hold });
        }
    }
    let lines = log.latest(query.cut_off(hub.now()), query.limit, |view| query.takes_event(view))?;
    let events = lines.iter().filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let managers = match query.manager_window {
        Some(window) => Some(managers(hub, &log, window, &mut damaged)?),
        None => None,
    };
    Ok(Report { claims, events, managers, damaged, size: log.size(), query })
}

fn managers(hub: &Hub, log: &Log<'_>, window: Duration, damaged: &mut Vec<Damaged>) -> Result<Managers> {
    let manifests = manifest::all(hub)?;
    let declared = manifests.iter().filter(|found| found.seat.is_manager()).map(|found| found.agent().to_owned());
    let listing = assignments::list(hub)?;
    damaged.extend(listing.damaged);
    let assigning = listing.whole.iter().filter_map(|(_, assignment)| assignment.manager().map(str::to_owned));
    let candidates: BTreeSet<String> = declared.chain(assigning).collect();
    let mut managers = Managers::default();
    for agent in candidates {
        match log.seen(&agent).beat {
            None => managers.missing.push(agent.clone()),
            Some(at) => {
                let entry = entry(log, &agent, at)?;
                if hub.now().since(at) > window { &mut managers.stale } else { &mut managers.active }.push(entry);
            }
        }
        managers.candidates.push(agent);
    }
    Ok(managers)
}

fn entry(log: &Log<'_>, agent: &str, at: Stamp) -> Result<Value> {
    let line = log.last_beat(agent)?.unwrap_or_default();
    let mut meta: Map<String, Value> = serde_json::from_slice(&line).unwrap_or_default();
    let summary = meta.get("summary").cloned().unwrap_or_default();
    for core in ["agent_id", "event", "summary", "task_id", "plan_id", "branch", "ts"] {
        meta.shift_remove(core);
    }
    Ok(json!({"agent_id": agent, "last_seen": at, "summary": summary, "meta": meta}))
}

impl Report {
    /// `{claims[], events[], filters, manager_status, damaged[], log}`: claims as in their files with
    /// `_path`, events as in the log with `_index` (1: the newest).
    pub fn document(&self) -> Value {
        let claims: Vec<Value> = self.claims.iter().map(Held::document).collect();
        let count = self.events.len();
        let events = self.events.iter().enumerate().rev().map(|(i, event)| {
            let mut event = event.clone();
            event.insert("_index".into(), json!(count - i));
            Value::Object(event)
        });
        let query = &self.query;
        let filters = json!({
            "agents": query.agents,
            "active_only": query.active_only,
            "limit": query.limit,
            "since": query.since,
            "window_hours": query.window.map_or(0.0, |window| window.as_secs_f64() / HOUR as f64),
            "manager_window": query.manager_window.map_or(0.0, |window| window.as_secs_f64() / 60.0),
            "preset": query.preset.map(Preset::as_str),
            "severity": query.severities.iter().map(|severity| severity.as_str()).collect::<Vec<_>>(),
        });
        json!({
            "claims": claims,
            "events": events.collect::<Vec<_>>(),
            "filters": filters,
            "manager_status": self.managers.as_ref().map(|managers| managers.document(query.manager_window)),
            "damaged": self.damaged,
            "log": self.size,
        })
    }
}

impl Held {
    fn document(&self) -> Value {
        let mut map = self.claim.raw.clone();
        map.insert("_path".into(), json!(paths::claim(&self.task)));
        if let Some(hold) = &self.hold {
            map.insert("_hold".into(), json!(hold));
        }
        Value::Object(map)
    }
}

impl Managers {
    fn document(&self, window: Option<Duration>) -> Value {
        json!({
            "window_minutes": window.map(|window| window.as_secs_f64() / 60.0),
            "candidates": self.candidates,
            "active": self.active,
            "stale": self.stale,
            "missing": self.missing,
        })
    }
}
