//! Opens the loopback sockets of the page.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use anyhow::Context;

use crate::base::{Refusal, Result};

/// Sockets on 127.0.0.1 and, where the machine has it, ::1, with the same port.
#[derive(Debug)]
pub struct Listeners {
    pub port: u16,
    pub(super) sockets: Vec<TcpListener>,
}

/// How often a free port is tried that is free on both addresses.
const ATTEMPTS: usize = 20;

/// Listens on a port; 0 takes a free one.
///
/// # Errors
/// `web.port` when another program listens there, or when the port needs more rights.
pub fn listen(port: u16) -> Result<Listeners> {
    let mut last = None;
    for _ in 0..if port == 0 { ATTEMPTS } else { 1 } {
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|e| unusable(port, &e))?;
        let port = v4.local_addr().context("read the port of a socket")?.port();
        match TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))) {
            Ok(v6) => return Ok(Listeners { port, sockets: vec![v4, v6] }),
            // A browser that is asked for `localhost` may try ::1 first: the port there must not be another program's.
            Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => last = Some(unusable(port, &e)),
            Err(_) => return Ok(Listeners { port, sockets: vec![v4] }),
        }
    }
    Err(last.unwrap_or_else(|| unusable(port, &std::io::ErrorKind::AddrInUse.into())).into())
}

fn unusable(port: u16, error: &std::io::Error) -> Refusal {
    Refusal::guard("web.port", format!("cannot listen on port {port} of this machine"))
        .because(error.to_string())
        .next("take a free port: teof web")
}
