//! The state's file: read at the start, replaced before anything starts that is not in it.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{FILE, State};
use crate::base::{Result, files};
use crate::hub::Hub;

/// The largest state that is read, in bytes; far more than its bounds allow.
const MAX: u64 = 64 * 1024 * 1024;

/// The state of the last process. Also for reading commands: takes no lock.
pub fn load(hub: &Hub) -> Result<State> {
    match files::read(&hub.local(FILE), MAX)? {
        None => Ok(State::new()),
        Some(bytes) => State::from_bytes(&bytes),
    }
}

/// How many submissions wait. Costs less than the whole state.
///
/// # Errors
/// As [`load`], for what it reads of the file.
pub fn queued(hub: &Hub) -> Result<usize> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Queue {
        submissions: Vec<IgnoredAny>,
    }
    let Some(bytes) = files::read(&hub.local(FILE), MAX)? else { return Ok(0) };
    match serde_json::from_slice::<Queue>(&bytes) {
        Ok(queue) => Ok(queue.submissions.len()),
        // It says what is wrong with the file.
        Err(_) => Ok(State::from_bytes(&bytes)?.submissions.len()),
    }
}

/// Writes the state if it changed.
#[derive(Default)]
pub struct Store {
    last: Vec<u8>,
    /// The numbers of the pending actions in it.
    pending: BTreeSet<u64>,
    news: bool,
}

impl Store {
    pub fn save(&mut self, hub: &Hub, state: &State) -> Result<()> {
        let bytes = state.to_bytes();
        if bytes == self.last {
            return Ok(());
        }
        let path = hub.local(FILE);
        files::create_parent(&path)?;
        files::replace(&path, &bytes)?;
        self.last = bytes;
        self.pending = state.pending.iter().map(|pending| pending.id).collect();
        self.news = true;
        Ok(())
    }

    /// Whether the action is pending in the last saved state.
    pub fn knows(&self, action: u64) -> bool {
        self.pending.contains(&action)
    }

    /// Whether something was saved since this was last asked.
    pub fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }
}
