//! Volatile state: what one process of the coordinator knows and the next one finds out again. Never saved.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::config::Config;
use super::input::{How, LeftAs, Seat, Skipped};
use crate::base::Stamp;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Volatile {
    /// `None` before the start and after the end: nothing is decided then.
    pub config: Option<Config>,
    /// Actions given out by this process whose result is not known.
    pub flying: BTreeSet<u64>,
    /// Counts results; a look that was begun before the last one may show work that is done already.
    pub results: u64,
    /// A look is under way.
    pub observing: bool,
    /// Another look is needed.
    pub observe_again: bool,
    /// The next look also asks what costs a process or the network.
    pub ask_remote: bool,
    /// Whether the last look still tells what there is to do.
    pub seen: Option<Seen>,
    /// What the last choice passed over, as far as it counts when the process ends.
    pub passed: Vec<Skipped>,
    /// Until when the process waits for suspended agents alone, as it was told last.
    pub notified_wait: Option<Stamp>,
    /// Another look is needed then: something may still be being written.
    pub observe_after: Option<Stamp>,
    pub next_poll: Option<Stamp>,
    pub poll: Duration,
    /// Runs that this process started or saw alive.
    pub alive: BTreeSet<String>,
    /// Runs whose worker was seen to do nothing any more: they are ended, and not to blame for it.
    pub frozen: BTreeSet<String>,
    /// What the workers were told already.
    pub notified_workers: BTreeMap<String, How>,
    /// Jobs chosen by this process.
    pub chosen: u64,
    /// The process is to end; workers are told how.
    pub termination: Option<How>,
    /// Not before then: the last commit of the record was refused.
    pub commit_after: Option<Stamp>,
}

impl Volatile {
    /// Whether the last choice passed something over that counts so.
    pub fn has_left(&self, left: LeftAs) -> bool {
        self.passed.iter().any(|passed| passed.left == left)
    }
}

/// What the last look showed, as far as later decisions ask for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Why nothing may start unattended: consent, trust.
    pub stop: Option<String>,
    /// Nothing could be seen.
    pub unreadable: bool,
    /// Why the consent lets nothing new be chosen.
    pub no_choice: Option<String>,
    /// A finding of high severity or a moved target, because of which nothing new is chosen.
    pub danger: Option<String>,
    /// How many jobs may be chosen under the consent that stands; `None`: any number.
    pub most: Option<u64>,
    pub holds: BTreeSet<String>,
    pub seats: Vec<Seat>,
}
