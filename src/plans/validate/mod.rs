//! Validates plans like the playbook's validator: structural rules always, strict ones when the caller can look up
//! receipts. Pure over bytes; every finding names its line.

mod findings;
mod receipts;
mod structure;

use serde_json::Value;

pub use findings::is_plan_id;
pub use structure::{CHECKPOINTS, LAYERS};

use self::findings::{Findings, shown};
use super::Evidence;
use crate::base::{json, text};
use crate::model::json::spans;
use crate::model::plan::{Plan, Status, Step};
use crate::model::run::outcome::Finding;

/// All problems of a plan. `path` is relative to the tree and appears in the findings; with `evidence` the strict
/// rules run, too.
pub fn check(path: &str, bytes: &[u8], evidence: Option<&dyn Fn(&str) -> Evidence>) -> Vec<Finding> {
    let raw = match serde_json::from_slice(bytes) {
        Ok(Value::Object(raw)) => raw,
        Ok(other) => return vec![unreadable(path, 1, &format!("found {}", json::kind(&other)))],
        Err(e) => return vec![unreadable(path, e.line() as u64, &text::safe(&e.to_string()))],
    };
    let plan = Plan { raw };
    let mut found = Findings::default();
    structure::check(&plan, path, &mut found);
    for pointer in std::str::from_utf8(bytes).map(spans::duplicate_keys).unwrap_or_default() {
        let message = format!("duplicate key {}", shown(&pointer));
        found.note(pointer, "plan.duplicate_key", message, "readers differ on which one they use: keep one");
    }
    if let Some(evidence) = evidence {
        receipts::check(&plan, evidence, &mut found);
    }
    found.at_their_lines(path, bytes)
}

/// `last_run` outcome of a step whose result was reverted.
pub const REVERTED: &str = "reverted";

/// Steps that went back from done between two versions of a plan; `check` reports unreadable versions.
pub fn regressions(path: &str, before: &[u8], after: &[u8]) -> Vec<Finding> {
    let read = |bytes| serde_json::from_slice(bytes).ok().map(|raw| Plan { raw });
    let (Some(old), Some(new)) = (read(before), read(after)) else { return Vec::new() };
    let mut found = Findings::default();
    let hint = "done is final: add a step or a plan for the remaining work";
    let reopened = new.steps().iter().any(|step| step.status() != Some(Status::Done) && reverted(step).is_some());
    if old.status() == Some(Status::Done) && new.status() != Some(Status::Done) && !reopened {
        found.note("/status", "plan.regression", "the plan was done and no longer is", hint);
    }
    for step in old.steps().iter().filter(|step| step.status() == Some(Status::Done)) {
        let Some(id) = step.id() else { continue };
        match new.step(id) {
            None => found.note("/steps", "step.regression", format!("step {id} was done and is missing"), hint),
            Some(now) if now.status() != Some(Status::Done) && reverted(&now).is_none() => {
                let at = format!("/steps/{}/status", now.index);
                found.note(at, "step.regression", format!("step {id} was done and no longer is"), hint);
            }
            Some(_) => {}
        }
    }
    found.at_their_lines(path, after)
}

/// The commit by which a person reverted its result, while it is not done again: `last_run` has it.
pub fn reverted<'a>(step: &Step<'a>) -> Option<&'a str> {
    let last_run = |key| step.raw.get("last_run").and_then(|last| last.get(key)).and_then(Value::as_str);
    let key = if last_run("outcome") == Some(REVERTED) { "commit" } else { "reverted" };
    last_run(key).filter(|commit| !commit.is_empty())
}

fn unreadable(path: &str, line: u64, why: &str) -> Finding {
    Finding::high("plan.unreadable", path, format!("the plan is not a JSON object: {why}"))
        .at(line)
        .hint("fix it by hand or restore it from git")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::json::edit::EditableJson;
    use proptest::prelude::*;
    use serde_json::json;

    const PATH: &str = "_plans/2026-01-05-fix.plan.json";

    fn good() -> Value {
        json!({
            "version": 0, "plan_id": "2026-01-05-fix", "created": "2026-01-05T10:00:00Z", "actor": "a", "summary": "s",
            "status": "pending", "systemic_targets": ["S1", "S10"], "layer_targets": ["L5"], "layer": "L5", "systemic_scale": 10,
            "steps": [
                {"id": "S1", "title": "one", "status": "done", "receipts": ["docs/a.md"]},
                {"id": "S2", "title": "two", "status": "in_progress", "receipts": []}
            ],
            "checkpoint": {"description": "d", "owner": "a", "status": "satisfied"},
            "links": [{"type": "queue", "ref": "queue/1.md"}],
            "receipts": ["docs/a.md", "https://example.org/x"]
        })
    }

    fn codes(pointer: &str, value: Value) -> Vec<String> {
        let mut document = EditableJson::parse(json::pretty(&good()).as_bytes(), Path::new(PATH)).unwrap();
        match value {
            Value::Null => document.remove(pointer).unwrap(),
            value => document.set(pointer, value).unwrap(),
        }
        let found = check(PATH, document.bytes(), Some(&|_| Evidence::Tracked));
        let place = |code: &str| match code {
            "plan.unproven" => "/checkpoint".to_owned(),
            "plan.two_in_progress" => "/steps/1/status".to_owned(),
            _ => pointer.to_owned(),
        };
        let placed = |finding: &Finding| finding.line == Some(document.line(&place(&finding.code)) as u64);
        assert!(found.iter().all(|finding| finding.path.as_deref() == Some(PATH)), "{found:?}");
        assert!(found.iter().all(placed), "{found:?}");
        found.into_iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_good_plan_has_no_findings() {
        assert_eq!(check(PATH, json::pretty(&good()).as_bytes(), Some(&|_| Evidence::Tracked)), []);
    }

    #[test]
    fn each_rule_names_its_place() {
        for (pointer, value, code) in [
            ("/version", json!(-1), "plan.version"),
            ("/version", json!("0"), "plan.version"),
            ("/plan_id", json!("2026-01-05-other"), "plan.id"),
            ("/created", json!("yesterday"), "plan.created"),
            ("/actor", json!(" "), "plan.field"),
            ("/summary", Value::Null, "plan.field"),
            ("/status", json!("completed"), "plan.status"),
            ("/steps", json!([]), "plan.steps"),
            ("/steps/1", json!("two"), "plan.steps"),
            ("/steps/1/id", json!("S1"), "step.duplicate_id"),
            ("/steps/1/id", Value::Null, "step.id"),
            ("/steps/1/title", Value::Null, "step.title"),
            ("/steps/1/status", json!("active"), "step.status"),
            ("/steps/0/status", json!("in_progress"), "plan.two_in_progress"),
            ("/steps/1/receipts", json!("x"), "step.receipts"),
            ("/steps/1/commands", json!([{"cmd": []}]), "step.commands"),
            ("/steps/1/diff_limit", json!("20"), "step.field"),
            ("/steps/1/tests", json!("make"), "step.field"),
            ("/checkpoint/status", json!("done"), "plan.checkpoint"),
            ("/checkpoint/owner", Value::Null, "plan.checkpoint"),
            ("/links/0", json!({"type": "queue"}), "plan.links"),
            ("/layer", json!("L7"), "plan.layer"),
            ("/systemic_scale", json!(11), "plan.systemic_scale"),
            ("/systemic_targets", json!(["S11"]), "plan.systemic_targets"),
            ("/systemic_targets", json!(["S01"]), "plan.systemic_targets"),
            ("/layer_targets", json!(["x"]), "plan.layer_targets"),
            ("/legacy_loop_target", json!(1), "plan.legacy_key"),
            ("/receipts", json!([]), "plan.unproven"),
            ("/receipts/1", json!("docs/a.md"), "receipt.duplicate"),
            ("/steps/1/receipts/0", json!("docs/a.md"), "receipt.duplicate"),
            ("/receipts/1", json!("../x"), "receipt.path"),
            ("/receipts/1", json!("/etc/passwd"), "receipt.path"),
        ] {
            assert_eq!(codes(pointer, value.clone()), [code], "{pointer} = {value}");
        }
    }

    #[test]
    fn receipts_are_asked_for_once_each() {
        let asked = std::cell::RefCell::new(Vec::new());
        let evidence = |path: &str| {
            asked.borrow_mut().push(path.to_owned());
            Evidence::Missing
        };
        let found = check(PATH, json::pretty(&good()).as_bytes(), Some(&evidence));
        assert_eq!(found.iter().map(|f| f.code.as_str()).collect::<Vec<_>>(), ["receipt.missing"]);
        assert_eq!(*asked.borrow(), ["docs/a.md"]);
        assert!(check(PATH, json::pretty(&good()).as_bytes(), None).is_empty());
    }

    #[test]
    fn unreadable_plans_are_named_with_their_line() {
        let found = check(PATH, b"{\n\"a\":\n,}", None);
        assert_eq!((found[0].code.as_str(), found[0].line), ("plan.unreadable", Some(3)));
        assert_eq!(check(PATH, b"[]", None)[0].code, "plan.unreadable");
    }

    #[test]
    fn plan_ids_are_a_date_and_a_slug() {
        for good in ["2026-01-05-a", "1970-01-01-agent-template", "2025-09-18-codex3-bus"] {
            assert!(is_plan_id(good), "{good}");
        }
        for bad in ["2026-13-05-a", "2026-01-05", "2026-01-05-", "2026-01-05-A", "2026-01-05-a--b", "é026-01-05-a", ""]
        {
            assert!(!is_plan_id(bad), "{bad}");
        }
    }

    #[test]
    fn nothing_goes_back_from_done() {
        let old = json::pretty(&good());
        let new = old.replace("\"done\"", "\"blocked\"");
        let found = regressions(PATH, old.as_bytes(), new.as_bytes());
        assert_eq!((found.len(), found[0].code.as_str(), found[0].line), (1, "step.regression", Some(21)));
        assert!(regressions(PATH, new.as_bytes(), old.as_bytes()).is_empty());
        assert_eq!(regressions(PATH, old.as_bytes(), b"{\"steps\": []}").len(), 1);
        let with = |last_run: &str| new.replace("\"blocked\"", &format!("\"blocked\", \"last_run\": {last_run}"));
        let reverted = with(r#"{"outcome": "reverted", "commit": "0123"}"#);
        assert_eq!(regressions(PATH, old.as_bytes(), reverted.as_bytes()), [], "a person took it back");
        let again = with(r#"{"outcome": "review", "commit": "4567", "reverted": "0123"}"#);
        assert_eq!(regressions(PATH, old.as_bytes(), again.as_bytes()), [], "it is being done again");
        let unproven = with(r#"{"outcome": "reverted"}"#);
        assert_eq!(regressions(PATH, old.as_bytes(), unproven.as_bytes()).len(), 1);
    }

    #[test]
    fn duplicate_keys_are_named() {
        let text = json::pretty(&good()).replacen("\"layer\": \"L5\",", "\"layer\": \"L5\",\n  \"layer\": \"L5\",", 1);
        let found = check(PATH, text.as_bytes(), None);
        assert_eq!((found.len(), found[0].code.as_str(), found[0].line), (1, "plan.duplicate_key", Some(16)));
    }

    fn odd() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(json!(null)),
            Just(json!([])),
            Just(json!({})),
            Just(json!([[{}]])),
            Just(json!({"id": ["x"], "cmd": [], "env": 1, "timeout": -1, "path": 3})),
            any::<f64>().prop_map(|n| json!(n)),
            "\\PC{0,6}".prop_map(Value::from),
            "[S0-9./-]{0,9}".prop_map(Value::from),
        ]
    }

    proptest! {
        /// Whatever stands in a field: no panic, and every finding has its line.
        #[test]
        fn any_value_can_be_validated(edits in prop::collection::vec((any::<prop::sample::Index>(), odd()), 1..4)) {
            const FIELDS: [&str; 23] = [
                "/version", "/plan_id", "/created", "/status", "/steps", "/steps/0", "/steps/0/id", "/steps/1/status",
                "/steps/1/receipts", "/steps/1/commands", "/steps/1/rollback", "/steps/1/tests", "/steps/1/expected_receipts",
                "/steps/1/diff_limit", "/steps/1/agent", "/checkpoint", "/checkpoint/status", "/links", "/links/0", "/receipts",
                "/layer", "/systemic_targets", "/layer_targets",
            ];
            let mut plan = good();
            for (pick, value) in edits {
                let (parent, key) = pick.get(&FIELDS).rsplit_once('/').unwrap();
                match plan.pointer_mut(parent) {
                    Some(Value::Object(map)) => drop(map.insert(key.to_owned(), value)),
                    Some(Value::Array(items)) => items.push(value),
                    _ => {}
                }
            }
            let bytes = json::pretty(&plan);
            for finding in check(PATH, bytes.as_bytes(), Some(&|_| Evidence::Untracked)) {
                prop_assert!(finding.line.is_some_and(|line| line >= 1));
            }
            regressions(PATH, json::pretty(&good()).as_bytes(), bytes.as_bytes());
            crate::plans::commands_digest(&Plan { raw: plan.as_object().unwrap().clone() });
        }

        #[test]
        fn any_bytes_can_be_validated(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            check(PATH, &bytes, None);
        }
    }
}
