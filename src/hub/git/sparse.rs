//! Checks that a sparse checkout does not leave parts of the record out of the hub's folder.
//!
//! Git applies the patterns again whenever it moves the checkout and deletes excluded files.

use super::Git;
use crate::base::{Refusal, Result, text};
use crate::hub::locate::Worktree;
use crate::hub::{git, paths};

/// One file of each kind in each owned folder, existing or not.
const SAMPLES: [&str; 8] = [
    "_bus/claims/x.json",
    "_bus/assignments/x.json",
    "_bus/messages/x.jsonl",
    paths::EVENTS,
    "_plans/x.plan.json",
    paths::LEDGER,
    "_report/agent/x/x.json",
    "_report/session/x/x.json",
];

/// The command that adds the owned folders and files to a sparse checkout.
pub fn remedy(hub: &Worktree) -> String {
    let files = paths::OWNED_FILES.iter().filter_map(|file| file.rsplit_once('/')).map(|(folder, _)| folder);
    let folders: Vec<&str> = paths::OWNED.into_iter().chain(files).collect();
    format!("{} sparse-checkout add {}", git_here(hub), folders.join(" "))
}

/// # Errors
/// `repository.sparse` while the patterns exclude an owned folder or file from the hub.
pub fn check(hub: &Worktree) -> Result<()> {
    let git = Git::at(&hub.root);
    let is_set = git.run(&["config", "--bool", "core.sparseCheckout"]).is_ok_and(|set| set == "true");
    // Without its file, git excludes nothing.
    if !is_set || !hub.git_dir.join("info/sparse-checkout").exists() {
        return Ok(());
    }
    let refuse = || Refusal::guard("repository.sparse", "a sparse checkout excludes part of the record from the hub");
    let wanted: Vec<&str> = SAMPLES.into_iter().chain(paths::OWNED_FILES).collect();
    let asked = git.feed_output(&["sparse-checkout", "check-rules", "-z"], wanted.join("\0").as_bytes())?;
    if !asked.status.success() {
        // Git before 2.41 cannot answer.
        return Err(refuse()
            .because(format!("or this git version cannot check: {}", git::complaint(&asked)))
            .next(format!("check out everything: {} sparse-checkout disable", git_here(hub)))
            .into());
    }
    let kept = String::from_utf8_lossy(&asked.stdout);
    let kept: Vec<&str> = kept.split('\0').collect();
    match wanted.into_iter().find(|path| !kept.contains(path)) {
        None => Ok(()),
        Some(path) => Err(refuse()
            .because(format!("its patterns exclude {path}: git would delete it at the next merge or switch there"))
            .next(format!("add it to the checkout: {}", remedy(hub)))
            .into()),
    }
}

fn git_here(hub: &Worktree) -> String {
    format!("git -C {}", text::shell_word(&hub.root.display().to_string()))
}
