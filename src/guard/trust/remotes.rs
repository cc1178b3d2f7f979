//! Decides whether git may talk to the remotes that the repository's configuration names.
//!
//! Any program that works in the repository can write `.git/config`, so it can send a push elsewhere, or have a sync
//! take somebody else's commits. Once a person granted consent, remotes are used only as they were then, or as they
//! were trusted later (`teof trust git`).

use std::collections::BTreeSet;
use std::path::Path;

use crate::base::{Refusal, Result, digest, text};
use crate::guard::{secrets, trust};
use crate::hub::Hub;
use crate::hub::git::Git;
use crate::hub::git::programs::Setting;

/// The settings of a remote that say where data goes to and comes from.
const OF_REMOTE: [&str; 10] =
    ["url", "pushurl", "fetch", "push", "mirror", "proxy", "serveroption", "lfsurl", "lfspushurl", "gh-resolved"];

/// Settings of the repository that decide which server git talks to, how it is recognised, and which of its
/// branches become ours; in order.
///
/// # Errors
/// When the configuration cannot be read.
pub fn settings(hub: &Hub) -> Result<Vec<Setting>> {
    let branch = hub.worktree().branch().unwrap_or_default();
    let remote = &hub.settings()?.git.remote;
    let own = hub.git().own_settings()?;
    let found: BTreeSet<Setting> = own.into_iter().filter(|own| directs(own, &branch, remote)).collect();
    Ok(found.into_iter().collect())
}

/// Whether a setting directs git's traffic. `branch` is the hub's.
fn directs(setting: &Setting, branch: &str, remote: &str) -> bool {
    let Some((section, rest)) = setting.key.split_once('.') else { return false };
    let (name, last) = rest.rsplit_once('.').unwrap_or(("", rest));
    match section {
        // gh notes its choice between the remotes as "base"; every other value is another repository.
        "remote" if last == "gh-resolved" => setting.value != "base",
        "remote" => last == "pushdefault" || OF_REMOTE.contains(&last),
        "url" | "http" => true,
        "credential" => last != "helper",
        "lfs" => matches!(rest, "url" | "pushurl"),
        "fetch" => last == "bundleuri",
        // What `git push -u` writes directs nothing elsewhere.
        "branch" if name == branch => match last {
            "remote" | "pushremote" => setting.value != remote,
            "merge" => setting.value.strip_prefix("refs/heads/") != Some(branch),
            _ => false,
        },
        _ => false,
    }
}

/// What a person trusts when they trust these settings.
pub fn digest(settings: &[Setting]) -> String {
    // Its own first line: no other list that is trusted has the same digest.
    let lines = settings.iter().map(|setting| format!("{}={}\0", setting.key, setting.value));
    digest::sha256(std::iter::once("remotes\0".to_owned()).chain(lines).collect::<String>().as_bytes())
}

/// A setting as people see it: without passwords.
pub fn show(setting: &Setting) -> String {
    text::safe(&secrets::redact(&format!("{} = {}", setting.key, setting.value)))
}

/// Whether git may talk to the remotes as they are set now.
///
/// # Errors
/// When the configuration cannot be read, or what is trusted.
pub fn are_trusted(hub: &Hub) -> Result<bool> {
    Ok(match trust::read(hub)?.git_remotes_sha256 {
        Some(trusted) => trusted == digest(&settings(hub)?),
        // Nobody ever granted consent, so no worker has run.
        None => true,
    })
}

/// Git in a worktree, for talking to a remote: like [`trust::require_git`], and to the trusted remotes only.
///
/// # Errors
/// `git.untrusted_programs`, `git.untrusted_remotes`.
pub fn require_git(hub: &Hub, worktree: &Path) -> Result<Git> {
    let git = trust::require_git(hub, worktree)?;
    require(hub)?;
    Ok(git)
}

/// # Errors
/// `git.untrusted_remotes` when the remotes changed since a person trusted them.
pub fn require(hub: &Hub) -> Result<()> {
    if are_trusted(hub)? {
        return Ok(());
    }
    let url = format!("remote.{}.url", hub.settings()?.git.remote);
    let now = settings(hub)?.into_iter().find(|setting| setting.key == url);
    let now = now.map_or_else(|| format!("{} is not set", text::safe(&url)), |setting| show(&setting));
    Err(Refusal::guard("git.untrusted_remotes", "git's remotes changed since a person trusted them")
        .because(format!("a program that works here can change where git fetches from and pushes to; now {now}"))
        .next("see what is set: teof trust git --dry-run")
        .next("if all of it is yours: teof trust git")
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_direct_traffic_are_told_from_those_that_do_not() {
        let setting = |key: &str, value: &str| Setting { key: key.to_owned(), value: value.to_owned() };
        for (key, value) in [
            ("remote.origin.url", "x"),
            ("remote.a.b.pushurl", "x"),
            ("remote.origin.fetch", "+refs/heads/evil:refs/remotes/origin/main"),
            ("remote.pushdefault", "evil"),
            ("remote.origin.gh-resolved", "evil/repo"),
            ("url.https://evil/.insteadof", "https://github.com/"),
            ("url.https://evil/.pushinsteadof", "https://github.com/"),
            ("http.proxy", "evil"),
            ("http.https://github.com/.sslverify", "false"),
            ("credential.https://github.com.username", "evil"),
            ("branch.main.remote", "."),
            ("branch.main.merge", "refs/heads/evil"),
            ("branch.main.pushremote", "evil"),
            ("lfs.url", "evil"),
        ] {
            assert!(directs(&setting(key, value), "main", "origin"), "{key}");
        }
        for (key, value) in [
            ("remote.origin.promisor", "true"),
            ("remote.origin.gh-resolved", "base"),
            ("branch.main.remote", "origin"),
            ("branch.main.merge", "refs/heads/main"),
            ("branch.other.merge", "refs/heads/main"),
            ("branch.main.rebase", "true"),
            ("lfs.https://github.com/x.access", "basic"),
            ("core.bare", "false"),
        ] {
            assert!(!directs(&setting(key, value), "main", "origin"), "{key}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        let url = ["https://bob:", "hunter2hunter", "@example.org/x.git"].concat();
        let shown = show(&Setting { key: "remote.origin.url".to_owned(), value: url });
        assert!(shown.contains("example.org") && !shown.contains("hunter2"), "{shown}");
    }
}
