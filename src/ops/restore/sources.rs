//! The sources of older states of the record: the branch's tip, a record commit that the branch lost, and earlier
//! tips of the branch.

use std::cell::OnceCell;
use std::collections::HashSet;

use crate::base::{Refusal, Result};
use crate::guard::preflight::Base;
use crate::hub::Hub;

/// How many earlier tips of the branch are checked.
const EARLIER: usize = 100;

/// What git has of the record.
pub struct Sources<'h> {
    hub: &'h Hub,
    /// The tip of the record's branch.
    pub head: Option<Base>,
    /// A record commit that the branch no longer contains.
    pub dropped: Option<Base>,
    earlier: OnceCell<Vec<Base>>,
}

impl<'h> Sources<'h> {
    pub fn of(hub: &'h Hub) -> Result<Sources<'h>> {
        Ok(Sources {
            hub,
            head: committed(hub)?,
            dropped: dropped(hub)?.and_then(|commit| Base::find(&hub.worktree(), &commit).ok()),
            earlier: OnceCell::new(),
        })
    }

    /// A file's version on the branch.
    pub fn committed(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.head.as_ref().map_or(Ok(None), |base| base.read(path))
    }

    /// The versions of a file at current and earlier tips of the branch, latest first. Unreadable ones are skipped.
    pub fn history(&self, path: &str) -> impl Iterator<Item = Vec<u8>> {
        let path = path.to_owned();
        self.dropped
            .iter()
            .chain(&self.head)
            .chain(self.earlier())
            .filter_map(move |base| base.read(&path).ok().flatten())
    }

    /// The earlier tips of the record's branch from its reflog, newest first.
    pub fn earlier(&self) -> &[Base] {
        self.earlier.get_or_init(|| {
            let Some(branch) = self.hub.branch() else { return Vec::new() };
            let repo = git2::Repository::open_bare(&self.hub.common_dir);
            let Ok(reflog) = repo.and_then(|repo| repo.reflog(&format!("refs/heads/{branch}"))) else {
                return Vec::new();
            };
            let mut known = HashSet::new();
            let commits = reflog.iter().flat_map(|entry| [entry.id_new(), entry.id_old()]);
            let commits: Vec<_> = commits.filter(|commit| known.insert(*commit)).take(EARLIER).collect();
            let find = |commit: &git2::Oid| Base::find(&self.hub.worktree(), &commit.to_string()).ok();
            commits.iter().filter_map(find).collect()
        })
    }
}

/// The tip of the record's branch; `None` before the first commit.
pub fn committed(hub: &Hub) -> Result<Option<Base>> {
    let Some(branch) = hub.branch() else { return Ok(None) };
    match Base::find(&hub.worktree(), &format!("refs/heads/{branch}")) {
        Ok(base) => Ok(Some(base)),
        Err(e) if Refusal::of(&e).is_some_and(|refusal| refusal.code == "base.unknown") => Ok(None),
        Err(e) => Err(e),
    }
}

/// The last record commit made here, if the record's branch no longer contains it and git has not collected it.
pub fn dropped(hub: &Hub) -> Result<Option<String>> {
    let (Some(last), Some(branch)) = (hub.watermarks().last_record(), hub.branch()) else { return Ok(None) };
    if Base::find(&hub.worktree(), &last).is_err() {
        return Ok(None);
    }
    let held = hub.git().succeeds(&["merge-base", "--is-ancestor", &last, &format!("refs/heads/{branch}")])?;
    Ok((!held).then_some(last))
}
