//! The program's side of the broker: one request, one reply.

use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::wire::{self, Reply};
use crate::exec::processes::{UnixPeer, ancestors};

/// Why there is no reply.
#[derive(Debug)]
pub enum Failed {
    /// Nothing listens there. Nothing was sent.
    Unreachable(io::Error),
    /// A process of this machine or container listens there that is not an ancestor of this one. Nothing was sent.
    Foreign,
    /// The connection ended before the reply: whether it was done is unknown.
    Lost(io::Error),
}

/// Sends a request and waits for the reply. The files are given to the server.
pub fn call(socket: &Path, request: &[u8], files: &[BorrowedFd], patience: Duration) -> Result<Reply, Failed> {
    let stream = UnixStream::connect(socket).map_err(Failed::Unreachable)?;
    if !may_be_ours(&stream) {
        return Err(Failed::Foreign);
    }
    // A server may refuse and close before it has read everything: its reply counts.
    let sent = wire::send(&stream, request, files);
    let received = wire::receive(&stream, Instant::now() + patience);
    let (reply, _) = received.map_err(|e| Failed::Lost(sent.err().unwrap_or(e)))?;
    Reply::decode(&reply).map_err(Failed::Lost)
}

/// Whether the supervisor of this process may listen there: an ancestor, or for a container a process outside of it.
fn may_be_ours(stream: &UnixStream) -> bool {
    let above = ancestors().unwrap_or_default();
    UnixPeer::of(stream).is_some_and(|server| server.pid == 0 || above.iter().any(|process| process.pid == server.pid))
}
