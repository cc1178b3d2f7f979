//! How the server was started.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::Clock;

#[derive(Clone, Debug)]
pub struct Options {
    /// Where the hub is looked for, if not in this folder.
    pub root: Option<PathBuf>,
    pub clock: Clock,
    /// The seat that was named; else each call finds it as every command does.
    pub agent: Option<String>,
    /// Of claims that ask for none.
    pub lease: Duration,
}
