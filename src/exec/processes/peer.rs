//! Finds who holds the other end of a connection on this machine: which account, and whether a worker started it.
//!
//! On Linux it reads `/proc`. On other systems it finds nothing.

use std::net::{IpAddr, SocketAddr};

use super::ancestry;
use super::process_tree::read_proc;

/// What is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A program of this machine, and the account that made the connection.
    Program { uid: u32, holder: Holder },
    /// No program of this system: its host forwards the connection, for example.
    Elsewhere,
    /// Nothing any more.
    Gone,
}

/// Who can write to the connection at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A program that a worker started; others may hold it too.
    Worker,
    /// Programs that no worker started, alone.
    Other,
    /// No process that can be looked into: one of another account, or none at all, while the socket is on its way from
    /// one process to another.
    Unknown,
}

/// The kernel's tables of connections.
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];
/// How the kernel writes that both ends are open.
const ESTABLISHED: &str = "01";

/// The peer of a connection between two addresses of this machine.
pub fn peer(own: SocketAddr, other: SocketAddr) -> Peer {
    // A table that changes while it is read may lack a row.
    match look_up(other, own).or_else(|| look_up(other, own)) {
        Some(Row { uid, inode, .. }) if inode != 0 => Peer::Program { uid, holder: holder(inode) },
        Some(_) => Peer::Gone,
        // Our end stays open only while there is another one. It was not in the table a moment ago, so it is not here.
        None if look_up(own, other).is_some_and(|row| row.is_open) => Peer::Elsewhere,
        None => Peer::Gone,
    }
}

/// One end of a connection.
struct Row {
    uid: u32,
    /// The socket; 0 when no program holds it any more.
    inode: u64,
    is_open: bool,
}

fn look_up(from: SocketAddr, to: SocketAddr) -> Option<Row> {
    TABLES.iter().find_map(|table| {
        let table = std::fs::read_to_string(table).ok()?;
        spellings(from, to).iter().find_map(|(from, to)| find(&table, from, to))
    })
}

/// Who holds a socket. A connection may be handed down, and whoever holds it can write to it: one program of a worker
/// is enough.
fn holder(inode: u64) -> Holder {
    let link = format!("socket:[{inode}]");
    let (of_workers, others): (Vec<_>, Vec<_>) = processes().partition(|pid| is_marked(*pid));
    match () {
        () if of_workers.into_iter().any(|pid| holds(pid, &link)) => Holder::Worker,
        () if others.into_iter().any(|pid| holds(pid, &link)) => Holder::Other,
        () => Holder::Unknown,
    }
}

/// Whether a process has a file open, in any thread: a thread may have files of its own.
fn holds(pid: i32, link: &str) -> bool {
    let entries = |folder: String| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let threads = entries(format!("/proc/{pid}/task")).filter_map(|entry| entry.file_name().into_string().ok());
    let mut open = threads.flat_map(|thread| entries(format!("/proc/{pid}/task/{thread}/fd")));
    open.any(|entry| std::fs::read_link(entry.path()).is_ok_and(|to| to.to_str() == Some(link)))
}

fn processes() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn is_marked(pid: i32) -> bool {
    let limits = read_proc(pid, "limits").unwrap_or_default();
    ancestry::is_marked_by(&String::from_utf8_lossy(&limits))
}

fn find(table: &str, from: &str, to: &str) -> Option<Row> {
    let mut rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row.get(1) == Some(&from) && row.get(2) == Some(&to))?;
    let is_open = row.get(3) == Some(&ESTABLISHED);
    Some(Row { uid: row.get(7)?.parse().ok()?, inode: row.get(9)?.parse().ok()?, is_open })
}

/// How the kernel spells the two addresses: also as those of an IPv6 socket that speaks IPv4.
fn spellings(from: SocketAddr, to: SocketAddr) -> Vec<(String, String)> {
    let mapped = |at: SocketAddr| match at.ip() {
        IpAddr::V4(ip) => Some(SocketAddr::new(ip.to_ipv6_mapped().into(), at.port())),
        IpAddr::V6(_) => None,
    };
    let both = mapped(from).zip(mapped(to));
    [Some((from, to)), both].into_iter().flatten().map(|(from, to)| (spelling(from), spelling(to))).collect()
}

/// Each 32 bits as a number of this machine, in hexadecimal digits.
fn spelling(at: SocketAddr) -> String {
    let bytes = match at.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let words = bytes.chunks_exact(4).map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
    let address: String = words.map(|word| format!("{word:08X}")).collect();
    format!("{address}:{:04X}", at.port())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::base::eventually::eventually;

    #[test]
    fn the_peer_of_a_connection_is_found_by_either_kind_of_address() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let own = listener.local_addr().unwrap();
            let client = TcpStream::connect(own).unwrap();
            let (_server, other) = listener.accept().unwrap();
            let uid = rustix::process::getuid().as_raw();
            let holder = if ancestry::is_marked() { Holder::Worker } else { Holder::Other };
            assert_eq!(peer(own, other), Peer::Program { uid, holder });
            drop(client);
            assert!(eventually(|| peer(own, other) == Peer::Gone));
            assert_eq!(peer(other, SocketAddr::new(own.ip(), 1)), Peer::Gone);
        }
    }

    #[test]
    fn a_socket_that_no_process_has_open_is_of_nobody() {
        assert_eq!(holder(u64::MAX), Holder::Unknown);
    }
}
