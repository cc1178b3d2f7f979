//! The bytes on the broker's socket: a header of eight bytes, then the request or the reply.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

/// The largest request or reply, in bytes.
pub const MAX_REQUEST: usize = 1 << 20;

/// How many files may come with a request; the kernel closes what is more.
const FILES: usize = 3;
const MAGIC: [u8; 4] = *b"teof";
const HEADER: usize = 8;

#[cfg(target_os = "linux")]
const RECEIVE: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(not(target_os = "linux"))]
const RECEIVE: RecvFlags = RecvFlags::empty();

/// What the server says to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Answer(Vec<u8>),
    /// Too many requests at once. Nothing was done.
    Busy,
    /// The caller is not one that is heard. Nothing was done.
    Stranger,
    /// The request was cut, too large, too slow or not one. Nothing was done.
    Unreadable,
}

impl Reply {
    pub(super) fn encode(self) -> Vec<u8> {
        let (tag, bytes) = match self {
            Reply::Answer(bytes) => (b'a', bytes),
            Reply::Busy => (b'b', Vec::new()),
            Reply::Stranger => (b's', Vec::new()),
            Reply::Unreadable => (b'u', Vec::new()),
        };
        [vec![tag], bytes].concat()
    }

    pub(super) fn decode(bytes: &[u8]) -> io::Result<Reply> {
        match bytes {
            [b'a', answer @ ..] => Ok(Reply::Answer(answer.to_vec())),
            [b'b'] => Ok(Reply::Busy),
            [b's'] => Ok(Reply::Stranger),
            [b'u'] => Ok(Reply::Unreadable),
            _ => Err(ErrorKind::InvalidData.into()),
        }
    }
}

/// Sends one message; the files arrive with its first byte.
pub(super) fn send(mut stream: &UnixStream, bytes: &[u8], files: &[BorrowedFd]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| ErrorKind::InvalidInput)?;
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&MAGIC);
    header[4..].copy_from_slice(&length.to_be_bytes());
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() && !control.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(ErrorKind::InvalidInput.into());
    }
    // The standard library ignores SIGPIPE, and so does every child of ours.
    let sent = rustix::net::sendmsg(stream, &[IoSlice::new(&header)], &mut control, SendFlags::empty())?;
    stream.write_all(header.get(sent..).unwrap_or_default())?;
    stream.write_all(bytes)
}

/// Receives one message and the files that came with it.
///
/// # Errors
/// `InvalidData` for anything but a message of at most [`MAX_REQUEST`] bytes; `TimedOut` after the deadline.
pub(super) fn receive(stream: &UnixStream, deadline: Instant) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut header = [0; HEADER];
    let mut files = Vec::new();
    let mut filled = 0;
    while filled < HEADER {
        wait(stream, deadline)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let rest = &mut header[filled..];
        let received = match rustix::net::recvmsg(stream, &mut [IoSliceMut::new(rest)], &mut control, RECEIVE) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(more) = message {
                files.extend(more);
            }
        }
        if received.bytes == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        filled += received.bytes;
    }
    let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
    if header[..4] != MAGIC || length > MAX_REQUEST || files.len() > FILES {
        return Err(ErrorKind::InvalidData.into());
    }
    Ok((read(stream, length, deadline)?, files))
}

/// Reads exactly `length` bytes; memory grows with what arrives, not with what was announced.
fn read(mut stream: &UnixStream, length: usize, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut part = [0; 16 * 1024];
    while bytes.len() < length {
        wait(stream, deadline)?;
        let most = part.len().min(length - bytes.len());
        match stream.read(&mut part[..most]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => bytes.extend_from_slice(&part[..n]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(bytes)
}

/// Lets the next read fail at the deadline, however little arrives at a time.
fn wait(stream: &UnixStream, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ErrorKind::TimedOut.into());
    }
    stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))
}
