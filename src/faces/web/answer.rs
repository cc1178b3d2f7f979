//! Makes answers: every one with the same strict headers, and no text in them that a page could misread.

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, Response, StatusCode};
use maud::{DOCTYPE, html};

use super::access::Refused;
use crate::base::text;

/// Nothing but our own files; no script or style in a page, no frame around it, forms only to ourselves.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 7] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "same-origin"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

pub type Answer = Response<Body>;

/// Adds the headers that every answer has.
pub fn sealed(mut answer: Answer) -> Answer {
    for (name, value) in HEADERS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Characters that a browser would hide, or that change the order of others, become visible stand-ins: in the whole
/// page, whoever wrote the text.
pub fn visible(html: &str) -> String {
    text::safe_block(html)
}

pub fn page(html: &str) -> Answer {
    with(StatusCode::OK, "text/html; charset=utf-8", visible(html))
}

pub fn plain(status: StatusCode, words: &str) -> Answer {
    with(status, "text/plain; charset=utf-8", format!("{}\n", text::safe_block(words)))
}

pub fn refused((status, why): Refused) -> Answer {
    plain(status, why)
}

pub fn not_found() -> Answer {
    plain(StatusCode::NOT_FOUND, "There is no such page.")
}

/// A file that is part of the binary.
pub fn file(kind: &'static str, content: &'static str) -> Answer {
    with(StatusCode::OK, kind, content.to_owned())
}

/// After a form: the browser asks for the page anew, and reloading it sends no form again.
pub fn see(path: &str) -> Answer {
    let mut answer = with(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", String::new());
    if let Ok(path) = HeaderValue::from_str(path) {
        answer.headers_mut().insert(LOCATION, path);
    }
    answer
}

/// Sets the cookie and goes on to the board. Not by a redirect: a browser that came here from elsewhere would not
/// send the cookie along.
pub fn welcome(cookie: &str) -> Answer {
    let html = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; link rel="icon" href="/icon.svg"; meta http-equiv="refresh" content="0; url=/"; title { "teof" } }
            body { p { a href="/" { "Open the board" } } }
        }
    };
    let mut answer = page(&html.into_string());
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        answer.headers_mut().insert(SET_COOKIE, cookie);
    }
    answer
}

fn with(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
