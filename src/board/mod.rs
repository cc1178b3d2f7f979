//! The board: one read-only snapshot of everything that goes on in a hub, for screens, pages and reports.
//!
//! A [`Reader`] remembers what it has read and reads again only what changed, so that a screen can ask several times a
//! second. It takes no lock and decides nothing, and writes only a cache of claims on this machine. The types of a
//! [`Snapshot`] are plain data; texts from agents and requests in them are one line without control characters, but not
//! escaped for any markup.

mod cached;
pub mod claims;
pub mod coordination;
pub mod events;
pub mod history;
pub mod jobs;
pub mod plans;
pub mod problems;
mod reader;
pub mod review;
pub mod runtime;
pub mod seats;
mod snapshot;
pub mod worktrees;

pub use reader::Reader;
pub use snapshot::{Parts, Snapshot};
