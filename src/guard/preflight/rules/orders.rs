//! Checks work orders of both versions: readable, complete, with valid names of seats and branches.

use std::path::Path;

use super::documents::{Notes, object};
use crate::base::Refusal;
use crate::guard::Finding;
use crate::hub::worktrees::is_task_branch;
use crate::model::run::order::OrderFile;

/// The problems of one work order. The receipts rules check its hash.
pub fn check(path: &str, bytes: &[u8]) -> Vec<Finding> {
    if let Err(damaged) = object(path, bytes, "order.unreadable") {
        return vec![damaged];
    }
    let order = match OrderFile::parse(bytes, Path::new(path)) {
        Ok(order) => order,
        Err(e) => {
            let refusal = Refusal::of(&e);
            let why = refusal.and_then(|refusal| refusal.reason.clone()).unwrap_or_else(|| e.to_string());
            let found = Finding::high("order.invalid", path, crate::base::text::safe(&why)).at(1);
            return vec![found.hint("let the coordinator write it again, or fix it by hand; see: teof schema order")];
        }
    };
    let mut notes = Notes::new(path, bytes);
    if let OrderFile::V2(order) = order {
        if !order.branch.starts_with("agent/") && !is_task_branch(&order.branch, &order.task_id) {
            notes.note(
                "/branch",
                "order.branch",
                "the branch is not under agent/",
                "workers work on agent/<seat>/<slug>, or on a branch whose name ends like the task",
            );
        }
        // Such an order waits for a person; that is a state, not an error.
        for missing in order.missing() {
            let message = format!("the order lacks {missing}");
            notes.warn("", "order.incomplete", message, "a person must add it before the run");
        }
    }
    notes.into_findings()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_versions_are_read_and_their_faults_named() {
        let v1 = r#"{"version":1,"manager_agent":"codex-4","plan":{"id":"p"},"step":{"id":"s"},"commands":[]}"#;
        assert_eq!(check("m.json", v1.as_bytes()), []);
        for (text, code, line) in [
            (v1.replace("\"step\":{\"id\":\"s\"},", ""), "order.invalid", 1),
            (v1.replace("\"version\":1", "\"version\":9"), "order.invalid", 1),
            (v1.replace("\"version\":1,", "\n\n"), "order.invalid", 1),
            ("{\n\"version\" 1}".to_owned(), "order.unreadable", 2),
        ] {
            let found = check("m.json", text.as_bytes());
            assert_eq!((found.len(), found[0].code.as_str(), found[0].line), (1, code, Some(line)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_validated(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            check("m.json", &bytes);
        }
    }
}
