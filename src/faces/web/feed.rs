//! Tells an open page which of its parts changed, as server-sent events.
//!
//! The board is looked at while a page is open only, and a part is sent when its HTML differs from what was sent last.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_core::Stream;
use serde_json::json;
use tokio::sync::mpsc;

use super::answer::{Answer, visible};
use super::pages::Address;
use super::site::{Basis, Site};
use crate::base::{Result, digest};

/// How often the board is looked at for an open page: a change is shown within a second.
const EVERY: Duration = Duration::from_millis(750);
/// How many pages are told of changes at the same time.
const MOST: usize = 32;

static OPEN: AtomicUsize = AtomicUsize::new(0);

/// One of the open pages, until it is dropped.
struct Place;

impl Place {
    fn take() -> Option<Place> {
        let place = Place;
        (OPEN.fetch_add(1, Ordering::SeqCst) < MOST).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Feed(mpsc::Receiver<Event>);

impl Stream for Feed {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|event| event.map(Ok))
    }
}

/// The changes of a page, until its reader goes away; `None` when too many are open.
pub fn follow(site: Arc<Site>, address: Address) -> Option<Answer> {
    let place = Place::take()?;
    let (send, receive) = mpsc::channel(16);
    tokio::spawn(async move {
        let _place = place;
        let mut subscriber = Subscriber { site, address, basis: None, sent: HashMap::new() };
        loop {
            let read = tokio::task::spawn_blocking(move || {
                let events = subscriber.changes();
                (subscriber, events)
            });
            let Ok((back, events)) = read.await else { return };
            subscriber = back;
            for event in events {
                if send.send(event).await.is_err() {
                    return;
                }
            }
            if tokio::time::timeout(EVERY, send.closed()).await.is_ok() {
                return;
            }
        }
    });
    Some(Sse::new(Feed(receive)).keep_alive(KeepAlive::default()).into_response())
}

/// An open page, and what was sent to it so far.
struct Subscriber {
    site: Arc<Site>,
    address: Address,
    basis: Option<Basis>,
    /// The digests of the parts.
    sent: HashMap<&'static str, String>,
}

impl Subscriber {
    fn changes(&mut self) -> Vec<Event> {
        let page = match self.site.page_since(&self.address, self.basis.as_ref()) {
            Ok((basis, page)) => {
                self.basis = Some(basis);
                page
            }
            Err(e) => {
                // When it can be read again, the page is to say so, even if nothing else changed.
                self.basis = None;
                return self.changed("trouble", super::pages::trouble(Some(&e)).into_string()).into_iter().collect();
            }
        };
        let Some(page) = page else { return Vec::new() };
        page.all_parts().into_iter().filter_map(|(id, html)| self.changed(id, html)).collect()
    }

    fn changed(&mut self, id: &'static str, html: String) -> Option<Event> {
        let html = visible(&html);
        let digest = digest::sha256(html.as_bytes());
        if self.sent.get(id) == Some(&digest) {
            return None;
        }
        self.sent.insert(id, digest);
        Some(Event::default().event("part").data(json!({"id": id, "html": html}).to_string()))
    }
}
