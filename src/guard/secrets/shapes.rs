//! Patterns that identify a secret without a name beside it.

use std::ops::Range;

use super::assignment;
use super::random;

/// A token that begins with a fixed text. `body` says which bytes follow it, `min` how many at least.
struct Prefix {
    kind: &'static str,
    text: &'static str,
    min: usize,
    /// The body must mix upper case, lower case and digits; for prefixes that ordinary words have, too.
    mixed: bool,
}

const fn prefix(kind: &'static str, text: &'static str, min: usize, mixed: bool) -> Prefix {
    Prefix { kind, text, min, mixed }
}

/// Longer texts before the shorter ones that they begin with.
const PREFIXES: [Prefix; 23] = [
    prefix("github-token", "ghp_", 36, false),
    prefix("github-token", "gho_", 36, false),
    prefix("github-token", "ghu_", 36, false),
    prefix("github-token", "ghs_", 36, false),
    prefix("github-token", "ghr_", 36, false),
    prefix("github-token", "github_pat_", 22, false),
    prefix("gitlab-token", "glpat-", 20, false),
    prefix("anthropic-key", "sk-ant-", 20, false),
    prefix("openai-key", "sk-", 32, true),
    prefix("slack-token", "xoxb-", 16, false),
    prefix("slack-token", "xoxa-", 16, false),
    prefix("slack-token", "xoxp-", 16, false),
    prefix("slack-token", "xoxr-", 16, false),
    prefix("slack-token", "xoxs-", 16, false),
    prefix("slack-token", "xoxe-", 16, false),
    prefix("slack-token", "xapp-", 16, false),
    prefix("google-key", "AIza", 35, true),
    prefix("stripe-key", "sk_live_", 16, false),
    prefix("stripe-key", "rk_live_", 16, false),
    prefix("npm-token", "npm_", 36, true),
    prefix("pypi-token", "pypi-AgEI", 32, true),
    prefix("huggingface-token", "hf_", 30, true),
    prefix("age-key", "AGE-SECRET-KEY-1", 50, false),
];

/// How much of a token is checked for that mix; bounds the work per byte.
const JUDGED: usize = 96;

pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    /// The end of the run of token bytes that was measured last; valid up to there.
    run_end: usize,
    /// No `-----END` at or after this: one search that failed answers all later ones.
    no_end_from: usize,
    /// Nothing before this may be taken by looking backwards.
    taken: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, run_end: 0, no_end_from: usize::MAX, taken: 0 }
    }

    /// The secret that starts or is recognised at `at`. Call it with increasing positions only.
    pub(super) fn secret_at(&mut self, at: usize) -> Option<(&'static str, Range<usize>)> {
        let found = match self.bytes[at] {
            b'-' => self.private_key(at),
            b':' => self.url_password(at).or_else(|| self.assigned(at)),
            b'=' => self.assigned(at),
            b'>' => assignment::element(self.bytes, at).map(|span| ("assigned-secret", span)),
            byte if byte.is_ascii_alphabetic() && !(at > 0 && is_word(self.bytes[at - 1])) => self.token(at),
            _ => None,
        };
        if let Some((_, span)) = &found {
            self.taken = span.end;
        }
        found
    }

    fn assigned(&self, at: usize) -> Option<(&'static str, Range<usize>)> {
        assignment::value(self.bytes, at).filter(|span| span.start >= self.taken).map(|span| ("assigned-secret", span))
    }

    fn token(&mut self, at: usize) -> Option<(&'static str, Range<usize>)> {
        let rest = &self.bytes[at..];
        let end = self.run_end(at);
        if end - at == 20 && is_aws(&rest[..20]) {
            return Some(("aws-access-key", at..end));
        }
        for known in PREFIXES.iter().filter(|known| rest.starts_with(known.text.as_bytes())) {
            let body = &self.bytes[at + known.text.len()..end];
            let judged = &body[..body.len().min(JUDGED)];
            if body.len() >= known.min && (!known.mixed || random::is_mixed(judged) || is_hex(judged)) {
                return Some((known.kind, at..end));
            }
        }
        let starts_run = at == 0 || !is_token(self.bytes[at - 1]);
        if starts_run && rest.starts_with(b"eyJ") {
            return self.jwt(at, end);
        }
        self.bearer(at, end)
    }

    /// Three runs joined by dots; the first two hold JSON objects, whose encoding begins with `eyJ`.
    fn jwt(&self, at: usize, head_end: usize) -> Option<(&'static str, Range<usize>)> {
        let next_run = |dot: usize| {
            let start = dot + 1;
            (self.bytes.get(dot) == Some(&b'.')).then(|| start..run_end(self.bytes, start))
        };
        let claims = next_run(head_end)?;
        if head_end - at < 12 || claims.len() < 8 || !self.bytes[claims.clone()].starts_with(b"eyJ") {
            return None;
        }
        let signature = next_run(claims.end)?;
        (signature.len() >= 8).then_some(("jwt", at..signature.end))
    }

    /// `Bearer <token>` and `Basic <token>`, as in an Authorization header.
    fn bearer(&self, at: usize, end: usize) -> Option<(&'static str, Range<usize>)> {
        let word = &self.bytes[at..end];
        if !(word.eq_ignore_ascii_case(b"bearer") || word.eq_ignore_ascii_case(b"basic")) {
            return assignment::said(self.bytes, at..end).map(|span| ("assigned-secret", span));
        }
        let start = end + self.bytes[end..].iter().take(3).take_while(|&&b| b == b' ').count();
        let is_part = |b: &u8| is_token(*b) || matches!(b, b'.' | b'~' | b'+' | b'/' | b'=');
        let length = self.bytes[start..].iter().take_while(|&b| is_part(b)).count();
        let judged = &self.bytes[start..start + length.min(JUDGED)];
        (start > end && length >= 20 && random::is_mixed(judged)).then_some(("bearer-token", start..start + length))
    }

    /// The password in `scheme://user:password@host`.
    fn url_password(&self, at: usize) -> Option<(&'static str, Range<usize>)> {
        let rest = self.bytes[at..].strip_prefix(b"://")?;
        let start = at + 3;
        let authority = &rest[..rest.len().min(300)];
        let end = authority
            .iter()
            .position(|b| {
                b.is_ascii_whitespace() || matches!(b, b'/' | b'?' | b'#' | b'"' | b'\'' | b'\\' | b'<' | b'>')
            })
            .unwrap_or(authority.len());
        let host_mark = authority[..end].iter().rposition(|&b| b == b'@')?;
        let colon = authority[..host_mark].iter().position(|&b| b == b':')?;
        let password = &authority[colon + 1..host_mark];
        let real = password.len() >= 4 && !assignment::is_placeholder(password);
        real.then_some(("url-password", start + colon + 1..start + host_mark))
    }

    /// A private key block, also one whose head or end was cut off.
    fn private_key(&mut self, at: usize) -> Option<(&'static str, Range<usize>)> {
        let rest = &self.bytes[at..];
        if rest.starts_with(b"-----BEGIN ") {
            let head = armour(rest)?;
            let end = self.armour_end(at + head).unwrap_or_else(|| base64_end(self.bytes, at + head));
            return Some(("private-key", at..end));
        }
        if rest.starts_with(b"-----END ") {
            let length = armour(rest)?;
            return Some(("private-key", base64_start(self.bytes, self.taken, at)..at + length));
        }
        None
    }

    fn armour_end(&mut self, from: usize) -> Option<usize> {
        if from >= self.no_end_from {
            return None;
        }
        const END: &[u8] = b"-----END ";
        let Some(at) = self.bytes[from..].windows(END.len()).position(|part| part == END) else {
            self.no_end_from = from;
            return None;
        };
        let rest = &self.bytes[from + at..];
        Some(from + at + armour(rest).unwrap_or(END.len()))
    }

    fn run_end(&mut self, at: usize) -> usize {
        if at >= self.run_end {
            self.run_end = run_end(self.bytes, at);
        }
        self.run_end
    }
}

/// The length of `-----BEGIN … PRIVATE KEY-----` (or `END`, or with `BLOCK`) at the front of `rest`.
fn armour(rest: &[u8]) -> Option<usize> {
    let line = &rest[..rest.len().min(80)];
    let close = line.windows(5).skip(9).position(|part| part == b"-----")? + 9;
    let label = &line[5..close];
    let private = label.windows(11).any(|part| part == b"PRIVATE KEY");
    (private && !label.contains(&b'\n')).then_some(close + 5)
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// Where the lines of base64 (with headers such as `Proc-Type:`) that follow a head stop.
fn base64_end(bytes: &[u8], from: usize) -> usize {
    let is_part = |&b: &u8| is_base64(b) || matches!(b, b'\n' | b'\r' | b'\\' | b':' | b',' | b'-');
    let end = from + bytes[from..].iter().take_while(|b| is_part(b)).count();
    from + bytes[from..end].trim_ascii_end().len()
}

/// Where the whole lines of base64 before an END line begin.
fn base64_start(bytes: &[u8], not_before: usize, end: usize) -> usize {
    let mut start = end;
    while let Some(line_end) = start.checked_sub(1).filter(|&at| at >= not_before && bytes[at] == b'\n') {
        let line = bytes[not_before..line_end].iter().rev().take_while(|&&b| is_base64(b) || b == b'\r').count();
        let begin = line_end - line;
        if line < 8 {
            break;
        }
        start = begin;
    }
    start
}

fn run_end(bytes: &[u8], from: usize) -> usize {
    from + bytes.get(from..).map_or(0, |rest| rest.iter().take_while(|b| is_token(**b)).count())
}

fn is_token(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// As some services draw keys; a name of 32 such letters without another does not exist.
fn is_hex(body: &[u8]) -> bool {
    body.iter().any(u8::is_ascii_digit) && body.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_aws(word: &[u8]) -> bool {
    [b"AKIA", b"ASIA", b"ABIA", b"ACCA"].iter().any(|head| word.starts_with(*head))
        && word.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        && !word.ends_with(b"EXAMPLE")
}

/// Start of the text that replaces a secret.
pub const MARK: &str = "[redacted:";
