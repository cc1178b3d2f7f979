//! Keeps a seat from relaxing the terms that protect the others by an edit of `teof.toml`.
//!
//! The file is in a worktree in which every seat can write. So an agent window shorter than by default, or a session's
//! age longer than that, counts only as a person granted it on this machine, or, without a grant, as it is committed on
//! the record's branch.

use std::path::Path;
use std::time::Duration;

use git2::Repository;
use toml::Table;

use super::{Settings, granted};
use crate::base::{Result, files, json};
use crate::hub::paths;

/// The terms: the shorter window and the longer age are the weaker ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Terms {
    agent_window: Duration,
    max_age: Duration,
}

impl Terms {
    fn of(settings: &Settings) -> Terms {
        Terms { agent_window: settings.claims.agent_window, max_age: settings.session.max_age }
    }

    fn stricter(self, other: Terms) -> Terms {
        Terms { agent_window: self.agent_window.max(other.agent_window), max_age: self.max_age.min(other.max_age) }
    }

    fn weaker(self, other: Terms) -> Terms {
        Terms { agent_window: self.agent_window.min(other.agent_window), max_age: self.max_age.max(other.max_age) }
    }
}

/// The bytes of the `teof.toml` whose terms count, and what makes those of the file on disk count.
pub(in crate::hub) struct Trusted {
    bytes: Option<Vec<u8>>,
    fix: &'static str,
}

/// Makes terms that are weaker than both the default and the trusted file's as strict as those. `trusted` is asked only
/// when the settings are weaker than the default.
pub(in crate::hub) fn restrain(settings: &mut Settings, trusted: impl FnOnce() -> Trusted) {
    let (written, default) = (Terms::of(settings), Terms::of(&Settings::default()));
    if written.stricter(default) == written {
        return;
    }
    let Trusted { bytes, fix } = trusted();
    let kept = written.stricter(bytes.as_deref().and_then(terms).map_or(default, |terms| terms.weaker(default)));
    if kept == written {
        return;
    }
    settings.restrained = Some(fix);
    settings.claims.agent_window = kept.agent_window;
    settings.session.max_age = kept.max_age;
}

fn terms(bytes: &[u8]) -> Option<Terms> {
    let table: Table = std::str::from_utf8(bytes).ok()?.parse().ok()?;
    table.try_into().ok().as_ref().map(Terms::of)
}

/// The trusted settings: those on disk if the grant covers them; without a grant, those at the tip of the branch.
pub(in crate::hub) fn trusted(root: &Path, common_dir: &Path, branch: Option<String>) -> Trusted {
    match grant(common_dir) {
        Ok(None) => Trusted { bytes: branch.and_then(|branch| committed(common_dir, &branch)), fix: "commit it" },
        found => {
            let bytes = files::read(&root.join(paths::SETTINGS), files::MAX_DOCUMENT).ok().flatten();
            let is_granted = |bytes: &Vec<u8>| found.is_ok_and(|grant| grant == Some(granted::digest(bytes)));
            Trusted { bytes: bytes.filter(is_granted), fix: "teof consent grant" }
        }
    }
}

/// The digest in a person's grant, if there is one.
fn grant(common_dir: &Path) -> Result<Option<Option<String>>> {
    let trust = json::read_object(&common_dir.join("teof").join(paths::TRUST))?;
    let grant = trust.as_ref().and_then(|trust| trust.get("grant")).filter(|grant| !grant.is_null());
    Ok(grant.map(|grant| grant.get("settings_sha256").and_then(|digest| digest.as_str()).map(str::to_owned)))
}

fn committed(common_dir: &Path, branch: &str) -> Option<Vec<u8>> {
    let repository = Repository::open_bare(common_dir).ok()?;
    let tip = repository.find_reference(&format!("refs/heads/{branch}")).ok()?.peel_to_tree().ok()?;
    let blob = repository.find_blob(tip.get_path(Path::new(paths::SETTINGS)).ok()?.id()).ok()?;
    (blob.size() as u64 <= files::MAX_DOCUMENT).then(|| blob.content().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(on_disk: &str, trusted: Option<&str>) -> (u64, u64) {
        let mut settings: Settings = on_disk.parse::<Table>().unwrap().try_into().unwrap();
        let bytes = trusted.map(|text| text.as_bytes().to_vec());
        restrain(&mut settings, || Trusted { bytes, fix: "" });
        (settings.claims.agent_window.as_secs() / 60, settings.session.max_age.as_secs() / 60)
    }

    #[test]
    fn weaker_terms_count_as_far_as_the_trusted_file_has_them() {
        let text = |window: &str, age: &str| {
            format!("[claims]\nagent_window = \"{window}\"\n[session]\nmax_age = \"{age}\"\n")
        };
        let weak = text("10m", "5h");
        assert_eq!(kept("", Some(&weak)), (240, 60), "the default");
        assert_eq!(kept(&text("9h", "10m"), None), (540, 10), "stricter needs no trust");
        assert_eq!(kept(&weak, None), (240, 60));
        assert_eq!(kept(&weak, Some(&weak)), (10, 300));
        assert_eq!(kept(&weak, Some(&text("1h", "2h"))), (60, 120));
        assert_eq!(kept(&weak, Some(&text("9h", "10m"))), (240, 60), "no stricter than the default");
        assert_eq!(kept(&weak, Some("[claims")), (240, 60));
    }
}
