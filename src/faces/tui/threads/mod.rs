//! The threads around the screen. Each sends what it has to the one that owns the state.

pub mod board;
pub mod commands;
pub mod job;
pub mod keys;
pub mod signals;

use super::state::Input;

/// What the threads send.
#[derive(Debug)]
pub enum Message {
    Input(Input),
    /// A signal came.
    Signal(i32),
    /// The terminal is gone.
    Gone,
}
