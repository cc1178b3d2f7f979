//! The pin: which worktree is the hub, and on which branch its record lives. Machine-local.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::locate::Worktree;
use crate::base::{Refusal, Result, files, json};

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
        let Some(map) = json::read_object(&path)? else { return Ok(None) };
        serde_json::from_value(map.into()).map(Some).map_err(|e| {
            Refusal::guard("hub.pin_invalid", format!("the hub pin {} cannot be read", path.display()))
                .because(e.to_string())
                .next("pin the hub again: teof init --hub <path of the worktree with the record>")
                .into()
        })
    }

    pub fn write(&self, common_dir: &Path) -> Result<()> {
        let path = file(common_dir);
        files::create_parent(&path)?;
        files::replace(&path, (json::pretty(self) + "\n").as_bytes())
    }

    /// The pinned worktree, if it is still a worktree of this repository.
    pub fn worktree(&self, common_dir: &Path) -> Result<Worktree> {
        Worktree::at(&self.path).filter(|found| found.common_dir == common_dir).ok_or_else(|| {
            Refusal::guard("hub.moved", format!("the pinned hub {} is not there", self.path.display()))
                .because("the folder was moved or removed, or is no worktree of this repository any more")
                .next("if it was moved: teof init --hub <its new path>")
                .next("to see what is wrong: teof doctor")
                .into()
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
                .because(format!("its record lives on branch {}, and HEAD is elsewhere until that ends", pin.branch))
                .next(format!("finish {operation} in {} and try again", hub.root.display()))
        }
        (Some(branch), None) => {
            Refusal::guard("hub.switched", format!("the hub {} is on branch {branch}", hub.root.display()))
                .because(format!("its record lives on branch {}; what is checked out now is another one", pin.branch))
                .next(format!("go back with: git -C {} switch {}", hub.root.display(), pin.branch))
        }
        (None, None) => Refusal::guard("hub.detached", format!("the hub {} has a detached HEAD", hub.root.display()))
            .because(format!("its record lives on branch {}", pin.branch))
            .next(format!("go back with: git -C {} switch {}", hub.root.display(), pin.branch)),
    };
    Err(refusal
        .next("to let people switch branches freely, give the record a worktree of its own: teof init --dedicated")
        .into())
}
