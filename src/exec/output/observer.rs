//! Observes a running program: reads its output and decides whether it keeps running.

/// What happens to the program now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    Continue,
    /// Stop it: its result is not wanted.
    Cancel,
    /// It has printed its result. It gets some time to exit by itself and is then stopped; its result counts.
    Finished,
}

/// What a running program gets on its stdin, after what its description gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Nothing now, perhaps later.
    Nothing,
    Bytes(Vec<u8>),
    /// Nothing any more: its stdin is closed.
    End,
}

/// Observes a program. A closure that returns a [`Control`] is an observer that ignores the output.
pub trait Observer {
    /// The program runs, as this process.
    fn started(&mut self, _pid: i32) {}

    /// Takes what the program printed to stdout, in order, in pieces of any size. Returns whether it was a sign of
    /// work, which restarts [`Clocks::meaning`](crate::exec::Clocks::meaning).
    fn observe(&mut self, chunk: &[u8]) -> bool {
        !chunk.is_empty()
    }

    /// Takes what the program printed to a separate stderr.
    fn observe_errors(&mut self, _chunk: &[u8]) {}

    /// Called after every piece of output and about every 50 ms: to cancel, and to do periodic work.
    fn control(&mut self) -> Control;

    /// A time limit is over: whether the program still has time to end what it does. Called until it is false.
    fn winds_down(&mut self) -> bool {
        false
    }

    /// Called as often as [`Observer::control`] until it returns [`Input::End`].
    fn input(&mut self) -> Input {
        Input::End
    }
}

impl<F: FnMut() -> Control> Observer for F {
    fn control(&mut self) -> Control {
        self()
    }
}
