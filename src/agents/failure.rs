//! Classifies an agent's failure by the status code of its service or, without one, by the text.

use serde_json::Value;

use super::limits;
use crate::base::text;

/// The kind of a failure, for the decision what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The account's limit; an outcome is [`RateLimited`](super::Verdict::RateLimited) instead.
    Limit,
    /// The service does not know this account, or it may not: a person must act.
    Account,
    /// The account must be paid: a person must act.
    Billing,
    /// The service refused the request itself, such as an unknown model; the same call fails again.
    Request,
    /// The service or the connection fails: not a failure of the agent, and it passes.
    Service,
    /// The agent's own limit of turns or of output.
    Turns,
    /// The agent's own limit of money.
    Budget,
    /// A tool was not allowed, and no person was there to allow it.
    Rejected,
    /// It could not start because something is missing on this machine: a person must act.
    SetUp,
    /// It could not start because another start was in progress; retry at once.
    Busy,
    /// It was stopped: by a time limit, a signal or a request.
    Stopped,
    /// Anything else that the agent calls a failure.
    Other,
}

impl Kind {
    /// Its name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Limit => "limit",
            Kind::Account => "account",
            Kind::Billing => "billing",
            Kind::Request => "request",
            Kind::Service => "service",
            Kind::Turns => "turns",
            Kind::Budget => "budget",
            Kind::Rejected => "rejected",
            Kind::SetUp => "set_up",
            Kind::Busy => "busy",
            Kind::Stopped => "stopped",
            Kind::Other => "other",
        }
    }

    /// Whether the same call may do better soon, with nothing changed.
    pub fn is_transient(self) -> bool {
        matches!(self, Kind::Service | Kind::Busy)
    }
}

/// Texts about missing payment, with any status: claude's "Credit balance is too low" is a 400, OpenAI's
/// `insufficient_quota` a 429.
const BILLING: [&str; 11] = [
    "credit balance",
    "insufficient_quota",
    "insufficient balance",
    "insufficient credits",
    "out of credits",
    "requires more credits",
    "no payment method",
    "to use codex with your chatgpt plan, upgrade",
    "billing_error",
    "billing_hard_limit",
    "payment required",
];
/// Texts about an unknown model, with any status.
const MODEL: [&str; 8] = [
    "model not found",
    "modelnotfound",
    "model_not_found",
    "unknown model",
    "no such model",
    "does not exist or you do not have access",
    "issue with the selected model",
    "model is not supported",
];
/// Texts about a key or a login that is not valid, with any status: gemini's "API key not valid" is a 400.
const LOGIN: [&str; 5] =
    ["api key not valid", "api key expired", "api_key_invalid", "access token could not be refreshed", "sign in again"];
const ACCOUNT: [&str; 13] = [
    "unauthorized",
    "unauthenticated",
    "authentication",
    "invalid api key",
    "invalid x-api-key",
    "invalid bearer",
    "not logged in",
    "please run /login",
    "please log in",
    "must log in",
    "permission_denied",
    "auth method",
    "api key",
];
const SERVICE: [&str; 38] = [
    "overloaded",
    "at capacity",
    "high demand",
    "server_error",
    "server error",
    "internal error",
    "unavailable",
    "stream disconnected",
    "connection",
    "unable to connect",
    "failed to connect",
    "could not connect",
    "cannot connect",
    "connecterror",
    "connecttimeout",
    "socket",
    "econn",
    "enotfound",
    "etimedout",
    "ehostunreach",
    "enetunreach",
    "ehostdown",
    "enetdown",
    "epipe",
    "no route to host",
    "error sending request",
    "network",
    "terminated",
    "timed out",
    "timeout",
    "deadline_exceeded",
    "deadline exceeded",
    "fetch failed",
    "bad gateway",
    "dns",
    "eai_again",
    "resolve host",
    "name resolution",
];
/// Words of services and their clients, which the output of a person's own tests hardly has.
const OF_SERVICES: [&str; 31] = [
    "api error",
    "litellm.",
    "overloaded",
    "server_error",
    "stream disconnected",
    "econn",
    "enotfound",
    "eai_again",
    "etimedout",
    "ehostunreach",
    "enetunreach",
    "error sending request",
    "fetch failed",
    "bad gateway",
    "service unavailable",
    "deadline_exceeded",
    "connection error",
    "unable to connect. is the computer able",
    "could not resolve host",
    "failed to connect to",
    "failure in name resolution",
    "max retries exceeded with url",
    "apiconnectionerror",
    "apitimeouterror",
    "httpx.connect",
    "httpx.read",
    "unauthorized",
    "invalid api key",
    "plan and billing details",
    "prompt is too long",
    "not logged in",
];
const REQUEST: [&str; 7] = [
    "invalid_request",
    "bad request",
    "invalid_argument",
    "model not found",
    "not_found",
    "requested entity was not found",
    "prompt is too long",
];

/// The kind of a failure with this HTTP status and this text: words that leave no doubt come first, then the status,
/// then other words.
pub fn kind_of(status: Option<u64>, text: &str) -> Kind {
    let lower = text.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let status = status.or_else(|| status_in(text));
    // codex: "Quota exceeded. Check your plan and billing details."; gemini says the same of a limit that passes.
    let unpaid = lower.contains("plan and billing details") && !lower.contains("retry in");
    if has(&BILLING) || unpaid || status == Some(402) {
        return Kind::Billing;
    }
    // codex: "The requested model 'gpt-9' does not exist."
    if has(&MODEL) || (lower.contains("model") && has(&["' does not exist", "` does not exist"])) {
        return Kind::Request;
    }
    if has(&LOGIN) {
        return Kind::Account;
    }
    if limits::mentions_limit(text) {
        return Kind::Limit;
    }
    if let Some(kind) = status.and_then(of_status) {
        return kind;
    }
    match () {
        () if has(&REQUEST) => Kind::Request,
        () if has(&SERVICE) => Kind::Service,
        () if has(&["billing"]) => Kind::Billing,
        () if has(&ACCOUNT) => Kind::Account,
        () => Kind::Other,
    }
}

/// Like [`kind_of`], for output that may be that of tests: a common word alone ("socket", "billing") blames no service,
/// account or request, for which a failed call would cost no attempt, or block the job.
pub fn kind_of_output(text: &str) -> Kind {
    let lower = text.to_lowercase();
    let certain = || OF_SERVICES.iter().chain(&BILLING).chain(&MODEL).chain(&LOGIN);
    let is_certain = || status_in(text).is_some() || certain().any(|words| lower.contains(words));
    match kind_of(None, text) {
        Kind::Service | Kind::Account | Kind::Request | Kind::Billing if !is_certain() => Kind::Other,
        kind => kind,
    }
}

/// The kind of an HTTP status; `None` when it is not a failure.
pub fn of_status(status: u64) -> Option<Kind> {
    match status {
        402 => Some(Kind::Billing),
        401 | 403 => Some(Kind::Account),
        429 => Some(Kind::Limit),
        408 | 409 | 425 | 500..=599 => Some(Kind::Service),
        400..=499 => Some(Kind::Request),
        _ => None,
    }
}

/// Words after which a number is a status, each as the end of a word: `statusCode`, `"code"`, `HTTP/1.1`.
const BEFORE: [&str; 10] =
    ["status", "code", "error", "http", "http/1.1", "http/2", "response", "returned", "failed", "got"];
/// Words that stand for a status, right after it.
const AFTER: [&str; 16] = [
    "status",
    "too",
    "unauthorized",
    "payment",
    "forbidden",
    "not",
    "bad",
    "internal",
    "service",
    "gateway",
    "overloaded",
    "request",
    "conflict",
    "unprocessable",
    "resource_exhausted",
    "error",
];

/// The port of every service, which no status is.
const PORT: u64 = 443;

/// The first number that could be a failure's HTTP status and that something beside it calls so: other
/// numbers are of lines and of files.
fn status_in(text: &str) -> Option<u64> {
    let apart = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/'));
    let words: Vec<String> = text.split(apart).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    let word = |at: Option<usize>| at.and_then(|at| words.get(at)).map_or("", |word| word.trim_matches(['.', '-']));
    (0..words.len()).find_map(|at| {
        let status = word(Some(at)).parse().ok().filter(|status| (400..600).contains(status) && *status != PORT)?;
        let (before, after) = (word(at.checked_sub(1)), word(at.checked_add(1)));
        let said = BEFORE.iter().any(|known| before.ends_with(known)) || AFTER.contains(&after);
        (said || words.len() == 1).then_some(status)
    })
}

/// One line for people, out of what an agent calls an error: JSON unwrapped, made harmless, clipped.
pub fn why(error: &str) -> String {
    let mut said = error.trim();
    said = said.strip_prefix("[API Error:").map_or(said, |inner| inner.trim());
    let inner = said.find('{').and_then(|at| {
        let mut values = serde_json::Deserializer::from_str(&said[at..]).into_iter::<Value>();
        message(&values.next()?.ok()?)
    });
    // The bracket that was opened before.
    let line = inner.unwrap_or_else(|| match error.trim() == said {
        true => said.to_owned(),
        false => said.replacen(']', "", 1),
    });
    text::clip(&text::safe(line.trim()), 300)
}

fn message(value: &Value) -> Option<String> {
    let inner = value.get("error").unwrap_or(value);
    inner.get("message").and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_told_from_the_status_or_from_the_words() {
        for (text, kind) in [
            ("API Error: 400 no such tool", Kind::Request),
            ("unexpected status 401 Unauthorized: bad key, url: http://127.0.0.1:40412/v1", Kind::Account),
            ("[API Error: {\"error\":{\"code\":403,\"message\":\"no\"}}]", Kind::Account),
            ("API Error: 500 oops, usually temporary", Kind::Service),
            ("API Error: 529 overloaded", Kind::Service),
            ("stream disconnected before completion: Transport error", Kind::Service),
            ("[API Error: terminated]", Kind::Service),
            ("last status: 429 Too Many Requests", Kind::Limit),
            ("You’ve hit your usage limit.", Kind::Limit),
            ("Credit balance is too low", Kind::Billing),
            ("API Error: 400 Your credit balance is too low to access the API", Kind::Billing),
            ("429 You exceeded your current quota, please check your plan. (insufficient_quota)", Kind::Billing),
            ("You exceeded your current quota. Please retry in 3600.5s. code: 429", Kind::Limit),
            ("Quota exceeded. Check your plan and billing details.", Kind::Billing),
            ("check your plan and billing details. Please retry in 3.5s. code: 429", Kind::Limit),
            ("There is a problem with your billing", Kind::Billing),
            ("Invalid API key: see the billing page", Kind::Billing),
            ("The billing service is unavailable", Kind::Service),
            ("Error: 402 This request requires more credits", Kind::Billing),
            ("API Error: 404 {\"error\":{\"message\":\"model: claude-9\"}}", Kind::Request),
            ("The model `gpt-9` does not exist or you do not have access to it.", Kind::Request),
            ("API Error: Connection error.", Kind::Service),
            ("fetch failed: ECONNREFUSED 127.0.0.1:443", Kind::Service),
            ("getaddrinfo ENOTFOUND api.example.com", Kind::Service),
            ("error sending request for url (https://x/v1/responses)", Kind::Service),
            ("API Error: 529 {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}", Kind::Service),
            ("the tests fail: 12 of 500 000", Kind::Other),
            ("connect ETIMEDOUT 160.79.104.10:443", Kind::Service),
            ("API Error: connect EHOSTUNREACH 1.2.3.4:443", Kind::Service),
            ("API Error: connect ENETUNREACH 1.2.3.4:443", Kind::Service),
            ("API Error: read EPIPE", Kind::Service),
            ("Unable to connect. Is the computer able to access the url?", Kind::Service),
            ("curl: (28) Failed to connect to x port 443 (error 28)", Kind::Service),
            ("Deadline expired before operation could complete. (Status: DEADLINE_EXCEEDED)", Kind::Service),
            ("Selected model is at capacity. Please try a different model.", Kind::Service),
            ("We're currently experiencing high demand, which may cause temporary errors.", Kind::Service),
            ("You're out of extra usage · resets 11pm (UTC)", Kind::Limit),
            ("Spending cap reached · resets 11pm", Kind::Limit),
            ("You've used your usage allowance · resets 11pm (UTC)", Kind::Limit),
            ("Free usage exceeded, add credits", Kind::Limit),
            ("Your workspace is out of credits. Add credits to continue.", Kind::Billing),
            ("To use Codex with your ChatGPT plan, upgrade to Plus: https://x", Kind::Billing),
            ("You've hit your usage limit. Upgrade to Plus or try again at 2:57 AM.", Kind::Limit),
            ("No payment method. Add a payment method here", Kind::Billing),
            ("Your access token could not be refreshed. Please log out and sign in again.", Kind::Account),
            ("API key not valid. Please pass a valid API key. (Status: INVALID_ARGUMENT)", Kind::Account),
            ("status 400 Bad Request: API key expired. Please renew the API key.", Kind::Account),
            ("The 'gpt-9' model is not supported when using Codex with a ChatGPT account.", Kind::Request),
            ("The requested model 'gpt-9' does not exist.", Kind::Request),
            ("There's an issue with the selected model (x). It may not exist.", Kind::Request),
            ("ProviderModelNotFoundError", Kind::Request),
            ("Requested entity was not found.", Kind::Request),
            ("something else", Kind::Other),
            ("panicked at src/main.rs:403:5", Kind::Other),
            ("see line 429 of it", Kind::Other),
            ("it took 500 ms", Kind::Other),
            ("", Kind::Other),
        ] {
            assert_eq!(kind_of(None, text), kind, "{text}");
        }
        assert_eq!(kind_of(Some(503), "x"), Kind::Service);
        assert!(Kind::Busy.is_transient() && !Kind::Account.is_transient());
    }

    #[test]
    fn the_words_of_failed_tests_blame_no_service_and_no_account() {
        for (text, kind) in [
            ("FAILED tests/test_db.py::test_socket - 1 failed", Kind::Other),
            ("error: the build failed, see the log in /tmp/build.log", Kind::Other),
            ("assertion failed: timeout == 3", Kind::Other),
            ("dial tcp 127.0.0.1:5432: connect: connection refused", Kind::Other),
            ("psql: could not connect to server", Kind::Other),
            ("FAILED tests/test_billing.py::test_not_found - 1 failed", Kind::Other),
            ("FAILED tests/test_login.py::test_permission_denied", Kind::Other),
            ("curl: (6) Could not resolve host: api.example.com", Kind::Service),
            ("curl: (7) Failed to connect to api.example.com port 443: Connection refused", Kind::Service),
            ("<urlopen error [Errno -3] Temporary failure in name resolution>", Kind::Service),
            ("requests.exceptions.ConnectionError: Max retries exceeded with url", Kind::Service),
            ("httpx.ConnectTimeout: timed out", Kind::Service),
            ("openai.APITimeoutError: Request timed out.", Kind::Service),
            ("Error: connect ETIMEDOUT 1.2.3.4:443", Kind::Service),
            ("Model not found: x/y", Kind::Request),
            ("Quota exceeded. Check your plan and billing details.", Kind::Billing),
            ("litellm.APIConnectionError: connection refused", Kind::Service),
            ("connect ECONNREFUSED 127.0.0.1:443", Kind::Service),
            ("API Error: 503 try later", Kind::Service),
            ("Not logged in; run login", Kind::Account),
            ("You have hit your usage limit.", Kind::Limit),
        ] {
            assert_eq!(kind_of_output(text), kind, "{text}");
        }
    }

    #[test]
    fn error_messages_are_unwrapped_for_people() {
        for (error, shown) in [
            (r#"{"error": {"message": "bad request", "type": "x"}}"#, "bad request"),
            (r#"[API Error: {"error":{"code":401,"message":"bad key"}}]"#, "bad key"),
            ("[API Error: terminated]", "terminated"),
            ("[API Error: too much.]\nPlease wait", "too much. Please wait"),
            ("a [list] {of} things\u{1b}", "a [list] {of} things␛"),
            ("  plain ", "plain"),
        ] {
            assert_eq!(why(error), shown);
        }
    }
}
