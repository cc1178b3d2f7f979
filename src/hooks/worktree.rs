//! Makes the worktree that a program asks for, where teof's others are.

use super::answer::Answer;
use super::call::Call;
use super::record;
use crate::base::{Refusal, Result};
use crate::hub::Hub;
use crate::hub::worktrees::convention;

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
        let own = Call { subagent: None, kind: None, ..call.clone() };
        record::change(hub, &own, seat, |record| record.made_worktrees.push(opened.path.clone()))?;
    }
    Ok(Answer { worktree: Some(opened.path), ..Answer::default() })
}
