//! Watches what an agent does while it does it: dangerous operations, errors, and the rules that say what follows.
//!
//! Pure: a [`Monitor`] takes the events of a stream and returns what is new. The caller records, notifies, pauses or
//! stops. It is a watch, not a wall: an agent can do harm in ways that no pattern matches, and the confinement of its
//! process is what stops that.
//!
//! [`operation`] takes the commands, paths and addresses out of a tool's input, [`shell`] splits command lines, and
//! [`dangers`] holds the built-in rules.

mod dangers;
mod errors;
pub(super) mod operation;
mod part;
mod rules;
mod shell;
mod watch;

pub use operation::of_value as operation;
pub use shell::commands as shell_commands;
pub use watch::Monitor;
