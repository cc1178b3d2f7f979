//! Makes the worktree that a program asks for, where teof's others are.

use std::path::Path;

use super::answer::Answer;
use super::call::Call;
use super::record;
use crate::base::{Refusal, Result};
use crate::hub::worktrees::{convention, setup};
use crate::hub::{Hub, Worktree};

/// Makes a worktree on a branch of its own. Claude Code makes none itself while this hook is installed, so an error
/// here is an error there.
pub fn create(hub: &Hub, call: &Call, seat: Option<&str>) -> Result<Answer> {
    let Some(name) = call.name.as_deref() else {
        return Err(Refusal::usage("hook.input", "the hook got no name for the worktree")
            .next("agent programs call this command; install its hooks: teof agent setup")
            .into());
    };
    // A name such as `feature/x` is a branch and a folder.
    let folder: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    let opened = convention::open(hub, &folder, &format!("worktree-{folder}"))?;
    if opened.made {
        furnish(hub, &opened.path);
        let own = Call { subagent: None, kind: None, ..call.clone() };
        record::change(hub, &own, seat, |record| record.made_worktrees.push(opened.path.clone()))?;
    }
    Ok(Answer { worktree: Some(opened.path), ..Answer::default() })
}

/// Gives a worktree what every other gets: the files of `.worktreeinclude`, and a slot. The program can work without
/// them, and would get no worktree at all for an error.
fn furnish(hub: &Hub, root: &Path) {
    let Some(found) = Worktree::at(root) else { return };
    let brought = setup::bring(hub, root, &found.git_dir, None).map(drop);
    if let Err(e) = brought.and_then(|()| setup::slot_of(hub, &found.git_dir).map(drop)) {
        tracing::warn!("the worktree {} is not set up: {e:#}", root.display());
    }
}
