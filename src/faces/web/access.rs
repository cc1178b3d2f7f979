//! Decides whether a request comes from the person who started the page: host, origin, session, token.
//!
//! Other programs of this machine can reach the socket, and so can every page in the person's browser. What keeps them
//! out: the name and port in `Host` (a foreign name that resolves to loopback), a session cookie that other sites
//! cannot send and scripts cannot read, the `Origin` of whatever changes something, and a secret in every form. A
//! stolen link or session does not help a worker or another account: where the kernel tells who sent a request, pages
//! are shown, a link is opened, and something is decided, for the person's own programs alone.

use std::net::SocketAddr;
use std::sync::Mutex;

use anyhow::Context;
use axum::http::header::{COOKIE, HOST, HeaderName, ORIGIN};
use axum::http::{HeaderMap, StatusCode};

use crate::base::{Result, digest};
use crate::exec::{self, Holder, Peer};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Random bytes of a secret.
const BYTES: usize = 32;

/// The secrets of one page. They are in memory only, and end with the process.
pub struct Access {
    port: u16,
    /// The digest of the token of the link, until it is used.
    token: Mutex<Option<String>>,
    /// The digest of the session's secret.
    session: String,
    cookie: String,
    /// Proves that a form was rendered for this session.
    form: String,
}

/// Why a request is refused.
pub type Refused = (StatusCode, &'static str);

impl Access {
    /// New secrets for the page on a port; also returns the token of its link.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn new(port: u16) -> Result<(Access, String)> {
        let (token, session) = (secret()?, secret()?);
        let access = Access {
            port,
            token: Mutex::new(Some(digest::sha256(token.as_bytes()))),
            cookie: format!("{}={session}; Path=/; HttpOnly; SameSite=Strict", cookie_name(port)),
            session: digest::sha256(session.as_bytes()),
            form: secret()?,
        };
        Ok((access, token))
    }

    /// The secret of forms.
    pub fn form(&self) -> &str {
        &self.form
    }

    /// Checks every request: it is for this page by name, and no other site sent it.
    ///
    /// # Errors
    /// 403 for a foreign `Host`, `Origin` or `Sec-Fetch-Site`; for a request that changes something also without
    /// `Origin`.
    pub fn check_sender(&self, headers: &HeaderMap, changes: bool) -> Result<(), Refused> {
        let Some(host) = one(headers, &HOST).filter(|host| self.is_own(host)) else {
            return Err((StatusCode::FORBIDDEN, "This is not the name of the page. Open it as http://127.0.0.1."));
        };
        let foreign = Err((StatusCode::FORBIDDEN, "Another site sent this request."));
        match one(headers, &ORIGIN) {
            Some(origin) if origin.strip_prefix("http://") != Some(host) => return foreign,
            None if changes || headers.contains_key(ORIGIN) => return foreign,
            _ => {}
        }
        // Browsers always tell; other programs need not.
        match one(headers, &SEC_FETCH_SITE) {
            None if headers.contains_key(SEC_FETCH_SITE) => foreign,
            Some(site) if site != "same-origin" && site != "none" => foreign,
            _ => Ok(()),
        }
    }

    /// As [`Access::check_sender`] for the link, which may be followed from anywhere: only the name counts.
    ///
    /// # Errors
    /// 403 for a foreign `Host`.
    pub fn check_host(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let is_own = one(headers, &HOST).is_some_and(|host| self.is_own(host));
        is_own.then_some(()).ok_or((StatusCode::FORBIDDEN, "This is not the name of the page."))
    }

    /// Checks that the request shows the session.
    ///
    /// # Errors
    /// 401 without it.
    pub fn check_session(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let name = cookie_name(self.port);
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        // Digests are compared, so that the time it takes tells nothing about the secret.
        let is_held = pairs.any(|(key, value)| key == name && digest::sha256(value.as_bytes()) == self.session);
        is_held.then_some(()).ok_or((StatusCode::UNAUTHORIZED, "No session. Use the link that `teof web` printed."))
    }

    /// Checks which program of this machine sent the request. Reads `/proc`: call it in `spawn_blocking`. Off Linux
    /// nothing is known, and nothing is refused.
    ///
    /// # Errors
    /// 403 when a worker started it, when another account did, or when it is gone; for a request that `decides`, or
    /// opens the link, also when nobody is seen to hold the connection.
    pub fn check_program(&self, from: SocketAddr, decides: bool) -> Result<(), Refused> {
        if !cfg!(target_os = "linux") {
            return Ok(());
        }
        let own = rustix::process::getuid().as_raw();
        allowed(exec::peer(SocketAddr::new(from.ip(), self.port), from), own, decides)
            .map_err(|why| (StatusCode::FORBIDDEN, why))
    }

    /// Takes the token of the link, which works once; returns the cookie of the session.
    ///
    /// # Errors
    /// 401 for a wrong token, 410 for one that was used.
    pub fn redeem(&self, token: &str) -> Result<&str, Refused> {
        let mut known = self.token.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match known.as_deref() {
            None => Err((StatusCode::GONE, "This link was used already. For a new one, start `teof web` again.")),
            Some(right) if right == digest::sha256(token.as_bytes()) => {
                *known = None;
                Ok(&self.cookie)
            }
            Some(_) => Err((StatusCode::UNAUTHORIZED, "This is not the link that `teof web` printed.")),
        }
    }

    /// Whether a form was rendered for this session.
    pub fn is_own_form(&self, shown: &str) -> bool {
        digest::sha256(shown.as_bytes()) == digest::sha256(self.form.as_bytes())
    }

    fn is_own(&self, host: &str) -> bool {
        let Some((name, port)) = host.rsplit_once(':') else { return false };
        // Spelled as a browser does: `080` or `+80` is no port.
        port == self.port.to_string() && matches!(name, "127.0.0.1" | "localhost" | "[::1]")
    }
}

fn allowed(peer: Peer, own: u32, decides: bool) -> Result<(), &'static str> {
    match peer {
        Peer::Program { holder: Holder::Worker, .. } => Err("A worker sent this request; only a person decides."),
        Peer::Program { uid, .. } if uid != own && uid != 0 => {
            Err("Another account of this machine sent this request.")
        }
        Peer::Program { holder: Holder::Unknown, .. } if decides => {
            Err("teof cannot tell which program sent this request (a tunnel?). Decide on the command line.")
        }
        Peer::Program { .. } | Peer::Elsewhere => Ok(()),
        Peer::Gone => Err("The program that sent this request is gone."),
    }
}

/// Cookies do not tell ports apart, so the name does: several pages can be open at once.
fn cookie_name(port: u16) -> String {
    format!("teof-session-{port}")
}

/// The value of a header that is there exactly once, as text.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

fn secret() -> Result<String> {
    digest::random_hex::<BYTES>().context("read /dev/urandom")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&HeaderName, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn only_requests_of_the_page_itself_pass() {
        let (access, _) = Access::new(4000).unwrap();
        let reads = |pairs: &[(&HeaderName, &str)]| access.check_sender(&headers(pairs), false).is_ok();
        let changes = |pairs: &[(&HeaderName, &str)]| access.check_sender(&headers(pairs), true).is_ok();
        for host in ["127.0.0.1:4000", "localhost:4000", "[::1]:4000"] {
            assert!(reads(&[(&HOST, host)]), "{host}");
        }
        for host in ["127.0.0.1", "127.0.0.1:4001", "evil.example:4000", "127.0.0.1.evil.example:4000", "::1:4000", ""]
        {
            assert!(!reads(&[(&HOST, host)]), "{host}");
            assert!(access.check_host(&headers(&[(&HOST, host)])).is_err());
        }
        let host = (&HOST, "localhost:4000");
        assert!(!reads(&[]) && !reads(&[host, host]), "no host, two hosts");
        assert!(changes(&[host, (&ORIGIN, "http://localhost:4000")]));
        for origin in ["null", "http://localhost:4001", "https://localhost:4000", "http://127.0.0.1:4000", "http://a.b"]
        {
            assert!(!changes(&[host, (&ORIGIN, origin)]) && !reads(&[host, (&ORIGIN, origin)]), "{origin}");
        }
        assert!(!changes(&[host]), "no origin");
        assert!(!reads(&[host, (&SEC_FETCH_SITE, "cross-site")]) && !reads(&[host, (&SEC_FETCH_SITE, "same-site")]));
        assert!(reads(&[host, (&SEC_FETCH_SITE, "none")]) && reads(&[host, (&SEC_FETCH_SITE, "same-origin")]));
    }

    #[test]
    fn a_token_works_once_and_makes_the_session() {
        let (access, token) = Access::new(4000).unwrap();
        assert_eq!(access.redeem("guess").unwrap_err().0, StatusCode::UNAUTHORIZED);
        let cookie = access.redeem(&token).unwrap().to_owned();
        assert_eq!(access.redeem(&token).unwrap_err().0, StatusCode::GONE);
        assert!(cookie.contains("; HttpOnly; SameSite=Strict"), "{cookie}");
        let pair = cookie.split(';').next().unwrap();
        let shown = |line: &str| access.check_session(&headers(&[(&COOKIE, line)])).is_ok();
        assert!(shown(pair) && shown(&format!("a=b; {pair}")));
        assert!(!shown("teof-session-4000=guess") && !shown(&pair.replace("4000", "4001")) && !shown(""));
        assert!(access.check_session(&HeaderMap::new()).is_err());
    }

    #[test]
    fn programs_of_workers_read_nothing_and_nobody_unknown_decides() {
        let of = |uid, holder| Peer::Program { uid, holder };
        for (peer, reads, decides) in [
            (of(7, Holder::Other), true, true),
            (of(0, Holder::Other), true, true),
            (of(7, Holder::Unknown), true, false),
            (of(7, Holder::Worker), false, false),
            (of(0, Holder::Worker), false, false),
            (of(8, Holder::Other), false, false),
            (of(8, Holder::Unknown), false, false),
            (Peer::Gone, false, false),
            (Peer::Elsewhere, true, true),
        ] {
            assert_eq!((allowed(peer, 7, false).is_ok(), allowed(peer, 7, true).is_ok()), (reads, decides), "{peer:?}");
        }
    }
}
