//! Serves the page until it is stopped: routes, the checks in front of them, forms.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::routing::{get, post};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::{Semaphore, mpsc};

use super::access::Access;
use super::answer::{self, Answer};
use super::listen::Listeners;
use super::pages::Address;
use super::site::Site;
use super::{connections, feed, form};
use crate::base::Result;
use crate::faces::operator::{Command, Operator};
use crate::hub::Hub;

/// How long the answer to a form waits for what it asked for; a longer one is told on the page.
const PATIENCE: Duration = Duration::from_secs(2);

/// A page that is about to be served.
pub struct Web {
    listeners: Listeners,
    site: Arc<Site>,
    token: String,
}

impl Web {
    /// `name` says who decides, and how they were recognised.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn new(hub: Hub, listeners: Listeners, operator: Arc<dyn Operator>, name: String) -> Result<Web> {
        let (access, token) = Access::new(listeners.port)?;
        Ok(Web { listeners, site: Arc::new(Site::new(hub, access, operator, name)), token })
    }

    /// The link that works once.
    pub fn link(&self) -> String {
        format!("http://127.0.0.1:{}/open?token={}", self.listeners.port, self.token)
    }
}

/// Serves until SIGINT, SIGTERM or SIGHUP; then what was asked for is finished. A second signal ends the process.
///
/// # Errors
/// When the sockets or the signals cannot be used.
pub fn serve(web: Web, say: impl Fn(&str)) -> Result<()> {
    let Web { listeners, site, .. } = web;
    let (stop, mut stopped) = mpsc::channel::<()>(1);
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("listen for signals")?;
    let listen = move || {
        for (n, signal) in signals.forever().enumerate() {
            match n {
                0 => drop(stop.try_send(())),
                _ => drop(signal_hook::low_level::emulate_default_handler(signal)),
            }
        }
    };
    std::thread::Builder::new().spawn(listen).context("listen for signals")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(8)
        .build()
        .context("start the runtime")?;
    let places = Arc::new(Semaphore::new(connections::MOST));
    runtime.block_on(async {
        for socket in listeners.sockets {
            socket.set_nonblocking(true)?;
            let listener = tokio::net::TcpListener::from_std(socket)?;
            tokio::spawn(connections::accept(listener, routes(Arc::clone(&site)), Arc::clone(&places)));
        }
        stopped.recv().await;
        Ok::<_, anyhow::Error>(())
    })?;
    runtime.shutdown_background();
    for (job, doing) in site.commands.unfinished() {
        let job = job.unwrap_or_else(|| "the coordinator".to_owned());
        say(&format!("{doing} {job}: waiting for it to finish; press Ctrl-C again to stop now"));
    }
    site.commands.finish();
    Ok(())
}

fn routes(site: Arc<Site>) -> Router {
    Router::new()
        .route("/open", get(open))
        .route("/events", get(events))
        .route("/app.css", get(|| async { answer::file("text/css; charset=utf-8", include_str!("assets/app.css")) }))
        .route(
            "/app.js",
            get(|| async { answer::file("text/javascript; charset=utf-8", include_str!("assets/app.js")) }),
        )
        .route("/icon.svg", get(|| async { answer::file("image/svg+xml", include_str!("assets/icon.svg")) }))
        .route("/jobs/{job}/{act}", post(about_job))
        .route("/coordinator/{act}", post(about_coordinator))
        .fallback(page)
        .method_not_allowed_fallback(|| async { answer::plain(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed.") })
        .layer(DefaultBodyLimit::max(form::MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&site), check))
        .with_state(site)
}

/// What every request passes first.
async fn check(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Answer {
    let headers = request.headers();
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if request.method() == Method::HEAD && request.uri().path() == "/open" {
        // It would use the link up and show nothing.
        return answer::plain(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed.");
    }
    let checked = match request.uri().path() {
        // Here the session begins.
        "/open" if !changes => site.access.check_host(headers),
        _ => site.access.check_sender(headers, changes).and_then(|()| site.access.check_session(headers)),
    };
    let decides = changes || request.uri().path() == "/open";
    let checked = match checked {
        Ok(()) => beside(move || site.access.check_program(from, decides)).await,
        refused => refused,
    };
    answer::sealed(match checked {
        Ok(()) => next.run(request).await,
        Err(refused) => answer::refused(refused),
    })
}

async fn open(State(site): State<Arc<Site>>, uri: Uri) -> Answer {
    let token = form::field(uri.query().unwrap_or_default(), "token").unwrap_or_default();
    match site.access.redeem(&token) {
        Ok(cookie) => answer::welcome(cookie),
        Err(refused) => answer::refused(refused),
    }
}

async fn page(State(site): State<Arc<Site>>, method: Method, uri: Uri) -> Answer {
    let Some(address) = Address::parse(uri.path()).filter(|_| method == Method::GET || method == Method::HEAD) else {
        return answer::not_found();
    };
    beside(move || match site.page(&address) {
        Ok(Some(page)) => answer::page(&page.whole(&address, &site.project())),
        Ok(None) => answer::not_found(),
        Err(e) => answer::plain(StatusCode::INTERNAL_SERVER_ERROR, &format!("The board cannot be read: {e:#}")),
    })
    .await
}

async fn events(State(site): State<Arc<Site>>, uri: Uri) -> Answer {
    let path = form::field(uri.query().unwrap_or_default(), "page").unwrap_or_default();
    let Some(address) = Address::parse(&path) else { return answer::not_found() };
    let too_many = || answer::plain(StatusCode::SERVICE_UNAVAILABLE, "Too many pages are open.");
    feed::follow(site, address).unwrap_or_else(too_many)
}

async fn about_job(State(site): State<Arc<Site>>, Path((job, act)): Path<(String, String)>, body: Bytes) -> Answer {
    let Some(fields) = own_fields(&site, &body) else { return foreign_form() };
    let found = Arc::clone(&site);
    let Some((id, short)) = beside(move || found.job(&job).ok().flatten()).await else {
        return answer::not_found();
    };
    let text = fields.text();
    let command = match act.as_str() {
        "cancel" => Command::Cancel { job: id.clone() },
        "note" => Command::Note { job: id.clone(), text },
        "approve" | "retry" | "reject" | "answer" => {
            let Some(job) = fields.get("run").filter(|run| is_run_of(run, &id)) else { return other_run() };
            match act.as_str() {
                "approve" => Command::Approve { job },
                "retry" => Command::Retry { job, note: text },
                "reject" => Command::Reject { job, note: text },
                _ => Command::Answer { job, text },
            }
        }
        _ => return answer::not_found(),
    };
    perform(site, Some(id), command, &format!("/jobs/{short}")).await
}

async fn about_coordinator(State(site): State<Arc<Site>>, Path(act): Path<String>, body: Bytes) -> Answer {
    if own_fields(&site, &body).is_none() {
        return foreign_form();
    }
    let command = match act.as_str() {
        "pause" => Command::Pause,
        "resume" => Command::Resume,
        _ => return answer::not_found(),
    };
    perform(site, None, command, "/").await
}

/// Whether a run is one of the job. A decision is about the run whose result or question the person saw, not about a
/// newer one.
fn is_run_of(run: &str, job: &str) -> bool {
    run.strip_prefix(job).is_some_and(|rest| rest.strip_prefix('.').is_some_and(|n| n.parse::<u32>().is_ok()))
}

fn other_run() -> Answer {
    answer::plain(StatusCode::BAD_REQUEST, "The form names no run of this job. Reload the page and try again.")
}

/// Has it done, and shows the page that tells what came of it.
async fn perform(site: Arc<Site>, job: Option<String>, command: Command, page: &str) -> Answer {
    let operator = Arc::clone(&site.operator);
    let board = Arc::clone(&site);
    let Some(done) = site.commands.start(job, command, site.hub().now(), operator, move || board.forget()) else {
        return answer::plain(StatusCode::CONFLICT, "Another command for this job is still running. Go back and wait.");
    };
    let _ = tokio::time::timeout(PATIENCE, done).await;
    answer::see(page)
}

struct Fields(Vec<(String, String)>);

impl Fields {
    fn get(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    /// What a person wrote.
    fn text(&self) -> String {
        // Forms send line ends as CR LF.
        self.get("text").unwrap_or_default().replace("\r\n", "\n").trim().to_owned()
    }
}

/// The fields of a form that was rendered for this session.
fn own_fields(site: &Site, body: &Bytes) -> Option<Fields> {
    let fields = Fields(form::fields(std::str::from_utf8(body).ok()?));
    let is_own = fields.get("form").is_some_and(|shown| site.access.is_own_form(&shown));
    is_own.then_some(fields)
}

fn foreign_form() -> Answer {
    answer::plain(StatusCode::FORBIDDEN, "This form is not of this session. Reload the page and try again.")
}

/// Runs what reads files or git beside the runtime's thread.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(e) => std::panic::resume_unwind(e.into_panic()),
    }
}
