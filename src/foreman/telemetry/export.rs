//! Sends spans to the collector that the environment names: OTLP over HTTP, as JSON.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::base::{Result, env, text};

/// Seconds that one request may take.
const PATIENCE: u32 = 10;
/// How many spans are sent at most; a run has a few dozen.
const MAX_SPANS: usize = 500;

/// Where spans go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Collector {
    url: String,
    /// `name: value`.
    headers: Vec<String>,
    service: String,
}

/// One span. Times are nanoseconds since 1970.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub trace: String,
    pub id: String,
    pub parent: Option<String>,
    pub name: String,
    pub start: u128,
    pub end: u128,
    pub attributes: Vec<(&'static str, Value)>,
    /// Why it failed; `None` when it did not.
    pub error: Option<String>,
}

impl Collector {
    /// From the variables that OpenTelemetry defines; `None` when they name no collector.
    pub fn from_env() -> Option<Collector> {
        if env::var(env::OTEL_DISABLED).is_some_and(|off| off.eq_ignore_ascii_case("true")) {
            return None;
        }
        let whole = env::var(env::OTEL_TRACES_ENDPOINT);
        let base = || Some(format!("{}/v1/traces", env::var(env::OTEL_ENDPOINT)?.trim_end_matches('/')));
        let url = whole.or_else(base).filter(|url| url.starts_with("http://") || url.starts_with("https://"))?;
        Some(Collector {
            url,
            headers: headers(&env::var(env::OTEL_HEADERS).unwrap_or_default()),
            service: env::var(env::OTEL_SERVICE).unwrap_or_else(|| "teof".to_owned()),
        })
    }

    /// Starts to send the spans; whoever stays alive longer than the request waits for the child.
    ///
    /// # Errors
    /// When `curl` cannot be started.
    pub fn send(&self, spans: &[Span]) -> Result<Child> {
        let mut command = Command::new("curl");
        command.args(["--config", "-"]).env_clear().envs(env::safe_path().map(|path| (env::PATH, path)));
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"] {
            command.envs(env::var(name).map(|value| (name, value)));
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(self.config(spans).as_bytes())?;
        }
        Ok(child)
    }

    /// The whole request as curl's configuration: headers may hold keys, which an argument list would show.
    fn config(&self, spans: &[Span]) -> String {
        let own = ["silent".to_owned(), "globoff".to_owned(), format!("max-time = {PATIENCE}")];
        let mut lines = own.to_vec();
        lines.push(format!("url = {}", quoted(&self.url)));
        let kind = "Content-Type: application/json".to_owned();
        lines.extend(std::iter::once(&kind).chain(&self.headers).map(|header| format!("header = {}", quoted(header))));
        lines.push(format!("data-raw = {}", quoted(&self.body(spans).to_string())));
        lines.join("\n") + "\n"
    }

    fn body(&self, spans: &[Span]) -> Value {
        let spans: Vec<_> = spans.iter().take(MAX_SPANS).map(Span::document).collect();
        let scope = json!({"name": "teof", "version": env!("CARGO_PKG_VERSION")});
        let resource = json!({"attributes": [attribute("service.name", &json!(self.service))]});
        json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": spans}]}]})
    }
}

impl Span {
    fn document(&self) -> Value {
        let attributes: Vec<_> = self.attributes.iter().map(|(key, value)| attribute(key, value)).collect();
        let mut span = json!({
            "traceId": self.trace,
            "spanId": self.id,
            "name": self.name,
            "kind": 1,
            "startTimeUnixNano": self.start.to_string(),
            "endTimeUnixNano": self.end.to_string(),
            "attributes": attributes,
            "status": match &self.error {
                Some(why) => json!({"code": 2, "message": why}),
                None => json!({"code": 1}),
            },
        });
        if let Some(parent) = &self.parent {
            span["parentSpanId"] = json!(parent);
        }
        span
    }
}

fn attribute(key: &str, value: &Value) -> Value {
    let value = match value {
        Value::String(text) => json!({"stringValue": text}),
        Value::Bool(is) => json!({"boolValue": is}),
        // Whole numbers are strings in this encoding.
        Value::Number(number) if !number.is_f64() => json!({"intValue": number.to_string()}),
        other => json!({"doubleValue": other}),
    };
    json!({"key": key, "value": value})
}

/// A value in a configuration of curl.
fn quoted(value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', "\\r");
    format!("\"{escaped}\"")
}

/// The headers of a list such as `api-key=a%20b,x=y`, whose values are percent-encoded.
fn headers(list: &str) -> Vec<String> {
    let pairs = list.split(',').filter_map(|one| one.split_once('='));
    pairs.map(|(name, value)| format!("{}: {}", name.trim(), text::percent_decoded(value.trim()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_configuration_in_which_nothing_escapes_its_quotes() {
        let collector = Collector {
            url: "http://localhost:4318/v1/traces".into(),
            headers: headers("api-key=a%22b"),
            service: "teof".into(),
        };
        let span = Span {
            trace: "t".into(),
            id: "s".into(),
            parent: None,
            name: "a\"\nurl = \"http://evil".into(),
            start: 1,
            end: 2,
            attributes: vec![("tokens", json!(7))],
            error: None,
        };
        let config = collector.config(&[span]);
        assert_eq!(config.lines().filter(|line| line.starts_with("url = ")).count(), 1, "{config}");
        assert!(config.contains(r#"header = "api-key: a\"b""#), "{config}");
        assert!(config.contains(r#"\"intValue\":\"7\""#), "{config}");
    }
}
