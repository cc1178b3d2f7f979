//! What every command shares: global flags, the author of a change, errors, and lazily built help.

pub(super) mod app;
pub mod ask;
pub(super) mod author;
pub(super) mod command_line;
pub(super) mod failure;
pub(super) mod findings;
pub(super) mod help;
pub(super) mod lazy;
pub(super) mod output;
pub mod plain;
pub mod since;
pub(super) mod terminal;
mod usage;
pub mod window;
