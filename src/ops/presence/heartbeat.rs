//! Decides which managers are present and which agents are idle (the playbook: bus_heartbeat). Pure: no I/O, no clock.
//!
//! A manager is present with a heartbeat (a handshake or a status) within the manager window, or while its coordinator
//! runs. An agent is idle when it holds a claim and wrote nothing, neither event nor message, within the agent window.
//! Retired seats are neither.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::base::Stamp;
use crate::model::event::Severity;

/// Time after which silence counts; `None`: not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    pub manager: Option<Duration>,
    pub agent: Option<Duration>,
}

impl Default for Windows {
    /// The playbook's: 30 and 240 minutes.
    fn default() -> Windows {
        let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
        Windows { manager: minutes(30), agent: minutes(240) }
    }
}

/// What the decision is based on.
#[derive(Clone, Debug)]
pub struct Facts {
    pub now: Stamp,
    /// The managers, each with its latest heartbeat.
    pub managers: BTreeMap<String, Option<Beat>>,
    /// The seat of the coordinator that runs on this machine.
    pub coordinator: Option<String>,
    /// The seats that hold a task.
    pub holders: BTreeMap<String, Holder>,
    pub retired: BTreeSet<String>,
}

/// A heartbeat.
#[derive(Clone, Debug, PartialEq)]
pub struct Beat {
    pub at: Stamp,
    pub summary: String,
    /// More data of the event, such as `shift`.
    pub meta: Map<String, Value>,
}

/// A seat that holds tasks.
#[derive(Clone, Debug, Default)]
pub struct Holder {
    /// Of its active and paused claims, sorted.
    pub tasks: Vec<String>,
    /// Its latest event or message.
    pub last: Option<Stamp>,
    /// A run of one of its tasks is active on this machine.
    pub is_running: bool,
}

/// Whether a seat was seen within its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    Active,
    Stale,
    /// Never seen.
    Missing,
}

impl Presence {
    pub fn as_str(self) -> &'static str {
        match self {
            Presence::Active => "active",
            Presence::Stale => "stale",
            Presence::Missing => "missing",
        }
    }
}

/// The presence of a seat that was last seen at `last`.
pub fn presence(last: Option<Stamp>, window: Duration, now: Stamp) -> Presence {
    match last {
        None => Presence::Missing,
        Some(at) if now.since(at) > window => Presence::Stale,
        Some(_) => Presence::Active,
    }
}

/// A manager and its presence.
#[derive(Clone, Debug, PartialEq)]
pub struct Manager {
    pub agent_id: String,
    pub presence: Presence,
    pub beat: Option<Beat>,
    /// Its coordinator runs on this machine.
    pub coordinates: bool,
}

/// An agent that holds tasks and is silent.
#[derive(Clone, Debug, PartialEq)]
pub struct Idle {
    pub agent_id: String,
    pub tasks: Vec<String>,
    pub last_activity: Option<Stamp>,
}

/// The result.
#[derive(Clone, Debug, PartialEq)]
pub struct Heartbeat {
    pub windows: Windows,
    /// By seat; empty when managers are not checked.
    pub managers: Vec<Manager>,
    /// By seat.
    pub idle: Vec<Idle>,
}

/// Decides.
pub fn evaluate(facts: &Facts, windows: Windows) -> Heartbeat {
    let is_retired = |agent: &&String| facts.retired.contains(*agent);
    let mut managers = Vec::new();
    if let Some(window) = windows.manager {
        let known = facts.managers.keys().chain(&facts.coordinator).collect::<BTreeSet<_>>();
        for agent_id in known.into_iter().filter(|agent| !is_retired(agent)) {
            let beat = facts.managers.get(agent_id).cloned().flatten();
            let coordinates = facts.coordinator.as_ref() == Some(agent_id);
            let presence = match coordinates {
                true => Presence::Active,
                false => presence(beat.as_ref().map(|beat| beat.at), window, facts.now),
            };
            managers.push(Manager { agent_id: agent_id.clone(), presence, beat, coordinates });
        }
    }
    let mut idle = Vec::new();
    if let Some(window) = windows.agent {
        for (agent_id, holder) in facts.holders.iter().filter(|(agent, _)| !is_retired(agent)) {
            if !holder.is_running && presence(holder.last, window, facts.now) != Presence::Active {
                let Holder { tasks, last, .. } = holder.clone();
                idle.push(Idle { agent_id: agent_id.clone(), tasks, last_activity: last });
            }
        }
    }
    Heartbeat { windows, managers, idle }
}

impl Heartbeat {
    /// The managers in one state.
    pub fn managers_in(&self, presence: Presence) -> impl Iterator<Item = &Manager> {
        self.managers.iter().filter(move |manager| manager.presence == presence)
    }

    /// In the playbook's form and order: missing managers, stale ones, idle agents.
    pub fn alerts(&self) -> Vec<Value> {
        let manager = |kind: &'static str| {
            move |manager: &Manager| {
                let last = manager.beat.as_ref().map(|beat| beat.at);
                json!({"type": kind, "agent_id": manager.agent_id, "last_seen": last})
            }
        };
        let idle = |idle: &Idle| {
            let Idle { agent_id, tasks, last_activity } = idle;
            json!({"type": "agent_idle", "agent_id": agent_id, "tasks": tasks, "last_activity": last_activity})
        };
        let missing = self.managers_in(Presence::Missing).map(manager("manager_heartbeat_missing"));
        let stale = self.managers_in(Presence::Stale).map(manager("manager_heartbeat_stale"));
        missing.chain(stale).chain(self.idle.iter().map(idle)).collect()
    }

    /// High when a manager is absent, medium when only agents are idle, else low.
    pub fn severity(&self) -> Severity {
        match self.managers.iter().any(|manager| manager.presence != Presence::Active) {
            true => Severity::High,
            false if !self.idle.is_empty() => Severity::Medium,
            false => Severity::Low,
        }
    }

    /// One line: `Heartbeat alerts: agent_idle=1, manager_heartbeat_stale=2`.
    pub fn summary(&self) -> String {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for alert in self.alerts() {
            *counts.entry(alert["type"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        if counts.is_empty() {
            return "Heartbeat status nominal".to_owned();
        }
        let counts: Vec<String> = counts.iter().map(|(kind, count)| format!("{kind}={count}")).collect();
        format!("Heartbeat alerts: {}", counts.join(", "))
    }

    /// `{manager: {window_minutes, candidates, active, stale, missing}, agent_idle, alerts, severity, summary}`, as in
    /// the playbook's receipts.
    pub fn document(&self) -> Map<String, Value> {
        let entries = |presence| self.managers_in(presence).map(Manager::entry).collect::<Vec<_>>();
        let agent_window = minutes(self.windows.agent);
        let idle = self.idle.iter().map(|idle| {
            let Idle { agent_id, tasks, last_activity } = idle;
            json!({"agent_id": agent_id, "last_activity": last_activity, "tasks": tasks, "window_minutes": agent_window})
        });
        let fields = [
            ("agent_idle", json!(idle.collect::<Vec<_>>())),
            ("agent_window_minutes", json!(agent_window)),
            ("alerts", json!(self.alerts())),
            (
                "manager",
                json!({
                    "active": entries(Presence::Active),
                    "candidates": self.managers.iter().map(|manager| &manager.agent_id).collect::<Vec<_>>(),
                    "missing": entries(Presence::Missing),
                    "stale": entries(Presence::Stale),
                    "window_minutes": minutes(self.windows.manager),
                }),
            ),
            ("severity", json!(self.severity().as_str())),
            ("summary", json!(self.summary())),
        ];
        fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

/// A window as the playbook writes it; 0: not checked.
pub fn minutes(window: Option<Duration>) -> f64 {
    window.map_or(0.0, |window| window.as_secs_f64() / 60.0)
}

/// A manager and its last sign of life, as documents hold it.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub struct Entry<'a> {
    agent_id: &'a str,
    last_seen: Option<Stamp>,
    summary: Option<&'a str>,
    meta: Map<String, Value>,
    /// While its coordinator runs.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    coordinator: bool,
}

impl Manager {
    pub fn entry(&self) -> Entry<'_> {
        let beat = self.beat.as_ref();
        Entry {
            agent_id: &self.agent_id,
            last_seen: beat.map(|beat| beat.at),
            summary: beat.map(|beat| beat.summary.as_str()),
            meta: beat.map(|beat| beat.meta.clone()).unwrap_or_default(),
            coordinator: self.coordinates,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Stamp {
        Stamp::parse("2026-01-05T10:00:00Z").unwrap()
    }

    fn ago(minutes: u64) -> Stamp {
        now().minus(Duration::from_secs(minutes * 60))
    }

    fn facts() -> Facts {
        let beat = |at| Some(Beat { at, summary: "s".into(), meta: Map::new() });
        let managers = [("m-at", beat(ago(30))), ("m-late", beat(ago(31))), ("m-never", None)];
        let holder = |last: Option<Stamp>| Holder { tasks: vec!["T".into()], last, is_running: false };
        let holders = [
            ("a-at", holder(Some(ago(240)))),
            ("a-late", holder(Some(ago(241)))),
            ("a-never", holder(None)),
            ("a-runs", Holder { is_running: true, ..holder(None) }),
        ];
        Facts {
            now: now(),
            managers: managers.map(|(agent, beat)| (agent.to_owned(), beat)).into(),
            coordinator: None,
            holders: holders.map(|(agent, holder)| (agent.to_owned(), holder)).into(),
            retired: BTreeSet::new(),
        }
    }

    fn alerts(facts: &Facts, windows: Windows) -> Vec<String> {
        let heartbeat = evaluate(facts, windows);
        let shown =
            |alert: &Value| format!("{} {}", alert["type"].as_str().unwrap(), alert["agent_id"].as_str().unwrap());
        heartbeat.alerts().iter().map(shown).collect()
    }

    #[test]
    fn silence_longer_than_the_window_is_an_alert_and_the_severity_is_that_of_the_worst() {
        let all = [
            "manager_heartbeat_missing m-never",
            "manager_heartbeat_stale m-late",
            "agent_idle a-late",
            "agent_idle a-never",
        ];
        let (both, off) = (Windows::default(), Windows { manager: None, agent: None });
        assert_eq!(alerts(&facts(), both), all);
        assert_eq!(alerts(&facts(), Windows { manager: None, ..both }), all[2..]);
        assert_eq!(alerts(&facts(), Windows { agent: None, ..both }), all[..2]);
        let of = |windows| {
            let heartbeat = evaluate(&facts(), windows);
            (heartbeat.severity(), heartbeat.summary())
        };
        let text = "Heartbeat alerts: agent_idle=2, manager_heartbeat_missing=1, manager_heartbeat_stale=1";
        assert_eq!(of(both), (Severity::High, text.into()));
        assert_eq!(of(Windows { manager: None, ..both }), (Severity::Medium, "Heartbeat alerts: agent_idle=2".into()));
        assert_eq!(of(off), (Severity::Low, "Heartbeat status nominal".into()));
    }

    #[test]
    fn a_live_coordinator_is_a_present_manager_and_a_retired_seat_is_nothing() {
        let mut facts = facts();
        facts.coordinator = Some("m-never".into());
        assert!(!alerts(&facts, Windows::default()).contains(&"manager_heartbeat_missing m-never".to_owned()));
        facts.coordinator = Some("other".into());
        let heartbeat = evaluate(&facts, Windows::default());
        let present: Vec<_> = heartbeat.managers_in(Presence::Active).map(|m| m.agent_id.as_str()).collect();
        assert_eq!(present, ["m-at", "other"]);
        facts.retired = ["m-late", "m-never", "a-late", "other"].map(str::to_owned).into();
        assert_eq!(alerts(&facts, Windows::default()), ["agent_idle a-never"]);
    }
}
