//! The event feed: the last lines of the event log, and when each agent was last active.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::cached::Cached;
use crate::base::{Result, Stamp, text};
use crate::bus::log::{Log, Seen, logs};
use crate::hub::Hub;
use crate::model::event::EventView;

/// How many events the feed has.
pub const FEED: usize = 100;
/// The longest summary, in characters.
const SUMMARY: usize = 300;

/// An event.
#[derive(Clone, Debug, Serialize)]
pub struct EventLine {
    /// `None` for a line of another tool without an id.
    pub id: Option<String>,
    pub at: Option<Stamp>,
    pub seat: String,
    pub event: String,
    pub task: Option<String>,
    pub plan: Option<String>,
    /// `low`, `medium` or `high`.
    pub severity: Option<String>,
    pub summary: String,
}

impl EventLine {
    fn of(view: &EventView<'_>) -> EventLine {
        let safe = |part: &Option<std::borrow::Cow<'_, str>>| part.as_deref().map(text::safe);
        EventLine {
            id: safe(&view.id),
            at: view.at(),
            seat: safe(&view.agent_id).unwrap_or_default(),
            event: safe(&view.event).unwrap_or_default(),
            task: safe(&view.task_id),
            plan: safe(&view.plan_id),
            severity: safe(&view.severity),
            summary: text::clip(&safe(&view.summary).unwrap_or_default(), SUMMARY),
        }
    }
}

/// What the log says.
#[derive(Debug, Default)]
pub struct Known {
    pub feed: Arc<Vec<EventLine>>,
    /// By agent.
    pub seen: BTreeMap<String, Seen>,
}

/// The log as read last.
#[derive(Default)]
pub(super) struct Events {
    log: Cached<Known>,
}

impl Events {
    /// The feed, and whether it changed.
    pub fn read(&mut self, hub: &Hub) -> Result<(Arc<Known>, bool)> {
        let parts = logs(hub)?.into_iter().map(|part| hub.root.join(part)).collect::<Vec<_>>();
        self.log.get(&parts, || {
            let log = Log::read(hub)?;
            let lines = log.latest(None, FEED, |_| true)?;
            let feed = lines.iter().filter_map(|line| Some(EventLine::of(&EventView::parse(line).ok()?)));
            let seen = log.agents().into_iter().map(|(agent, seen)| (agent.to_owned(), seen));
            Ok(Known { feed: Arc::new(feed.collect()), seen: seen.collect() })
        })
    }
}
