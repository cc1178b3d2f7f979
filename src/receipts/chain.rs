//! The ledger as a chain of lines. Pure over its bytes.
//!
//! The rules of the chain:
//! - the ledger is a set of lines: identical ones count once (a union merge may double them);
//! - a line whose `id` does not match was altered; one without an `id` was not written by teof;
//! - `prev` must be earlier in the file: if it is later, lines were reordered; if it is missing,
//!   a line was removed;
//! - two lines with the same `prev` are a fork (two clones worked at once), which is not a finding;
//! - a path is entered once; a second line with another digest means that it was rewritten.

use std::collections::{HashMap, HashSet};

use super::ledger::Entry;
use crate::base::text;
use crate::model::event::{self, Seal};
use crate::model::run::outcome::Finding;

const FROM_GIT: &str = "restore the ledger from git";

/// All problems of a ledger, each with its line; `path` appears in the findings. Text after the last newline is not a
/// line yet.
pub fn check(path: &str, bytes: &[u8]) -> Vec<Finding> {
    let whole = &bytes[..bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1)];
    let lines: Vec<&[u8]> = whole.split_inclusive(|b| *b == b'\n').map(<[u8]>::trim_ascii_end).collect();
    let mut first_line = HashMap::new();
    for (line, number) in lines.iter().zip(1..) {
        if let Seal::Right(id) = event::check_seal(line) {
            first_line.entry(id).or_insert(number);
        }
    }
    let mut seen = HashSet::new();
    let mut digests = HashMap::new();
    let mut found = Vec::new();
    for (line, number) in lines.iter().zip(1..).filter(|(line, _)| !line.is_empty() && seen.insert(**line)) {
        let Some(entry) = Entry::parse(line) else {
            let message = "the line is not a ledger entry";
            found.push(Finding::high("ledger.unreadable", path, message).at(number).hint(FROM_GIT));
            continue;
        };
        let shown = text::clip(&text::safe(&entry.path), 120);
        let prev = entry.prev.as_deref().map(|prev| first_line.get(prev).copied());
        found.extend(link(path, &shown, event::check_seal(line), prev, number).map(|finding| finding.at(number)));
        let (sha256, first) = digests.entry(entry.path).or_insert((entry.sha256.clone(), number));
        if *sha256 != entry.sha256 {
            let message = format!("{shown} has a different digest on line {first}");
            let hint = "a receipt is written once; compare the two in git";
            found.push(Finding::high("receipt.rewritten", path, message).at(number).hint(hint));
        }
    }
    found
}

/// The problem with one line's place in the chain. `prev` is the line it names as its predecessor: `Some(None)` when
/// that does not exist.
fn link(path: &str, shown: &str, seal: Seal<'_>, prev: Option<Option<u64>>, number: u64) -> Option<Finding> {
    let broken = |code, message| Some(Finding::high(code, path, message).hint(FROM_GIT));
    match (seal, prev) {
        (Seal::Wrong(_), _) => broken("ledger.altered", format!("the line of {shown} was altered")),
        (Seal::Unchained, _) => {
            let message = format!("the line of {shown} was not written by teof");
            Some(Finding::medium("ledger.unchained", path, message).hint("see: teof receipts add --help"))
        }
        (Seal::Right(_), Some(None)) => broken("ledger.gap", format!("the line before {shown} is missing")),
        (Seal::Right(_), Some(Some(before))) if before >= number => {
            broken("ledger.reordered", format!("{shown} was added after line {before} but is before it"))
        }
        (Seal::Right(_), _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stamp;
    use proptest::prelude::*;
    use serde_json::json;

    fn line(path: &str, prev: Option<&str>) -> (String, String) {
        let mut map = json!({"path": path, "sha256": "0", "agent_id": "a", "ts": Stamp::from_unix(0)});
        if let Some(prev) = prev {
            map["prev"] = json!(prev);
        }
        let (line, id) = event::seal(map.as_object().unwrap());
        (String::from_utf8(line).unwrap(), id)
    }

    fn three() -> [String; 3] {
        let (one, first) = line("one", None);
        let (two, second) = line("two", Some(&first));
        [one, two, line("three", Some(&second)).0]
    }

    fn codes(lines: &[&str]) -> Vec<(u64, String)> {
        let found = check("l", lines.concat().as_bytes());
        found.into_iter().map(|finding| (finding.line.unwrap(), finding.code)).collect()
    }

    #[test]
    fn whole_doubled_and_forked_chains_are_fine() {
        let [one, two, three] = three();
        let id = serde_json::from_str::<serde_json::Value>(&one).unwrap()["id"].as_str().unwrap().to_owned();
        let fork = line("other", Some(&id)).0;
        assert_eq!(codes(&[&one, &two, &three]), []);
        assert_eq!(codes(&[&one, &two, &three, &fork, &two, "{\"cut"]), []);
    }

    #[test]
    fn changed_missing_and_reordered_lines_are_named() {
        let [one, two, three] = three();
        let of = |lines: &[&str]| codes(lines).into_iter().map(|(at, code)| format!("{at} {code}")).collect::<Vec<_>>();
        assert_eq!(of(&[&one, &three]), ["2 ledger.gap"]);
        assert_eq!(of(&[&two, &one, &three]), ["1 ledger.reordered"]);
        let altered = two.replace("two", "TWO");
        assert_eq!(of(&[&one, &altered, &three]), ["2 ledger.altered", "3 ledger.gap"]);
        assert_eq!(
            of(&[&one, "{\"path\":\"x\",\"sha256\":\"1\"}\n", "[]\n"]),
            ["2 ledger.unchained", "3 ledger.unreadable"]
        );
        let again = line("one", None).0.replace("\"0\"", "\"1\"");
        assert_eq!(of(&[&one, &again]), ["2 ledger.altered", "2 receipt.rewritten"]);
    }

    proptest! {
        /// One byte, anywhere but the newline that ends the file.
        #[test]
        fn every_changed_byte_is_detected(at: prop::sample::Index, byte: u8) {
            let mut ledger = three().concat().into_bytes();
            let at = at.index(ledger.len() - 1);
            let same = std::mem::replace(&mut ledger[at], byte) == byte;
            prop_assert_eq!(check("l", &ledger).is_empty(), same, "{}", String::from_utf8_lossy(&ledger));
        }

        #[test]
        fn any_bytes_can_be_validated(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            check("l", &bytes);
        }
    }
}
