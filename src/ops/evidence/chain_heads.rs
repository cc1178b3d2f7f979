//! The chain heads that a delivered commit carries: what the event log and the ledger held when it was made.

use super::heads::{Chain, Heads};
use crate::base::{Result, files};
use crate::bus::events;
use crate::hub::{Hub, paths};
use crate::receipts::ledger::Entry;

/// The trailers of a delivered commit.
pub const TRAILER_LOG: &str = "Teof-Log";
pub const TRAILER_LEDGER: &str = "Teof-Ledger";

/// The heads of both logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainHeads {
    pub log: Heads,
    pub ledger: Heads,
}

impl ChainHeads {
    /// The heads of the record as it is on disk.
    ///
    /// # Errors
    /// When a log cannot be read.
    pub fn now(hub: &Hub) -> Result<ChainHeads> {
        let logs = read(hub)?;
        Ok(ChainHeads { log: logs.log(&|_| false), ledger: logs.ledger(&|_| false) })
    }

    /// The heads of the record at the moment when a run's result entered it: as long as lines are only appended, the
    /// answer stays the same. `bundle` is the run's review bundle.
    ///
    /// # Errors
    /// When a log cannot be read.
    pub fn of_result(hub: &Hub, run: &str, bundle: &str) -> Result<ChainHeads> {
        let logs = read(hub)?;
        let ends = |line: &[u8]| {
            let found: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
            found["event"] == "status" && found["meta"]["run"] == run && found["meta"]["verdict"] == "succeeded"
        };
        let enters = |line: &[u8]| Entry::parse(line).is_some_and(|entry| entry.path == bundle);
        Ok(ChainHeads { log: logs.log(&ends), ledger: logs.ledger(&enters) })
    }

    /// The trailers, in the order in which they are written.
    pub fn trailers(&self) -> [(&'static str, String); 2] {
        [(TRAILER_LOG, self.log.to_text()), (TRAILER_LEDGER, self.ledger.to_text())]
    }
}

struct Logs {
    events: Vec<Vec<u8>>,
    ledger: Vec<u8>,
}

impl Logs {
    fn log(&self, last: &dyn Fn(&[u8]) -> bool) -> Heads {
        Chain::until(self.events.iter().map(Vec::as_slice), last).heads()
    }

    fn ledger(&self, last: &dyn Fn(&[u8]) -> bool) -> Heads {
        Chain::until([self.ledger.as_slice()], last).heads()
    }
}

fn read(hub: &Hub) -> Result<Logs> {
    let whole = |path: &str| Ok(files::read(&hub.path(path)?, u64::MAX >> 1)?.unwrap_or_default());
    let events = events::logs(hub)?.iter().map(|path| whole(path)).collect::<Result<_>>()?;
    Ok(Logs { events, ledger: whole(paths::LEDGER)? })
}
