//! Commits what `init` wrote into a worktree that people use, and nothing else.
//!
//! The commit's tree is HEAD's plus exactly these files. Other staged or changed files are untouched and not in the
//! commit. No hook runs, because the files belong to teof.

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Repository};

use crate::base::{Result, files};
use crate::hub::Hub;
use crate::hub::git::{Git, object_ids};
use crate::hub::repository::attributes;
use crate::ops::record;

const SUBJECT: &str = "Set up teof";

/// The result of the commit.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    pub commit: Option<String>,
    /// Files left out, or why nothing was committed.
    pub notes: Vec<String>,
}

/// Commits these files of the hub on its branch.
///
/// # Errors
/// When git fails; then the branch has not moved.
pub fn commit(hub: &Hub, wrote: &[String]) -> Result<Committed> {
    let mut done = Committed::default();
    if wrote.is_empty() {
        return Ok(done);
    }
    if let Some(why) = record::obstacle(hub) {
        done.notes.push(format!("cannot commit the set-up: {why}"));
        return Ok(done);
    }
    let git = hub.git();
    let head = git.output(&["rev-parse", "-q", "--verify", "HEAD^{commit}"])?;
    let head = head.status.success().then(|| String::from_utf8_lossy(&head.stdout).trim().to_owned());
    let (mut update, mut entries) = (TreeUpdateBuilder::new(), String::new());
    for path in wrote {
        if has_own_changes(hub, &git, head.as_deref(), path)? {
            done.notes.push(format!("{path} has your own changes: commit the new lines with them"));
            continue;
        }
        let blob = git.run(&["hash-object", "-w", "--no-filters", "--", path])?;
        update.upsert(path.as_str(), object_ids::parse(&blob)?, FileMode::Blob);
        entries.push_str(&format!("100644 {blob}\t{path}\0"));
    }
    if entries.is_empty() {
        return Ok(done);
    }
    let repo = Repository::open_bare(&hub.common_dir)?;
    let base = match &head {
        Some(head) => repo.find_commit(object_ids::parse(head)?)?.tree()?,
        None => repo.find_tree(repo.treebuilder(None)?.write()?)?,
    };
    let tree = update.create_updated(&repo, &base)?.to_string();
    let mut make = vec!["commit-tree", tree.as_str(), "-m", SUBJECT];
    make.extend(head.as_deref().into_iter().flat_map(|head| ["-p", head]));
    let named = ["-c", "user.name=teof", "-c", "user.email=teof@localhost"];
    let commit = git.run(&make).or_else(|_| git.run(&[&named[..], &make[..]].concat()))?;
    // The index first: if another git has locked it, nothing has moved yet.
    git.feed(&["update-index", "-z", "--index-info"], entries.as_bytes())?;
    let before = head.unwrap_or_else(|| "0".repeat(commit.len()));
    git.run(&["update-ref", "-m", "teof init", "HEAD", &commit, &before])?;
    done.commit = Some(commit);
    Ok(done)
}

/// Whether the file has more than HEAD's version plus what `init` adds, or is staged differently.
fn has_own_changes(hub: &Hub, git: &Git, head: Option<&str>, path: &str) -> Result<bool> {
    let committed = match head {
        Some(head) => git.run(&["ls-tree", head, "--", path])?,
        None => String::new(),
    };
    let committed = committed.split_whitespace().nth(2).unwrap_or_default().to_owned();
    let staged = git.run(&["ls-files", "--stage", "--", path])?;
    if staged.split_whitespace().nth(1).unwrap_or_default() != committed {
        return Ok(true);
    }
    let Some(wanted) = attributes::wanted().into_iter().find(|wanted| wanted.path == path) else { return Ok(false) };
    let old = match committed.as_str() {
        "" => Vec::new(),
        blob => git.bytes(&["cat-file", "blob", blob])?,
    };
    let ours = wanted.added_to(&String::from_utf8_lossy(&old));
    let now = files::read(&hub.path(path)?, files::MAX_DOCUMENT)?;
    Ok(ours.map(String::into_bytes) != now)
}
