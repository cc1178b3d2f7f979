//! Who sits beside a running program: hears what it prints, and has a say in how long it runs.

/// What becomes of the program now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    GoOn,
    /// End it: its result is not wanted.
    Cancel,
    /// It said its last word: it may leave by itself for a while and is then ended. Its result counts.
    Enough,
}

/// Somebody who attends a program. A closure that gives a [`Word`] is one that does not listen.
pub trait Attendant {
    /// Takes what the program printed to stdout, in order, in pieces of any size. Whether there was
    /// something of meaning in it: the clock for that starts anew.
    fn hear(&mut self, chunk: &[u8]) -> bool {
        !chunk.is_empty()
    }

    /// Asked after every piece, and about every 50 ms: for cancellation, and for anything that has to happen meanwhile.
    fn word(&mut self) -> Word;
}

impl<F: FnMut() -> Word> Attendant for F {
    fn word(&mut self) -> Word {
        self()
    }
}
