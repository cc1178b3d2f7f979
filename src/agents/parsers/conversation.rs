//! The side of teof in a conversation with an agent that speaks a protocol. It writes nothing itself: what it says
//! waits until the caller takes it.

use crate::agents::dialog::Dialog;
use crate::agents::event::Ask;

/// A parser that also answers.
pub trait Conversation {
    /// From now on it answers; before that a stream is only read.
    fn speak(&mut self, dialog: Dialog);

    /// What to write to the agent's stdin now; `None` when a stream is only read.
    fn outgoing(&mut self) -> Option<Vec<u8>>;

    /// Answers [`Event::Asks`](crate::agents::Event::Asks).
    fn decide(&mut self, ask: &Ask, allowed: bool);

    /// Asks the agent to end its turn; false when it has none.
    fn cancel(&mut self) -> bool;

    /// Adds a message to the turn that runs; [`Event::Steered`](crate::agents::Event::Steered) answers. False when
    /// there is no such turn, or when its protocol has no such message.
    fn steer(&mut self, _message: &str) -> bool {
        false
    }
}
