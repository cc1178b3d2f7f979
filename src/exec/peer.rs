//! Finds who holds the other end of a connection on this machine: which account, and whether a worker started it.
//!
//! On Linux it reads `/proc`. On other systems the peer is unknown.

use std::net::{IpAddr, SocketAddr};

use super::ancestry;
use super::process_tree::read_proc;

/// The program at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The account that made the connection.
    pub uid: u32,
    /// A worker started it, or it may be one of those that a worker started and that hide what they hold.
    pub is_of_worker: bool,
}

/// The peer of a connection between two addresses of this machine; `None` when it cannot be found, for example because
/// it is gone.
pub fn peer(own: SocketAddr, other: SocketAddr) -> Option<Peer> {
    let (uid, inode) = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        let table = std::fs::read_to_string(table).ok()?;
        spellings(other, own).iter().find_map(|(from, to)| find(&table, from, to))
    })?;
    let link = format!("socket:[{inode}]");
    let (mut holders, mut hidden) = (Vec::new(), Vec::new());
    for pid in processes() {
        match std::fs::read_dir(format!("/proc/{pid}/fd")) {
            Ok(open) => {
                let mut open = open.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
                if open.any(|to| to.to_str() == Some(&link)) {
                    holders.push(pid);
                }
            }
            Err(_) => hidden.push(pid),
        }
    }
    // A connection may be handed down: whoever holds it can write to it.
    let suspects = if holders.is_empty() { hidden } else { holders };
    Some(Peer { uid, is_of_worker: suspects.into_iter().any(is_marked) })
}

fn processes() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn is_marked(pid: i32) -> bool {
    let limits = read_proc(pid, "limits").unwrap_or_default();
    ancestry::is_marked_by(&String::from_utf8_lossy(&limits))
}

/// The account and the socket of a connection in the kernel's table; a socket that no program holds has none.
fn find(table: &str, from: &str, to: &str) -> Option<(u32, u64)> {
    let mut rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row.get(1) == Some(&from) && row.get(2) == Some(&to))?;
    let inode = row.get(9)?.parse().ok().filter(|inode| *inode != 0)?;
    Some((row.get(7)?.parse().ok()?, inode))
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

    #[test]
    fn the_peer_of_a_connection_is_found_by_either_kind_of_address() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let own = listener.local_addr().unwrap();
            let client = TcpStream::connect(own).unwrap();
            let (_server, other) = listener.accept().unwrap();
            let uid = rustix::process::getuid().as_raw();
            assert_eq!(peer(own, other), Some(Peer { uid, is_of_worker: ancestry::is_marked() }));
            drop(client);
            assert_eq!(peer(other, SocketAddr::new(own.ip(), 1)), None);
        }
    }
}
