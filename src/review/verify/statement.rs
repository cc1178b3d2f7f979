//! The evidence of a commit as an in-toto Statement, for programs that collect such statements.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::document::{Evidence, Role, Verified};
use crate::base::{Refusal, Result};

const TYPE: &str = "https://in-toto.io/Statement/v1";
/// The type of the predicate: [`Predicate`].
pub const PREDICATE: &str = "urn:teof:delivery:v1";

/// An in-toto Statement, version 1. Its subject is the commit.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Statement<'a> {
    #[serde(rename = "_type")]
    kind: &'static str,
    subject: [Subject<'a>; 1],
    predicate_type: &'static str,
    predicate: Predicate<'a>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Subject<'a> {
    name: &'a str,
    digest: Digest<'a>,
}

/// The subject's digest, as in-toto names that of a commit.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Digest<'a> {
    git_commit: &'a str,
}

/// What is stated of the commit. Where the record was read and what came later is left out: it would change the
/// statement with each fetch.
#[derive(Debug, Serialize, JsonSchema)]
struct Predicate<'a> {
    role: Role,
    evidence: &'a Evidence,
}

/// The statement about a commit that was verified.
///
/// # Errors
/// `verify.no_statement` for a commit that failed a check, or that no job made.
pub fn of(verified: &Verified) -> Result<Value> {
    let Some(evidence) = verified.evidence.as_ref().filter(|_| verified.ok) else {
        let commit = &verified.commit;
        return Err(Refusal::guard("verify.no_statement", format!("there is nothing to state about {commit}"))
            .because("only a commit that a job made, and that passes every check, gets a statement")
            .next(format!("see what was found: teof verify {commit}"))
            .into());
    };
    let digest = Digest { git_commit: &verified.commit };
    let subject = [Subject { name: "commit", digest }];
    let predicate = Predicate { role: verified.role, evidence };
    let mut statement = json!(Statement { kind: TYPE, subject, predicate_type: PREDICATE, predicate });
    if let Some(evidence) = statement.pointer_mut("/predicate/evidence").and_then(Value::as_object_mut) {
        evidence.shift_remove("record");
        evidence.shift_remove("sealed_by");
    }
    Ok(statement)
}

/// Why a statement that somebody gives is not the one of this commit; `None` when it is.
pub fn difference(given: &Value, made: &Value) -> Option<String> {
    let mut path = String::new();
    differs(given, made, &mut path).then(|| match path.is_empty() {
        true => "the statement is another one".to_owned(),
        false => format!("the statement differs at {path}"),
    })
}

/// Whether two values differ; `path` becomes where.
fn differs(given: &Value, made: &Value, path: &mut String) -> bool {
    let below = |key: &str, given: &Value, made: &Value, path: &mut String| {
        let length = path.len();
        path.push('/');
        path.push_str(&crate::base::text::clip(&crate::base::text::safe(key), 60));
        let found = differs(given, made, path);
        if !found {
            path.truncate(length);
        }
        found
    };
    match (given, made) {
        (Value::Object(given), Value::Object(made)) => {
            let keys = made.keys().chain(given.keys().filter(|key| !made.contains_key(*key)));
            let null = Value::Null;
            let get = |map: &serde_json::Map<String, Value>, key: &str| map.get(key).cloned().unwrap_or(null.clone());
            keys.into_iter().any(|key| below(key, &get(given, key), &get(made, key), path))
        }
        (Value::Array(given), Value::Array(made)) if given.len() == made.len() => {
            given.iter().zip(made).enumerate().any(|(at, (given, made))| below(&at.to_string(), given, made, path))
        }
        _ => given != made,
    }
}
