//! The pin: which worktree is the hub, and on which branch its record lives. Machine-local.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::locate::Worktree;
use crate::base::{Refusal, Result, files, json, text};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    pub path: PathBuf,
    pub branch: String,
}

fn file(common_dir: &Path) -> PathBuf {
    common_dir.join("teof/hub")
}

impl Pin {
    pub fn read(common_dir: &Path) -> Result<Option<Pin>> {
        let path = file(common_dir);
        let invalid = |why: String| {
            Refusal::guard("hub.pin_invalid", format!("cannot read the hub pin {}", path.display()))
                .because(why)
                .next("pin the hub again: teof init --hub <path of the worktree with the record>")
        };
        let found = json::read_object(&path).map_err(|e| match Refusal::of(&e) {
            Some(refusal) if refusal.code == "json.invalid" => {
                invalid(refusal.reason.clone().unwrap_or_default()).into()
            }
            _ => e,
        })?;
        let Some(map) = found else { return Ok(None) };
        serde_json::from_value(map.into()).map(Some).map_err(|e| invalid(e.to_string()).into())
    }

    pub fn write(&self, common_dir: &Path) -> Result<()> {
        let path = file(common_dir);
        files::create_parent(&path)?;
        files::replace(&path, (json::pretty(self) + "\n").as_bytes())
    }

    /// The pinned worktree, if it is still a worktree of this repository.
    pub fn worktree(&self, here: &Worktree) -> Result<Worktree> {
        // Most commands run in the hub itself, which was just found.
        if here.root == self.path {
            return Ok(here.clone());
        }
        Worktree::at(&self.path).filter(|found| found.common_dir == here.common_dir).ok_or_else(|| {
            let refusal = Refusal::guard("hub.moved", format!("the pinned hub {} does not exist", self.path.display()))
                .because("the folder was moved or removed, or is no longer a worktree of this repository");
            let refusal = match self.branch == super::paths::RECORD_BRANCH {
                true => refusal.next("if it was deleted, create it again from its branch: teof init --dedicated"),
                false => refusal,
            };
            refusal.next("if it was moved: teof init --hub <its new path>").next("see the cause: teof doctor").into()
        })
    }
}

/// Refuses unless the hub is on the branch of its record. HEAD is read as a file.
pub fn check_branch(hub: &Worktree, pin: &Pin) -> Result<()> {
    let now = hub.branch();
    if now.as_deref() == Some(pin.branch.as_str()) {
        return Ok(());
    }
    let refusal = match (&now, hub.operation()) {
        (_, Some(operation)) => {
            Refusal::guard("hub.busy", format!("the hub {} is in the middle of {operation}", hub.root.display()))
                .because(format!("its record is on branch {}, and HEAD is elsewhere until that ends", pin.branch))
                .next(format!("finish or abort it in {} (see git status), then try again", hub.root.display()))
        }
        (Some(branch), None) => {
            Refusal::guard("hub.switched", format!("the hub {} is on branch {branch}", hub.root.display()))
                .because(format!("its record is on branch {}", pin.branch))
                .next(way_back(hub, pin))
        }
        (None, None) => Refusal::guard("hub.detached", format!("the hub {} has a detached HEAD", hub.root.display()))
            .because(format!("its record is on branch {}", pin.branch))
            .next(way_back(hub, pin)),
    };
    Err(refusal.next("to switch branches freely, give the record its own worktree: teof init --dedicated").into())
}

/// Refusal for a hub with a detached HEAD and no pinned branch.
pub fn on_no_branch(hub: &Worktree) -> Refusal {
    let root = text::shell_word(&hub.root.display().to_string());
    let refusal = Refusal::guard("hub.detached", format!("the hub {} has a detached HEAD", hub.root.display()))
        .because("the record needs a branch, and none is pinned yet");
    if let Some(operation) = hub.operation() {
        return refusal.next(format!("finish or abort {operation} in {root} (see git status), then: teof init"));
    }
    let refusal = match branch_at_head(hub) {
        Some(branch) => refusal.next(format!("switch to a branch: git -C {root} switch {}", text::shell_word(&branch))),
        None => refusal,
    };
    refusal.next(format!("create a branch at this commit: git -C {root} switch -c teof-work"))
}

/// A branch to switch to from a detached HEAD: one at the same commit, else the usual one.
fn branch_at_head(hub: &Worktree) -> Option<String> {
    let repo = git2::Repository::open_bare(&hub.git_dir).or_else(|_| git2::Repository::open(&hub.root)).ok()?;
    let head = repo.head().ok()?.target()?;
    let branches = repo.branches(Some(git2::BranchType::Local)).ok()?.flatten();
    let names: Vec<(String, bool)> = branches
        .filter_map(|(branch, _)| Some((branch.name().ok()??.to_owned(), branch.get().target() == Some(head))))
        .collect();
    let usual = |name: &str| ["main", "master"].contains(&name);
    let best = names.iter().max_by_key(|(name, is_at_head)| (*is_at_head, usual(name)));
    best.filter(|(name, is_at_head)| *is_at_head || usual(name)).map(|(name, _)| name.clone())
}

fn way_back(hub: &Worktree, pin: &Pin) -> String {
    let (root, branch) = (text::shell_word(&hub.root.display().to_string()), text::shell_word(&pin.branch));
    if is_branch(&hub.common_dir, &pin.branch) {
        return format!("switch back: git -C {root} switch {branch}");
    }
    format!("branch {branch} no longer exists; if it was renamed to the current branch: teof init --hub {root}")
}

/// Whether the branch exists; true when unknown.
fn is_branch(common_dir: &Path, branch: &str) -> bool {
    let repo = git2::Repository::open_bare(common_dir);
    match repo.and_then(|repo| repo.refname_to_id(&format!("refs/heads/{branch}"))) {
        Ok(_) => true,
        Err(e) => e.code() != git2::ErrorCode::NotFound,
    }
}
