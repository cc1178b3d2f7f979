//! Reads the person's identity from git's configuration outside the repository.
//!
//! The repository's own configuration does not count: a worker can write there, and could choose the name under which a
//! decision is recorded.

use std::process::Command;

use crate::base::env;
use crate::hub::Hub;

/// A person's name and address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub name: String,
    /// `None`: not configured outside the repository.
    pub email: Option<String>,
}

/// The person at work: git's variables, then the person's configuration, then the machine's, then the
/// login name.
pub fn of_person(hub: &Hub) -> Identity {
    let email = value(hub, &["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"], "user.email");
    Identity { name: name_of_person(hub), email }
}

/// The name of [`of_person`]. It may start git, so call it before the bus lock is taken.
pub fn name_of_person(hub: &Hub) -> String {
    let name = value(hub, &["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"], "user.name");
    name.or_else(login).unwrap_or_else(|| "unknown".to_owned())
}

impl Identity {
    /// Makes git commit with this identity, regardless of the repository's configuration. Does nothing if none is
    /// configured outside the repository.
    pub fn sign(&self, git: &mut Command) {
        let Some(email) = &self.email else { return };
        for who in ["AUTHOR", "COMMITTER"] {
            for (what, value) in [("NAME", &self.name), ("EMAIL", email)] {
                let variable = format!("GIT_{who}_{what}");
                if env::var(&variable).is_none() {
                    git.env(variable, value);
                }
            }
        }
    }
}

fn value(hub: &Hub, variables: &[&str], key: &str) -> Option<String> {
    let from_env = variables.iter().find_map(|name| env::var(name)).filter(|value| !value.trim().is_empty());
    from_env.or_else(|| configured(key)).or_else(|| {
        ["--global", "--system"].into_iter().find_map(|scope| {
            let asked = hub.git().run(&["config", scope, "--includes", "--get", key]);
            asked.ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        })
    })
}

/// A setting of the person's and the machine's configuration, read without a process. `None` where only git knows the
/// answer: when variables name other files, when an include depends on the repository, and when nothing was found,
/// because git may keep the machine's configuration elsewhere.
fn configured(key: &str) -> Option<String> {
    if ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"].into_iter().any(|name| env::var(name).is_some()) {
        return None;
    }
    let config = git2::Config::open_default().ok()?.snapshot().ok()?;
    if config.entries(Some("^includeif\\.")).ok()?.next().is_some() {
        return None;
    }
    let value = config.get_string(key).ok()?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn login() -> Option<String> {
    env::var("USER").or_else(|| env::account().map(|account| account.name))
}
