//! Finds which process of this machine is at the other end of a Unix socket.
//!
//! Linux only: elsewhere nothing is found.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// The process that made a connection, or that listens for it.
#[derive(Debug)]
pub struct UnixPeer {
    pub uid: u32,
    /// 0: it is in another PID namespace, such as that of the host or of another container.
    pub pid: i32,
    /// The process itself, where the kernel gives it (Linux 6.5).
    handle: Option<OwnedFd>,
}

impl UnixPeer {
    #[cfg(target_os = "linux")]
    pub fn of(stream: &UnixStream) -> Option<UnixPeer> {
        use nix::sys::socket::{getsockopt, sockopt};
        let found = getsockopt(stream, sockopt::PeerCredentials).ok()?;
        let handle = getsockopt(stream, sockopt::PeerPidfd).ok();
        Some(UnixPeer { uid: found.uid(), pid: found.pid(), handle })
    }

    #[cfg(not(target_os = "linux"))]
    pub fn of(_: &UnixStream) -> Option<UnixPeer> {
        None
    }

    /// Whether the process has not ended: its pid did not become another process's. A kernel that does not tell counts
    /// as yes.
    pub fn lives(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let Some(handle) = &self.handle else { return true };
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&now)) == Ok(0)
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;
    use crate::exec::processes::process_tree;

    #[test]
    fn both_ends_of_a_connection_are_found_and_one_that_ended_lives_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let near = UnixStream::connect(&path).unwrap();
        let (far, _) = listener.accept().unwrap();
        for end in [&near, &far] {
            let peer = UnixPeer::of(end).unwrap();
            assert_eq!((peer.uid, peer.pid), (rustix::process::getuid().as_raw(), process_tree::own_pid()));
            assert!(peer.lives());
        }
        // It connects and ends, and the connection waits to be accepted.
        let script = format!("import socket; socket.socket(socket.AF_UNIX).connect('{}')", path.display());
        let Ok(mut other) = Command::new("python3").args(["-c", &script]).spawn() else { return };
        let (other_end, _) = listener.accept().unwrap();
        let peer = UnixPeer::of(&other_end).unwrap();
        assert_eq!(peer.pid, other.id().cast_signed());
        assert!(other.wait().unwrap().success());
        assert!(peer.handle.is_none() || !peer.lives());
    }
}
