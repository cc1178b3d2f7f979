//! What the coordination snapshot is made from.

use std::time::Duration;

use super::directives::Directives;
use crate::board::claims::Claim;
use crate::board::events::Known;
use crate::board::plans::Plan;
use crate::model::assignment::AssignmentFile;

/// What the snapshot depends on besides the record.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// After this time without a heartbeat a manager is stale; `None`: not checked.
    pub manager_window: Option<Duration>,
    /// The same for agents.
    pub agent_window: Option<Duration>,
    /// How many messages of manager-report are shown.
    pub messages: usize,
}

impl Default for Options {
    /// The playbook's: 30 and 60 minutes, 10 messages.
    fn default() -> Options {
        let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
        Options { manager_window: minutes(30), agent_window: minutes(60), messages: 10 }
    }
}

/// What a reader has read of the record.
pub struct Facts<'a> {
    pub claims: &'a [Claim],
    pub plans: &'a [Plan],
    pub assignments: Vec<(&'a str, &'a AssignmentFile)>,
    pub events: &'a Known,
    pub directives: &'a Directives,
}
