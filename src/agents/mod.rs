//! Agent CLIs: how to call each, how to read its stream. Bytes in, events out.
//!
//! # Theory of operation
//!
//! An [`Agent`] is a preset, or the settings' own description, of a program that works unattended.
//! [`Agent::call`] makes the argument list, the bytes for stdin and the environment of one call; somebody
//! else runs it. What it prints goes into a [`Reading`], chunk by chunk: [`frames`] cuts it into lines, a
//! reader per [`Format`](crate::model::agent::Format) (`read`) turns lines into [`Event`]s, and the reading
//! adds them up. At the end [`Reading::conclude`] says what became of the call.
//!
//! Every reader is lenient: agents change their streams without notice, and a field that has a new type
//! may cost that field and nothing else.
//!
//! Starts no process, waits for nothing, asks no clock: times are given. Text in events is the agent's:
//! whoever shows or keeps it makes it safe and redacts it first.

mod agent;
mod call;
mod event;
mod failure;
mod find;
pub mod framing;
mod lenient;
pub mod limits;
mod outcome;
mod parsers;
mod preset;
mod stream;

pub use agent::{Agent, find_program};
pub use call::{Ask, Call, Session, session_id};
pub use event::{Event, RateLimit};
pub use failure::Kind;
pub use find::{find, known};
pub use outcome::{Conclusion, Exit, Verdict};
pub use stream::Reading;
