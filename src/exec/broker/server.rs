//! Listens for the requests of programs, and answers each in a thread of its own.

use std::io::PipeWriter;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, poll};

use super::folder::Folder;
use super::wire::{self, Reply};
use crate::base::Result;
use crate::exec::processes::UnixPeer;

/// How many connections are served at once; the next are told to come back.
const MAX_CONNECTIONS: usize = 32;
/// How long a request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);
/// How long a reply may take to be taken.
const TAKING: Duration = Duration::from_secs(2);
/// How long the end of the server waits for requests that are being answered.
const FINISHING: Duration = Duration::from_secs(20);

/// One request of a program that is heard.
#[derive(Debug)]
pub struct Request {
    pub bytes: Vec<u8>,
    /// Files of the caller that came with it.
    pub files: Vec<OwnedFd>,
}

type Handler = dyn Fn(Request) -> Vec<u8> + Send + Sync;
/// Whether the process with this pid is heard.
pub type Belongs = dyn Fn(i32) -> bool + Send + Sync;

/// A listening broker. Dropping it ends it: requests that are being answered are waited for, and the socket is removed.
#[derive(Debug)]
pub struct Server {
    folder: Folder,
    serving: Arc<Serving>,
    /// Closing it ends the thread that accepts.
    wake: Option<PipeWriter>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts to listen to the processes of this account that belong; `None` where the system does not tell who is at
    /// the other end.
    ///
    /// # Errors
    /// When there is no place for the socket, or no thread.
    pub fn start(handle: Box<Handler>, belongs: Box<Belongs>) -> Result<Option<Server>> {
        if cfg!(not(target_os = "linux")) {
            return Ok(None);
        }
        let folder = Folder::create()?;
        let socket = folder.socket();
        let listener = UnixListener::bind(&socket).with_context(|| format!("listen at {}", socket.display()))?;
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).context("protect the socket")?;
        listener.set_nonblocking(true).context("listen")?;
        let (woken, wake) = std::io::pipe().context("make a pipe")?;
        let serving = Arc::new(Serving { handle, belongs, active: Mutex::new(0), ended: Condvar::new() });
        let shared = Arc::clone(&serving);
        let accept = move || accept(&listener, woken.as_fd(), &shared);
        let accepting = std::thread::Builder::new().name("broker".into()).spawn(accept).context("start a thread")?;
        Ok(Some(Server { folder, serving, wake: Some(wake), accepting: Some(accepting) }))
    }

    /// Where programs reach it.
    pub fn socket(&self) -> PathBuf {
        self.folder.socket()
    }

    /// The socket's folder, which holds nothing else.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        let active = self.serving.active();
        drop(self.serving.ended.wait_timeout_while(active, FINISHING, |active| *active > 0));
    }
}

struct Serving {
    handle: Box<Handler>,
    belongs: Box<Belongs>,
    /// The connections that are being served.
    active: Mutex<usize>,
    ended: Condvar,
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Serving {}", self.active())
    }
}

impl Serving {
    fn active(&self) -> MutexGuard<'_, usize> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a program of this account that belongs made the connection.
    fn hears(&self, stream: &UnixStream) -> bool {
        let own = rustix::process::getuid().as_raw();
        // One that ended meanwhile may have left its pid to another.
        UnixPeer::of(stream).is_some_and(|peer| peer.uid == own && (self.belongs)(peer.pid) && peer.lives())
    }
}

/// Counts a connection while it lives.
struct Place(Arc<Serving>);

impl Place {
    fn take(serving: &Arc<Serving>) -> Option<Place> {
        let mut active = serving.active();
        (*active < MAX_CONNECTIONS).then(|| {
            *active += 1;
            Place(Arc::clone(serving))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.active() -= 1;
        self.0.ended.notify_all();
    }
}

/// Accepts until the other end of `woken` is closed.
fn accept(listener: &UnixListener, woken: std::os::fd::BorrowedFd, serving: &Arc<Serving>) {
    loop {
        let mut wanted = [PollFd::new(listener, PollFlags::IN), PollFd::from_borrowed_fd(woken, PollFlags::IN)];
        match poll(&mut wanted, None) {
            Ok(_) if wanted[1].revents().is_empty() => {}
            Err(rustix::io::Errno::INTR) => continue,
            Ok(_) | Err(_) => return,
        }
        match listener.accept() {
            Ok((stream, _)) => admit(stream, serving),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
            // Too many open files: they become fewer when connections end.
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn admit(stream: UnixStream, serving: &Arc<Serving>) {
    let _ = stream.set_write_timeout(Some(TAKING));
    let Some(place) = Place::take(serving) else { return reply(&stream, Reply::Busy) };
    let busy = stream.try_clone();
    let serve = move || {
        serve(&stream, &place.0);
        drop(stream);
        drop(place);
    };
    if std::thread::Builder::new().name("broker-request".into()).spawn(serve).is_err()
        && let Ok(stream) = busy
    {
        reply(&stream, Reply::Busy);
    }
}

fn serve(stream: &UnixStream, serving: &Serving) {
    if !serving.hears(stream) {
        return reply(stream, Reply::Stranger);
    }
    match wire::receive(stream, Instant::now() + ARRIVAL) {
        Ok((bytes, files)) => reply(stream, Reply::Answer((serving.handle)(Request { bytes, files }))),
        Err(e) => {
            tracing::debug!("a request to the broker is unreadable: {e}");
            reply(stream, Reply::Unreadable);
        }
    }
}

/// A caller that is gone needs no reply.
fn reply(stream: &UnixStream, reply: Reply) {
    let _ = wire::send(stream, &reply.encode(), &[]);
}
