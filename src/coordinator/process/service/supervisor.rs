//! Tells a service manager how the coordinator is, by systemd's protocol (`sd_notify`): ready, reloading, stopping, one
//! line of status, and a sign of life from the loop itself.
//!
//! The crate `sd-notify` does not know abstract sockets, which containers use; the protocol is a datagram of lines.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::{Duration, Instant};

use super::clock;
use crate::base::{env, text};

/// The longest status, in characters.
const STATUS: usize = 200;

/// The connection to a service manager; the default has none, and sends nothing.
#[derive(Default)]
pub struct Supervisor {
    socket: Option<UnixDatagram>,
    /// How often it wants a sign of life.
    watchdog: Option<Duration>,
    last_sign: Option<Instant>,
    status: String,
    is_ready: bool,
    is_stopping: bool,
}

impl Supervisor {
    /// The one that the environment names.
    pub fn of_environment() -> Supervisor {
        let address = env::var(env::NOTIFY_SOCKET);
        let socket = address.as_deref().and_then(|address| {
            let connected = connect(address);
            connected.inspect_err(|e| tracing::warn!("cannot tell the service manager ({address}): {e}")).ok()
        });
        // The variable may be inherited from a service that is not this process.
        let is_meant = env::var(env::WATCHDOG_PID).is_none_or(|pid| pid.parse() == Ok(std::process::id()));
        let interval = env::var(env::WATCHDOG_USEC).and_then(|micros| micros.parse().ok()).map(Duration::from_micros);
        let watchdog = interval.filter(|interval| is_meant && socket.is_some() && !interval.is_zero());
        Supervisor { socket, watchdog, ..Supervisor::default() }
    }

    pub fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    /// Recovery is finished. Sent once.
    pub fn ready(&mut self) {
        if !std::mem::replace(&mut self.is_ready, true) {
            self.send("READY=1");
        }
    }

    /// Before the settings are read again; [`Supervisor::reloaded`] must follow.
    pub fn reloading(&self) {
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", clock::monotonic_micros()));
    }

    pub fn reloaded(&self) {
        self.send("READY=1");
    }

    /// Sent once, whoever asked it to stop.
    pub fn stopping(&mut self) {
        if !std::mem::replace(&mut self.is_stopping, true) {
            self.send("STOPPING=1");
        }
    }

    /// One line for `systemctl status`; sent when it changed.
    pub fn status(&mut self, status: &str) {
        let status = text::clip(&text::safe(status), STATUS);
        if self.socket.is_some() && self.status != status {
            self.send(&format!("STATUS={status}"));
            self.status = status;
        }
    }

    /// The loop lives: called by the loop itself, so that one that hangs is noticed. Sent when half of the interval is
    /// over.
    pub fn alive(&mut self) {
        if self.until_sign().is_some_and(|wait| wait.is_zero()) {
            self.last_sign = Some(Instant::now());
            self.send("WATCHDOG=1");
        }
    }

    /// How long the loop may wait before it must call [`Supervisor::alive`].
    pub fn until_sign(&self) -> Option<Duration> {
        let half = self.watchdog? / 2;
        Some(self.last_sign.map_or(Duration::ZERO, |last| half.saturating_sub(last.elapsed())))
    }

    /// Nothing depends on it: a manager that went away does not stop the work.
    fn send(&self, lines: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(e) = socket.send(lines.as_bytes()) {
            tracing::debug!("cannot tell the service manager: {e}");
        }
    }
}

/// An address that begins with `@` is in Linux's abstract name space.
fn connect(address: &str) -> std::io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    // A manager that reads nothing must not block the loop.
    socket.set_nonblocking(true)?;
    let address = match address.strip_prefix('@') {
        #[cfg(target_os = "linux")]
        Some(name) => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(Path::new(std::ffi::OsStr::from_bytes(address.as_bytes())))?,
    };
    socket.connect_addr(&address)?;
    Ok(socket)
}
