//! The state around a worktree that a worker can reach: recorded by name before the work, and compared after it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::base::{digest, files};
use crate::hub::git::object_ids;

/// Things that git could execute or that could mislead it: name and digest of the content. Can be stored as JSON.
pub type Surroundings = BTreeMap<String, String>;

const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Prefix of branches. Others may move them, so a difference alone does not count.
pub(super) const TARGET: &str = "target ";
/// Prefix of trusted things: `trust <digest> <what>`.
pub(super) const TRUST: &str = "trust ";
/// From when on a person's events count for what became trusted, in seconds since 1970, by the hub's clock.
pub(super) const ACTS: &str = "acts since";
/// Prefix of files outside the repository that belong to the person.
pub(super) const PERSON: &str = "the person's ";
/// Prefix of other worktrees.
pub(super) const CHECKOUT: &str = "checkout ";
/// Prefix of locks of git that existed before the work.
pub(super) const LOCK: &str = "lock ";
/// Prefix of unknown files that were in teof's folder before the work.
pub(super) const LOCAL: &str = "local ";
/// From when on objects of git's store are new, in seconds since 1970.
pub(super) const OBJECTS: &str = "objects since";

/// Which start of the machine this is, where the system tells.
pub(super) const BOOT: &str = "boot";

/// Records which start of the machine this is, for [`rebooted`].
pub fn record_boot(found: &mut Surroundings) {
    found.extend(boot().map(|boot| (BOOT.to_owned(), boot)));
}

/// Whether the machine was started again since the work began: git syncs branches to the disk, and not their logs, so
/// that a power cut may have taken what says who moved one.
pub fn rebooted(before: &Surroundings) -> bool {
    before.get(BOOT).zip(boot()).is_some_and(|(then, now)| *then != now)
}

fn boot() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

/// Records the commit of the branch that results are merged into, for [`target_before`].
pub fn record_target(common_dir: &Path, branch: &str, found: &mut Surroundings) {
    let tip =
        git2::Repository::open_bare(common_dir).and_then(|repo| repo.refname_to_id(&format!("refs/heads/{branch}")));
    if let Ok(tip) = tip {
        found.insert(format!("{TARGET}{branch}"), tip.to_string());
    }
}

/// The commit of the branch before the work started, if it was recorded.
pub fn target_before(before: &Surroundings, branch: &str) -> Option<git2::Oid> {
    object_ids::parse(before.get(&format!("{TARGET}{branch}"))?).ok()
}

/// Whether a setting is recorded: all except those that people and git change every day and that execute nothing.
/// The list of settings that git executes grows with each version.
fn is_recorded(name: &str) -> bool {
    const EVERYDAY: [&str; 5] = ["advice.", "branch.", "color.", "gc.", "maintenance."];
    name == "gc.recentobjectshook" || !EVERYDAY.iter().any(|section| name.starts_with(section))
}

/// Records each setting of a git configuration file.
pub(super) fn record_config(label: &str, path: &Path, found: &mut Surroundings) {
    match fs::symlink_metadata(path) {
        Err(_) => {}
        Ok(meta) if !meta.is_file() => drop(found.insert(format!("{label} (not a regular file)"), String::new())),
        Ok(_) => match config_values(path) {
            Ok(values) => found.extend(values.into_iter().map(|(name, value)| (format!("{label} {name}"), value))),
            Err(_) => drop(found.insert(format!("{label} (unreadable)"), String::new())),
        },
    }
}

fn config_values(path: &Path) -> Result<BTreeMap<String, String>, git2::Error> {
    let config = git2::Config::open(path)?;
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    config.entries(None)?.for_each(|entry| {
        let name = String::from_utf8_lossy(entry.name_bytes()).to_lowercase();
        if is_recorded(&name) {
            let value = if entry.has_value() { entry.value_bytes() } else { b"" };
            values.entry(name).or_default().push_str(&digest::sha256(value));
        }
    })?;
    Ok(values)
}

/// Records a file of the git dir by its content.
pub(super) fn record_file(common_dir: &Path, name: &str, found: &mut Surroundings) {
    let digest = match files::read(&common_dir.join(name), MAX_FILE) {
        Ok(None) => return,
        Ok(Some(bytes)) => digest::sha256(&bytes),
        Err(_) => "not a regular file".to_owned(),
    };
    found.insert(name.to_owned(), digest);
}

/// Records the files of a folder of the git dir.
pub(super) fn record_folder(common_dir: &Path, folder: &str, found: &mut Surroundings) {
    let Ok(entries) = fs::read_dir(common_dir.join(folder)) else { return };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    // Git runs no sample, and however many there are hide no hook.
    for name in names.filter(|name| !name.ends_with(".sample")).take(10_000) {
        record_file(common_dir, &format!("{folder}/{name}"), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_start_of_the_machine_since_is_noticed() {
        let mut before = Surroundings::new();
        assert!(!rebooted(&before), "an older version recorded none");
        record_boot(&mut before);
        assert!(!rebooted(&before));
        before.insert(BOOT.to_owned(), "another".to_owned());
        assert!(rebooted(&before));
    }
}
