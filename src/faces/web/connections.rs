//! Accepts connections: so many at once, and none that takes its time to ask for something.
//!
//! Any program of this machine can connect. One that holds connections open without a request loses them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// How many connections are open at once; of them, [`super::feed`] has a part.
pub const MOST: usize = 128;
/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(5);
/// How long to wait when the system has no more descriptors.
const AGAIN: Duration = Duration::from_millis(100);

/// Serves the connections of one socket for ever; `places` are shared by all sockets.
pub async fn accept(listener: TcpListener, routes: Router, places: Arc<Semaphore>) {
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(e) => {
                tracing::debug!("cannot accept a connection: {e}");
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        };
        let routes = routes.clone().layer(Extension(ConnectInfo(from)));
        tokio::spawn(async move {
            let _place = place;
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEAD);
            // How a connection ends is its client's business.
            let _ = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes)).await;
        });
    }
}
