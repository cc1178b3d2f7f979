//! Agent CLIs: how to call each, and how to read its output stream.
//!
//! # Theory of operation
//!
//! An [`Agent`] is a preset, or a description in the settings, of a program that works unattended. [`Agent::call`]
//! builds the argument list, stdin and environment of one call; the caller runs it. The output goes into a
//! [`Stream`], chunk by chunk: [`framing`] cuts it into lines, the parser of its
//! [`Format`](crate::model::agent::Format) (`parsers`) turns lines into [`Event`]s, and the stream adds them up. At
//! the end [`Stream::into_outcome`] says whether the call succeeded. An agent that speaks a protocol is answered by its
//! parser ([`Stream::outgoing`]); the caller writes that to the agent's stdin.
//!
//! Every parser is lenient: agents change their streams without notice, and a field with a new type must not cost
//! more than that field.
//!
//! This module starts no process, does not wait, and reads no clock: times are parameters. Text in events comes from
//! the agent: the caller sanitises and redacts it before showing or storing it.

mod agent;
mod call;
mod dialog;
mod event;
mod failure;
mod find;
pub mod framing;
mod lenient;
pub mod limits;
pub mod monitor;
mod outcome;
mod parsers;
mod presets;
mod stream;

pub use agent::{Agent, OwnPath, find_program};
pub use call::{Call, CallSpec, Session, message, session_id};
pub use dialog::Dialog;
pub use event::{Ask, Event, RateLimit, describe_call};
pub use failure::Kind;
pub use find::{find, known};
pub use outcome::{Exit, Outcome, Verdict};
pub use parsers::{introduction, opening};
pub use stream::{Stream, format_of};
