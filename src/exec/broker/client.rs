//! The program's side of the broker: one request, one reply.

use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::server::peer;
use super::wire::{self, Reply};
use crate::exec::processes::ancestors;

/// Why there is no reply.
#[derive(Debug)]
pub enum Failed {
    /// Nothing listens there. Nothing was sent.
    Unreachable(io::Error),
    /// Not an ancestor of this process listens there. Nothing was sent.
    Foreign,
    /// The connection ended before the reply: whether it was done is unknown.
    Lost(io::Error),
}

/// Sends a request and waits for the reply. The files are given to the server.
pub fn call(socket: &Path, request: &[u8], files: &[BorrowedFd], patience: Duration) -> Result<Reply, Failed> {
    let stream = UnixStream::connect(socket).map_err(Failed::Unreachable)?;
    let above = ancestors().unwrap_or_default();
    if !peer(&stream).is_some_and(|(_, pid)| above.iter().any(|process| process.pid == pid)) {
        return Err(Failed::Foreign);
    }
    // A server may refuse and close before it has read everything: its reply counts.
    let sent = wire::send(&stream, request, files);
    let received = wire::receive(&stream, Instant::now() + patience);
    let (reply, _) = received.map_err(|e| Failed::Lost(sent.err().unwrap_or(e)))?;
    Reply::decode(&reply).map_err(Failed::Lost)
}
