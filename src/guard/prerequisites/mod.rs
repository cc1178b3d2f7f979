//! Checks the prerequisites of work: trust in the feeds, no feed that needs attention, a green CI.
//!
//! The backlog declares which prerequisites its items have. A declared one whose report cannot be read counts as
//! failed. The consent's halts use two of the same facts, whatever the backlog declares: [`Prerequisites::attention`]
//! and [`Prerequisites::ci_failed`].
//!
//! | key under `prerequisites` | holds when |
//! |---|---|
//! | `min_overall_trust`: number | `overall_avg_trust` of the authenticity report is at least that |
//! | `require_no_attention_feeds`: true | its `attention_feeds` is an empty list |
//! | `require_ci_green`: true (or `require_ci_ok`) | the CI summary's `status` is `ok`, else its `exit_code` is 0 |
//! | `notes`, `description` | always: they are for people |
//! | anything else | never: an unknown condition is not met |
//!
//! It only reads; the caller reports to the bus.

mod declared;
mod evidence;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::base::{Result, digest, json};
use crate::hub::Hub;

pub use declared::Declared;
pub use evidence::{AUTHENTICITY, CI_SUMMARY, Snapshot};

/// A declared prerequisite that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The key that declares it.
    pub prerequisite: String,
    pub text: String,
}

/// The result of one check; everything else here is derived from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prerequisites {
    /// The declared ones that do not hold, in the order of their declaration.
    pub failures: Vec<Failure>,
    /// The values and the hashes of the files that they were read from.
    pub snapshot: Snapshot,
}

/// Reads both reports even if no prerequisite needs them, because receipts show them.
pub fn check(hub: &Hub, declared: Option<&Declared>) -> Result<Prerequisites> {
    let snapshot = Snapshot::take(hub, declared)?;
    let failures = match declared.and_then(|declared| declared.backlog.prerequisites()) {
        None => Vec::new(),
        Some(Value::Object(declared)) => check_all(declared, &snapshot),
        Some(other) => vec![Failure {
            prerequisite: "prerequisites".into(),
            text: format!("the backlog's prerequisites are {}, not an object", json::kind(other)),
        }],
    };
    Ok(Prerequisites { failures, snapshot })
}

impl Prerequisites {
    /// Why the backlog's items must not be started.
    pub fn failure(&self) -> Option<String> {
        let texts: Vec<_> = self.failures.iter().map(|failure| failure.text.as_str()).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }

    /// Whether feeds need attention, or the report about them is damaged. A missing report does not halt.
    pub fn attention(&self) -> bool {
        self.snapshot.authenticity.is_there() && self.snapshot.no_attention().is_err()
    }

    /// Whether the CI summary reports a failure or is damaged. A missing summary does not halt.
    pub fn ci_failed(&self) -> bool {
        self.snapshot.planner_status.is_there() && self.snapshot.green().is_err()
    }
}

impl Snapshot {
    /// The SHA-256 of the snapshot in the form used in receipts: pretty, indent 2, no final newline.
    pub fn sha256(&self) -> String {
        digest::sha256(json::pretty(self).as_bytes())
    }
}

fn check_all(declared: &Map<String, Value>, found: &Snapshot) -> Vec<Failure> {
    let checked = declared.iter().map(|(key, value)| (key, check_one(key, value, found)));
    checked.filter_map(|(key, verdict)| Some(Failure { prerequisite: key.clone(), text: verdict.err()? })).collect()
}

fn check_one(key: &str, value: &Value, found: &Snapshot) -> Result<(), String> {
    let wanted = |check: &dyn Fn() -> Result<(), String>| match value {
        Value::Bool(true) => check(),
        Value::Bool(false) | Value::Null => Ok(()),
        other => Err(format!("{key} is {}, not true or false", json::kind(other))),
    };
    match key {
        "min_overall_trust" => match value.as_f64() {
            Some(least) => found.trusted(least),
            None if value.is_null() => Ok(()),
            None => Err(format!("{key} is {}, not a number", json::kind(value))),
        },
        "require_no_attention_feeds" => wanted(&|| found.no_attention()),
        "require_ci_green" | "require_ci_ok" => wanted(&|| found.green()),
        "notes" | "description" => Ok(()),
        _ => Err(format!("unknown prerequisite {}", crate::base::text::safe(key))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn failures(declared: Value, authenticity: &str, ci: &str) -> Vec<String> {
        let found = Snapshot::of(authenticity.as_bytes().into(), ci.as_bytes().into());
        check_all(declared.as_object().unwrap(), &found).into_iter().map(|failure| failure.text).collect()
    }

    const GOOD: &str = r#"{"overall_avg_trust": 0.765, "attention_feeds": []}"#;

    #[test]
    fn undeclared_prerequisites_are_not_checked() {
        let bad = r#"{"overall_avg_trust": 0, "attention_feeds": ["x"]}"#;
        assert_eq!(failures(json!({}), bad, r#"{"exit_code": 1}"#), [""; 0]);
        let off = json!({"require_no_attention_feeds": false, "require_ci_green": null, "notes": "be kind"});
        assert_eq!(failures(off, bad, "{"), [""; 0]);
    }

    #[test]
    fn declared_prerequisites_must_hold() {
        let corpus = json!({"min_overall_trust": 0.7, "require_no_attention_feeds": true, "require_ci_green": true});
        assert_eq!(failures(corpus.clone(), GOOD, r#"{"exit_code": 0}"#), [""; 0]);
        assert_eq!(
            failures(corpus.clone(), &GOOD.replace("0.765", "0.7"), r#"{"status": "OK", "exit_code": 3}"#),
            [""; 0]
        );
        let bad = r#"{"overall_avg_trust": 0.69, "attention_feeds": ["feed-a", {"id": "b"}]}"#;
        assert_eq!(
            failures(corpus, bad, r#"{"status": "failed", "exit_code": 0}"#),
            [
                "trust is 0.69, below 0.7",
                "2 feeds need attention: feed-a, {\"id\":\"b\"}",
                "the CI summary says failed",
            ]
        );
    }

    #[test]
    fn an_unreadable_prerequisite_counts_as_failed() {
        let trust = json!({"min_overall_trust": 0});
        for bad in ["", "{", "[]", "{}", r#"{"overall_avg_trust": "0.9"}"#, r#"{"overall_avg_trust": null}"#] {
            assert_eq!(failures(trust.clone(), bad, "{}").len(), 1, "{bad}");
        }
        for bad in ["", "[]", "{}", r#"{"attention_feeds": null}"#, r#"{"attention_feeds": {}}"#] {
            assert_eq!(failures(json!({"require_no_attention_feeds": true}), bad, "{}").len(), 1, "{bad}");
        }
        for bad in
            ["", "{}", r#"{"status": ""}"#, r#"{"exit_code": true}"#, r#"{"exit_code": "0"}"#, r#"{"exit_code": 2}"#]
        {
            assert_eq!(failures(json!({"require_ci_ok": true}), GOOD, bad).len(), 1, "{bad}");
        }
        let odd = json!({"min_overall_trust": "high", "require_ci_green": "yes", "moon_phase": "full"});
        assert_eq!(failures(odd, GOOD, r#"{"exit_code": 0}"#).len(), 3);
    }

    #[test]
    fn the_halts_need_a_report_but_not_a_declaration() {
        let halts = |authenticity: Option<&str>, ci: Option<&str>| {
            let snapshot = Snapshot::of(authenticity.map(str::as_bytes), ci.map(str::as_bytes));
            let found = Prerequisites { failures: Vec::new(), snapshot };
            (found.attention(), found.ci_failed())
        };
        assert_eq!(halts(None, None), (false, false));
        assert_eq!(halts(Some(GOOD), Some(r#"{"exit_code": 0}"#)), (false, false));
        assert_eq!(halts(Some(r#"{"attention_feeds": ["a"]}"#), Some(r#"{"exit_code": 1}"#)), (true, true));
        assert_eq!(halts(Some("{"), Some("{")), (true, true));
    }
}
