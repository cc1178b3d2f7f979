//! The state's file: read at the start, replaced before anything is done.

use super::state::{FILE, State};
use crate::base::{Result, files};
use crate::hub::Hub;

/// The largest state that is read, in bytes; far more than its bounds allow.
const MAX: u64 = 64 * 1024 * 1024;

/// The state as the last process left it. For reading commands too: nothing is locked.
pub fn load(hub: &Hub) -> Result<State> {
    match files::read(&hub.local(FILE), MAX)? {
        None => Ok(State::new()),
        Some(bytes) => State::from_bytes(&bytes),
    }
}

/// Writes the state when it is not what was written last.
#[derive(Default)]
pub struct Store {
    last: Vec<u8>,
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
        self.news = true;
        Ok(())
    }

    /// Whether something was saved since this was last asked.
    pub fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }
}
