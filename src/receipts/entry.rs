//! Checks which files may become evidence: files that do not change and that every clone has byte for byte.

use std::io::Read;
use std::path::Path;

use crate::base::{Refusal, Result, digest, files, text};
use crate::hub::repository::attributes;
use crate::hub::repository::clone_fidelity::{self, Need};
use crate::hub::{Hub, paths};

/// The path of a receipt, relative to the hub, and its SHA-256.
///
/// # Errors
/// When it is outside the hub, missing, or not a regular file.
pub fn hashed(hub: &Hub, path: &str) -> Result<(String, String)> {
    let missing = || {
        Refusal::not_found("receipt.missing", format!("no file {path} in {}", hub.root.display()))
            .next("name a file of the repository, relative to its root")
    };
    let relative = Path::new(path).strip_prefix(&hub.root).map_or(path, |rest| rest.to_str().unwrap_or(path));
    let file = files::open_regular(&hub.path(relative)?)?.ok_or_else(missing)?;
    Ok((relative.to_owned(), digest::sha256_reader(file)?))
}

/// Where a receipt of a run enters the hub, and whether it is there: under its own name, or next to another file of that
/// name, as `<name>-<run>`.
///
/// # Errors
/// When the file at its place cannot be read.
pub fn place_for(hub: &Hub, target: &str, run: &str, content: &[u8]) -> Result<(String, bool)> {
    let is_same = |path: &str| holds(hub, path, content.len() as u64, content);
    let (stem, ending) = target.rsplit_once('.').filter(|(_, ending)| !ending.contains('/')).unwrap_or((target, ""));
    let ending = if ending.is_empty() { String::new() } else { format!(".{ending}") };
    let stem = format!("{}-{run}", if ending.is_empty() { target } else { stem });
    for path in [target.to_owned(), format!("{stem}{ending}")] {
        match is_same(&path)? {
            None => return Ok((path, false)),
            Some(true) => return Ok((path, true)),
            Some(false) => {}
        }
    }
    Ok((hub.free_path(&stem, &ending)?, false))
}

/// Whether a file of the hub has this content, whose length is known; `None` when there is no such file.
///
/// # Errors
/// When one of both cannot be read.
pub fn holds(hub: &Hub, path: &str, length: u64, content: impl Read) -> Result<Option<bool>> {
    let path = hub.path(path)?;
    let Some(known) = files::open_regular(&path)? else { return Ok(None) };
    if files::check_regular(&known, &path)? != length {
        return Ok(Some(false));
    }
    // Either may grow while it is read.
    let [known, content] =
        [digest::sha256_reader(known.take(length + 1))?, digest::sha256_reader(content.take(length + 1))?];
    Ok(Some(known == content))
}

/// Whether a file may be added by hand: only below `_report/`, where evidence is stored and not edited.
pub fn is_place(path: &str) -> bool {
    path.starts_with("_report/") && path != paths::LEDGER
}

/// Refuses files that cannot be ledger entries.
///
/// # Errors
/// `receipts.outside`: the next edit of such a file would fail every later check of the ledger. `receipts.rewritten`:
/// so would teof's own next edit. `receipts.own`: a forged bundle or decision would be trusted. `receipt.ignored`,
/// `receipt.converted`: a clone would not have the file, or have other bytes.
pub fn check(hub: &Hub, receipts: &[(String, String)], agent: &str) -> Result<()> {
    receipts.iter().try_for_each(|(path, _)| check_place(path, agent))?;
    let files: Vec<_> = receipts.iter().map(|(path, _)| (path.as_str(), Need::Bytes)).collect();
    clone_fidelity::check(hub, &files)
}

fn check_place(path: &str, agent: &str) -> Result<()> {
    let (code, message, why) = if path == paths::LEDGER {
        let message = format!("{path} cannot be a receipt: it is the ledger");
        ("receipts.rewritten", message, "a receipt is written once, but the ledger grows with each receipt")
    } else if path.starts_with("_report/") && is_rewritten(path) {
        let message = format!("{} cannot be a receipt: teof rewrites it", text::safe(path));
        ("receipts.rewritten", message, "a receipt is written once, but this file changes during work")
    } else if is_own(path) {
        return Err(Refusal::guard("receipts.own", format!("{} cannot be added by hand", text::safe(path)))
            .because("teof adds its work orders, envelopes, bundles and decisions itself when it writes them")
            .next("restore it from git if it was changed: teof bus restore --dry-run")
            .into());
    } else if !is_place(path) {
        let message = format!("{} cannot be a receipt: it is not in _report/", text::safe(path));
        let why = "a receipt is written once; the next change of this file would make receipts verify fail permanently";
        ("receipts.outside", message, why)
    } else {
        return Ok(());
    };
    let file = Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or("receipt");
    let folder = paths::agent(agent);
    // A name that is rewritten in one seat's folder is rewritten in every seat's.
    let copy = if is_rewritten(&format!("{folder}/{file}")) { format!("copy-of-{file}") } else { file.to_owned() };
    let (from, to) = (text::shell_word(path), text::shell_word(&format!("{folder}/{copy}")));
    let fix = format!("add a copy: mkdir -p {folder} && cp {from} {to} && teof receipts add {to} --agent {agent}");
    Err(Refusal::guard(code, message).because(why).next(fix).into())
}

/// Files in a seat's folder that grow or are replaced during work.
const OF_SEATS: [&str; 5] = ["errors.jsonl", "confidence.jsonl", "state.json", "decisions.jsonl", "session_guard"];
/// Other such files, replaced by scans, validations and feeds.
const OTHERS: [&str; 5] = [
    paths::LEDGER,
    "_report/usage/autonomy-coordinator/summary.json",
    "_report/usage/external-authenticity.json",
    "_report/usage/scan-history.jsonl",
    "_report/planner/validate/summary-latest.json",
];

/// Folders of a seat whose files teof writes and adds to the ledger itself: anything else there is a forgery.
const OWN_FOLDERS: [&str; 5] = ["manifests", "reviews", "runs", "session_boot", "session_guard"];

/// Whether only teof adds the file: a work order, an envelope, a bundle or a decision.
pub fn is_own(path: &str) -> bool {
    let mut inside = path.strip_prefix("_report/agent/").unwrap_or_default().split('/').skip(1);
    inside.next().is_some_and(|folder| OWN_FOLDERS.contains(&folder)) && inside.next().is_some()
}

/// Whether teof itself changes the file later: state, decisions, error logs, session tails.
pub fn is_rewritten(path: &str) -> bool {
    let of_seat = |rest: &str| {
        let inside = rest.split('/').nth(1).unwrap_or_default();
        OF_SEATS.contains(&inside)
    };
    let of_session = |rest: &str| rest.split('/').nth(1) != Some("dirty-handoff");
    let name = path.rsplit('/').next().unwrap_or(path);
    OTHERS.contains(&path)
        || [attributes::FILE, ".gitkeep"].contains(&name)
        || path.starts_with("_report/usage/receipts-")
        || path.strip_prefix("_report/agent/").is_some_and(of_seat)
        || path.strip_prefix("_report/session/").is_some_and(of_session)
}

/// Files that teof writes itself in a seat's folder. A receipt folder with such a name would block that.
const OF_TEOF: [&str; 4] = ["errors.jsonl", "confidence.jsonl", "state.json", "decisions.jsonl"];

/// Whether a worker may leave a receipt there; `own` is its folder, `_report/agent/<seat>`. A worker must not write
/// files of teof's own: with a bundle or a decision it could judge its own work.
pub fn may_leave(target: &str, own: &str) -> bool {
    if let Some(of_a_seat) = target.strip_prefix("_report/agent/") {
        let seat = own.strip_prefix("_report/agent/").unwrap_or(own);
        let Some(inside) = of_a_seat.strip_prefix(seat).and_then(|rest| rest.strip_prefix('/')) else { return false };
        let first = inside.split('/').next().unwrap_or_default();
        return !OF_TEOF.contains(&first) && !is_own(target);
    }
    target != paths::LEDGER && !target.starts_with("_report/session/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_teof_adds_what_people_decide_on() {
        for path in ["_report/agent/a/reviews/x.json", "_report/agent/a/runs/x/y.json", "_report/agent/a/manifests/m"] {
            assert!(is_own(path), "{path}");
        }
        for path in ["_report/agent/a/tests.json", "_report/agent/reviews/x.json", "_report/agent/a/runs", "reviews/a"]
        {
            assert!(!is_own(path), "{path}");
        }
    }

    #[test]
    fn files_that_teof_rewrites_cannot_be_receipts() {
        for path in [
            "_report/agent/manager/state.json",
            "_report/agent/manager/decisions.jsonl",
            "_report/agent/a/errors.jsonl",
            "_report/agent/a/session_guard/events.jsonl",
            "_report/session/a/manager-report-tail.txt",
            "_report/planner/validate/summary-latest.json",
            "_report/.gitattributes",
        ] {
            assert!(is_rewritten(path), "{path}");
        }
        for path in [
            "_report/agent/a/tests.json",
            "_report/agent/a/runs/x/state.json",
            "_report/session/a/dirty-handoff/dirty-1.txt",
            "_report/agent/state.json",
            "_report/usage/scan.json",
        ] {
            assert!(!is_rewritten(path), "{path}");
        }
    }

    #[test]
    fn a_worker_leaves_receipts_in_its_own_folder_or_a_common_one() {
        let own = "_report/agent/codex-1";
        for (target, free) in [
            ("_report/agent/codex-1/tests.json", true),
            ("_report/usage/scan.json", true),
            ("_report/agent/codex-10/tests.json", false),
            ("_report/agent/codex-2/tests.json", false),
            ("_report/agent/codex-1/errors.jsonl", false),
            ("_report/agent/codex-1/manifests/x.json", false),
            ("_report/agent/codex-1/reviews/x.json", false),
            ("_report/agent/codex-1/runs/x/run.json", false),
            ("_report/agent/codex-1/state.json", false),
            ("_report/agent/codex-1/decisions.jsonl", false),
            ("_report/agent/codex-1/errors.jsonl/mine.json", false),
            ("_report/session/codex-1/manager-report-tail.txt", false),
            ("_report/receipts.jsonl", false),
        ] {
            assert_eq!(may_leave(target, own), free, "{target}");
        }
    }
}
