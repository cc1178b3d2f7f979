//! What a service definition must know of this machine: programs, folders, the account, the repository.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use crate::base::{Refusal, Result, env, names};
use crate::hub::{Hub, worktrees};

pub struct Place {
    /// Of the service: `teof-app`.
    pub name: String,
    /// The repository's name, for people.
    pub title: String,
    /// Our own program.
    pub program: PathBuf,
    pub root: PathBuf,
    /// Who owns the repository: the service runs as that account.
    pub account: String,
    pub home: PathBuf,
    pub is_root: bool,
    /// Where agents' programs are found.
    pub search: String,
    /// Variables that move teof's own folders.
    pub moved: Vec<(&'static str, String)>,
    /// What the coordinator and its workers write.
    pub writable: Vec<PathBuf>,
    /// How long a stop may take.
    pub stop: Duration,
}

/// What a stop takes beyond the stages: workers are asked, asked again, and killed.
const STOP_MARGIN: Duration = Duration::from_secs(180);

impl Place {
    pub fn of(hub: &Hub, name: Option<&str>) -> Result<Place> {
        let owner = hub.root.metadata().context("look at the repository")?.uid();
        let account = env::account_of(owner).or_else(env::account).ok_or_else(|| {
            Refusal::guard(
                "service.account",
                format!("the account {owner} owns the repository and is not in /etc/passwd"),
            )
            .because("a service must run as an account of this machine")
            .next(format!("give the repository to one: sudo chown -R NAME {}", hub.root.display()))
        })?;
        let title = worktrees::repository_name(hub)?;
        let name = match name {
            Some(name) => names::check_id("service", name)?.to_owned(),
            None => format!(
                "teof-{}",
                Some(names::slug(&title)).filter(|slug| !slug.is_empty()).unwrap_or_else(|| "hub".into())
            ),
        };
        let moved = [env::XDG_STATE_HOME, env::XDG_CONFIG_HOME, env::XDG_DATA_HOME];
        let moved = moved.into_iter().filter_map(|name| Some((name, env::var(name)?))).collect();
        Ok(Place {
            name,
            title,
            program: std::env::current_exe().context("find our own program")?,
            root: hub.root.clone(),
            is_root: owner == 0,
            search: env::safe_path().unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".to_owned()),
            moved,
            writable: writable(hub, &account.home)?,
            account: account.name,
            home: account.home,
            stop: hub.settings()?.coordinator.stop_within + STOP_MARGIN,
        })
    }

    /// The command line of the service.
    pub fn command(&self) -> [String; 5] {
        let (program, root) = (self.program.display().to_string(), self.root.display().to_string());
        [program, "--root".into(), root, "coordinator".into(), "run".into()]
    }
}

/// The folders that workers write, without those inside another one. A folder that does not exist yet counts as its
/// parent, so that it can be made.
fn writable(hub: &Hub, home: &Path) -> Result<Vec<PathBuf>> {
    let wanted = [
        home.to_owned(),
        hub.root.clone(),
        hub.common_dir.clone(),
        hub.state_home(),
        worktrees::home(hub)?,
        "/tmp".into(),
        "/var/tmp".into(),
    ];
    let there = wanted.iter().filter_map(|folder| folder.ancestors().find(|folder| folder.is_dir()));
    let mut kept: Vec<PathBuf> = Vec::new();
    for folder in there.filter(|folder| *folder != Path::new("/")) {
        if !kept.iter().any(|known| folder.starts_with(known)) {
            kept.retain(|known| !known.starts_with(folder));
            kept.push(folder.to_owned());
        }
    }
    Ok(kept)
}
