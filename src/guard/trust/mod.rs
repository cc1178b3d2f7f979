//! What a person granted and approved on this machine: `<common dir>/teof/trust.json`.
//!
//! The consent file and `teof.toml` are in the repository, so any commit can change them. They count only while the
//! file's bytes and the covered settings are those that a person granted. The same holds for a plan's commands
//! ([`commands`]) and for the programs and remotes ([`remotes`]) in the repository's git configuration, which any
//! program of a worker could write.
//!
//! Without a sandbox this stops mistakes, not malice: a program of the same user can write this file.

pub mod commands;
pub mod remotes;

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::operator::{self, Recognised};
use crate::base::lock::{self, FileLock};
use crate::base::{Refusal, Result, Stamp, digest, files, json, text};
use crate::hub::git::Git;
use crate::hub::git::programs::{self, Setting};
use crate::hub::settings::granted;
use crate::hub::{Hub, paths};
use crate::model::run::job_name::is_called;

/// The trust file. A damaged file is an error, which every caller treats as "no".
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
    #[serde(default)]
    pub approvals: Vec<Approval>,
    /// The digest of the programs that git may run here ([`programs::digest`]); `None`: no programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_programs_sha256: Option<String>,
    /// The digest of the settings that direct git's traffic here ([`remotes::digest`]); `None`: nobody trusted any yet,
    /// and any may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_remotes_sha256: Option<String>,
}

/// A person's grant of the consent file and the settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    pub by: String,
    pub at: Stamp,
    pub consent_sha256: String,
    /// The digest of the settings that the grant covers; `None`: there were no settings, and there must be none now.
    pub settings_sha256: Option<String>,
    /// How the person was recognised.
    #[serde(default)]
    pub recognised: Recognised,
    /// What `teof do` was allowed; `None`: any task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Only>,
}

impl Grant {
    /// Of all that was granted: a person's event names it.
    pub fn digest(&self) -> String {
        digest::sha256(json::compact(self).as_bytes())
    }
}

/// The work that a grant covers when it does not cover all. It stays harmless when the command that took it is killed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Only {
    /// Tasks or plans of which a job may start, one entry for each job.
    pub tasks: Vec<String>,
    /// How many jobs may start, whatever the consent file says.
    pub jobs: u64,
    /// Tasks whose jobs were allowed before and may go on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub going_on: Vec<String>,
}

impl Only {
    /// Whether it covers work of this name.
    pub fn covers(&self, task: &str, plan: Option<&str>, step: Option<&str>) -> bool {
        self.tasks.iter().chain(&self.going_on).any(|name| is_called(name, task, plan, step))
    }

    /// The names of this work among those of which a job may start, once for each job.
    pub fn names_of(&self, task: &str, plan: Option<&str>, step: Option<&str>) -> Vec<&str> {
        self.tasks.iter().filter(|name| is_called(name, task, plan, step)).map(String::as_str).collect()
    }

    /// For people: `1 job: document-parser`.
    pub fn describe(&self) -> String {
        let mut names = self.tasks.clone();
        names.dedup();
        text::clip(&format!("{}: {}", text::counted(self.jobs, "job"), names.join(", ")), 200)
    }
}

/// A person's approval of the commands of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    pub plan_id: String,
    /// From `plans::commands_digest`.
    pub digest: String,
    pub by: String,
    pub at: Stamp,
    /// How the person was recognised.
    #[serde(default)]
    pub recognised: Recognised,
}

pub fn read(hub: &Hub) -> Result<Trust> {
    let path = hub.local(paths::TRUST);
    let Some(raw) = json::read_object(&path)? else { return Ok(Trust::default()) };
    serde_json::from_value(raw.into()).map_err(|e| {
        Refusal::unattended("trust.invalid", format!("{} cannot be read", path.display()))
            .because(e.to_string())
            .next("move it aside, then grant and approve again: teof consent grant, teof plan approve <id>")
            .into()
    })
}

/// Held by who changes the file, and by a grant while it also writes the consent file.
const LOCK: &str = "locks/trust.lock";

/// The right to change the file, until dropped.
pub struct Locked<'h> {
    hub: &'h Hub,
    lock: FileLock,
}

/// Takes the file's own lock, so that revoking works in any state of the hub. Who needs the bus lock too takes that
/// one first.
///
/// # Errors
/// When another process holds it for too long.
pub fn lock(hub: &Hub) -> Result<Locked<'_>> {
    let lock = FileLock::acquire(&hub.local(LOCK), wait(hub), "lock.wait", "change what is trusted")?;
    Ok(Locked { hub, lock })
}

impl Locked<'_> {
    /// Changes the file.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn update(&self, edit: impl FnOnce(&mut Trust)) -> Result<()> {
        let mut trust = read(self.hub)?;
        edit(&mut trust);
        self.lock.check()?;
        files::replace(&self.hub.local(paths::TRUST), (json::pretty(&trust) + "\n").as_bytes())
    }
}

/// Changes the file under its lock.
///
/// # Errors
/// As [`lock`] and [`Locked::update`].
pub fn update(hub: &Hub, edit: impl FnOnce(&mut Trust)) -> Result<()> {
    lock(hub)?.update(edit)
}

/// Waits while another process changes the file. Takes the lock, which writes a file, only then.
pub(super) fn wait_for_change(hub: &Hub) -> Result<()> {
    if lock::is_held(&hub.local(LOCK))? {
        lock(hub)?;
    }
    Ok(())
}

fn wait(hub: &Hub) -> std::time::Duration {
    hub.settings().map_or(std::time::Duration::from_secs(5), |settings| settings.lock.wait)
}

/// Records that a person approved the commands of a plan. An older approval of the plan is replaced.
///
/// # Errors
/// Like [`operator::require`].
pub fn approve(hub: &Hub, plan_id: &str, digest: &str, by: &str) -> Result<()> {
    let recognised = operator::require("approve commands")?;
    let approval =
        Approval { plan_id: plan_id.into(), digest: digest.into(), by: by.into(), at: hub.now(), recognised };
    update(hub, |trust| {
        trust.approvals.retain(|old| old.plan_id != plan_id);
        trust.approvals.push(approval);
    })
}

/// Git for a worktree of the repository. Programs named in its configuration (filters, merge drivers, ssh commands,
/// credential helpers) run only if a person trusted them.
///
/// # Errors
/// When the configuration cannot be read.
pub fn git(hub: &Hub, worktree: &Path) -> Result<Git> {
    let git = Git::at(worktree);
    Ok(if untrusted_programs(hub, &git)?.is_empty() { git.trusting() } else { git })
}

/// Like [`git`], for operations that need those programs: talking to a remote, writing files.
///
/// # Errors
/// `git.untrusted_programs` when the configuration names programs that no person trusted.
pub fn require_git(hub: &Hub, worktree: &Path) -> Result<Git> {
    let git = Git::at(worktree);
    let untrusted = untrusted_programs(hub, &git)?;
    let Some(first) = untrusted.first() else { return Ok(git.trusting()) };
    let keys: Vec<_> = untrusted.iter().map(|program| text::safe(&program.key)).collect();
    Err(Refusal::guard("git.untrusted_programs", "the repository's git configuration names untrusted programs")
        .because(format!("git would run the programs set in {}, which any program here can write", keys.join(", ")))
        .next(format!("see where they are set: git config --show-origin --get-all {}", text::shell_word(&first.key)))
        .next("if you set all of them: teof trust git")
        .into())
}

/// The programs that the repository's configuration names, unless a person trusted exactly these.
///
/// # Errors
/// When the configuration cannot be read.
pub fn untrusted_programs(hub: &Hub, git: &Git) -> Result<Vec<Setting>> {
    let programs = git.programs()?;
    // An unreadable trust file trusts nothing.
    let trusted = || read(hub).ok().and_then(|trust| trust.git_programs_sha256);
    let is_trusted = programs.is_empty() || trusted() == Some(programs::digest(&programs));
    Ok(if is_trusted { Vec::new() } else { programs })
}

/// The digest of the programs that the hub's git configuration names now, to be stored when a person grants.
///
/// # Errors
/// When the configuration cannot be read.
pub fn git_programs_digest(hub: &Hub) -> Result<Option<String>> {
    let programs = hub.git().programs()?;
    Ok((!programs.is_empty()).then(|| programs::digest(&programs)))
}

/// The bytes of `teof.toml` and the digest of the settings that a grant covers ([`granted`]).
pub(super) fn settings_file(hub: &Hub) -> Result<(Vec<u8>, Option<String>)> {
    let bytes = files::read(&hub.path(paths::SETTINGS)?, files::MAX_DOCUMENT)?.unwrap_or_default();
    let digest = granted::digest(&bytes);
    Ok((bytes, digest))
}

/// The digest of the settings that a grant covers, to be stored in a [`Grant`].
pub fn settings_digest(hub: &Hub) -> Result<Option<String>> {
    Ok(settings_file(hub)?.1)
}

/// Whether a person granted the settings of `teof.toml` as they are on disk now.
///
/// # Errors
/// When the trust file or the settings cannot be read.
pub fn are_settings_granted(hub: &Hub) -> Result<bool> {
    let digest = settings_digest(hub)?;
    Ok(read(hub)?.grant.is_some_and(|grant| grant.settings_sha256 == digest))
}
