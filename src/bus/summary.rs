//! A summary of an event log: per agent the last activity and the last chained line, per block the latest time. Its
//! size does not grow with the log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cache::Facts;
use crate::base::{Stamp, names};
use crate::model::event::EventView;

/// Bytes of a log that share one entry of [`LogSummary::latest`].
pub(super) const BLOCK: u64 = 256 * 1024;

/// The events that count as a heartbeat (the playbook: bus_heartbeat).
const HEARTBEATS: [&str; 2] = ["handshake", "status"];

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct LogSummary {
    /// Whole lines, blank ones left out.
    pub lines: u64,
    /// Lines that are not JSON objects.
    pub damaged: u64,
    pub seats: BTreeMap<String, AgentSummary>,
    /// For each block, by where a line begins: the latest time in it, as Unix seconds (0: none).
    pub latest: Vec<i64>,
}

/// The traces of one agent in one log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct AgentSummary {
    /// The latest time of any of its events.
    pub seen: Option<Stamp>,
    /// The latest time of a handshake.
    pub handshake: Option<Stamp>,
    /// The latest handshake or status, and where that line begins.
    pub beat: Option<(Stamp, u64)>,
    /// The id of its last chained line.
    pub head: Option<String>,
}

impl Facts for LogSummary {
    fn line(&mut self, at: u64, line: &[u8]) {
        if line.trim_ascii().is_empty() {
            return;
        }
        self.lines += 1;
        let Ok(view) = EventView::parse(line) else {
            self.damaged += 1;
            return;
        };
        let when = view.at();
        if let Some(when) = when {
            self.note_time(at, when.unix());
        }
        let Some(agent) = view.agent_id.as_deref().filter(|agent| names::is_id(agent)) else { return };
        if !self.seats.contains_key(agent) {
            self.seats.insert(agent.to_owned(), AgentSummary::default());
        }
        if let Some(summary) = self.seats.get_mut(agent) {
            summary.take(at, when, &view);
        }
    }

    fn append(&mut self, later: LogSummary) {
        self.lines += later.lines;
        self.damaged += later.damaged;
        for (agent, summary) in later.seats {
            self.seats.entry(agent).or_default().append(summary);
        }
        self.latest.resize(self.latest.len().max(later.latest.len()), 0);
        for (known, new) in self.latest.iter_mut().zip(later.latest) {
            *known = new.max(*known);
        }
    }
}

impl LogSummary {
    fn note_time(&mut self, at: u64, unix: i64) {
        let block = (at / BLOCK) as usize;
        if block >= self.latest.len() {
            self.latest.resize(block + 1, 0);
        }
        self.latest[block] = self.latest[block].max(unix);
    }
}

impl AgentSummary {
    fn take(&mut self, at: u64, when: Option<Stamp>, view: &EventView<'_>) {
        if let Some(id) = chain_id(view) {
            let head = self.head.get_or_insert_default();
            head.clear();
            head.push_str(id);
        }
        let Some(when) = when else { return };
        self.seen = self.seen.max(Some(when));
        if view.event.as_deref() == Some("handshake") {
            self.handshake = self.handshake.max(Some(when));
        }
        if is_beat(view) {
            self.beat = self.beat.max(Some((when, at)));
        }
    }

    fn append(&mut self, later: AgentSummary) {
        self.seen = self.seen.max(later.seen);
        self.handshake = self.handshake.max(later.handshake);
        self.beat = self.beat.max(later.beat);
        if later.head.is_some() {
            self.head = later.head;
        }
    }
}

/// Whether an event counts as a heartbeat; one without a kind does.
pub(super) fn is_beat(view: &EventView<'_>) -> bool {
    let kind = view.event.as_deref().unwrap_or_default();
    kind.is_empty() || HEARTBEATS.contains(&kind)
}

/// The id by which the next line of the same agent chains to this one.
pub(super) fn chain_id<'v>(view: &'v EventView<'_>) -> Option<&'v str> {
    view.id.as_deref().filter(|id| id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()))
}
