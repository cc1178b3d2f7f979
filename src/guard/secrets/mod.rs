//! Finds secrets in text and redacts them.
//!
//! It knows the patterns of common keys and tokens, assignments of random-looking values to names such as
//! `password`, and the rules of gitleaks. It works on any bytes in time linear in their length. A hit contains its
//! kind and position, never its text.
//!
//! This catches accidents. A secret that somebody hides on purpose (split, encoded, renamed) passes.

mod assignment;
mod copied;
mod random;
mod rules;
#[cfg(test)]
mod samples;
mod shapes;

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;

pub use copied::learn_copied;
pub use shapes::MARK;

use crate::base::{Refusal, Result, files, text};
use crate::hub::Hub;

/// A secret in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What it looks like: `aws-access-key`, `private-key`, `assigned-secret`.
    pub kind: &'static str,
    /// The secret's first byte.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
    /// Counted from 1.
    pub line: u64,
}

/// All secrets in `bytes`, in order and without overlaps.
pub fn scan(bytes: &[u8]) -> Vec<Hit> {
    let mut spans = recognized(bytes);
    spans.extend(copied::find(bytes));
    hits(bytes, spans)
}

/// The secrets in a file of the record that may be older than the copied files: like [`scan`], without the values of
/// those files, which are there by chance.
pub fn scan_record(bytes: &[u8]) -> Vec<Hit> {
    hits(bytes, recognized(bytes))
}

fn recognized(bytes: &[u8]) -> Vec<(&'static str, Range<usize>)> {
    let mut spans = shaped(bytes);
    spans.extend(rules::find(bytes));
    spans
}

fn hits(bytes: &[u8], mut spans: Vec<(&'static str, Range<usize>)>) -> Vec<Hit> {
    // Of two overlapping hits the first is kept; a stable sort puts the built-in shapes before the rules.
    spans.sort_by_key(|(_, span)| span.start);
    let mut hits: Vec<Hit> = Vec::new();
    let (mut line, mut counted) = (1, 0);
    for (kind, span) in spans {
        match hits.last_mut().filter(|last| span.start < last.end) {
            Some(last) => last.end = last.end.max(span.end),
            None => {
                line += newlines(&bytes[counted..span.start]);
                counted = span.start;
                hits.push(Hit { kind, start: span.start, end: span.end, line });
            }
        }
    }
    hits
}

/// Secrets recognised by their shape, in order.
fn shaped(bytes: &[u8]) -> Vec<(&'static str, Range<usize>)> {
    let mut found = Vec::new();
    let mut scanner = shapes::Scanner::new(bytes);
    let mut at = 0;
    while at < bytes.len() {
        match scanner.secret_at(at) {
            Some((kind, span)) => {
                at = span.end;
                found.push((kind, span));
            }
            None => at += 1,
        }
    }
    found
}

/// Refuses a text that contains a secret: everybody can read the record, and nothing is removed from it. It is
/// refused rather than redacted, so that teof writes exactly what was asked for or nothing.
///
/// # Errors
/// `text.secret`.
pub fn check_text(what: &str, text: &str) -> Result<()> {
    let Some(hit) = scan(text.as_bytes()).into_iter().next() else { return Ok(()) };
    Err(Refusal::guard("text.secret", format!("the {what} seems to contain a secret ({})", hit.kind))
        .because("the record is committed, so everybody can read it")
        .next("repeat it without the secret; if it is a real one, revoke it")
        .with("line", hit.line)
        .with("kind", hit.kind)
        .into())
}

/// Larger files are not scanned, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// Refuses files of the hub that contain a secret, also in their names, before they become evidence.
///
/// # Errors
/// `receipt.secret`, `text.secret`; a path that leaves the hub, a file that cannot be read.
pub fn check_files<'p>(hub: &Hub, paths: impl IntoIterator<Item = &'p str>) -> Result<()> {
    learn_copied(hub);
    paths.into_iter().try_for_each(|path| check_file(hub, path))
}

fn check_file(hub: &Hub, path: &str) -> Result<()> {
    check_text("path", path)?;
    let file = files::open_regular(&hub.path(path)?)?;
    if file.as_ref().is_none_or(|file| file.metadata().is_ok_and(|meta| meta.len() > MAX_FILE)) {
        return Ok(());
    }
    let bytes = files::read(&hub.path(path)?, MAX_FILE)?.unwrap_or_default();
    let Some(hit) = scan(&bytes).into_iter().next() else { return Ok(()) };
    let shown = text::safe(path);
    Err(Refusal::guard("receipt.secret", format!("line {} of {shown} {}", hit.line, describe(&bytes, &hit)))
        .because("evidence is committed, so everybody can read it")
        .next("revoke the secret, and add a copy of the file without it")
        .with("line", hit.line)
        .with("kind", hit.kind)
        .into())
}

/// What a hit in the bytes is, as the end of a sentence about its line. Names the copied file that holds the value.
pub fn describe(bytes: &[u8], hit: &Hit) -> String {
    match copied::holder(&bytes[hit.start..hit.end]) {
        Some(file) => format!("holds a secret of the copied file {}", text::safe(&file)),
        None => format!("looks like a secret ({})", hit.kind),
    }
}

/// [`check_text`], for every text in a document.
///
/// # Errors
/// `text.secret`.
pub fn check_json(what: &str, value: &Value) -> Result<()> {
    match value {
        Value::String(text) => check_text(what, text),
        Value::Array(items) => items.iter().try_for_each(|item| check_json(what, item)),
        Value::Object(map) => map.values().try_for_each(|value| check_json(what, value)),
        _ => Ok(()),
    }
}

/// `text` with every secret replaced by `[redacted:<kind>]`.
pub fn redact(text: &str) -> String {
    // Secrets begin and end next to ASCII, so cutting there keeps the text valid UTF-8.
    match redact_bytes(text.as_bytes()) {
        Cow::Borrowed(_) => text.to_owned(),
        Cow::Owned(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// Like [`redact`], for bytes that need not be text.
pub fn redact_bytes(bytes: &[u8]) -> Cow<'_, [u8]> {
    let hits = scan(bytes);
    if hits.is_empty() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for hit in hits {
        out.extend_from_slice(&bytes[from..hit.start]);
        out.extend_from_slice(format!("{MARK}{}]", hit.kind).as_bytes());
        from = hit.end;
    }
    out.extend_from_slice(&bytes[from..]);
    Cow::Owned(out)
}

/// Redacts every text in a document, and leaves its keys.
pub fn redact_json(value: &mut Value) {
    match value {
        Value::String(text) => *text = redact(text),
        Value::Array(items) => items.iter_mut().for_each(redact_json),
        Value::Object(map) => map.values_mut().for_each(redact_json),
        _ => {}
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&b| b == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Test secrets are put together here, so that this file holds none.
    fn made(parts: &[&str]) -> String {
        parts.concat()
    }

    fn kinds(text: &str) -> Vec<&'static str> {
        scan(text.as_bytes()).into_iter().map(|hit| hit.kind).collect()
    }

    const RANDOM: &str = "q7Rk2Zp9Xw4Tn8Vb3Lm6Yc1Hd5Jf0Gs2AaEe";

    #[test]
    fn the_common_shapes_are_found() {
        let cases = [
            ("aws-access-key", made(&["AKIA", "Q7RK2ZP9XW4TN8VB"])),
            ("github-token", made(&["ghp_", RANDOM])),
            ("github-token", made(&["github", "_pat_", RANDOM])),
            ("gitlab-token", made(&["glpat-", "q7Rk2Zp9Xw4Tn8Vb3Lm6"])),
            ("openai-key", made(&["sk-", "proj-", RANDOM])),
            ("anthropic-key", made(&["sk-ant-", "api03-", RANDOM])),
            ("slack-token", made(&["xoxb-", "1234567890-abcdefGHIJ12"])),
            ("google-key", made(&["AIza", "SyQ7Rk2Zp9Xw4Tn8Vb3Lm6Yc1Hd5Jf0Gs2A"])),
            ("stripe-key", made(&["sk_live_", "q7Rk2Zp9Xw4Tn8Vb3Lm6"])),
            ("npm-token", made(&["npm_", RANDOM])),
            ("jwt", made(&["eyJ", "hbGciOiJIUzI1NiJ9.", "eyJzdWIiOiIxMjM0In0.", "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"])),
            ("url-password", made(&["https://bob:", "hunter2hunter", "@example.org/x"])),
            ("bearer-token", made(&["Authorization: Bearer ", RANDOM])),
        ];
        for (kind, secret) in cases {
            for text in [secret.clone(), format!("before \"{secret}\" after"), format!("é\nx={secret}\n")] {
                assert_eq!(kinds(&text), [kind], "{text}");
                assert!(!redact(&text).contains(&secret), "{text}");
            }
        }
    }

    #[test]
    fn a_private_key_goes_with_all_its_lines_even_when_its_head_was_cut_off() {
        let head = made(&["-----BEGIN RSA ", "PRIVATE KEY-----"]);
        let tail = made(&["-----END RSA ", "PRIVATE KEY-----"]);
        let body = "MIIEpAIBAAKCAQEA7bq1q7Rk2Zp9Xw4Tn8Vb3Lm6Yc1Hd5Jf0Gs2AaEe\nq7Rk2Zp9Xw4Tn8Vb==\n";
        assert_eq!(redact(&format!("a\n{head}\n{body}{tail}\nb")), "a\n[redacted:private-key]\nb");
        assert_eq!(redact(&format!("a\n{head}\n{body}")), "a\n[redacted:private-key]\n");
        assert_eq!(redact(&format!("a b\n{body}{tail}\nb")), "a b\n[redacted:private-key]\nb");
        let public = made(&["-----BEGIN ", "PUBLIC KEY-----"]);
        assert_eq!(kinds(&format!("{public}\n{body}")), [] as [&str; 0]);
    }

    #[test]
    fn random_values_of_secret_names_are_found_in_every_notation() {
        for text in [
            format!("password = \"{RANDOM}\""),
            format!("DB_PASSWORD={RANDOM}"),
            format!("{{\"api_key\": \"{RANDOM}\"}}"),
            format!("{{\\\"clientSecret\\\":\\\"{RANDOM}\\\"}}"),
            format!("auth-token: '{RANDOM}'"),
            format!("secret => {RANDOM},"),
            format!("PGPASSWORD={RANDOM}"),
            format!("dbpassword={RANDOM}"),
            format!("DB_PASS={RANDOM}"),
            format!("API_KEY_PROD={RANDOM}"),
            format!("GITHUB_TOKEN_2: {RANDOM}"),
            format!("SECRET_KEY_BASE={RANDOM}"),
            format!("REDIS_AUTH={RANDOM}"),
            format!("password := {RANDOM}"),
            format!("<password>{RANDOM}</password>"),
            format!("Authorization: token {RANDOM}"),
            format!("login --token {RANDOM} now"),
            format!("the password is {RANDOM}"),
            format!("SECRET=a9.{}.x", &RANDOM[..14]),
        ] {
            assert_eq!(kinds(&text), ["assigned-secret"], "{text}");
            assert!(!redact(&text).contains(RANDOM));
        }
        let hex = "8f14e45fceea167a5a36dedd4bea2543";
        for (text, kind) in [
            (format!("SECRET_KEY_BASE={}", hex.repeat(4)), "assigned-secret"),
            (made(&["used sk-", hex, " here"]), "openai-key"),
            (format!("DB_PASSWORD={}", ["kJwGfDsT", "qWnRtLpU"].concat()), "assigned-secret"),
            (format!("password={}", ["qzkvxw", "jplmtrab"].concat()), "assigned-secret"),
        ] {
            assert_eq!(kinds(&text), [kind], "{text}");
        }
    }

    #[test]
    fn lookalikes_of_secrets_are_not_redacted() {
        for text in [
            "token_sha256: 035aa1c200db05674bf34f8d1167daac34e22088ebf90be6c70fbdbcc9354f30",
            "\"receipt_sha256\": \"035aa1c200db05674bf34f8d1167daac34e22088ebf90be6c70fbdbcc9354f30\"",
            "commit 026d848c0fd4e207d7f5737b5e4322f3fbb0261d",
            "max_tokens: 4096, total_tokens=123456789012345",
            "password = get_password()",
            "self.depth_pass = depthPrePassV2;",
            "subpass: VkSubpassDescription2KHR",
            "lowpass = butterworth_4th_order",
            "second_pass=libx264_slow_crf23",
            "token_base = base64url_alphabet",
            "secret_test = test_secret_v1alpha1",
            "token := nextToken2Kind",
            "<token>IdentifierToken2Kind</token>",
            "DB_PASS=$DB_PASS and password=changeme",
            "password: userPasswordFromConfig, secret = StandardRevocableToken",
            "type OAuthToken = oauth2::StandardRevocableToken;",
            "--- PASS: TestOutputWithSubtest/sub_test2 (0.00s)",
            "test PASS: tests::a_name_of_a_test_2",
            "pub const LOCALBYPASS: _bindgen_ty_24 = _bindgen_ty_24::I",
            "auth: OAuth2ClientCredentials, com.google.auth:google-auth-library-oauth2-http",
            "the token Sha256DigestOfParser2 is a name, and the password required2login is not there",
            "Vec<Token>ParserOfVersion</Token>",
            "password = os.environ['DB_PASSWORD_2_LONG']",
            "password: ${DB_PASSWORD_1234567890}",
            "token: <your-token-1234567890>",
            "api_key = \"xxxxxxxxxxxxxxxx1\"",
            "secret: _report/agent/codex-1/run-2025-10-19T130854Z.json",
            "task-ant-farm risk-sk-management sk-learn-is-a-long-name-of-a-thing-in-python",
            "AKIAIOSFODNN7EXAMPLE",
            "https://example.org:8080/path@2x.png and mailto:bob@example.org",
            "let token = parser.next_token_after_whitespace2(input);",
            "fn token(&self) -> Token { self.tokens[0].clone() }",
        ] {
            assert_eq!(kinds(text), [] as [&str; 0], "{text}");
            assert_eq!(redact(text), text);
        }
    }

    #[test]
    fn a_hit_names_its_line() {
        let text = format!("one\ntwo\npassword={RANDOM}\npassword={RANDOM}\n");
        let lines: Vec<_> = scan(text.as_bytes()).into_iter().map(|hit| hit.line).collect();
        assert_eq!(lines, [3, 4]);
    }

    #[test]
    fn hostile_repetitions_cost_no_more_than_their_length() {
        // A quadratic scanner takes hours for each of these.
        for unit in ["sk-", "token=", "eyJ.", "eyJ-", "-----BEGIN PRIVATE KEY-----", "://a:", "password:", "Bearer "] {
            let text = unit.repeat(300_000 / unit.len());
            scan(text.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_scanned_and_redacting_twice_changes_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut end = 0;
            for hit in scan(&bytes) {
                prop_assert!(end <= hit.start && hit.start < hit.end && hit.end <= bytes.len());
                end = hit.end;
            }
            let once = redact_bytes(&bytes).into_owned();
            prop_assert_eq!(redact_bytes(&once).into_owned(), once.clone());
        }

        #[test]
        fn text_stays_text(before in "[é a-z=:\"]{0,12}", value in "[A-Za-z0-9é]{0,40}", after in "\\PC{0,12}") {
            let text = format!("{before}password=\"{value}{after}");
            let out = redact(&text);
            let broken = out.contains('\u{fffd}') && !text.contains('\u{fffd}');
            prop_assert!(!broken, "{}", out);
        }
    }
}
