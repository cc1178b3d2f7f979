//! Blocks `git push` for a worker's programs and reports attempts. Only a person pushes.
//!
//! Environment variables route pushes to this repository's remotes through a teof script that logs the attempt and
//! fails. That stops `git push` to those remotes by name or URL, also with `--no-verify`. It does not stop a program
//! that clears these variables, names the server another way, or does not use git, so the remotes' branches are
//! checked afterwards. Fetches, and other repositories that tests create, are not affected.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::base::{Result, files, text};
use crate::hub::Hub;
use crate::hub::git::ancestry;
use crate::hub::worktrees::Place;
use crate::model::run::outcome::Finding;

const SCHEME: &str = "teof-no-push";

/// The push block of one run.
#[derive(Debug)]
pub struct PushBlock {
    folder: PathBuf,
    urls: Vec<(String, bool)>,
}

impl PushBlock {
    /// Writes the script into the run's machine-local folder.
    pub fn new(hub: &Hub, session: &Path) -> Result<Self> {
        let folder = session.join("no-push");
        let helper = folder.join(format!("git-remote-{SCHEME}"));
        std::fs::create_dir_all(&folder).map_err(|e| files::io_refusal(e, "create", &folder))?;
        let script = "#!/bin/sh\nprintf '%s\\n' \"$2\" >> \"$(dirname \"$0\")/attempts\"\n\
                      echo 'teof: push refused: a person pushes after review' >&2\nexit 1\n";
        // Not synced: it is not called after a power failure.
        files::replace_unsynced(&helper, script.as_bytes())?;
        std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o700))?;
        Ok(Self { folder, urls: urls(hub) })
    }

    /// The variables, with further settings of git; `env` already holds PATH.
    pub fn add_variables(&self, env: &mut Vec<(String, String)>, further: &[(&str, &str)]) {
        let mut settings: Vec<(String, String)> =
            further.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        if !self.urls.is_empty() {
            self.add_path(env);
        }
        settings.extend(self.urls.iter().map(|(url, is_push_url)| {
            // For a push-only URL, git applies insteadOf and nothing else.
            let key = if *is_push_url { "insteadOf" } else { "pushInsteadOf" };
            (format!("url.{SCHEME}::{url}.{key}"), url.clone())
        }));
        if !settings.is_empty() {
            env.push(("GIT_CONFIG_COUNT".to_owned(), settings.len().to_string()));
        }
        for (i, (key, value)) in settings.into_iter().enumerate() {
            env.push((format!("GIT_CONFIG_KEY_{i}"), key));
            env.push((format!("GIT_CONFIG_VALUE_{i}"), value));
        }
    }

    fn add_path(&self, env: &mut Vec<(String, String)>) {
        let path = env.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
        let path =
            format!("{}:{}", self.folder.display(), path.unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()));
        env.push(("PATH".to_owned(), path));
    }

    /// The file in which attempts are noted.
    pub fn log(&self) -> PathBuf {
        self.folder.join("attempts")
    }

    /// The attempted pushes, one finding per remote.
    pub fn attempts(&self) -> Vec<Finding> {
        let Ok(Some(tried)) = files::read(&self.log(), 1 << 20) else { return Vec::new() };
        let mut urls: Vec<_> = String::from_utf8_lossy(&tried).lines().map(str::to_owned).collect();
        urls.sort();
        urls.dedup();
        let found = |url: &String| {
            let url = crate::guard::secrets::redact(&text::clip(&text::safe(url), 200));
            Finding::high("git.push_attempted", "", format!("the worker tried to push to {url}; the push was blocked"))
                .hint("check what it tried to publish; push it yourself after review")
        };
        urls.iter().take(10).map(found).collect()
    }
}

/// The remotes' URLs, and whether each is for pushing only.
fn urls(hub: &Hub) -> Vec<(String, bool)> {
    let Ok(repo) = git2::Repository::open(&hub.common_dir) else { return Vec::new() };
    let Ok(names) = repo.remotes() else { return Vec::new() };
    let mut found = Vec::new();
    for name in names.iter().flatten().flatten() {
        let Ok(remote) = repo.find_remote(name) else { continue };
        let url = remote.url().ok().map(str::to_owned);
        let push = remote.pushurl().ok().flatten().map(str::to_owned);
        found.extend(push.filter(|push| url.as_ref() != Some(push)).map(|push| (push, true)));
        found.extend(url.map(|url| (url, false)));
    }
    found
}

/// Remote branches that contain commits from this worktree, pushed around the block.
pub fn pushed(place: &Place) -> Result<Option<Finding>> {
    let repo = git2::Repository::open(&place.git_dir)?;
    let mut own: Vec<git2::Oid> = place.checkpoints.iter().map(|done| done.commit).collect();
    if let Ok(reflog) = repo.reflog("HEAD") {
        let commits = reflog.iter().filter(|e| e.message_bytes().is_some_and(|said| said.starts_with(b"commit")));
        own.extend(commits.map(|entry| entry.id_new()));
    }
    let within = |tip, id| ancestry::holds(&repo, tip, id).unwrap_or(false);
    own.retain(|id| !within(place.base, *id));
    for reference in repo.references_glob("refs/remotes/*")?.flatten() {
        let (Some(tip), Ok(name)) = (reference.target(), reference.name()) else { continue };
        if let Some(id) = own.iter().find(|id| within(tip, **id)) {
            let message = format!("{} contains commit {id} from the worktree", text::safe(name));
            return Ok(Some(
                Finding::high("git.pushed", "", message).hint("nobody approved it; check it at the remote"),
            ));
        }
    }
    Ok(None)
}
