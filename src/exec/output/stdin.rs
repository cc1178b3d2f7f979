//! Writes to a program's stdin.

use std::io::Write;
use std::process::ChildStdin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;

/// The most that may wait to be read by it, in bytes.
const MAX_UNREAD: usize = 64 << 20;

/// A program's stdin, written without waiting for a program that does not read; closed when this is dropped.
pub struct StdinWriter {
    send: Sender<Vec<u8>>,
    /// How many bytes it has not read.
    unread: Arc<AtomicUsize>,
}

impl StdinWriter {
    pub fn start(mut stdin: ChildStdin, first: Vec<u8>) -> std::io::Result<Self> {
        let (send, bytes) = std::sync::mpsc::channel::<Vec<u8>>();
        let unread = Arc::new(AtomicUsize::new(first.len()));
        let left = unread.clone();
        std::thread::Builder::new().spawn(move || {
            // A program that does not read ends this thread by closing its end.
            std::iter::once(first).chain(bytes).try_for_each(|bytes| {
                let written = stdin.write_all(&bytes);
                left.fetch_sub(bytes.len(), Ordering::Relaxed);
                written
            })
        })?;
        Ok(Self { send, unread })
    }

    /// `false`: its end is closed.
    pub fn write(&self, bytes: Vec<u8>) -> bool {
        self.unread.fetch_add(bytes.len(), Ordering::Relaxed);
        self.send.send(bytes).is_ok()
    }

    /// Whether the program keeps up: no endless questions of one that never reads the answers.
    pub fn is_read(&self) -> bool {
        self.unread.load(Ordering::Relaxed) <= MAX_UNREAD
    }
}
