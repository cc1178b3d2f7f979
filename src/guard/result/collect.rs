//! Finds, reads and checks the receipts that a worker had to write, ready to enter the record.
//!
//! Only regular files are accepted, never through a link, within limits of size and number, and only without
//! secrets. Nothing is written here: the caller puts the bytes into the hub and the ledger.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::base::{Refusal, Result, digest, files, text};
use crate::guard::glob::Glob;
use crate::guard::{Finding, secrets};
use crate::hub::paths;
use crate::model::run::order::ExpectedReceipt;

/// How much may enter the record from one run.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Bytes of one receipt.
    pub file: u64,
    /// Bytes of all of them.
    pub total: u64,
    pub files: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { file: 4 << 20, total: 32 << 20, files: 200 }
    }
}

/// A folder that may contain receipts: `folder/x` stands for `<stands_for>/x` of the repository.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    pub folder: &'a Path,
    /// Relative to the repository; empty for a worktree.
    pub stands_for: &'a str,
}

/// A receipt that may enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Where it belongs, relative to the hub.
    pub target: String,
    pub bytes: Vec<u8>,
    pub sha256: String,
}

#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// Sorted by target, each target once.
    pub receipts: Vec<Receipt>,
    /// Expected files under `_bus/` and `_plans/`: the hub writes those itself, so the caller checks them after the
    /// step is recorded.
    pub of_the_record: Vec<String>,
    pub findings: Vec<Finding>,
}

/// Looks for every expected receipt in the sources, in their order.
///
/// A path under `_report/` is collected. Any other path only has to exist in the tree: it is part of the commit. A
/// file that is missing, too large, not regular or contains a secret is a finding.
pub fn collect(expected: &[ExpectedReceipt], sources: &[Source], caps: Caps) -> Collected {
    let mut collected = Collected::default();
    for receipt in expected {
        let wanted = receipt.path.trim();
        let inside = |part| matches!(part, Component::Normal(_));
        if wanted.is_empty() || !Path::new(wanted).components().all(inside) {
            let what = "the expected path is empty, absolute, or leaves the repository";
            collected.findings.push(Finding::high("receipt.outside", wanted, what).hint(
                "fix the path in the work \
                order",
            ));
        } else if !paths::is_owned(wanted) {
            collected.findings.extend(in_the_commit(wanted, sources));
        } else if !wanted.starts_with("_report/") {
            collected.of_the_record.push(wanted.to_owned());
        } else {
            gather(wanted, sources, caps, &mut collected);
        }
    }
    collected.receipts.sort_by(|a, b| a.target.cmp(&b.target));
    collected
}

/// The pattern of an expected path: `<timestamp>`, and whatever else stands in angle brackets, is
/// some part of a name.
pub fn pattern(path: &str) -> Glob {
    let mut out = String::from("/");
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('<') {
        let Some((_, after)) = after.split_once('>').filter(|(inside, _)| !inside.contains('/')) else { break };
        out.push_str(before);
        out.push('*');
        rest = after;
    }
    Glob::new(&(out + rest))
}

fn gather(wanted: &str, sources: &[Source], caps: Caps, collected: &mut Collected) {
    let glob = pattern(wanted);
    let mut found = false;
    for source in sources {
        // A writer could replace the folder; what a link leads to is not a receipt.
        let what = match fs::symlink_metadata(source.folder) {
            Ok(found) if found.is_symlink() => Some("the receipts folder is a symbolic link"),
            Ok(found) if !found.is_dir() => Some("something else is in the place of the receipts folder"),
            _ => None,
        };
        if let Some(what) = what {
            collected
                .findings
                .push(Finding::high("receipt.not_regular", wanted, what).hint("do not replace the folder"));
            continue;
        }
        for (target, path) in candidates(wanted, &glob, source, &mut collected.findings) {
            found = true;
            if collected.receipts.iter().all(|receipt| receipt.target != target) {
                take(target, &path, source, caps, collected);
            }
        }
    }
    if !found {
        collected.findings.push(missing(wanted));
    }
}

fn missing(wanted: &str) -> Finding {
    Finding::high("receipt.missing", wanted, "the expected receipt was not written")
        .hint("let the step's command write it there or into $TEOF_RECEIPTS_DIR")
}

fn take(target: String, path: &Path, source: &Source, caps: Caps, collected: &mut Collected) {
    let taken: u64 = collected.receipts.iter().map(|receipt| receipt.bytes.len() as u64).sum();
    let bytes = match read(path, source, caps.file) {
        Ok(bytes) => bytes,
        Err(error) => {
            let code = Refusal::of(&error).map_or("receipt.unreadable", |refusal| match refusal.code {
                "file.too_large" => "receipt.too_large",
                "file.not_regular" | "path.outside" => "receipt.not_regular",
                _ => "receipt.unreadable",
            });
            let why = Refusal::of(&error).and_then(|refusal| refusal.reason.clone()).unwrap_or(error.to_string());
            return collected
                .findings
                .push(Finding::high(code, target, why).hint("write a regular file within the size limit"));
        }
    };
    if collected.receipts.len() >= caps.files || taken + bytes.len() as u64 > caps.total {
        let what = format!("the receipts exceed {} files or {} bytes", caps.files, caps.total);
        if collected.findings.iter().all(|finding| finding.code != "receipt.too_many") {
            let hint = "the rest is still in the worktree; expect fewer receipts";
            collected.findings.push(Finding::medium("receipt.too_many", target, what).hint(hint));
        }
        return;
    }
    match secrets::scan(&bytes).first() {
        Some(hit) => collected.findings.push(
            Finding::high("receipt.secret", target, secrets::describe(&bytes, hit))
                .at(hit.line)
                .hint("revoke the secret and keep it out of the output; the file was not recorded"),
        ),
        None => collected.receipts.push(Receipt { target, sha256: digest::sha256(&bytes), bytes }),
    }
}

/// Reads a file below the source; no link, neither the file nor a folder on the way.
fn read(path: &Path, source: &Source, max: u64) -> Result<Vec<u8>> {
    let relative = path.strip_prefix(source.folder).unwrap_or(path);
    let path = files::within(source.folder, &relative.to_string_lossy())?;
    if fs::symlink_metadata(&path).is_ok_and(|found| found.is_file() && found.nlink() > 1) {
        return Err(Refusal::guard("file.not_regular", format!("{} has a second name", path.display()))
            .because("it is a hard link: its content may come from outside the worktree")
            .into());
    }
    files::read(&path, max)?.ok_or_else(|| Refusal::not_found("file.missing", "the file disappeared").into())
}

/// Deeper and larger folders than any receipts make.
const MAX_DEPTH: usize = 32;
const MAX_ENTRIES: usize = 50_000;

/// Every name below the source that matches the pattern, sorted. Includes links and special files, so that they are
/// reported rather than skipped.
fn candidates(wanted: &str, glob: &Glob, source: &Source, findings: &mut Vec<Finding>) -> Vec<(String, PathBuf)> {
    // Walk from the last folder that holds no wildcard.
    let fixed: Vec<&str> = wanted.split('/').take_while(|name| !name.contains(['*', '?', '[', '<', '\\'])).collect();
    let fixed = fixed.join("/");
    let Some(below) = below(source.stands_for, &fixed) else { return Vec::new() };
    let mut found = Vec::new();
    let mut folders = vec![(join(source.stands_for, below), source.folder.join(below), 0)];
    let mut seen = 0;
    while let Some((target, path, depth)) = folders.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        if !meta.is_dir() {
            if glob.is_match(&target) {
                found.push((target, path));
            }
            continue;
        }
        let Ok(entries) = fs::read_dir(&path) else { continue };
        for entry in entries.flatten() {
            seen += 1;
            if depth < MAX_DEPTH && seen < MAX_ENTRIES {
                let name = entry.file_name().to_string_lossy().into_owned();
                folders.push((join(&target, &name), entry.path(), depth + 1));
            }
        }
    }
    if seen >= MAX_ENTRIES {
        let what = "too many files to search for this receipt";
        findings.push(Finding::medium("receipt.too_many", text::clip(wanted, 200), what));
    }
    found.sort();
    found
}

/// The part of `fixed` below the folder that the source stands for; `""` is the source itself. `None` when neither
/// contains the other.
fn below<'a>(stands_for: &str, fixed: &'a str) -> Option<&'a str> {
    if stands_for.is_empty() {
        return Some(fixed);
    }
    match fixed.strip_prefix(stands_for) {
        Some("") => Some(""),
        Some(rest) => rest.strip_prefix('/'),
        // The pattern begins above the source: all of the source may match.
        None => stands_for.strip_prefix(fixed).filter(|rest| fixed.is_empty() || rest.starts_with('/')).map(|_| ""),
    }
}

fn join(folder: &str, name: &str) -> String {
    match (folder.is_empty(), name.is_empty()) {
        (true, _) => name.to_owned(),
        (_, true) => folder.to_owned(),
        _ => format!("{folder}/{name}"),
    }
}

/// An expected file outside the record must be in the tree that was worked on.
fn in_the_commit(wanted: &str, sources: &[Source]) -> Option<Finding> {
    let glob = pattern(wanted);
    let trees = sources.iter().filter(|source| source.stands_for.is_empty());
    let there = trees.into_iter().any(|source| {
        candidates(wanted, &glob, source, &mut Vec::new())
            .iter()
            .any(|(_, path)| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file()))
    });
    (!there).then(|| missing(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new(files: &[(&str, &[u8])]) -> Tree {
            let tree = Tree(tempfile::tempdir().unwrap());
            for (path, bytes) in files {
                let path = tree.0.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
            tree
        }

        fn collect(&self, wanted: &[&str], caps: Caps) -> Collected {
            let expected: Vec<_> =
                wanted.iter().map(|path| ExpectedReceipt { description: None, path: (*path).into() }).collect();
            collect(&expected, &[Source { folder: self.0.path(), stands_for: "" }], caps)
        }
    }

    fn targets(collected: &Collected) -> Vec<&str> {
        collected.receipts.iter().map(|receipt| receipt.target.as_str()).collect()
    }

    fn codes(collected: &Collected) -> Vec<(&str, &str)> {
        collected
            .findings
            .iter()
            .map(|finding| (finding.code.as_str(), finding.path.as_deref().unwrap_or_default()))
            .collect()
    }

    #[test]
    fn hard_links_from_outside_are_refused() {
        let outside = Tree::new(&[("a.json", b"{\"secret\": 1}")]);
        let tree = Tree::new(&[("_report/own.json", b"{}")]);
        fs::hard_link(outside.0.path().join("a.json"), tree.0.path().join("_report/hard.json")).unwrap();
        symlink(outside.0.path().join("a.json"), tree.0.path().join("_report/soft.json")).unwrap();
        let collected = tree.collect(&["_report/*.json"], Caps::default());
        assert_eq!(targets(&collected), ["_report/own.json"]);
        let refused = ["_report/hard.json", "_report/soft.json"].map(|path| ("receipt.not_regular", path));
        assert_eq!(codes(&collected), refused);
        // The folder for receipts itself.
        let link = tree.0.path().join("link");
        symlink(outside.0.path(), &link).unwrap();
        let expected = [ExpectedReceipt { description: None, path: "_report/x/a.json".into() }];
        let collected = collect(&expected, &[Source { folder: &link, stands_for: "_report/x" }], Caps::default());
        assert!(collected.receipts.is_empty());
        assert_eq!(codes(&collected)[0].0, "receipt.not_regular");
        fs::remove_file(&link).unwrap();
        fs::write(&link, "{}").unwrap();
        let expected = [ExpectedReceipt { description: None, path: "_report/x/**".into() }];
        let collected =
            super::collect(&expected, &[Source { folder: &link, stands_for: "_report/x" }], Caps::default());
        assert_eq!(codes(&collected)[0].0, "receipt.not_regular");
    }

    #[test]
    fn the_playbooks_patterns_find_their_receipts() {
        let tree = Tree::new(&[
            ("_report/agent/codex-4/plan/runs/2025-10-19T130854Z.json", b"{}"),
            ("_report/agent/codex-4/plan/runs/notes.txt", b"no"),
            ("_report/usage/scan-history.jsonl", b"{}\n"),
            ("docs/readme.md", b"x"),
        ]);
        let collected = tree.collect(
            &[
                "_report/agent/codex-4/plan/runs/<timestamp>.json",
                "_plans/x.plan.json",
                "_report/usage/scan-history.jsonl",
                "_bus/messages/x.jsonl",
                "docs/readme.md",
                "tests/none.rs",
                "_report/none-<timestamp>.json",
            ],
            Caps::default(),
        );
        assert_eq!(
            targets(&collected),
            ["_report/agent/codex-4/plan/runs/2025-10-19T130854Z.json", "_report/usage/scan-history.jsonl"]
        );
        assert_eq!(collected.receipts[0].sha256, digest::sha256(b"{}"));
        assert_eq!(collected.of_the_record, ["_plans/x.plan.json", "_bus/messages/x.jsonl"]);
        assert_eq!(
            codes(&collected),
            [("receipt.missing", "tests/none.rs"), ("receipt.missing", "_report/none-<timestamp>.json")]
        );
    }

    #[test]
    fn receipts_are_not_read_through_links() {
        let tree = Tree::new(&[("outside/secret.json", b"{}"), ("_report/real/a.json", b"{}")]);
        symlink(tree.0.path().join("outside/secret.json"), tree.0.path().join("_report/link.json")).unwrap();
        symlink(tree.0.path().join("outside"), tree.0.path().join("_report/folder")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            tree.0.path().join("_report/pipe.json"),
            rustix::fs::FileType::Fifo,
            0o600.into(),
            0,
        )
        .unwrap();
        let outside = ["/etc/*", "_report/../outside/*.json", "../*"];
        let wanted = [&["_report/*.json", "_report/folder/secret.json"], &outside[..]].concat();
        let collected = tree.collect(&wanted, Caps::default());
        assert_eq!(targets(&collected), [] as [&str; 0]);
        assert_eq!(
            codes(&collected),
            [
                ("receipt.not_regular", "_report/link.json"),
                ("receipt.not_regular", "_report/pipe.json"),
                ("receipt.not_regular", "_report/folder/secret.json"),
                ("receipt.outside", outside[0]),
                ("receipt.outside", outside[1]),
                ("receipt.outside", outside[2]),
            ]
        );
    }

    #[test]
    fn size_and_number_are_capped() {
        let tree = Tree::new(&[("_report/a.json", b"12345"), ("_report/b.json", b"123"), ("_report/c.json", b"123")]);
        let collected = tree.collect(&["_report/*.json"], Caps { file: 4, total: 5, files: 9 });
        assert_eq!(targets(&collected), ["_report/b.json"]);
        assert_eq!(
            codes(&collected),
            [("receipt.too_large", "_report/a.json"), ("receipt.too_many", "_report/c.json")]
        );
    }

    #[test]
    fn a_receipt_with_a_secret_stays_out_and_the_secret_is_not_repeated() {
        let secret = ["AKIA", "Q7RK2ZP9XW4TN8VB"].concat();
        let tree = Tree::new(&[("_report/a.txt", format!("x\nkey {secret}\n").as_bytes())]);
        let collected = tree.collect(&["_report/a.txt"], Caps::default());
        assert_eq!((targets(&collected).len(), collected.findings[0].line), (0, Some(2)));
        assert!(!format!("{collected:?}").contains(&secret));
    }

    #[test]
    fn a_receipts_folder_stands_for_its_place_in_the_record() {
        let tree = Tree::new(&[("tests.json", b"{}"), ("deep/log.txt", b"x")]);
        let source = Source { folder: tree.0.path(), stands_for: "_report/agent/codex-1/run-1" };
        for (wanted, count) in [
            ("_report/agent/codex-1/run-1/tests.json", 1),
            ("_report/agent/codex-1/run-1/**", 2),
            ("_report/agent/*/run-1/*.json", 1),
            ("_report/agent/codex-1/run-10/tests.json", 0),
        ] {
            let expected = [ExpectedReceipt { description: None, path: wanted.into() }];
            assert_eq!(collect(&expected, &[source], Caps::default()).receipts.len(), count, "{wanted}");
        }
    }
}
