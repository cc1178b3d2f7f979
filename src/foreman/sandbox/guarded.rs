//! What no writable path may open: the hub, the git dir, the folder of worktrees and the home folder.
//!
//! Landlock only adds rights: what is writable above one of them would make all of it writable. Such a path is
//! dropped, whoever named it, and the record says so.

use std::path::{Path, PathBuf};

use super::places;
use crate::agents;
use crate::base::{Result, env};
use crate::guard::trust;
use crate::hub::Hub;
use crate::hub::settings::Sandbox as Settings;
use crate::hub::worktrees;

/// Folders that stay closed as a whole, without links.
pub(super) struct Guarded(Vec<PathBuf>);

impl Guarded {
    /// # Errors
    /// When the settings cannot be read.
    pub fn of(hub: &Hub) -> Result<Self> {
        let home = env::var(env::HOME).map(PathBuf::from);
        let all = [Some(hub.root.clone()), Some(hub.common_dir.clone()), Some(worktrees::home(hub)?), home];
        Ok(Self(all.into_iter().flatten().filter_map(|path| without_links(&path)).collect()))
    }

    /// Whether a path opens none of them.
    pub fn allow(&self, path: &Path) -> bool {
        self.opened_by(path).is_none()
    }

    /// The first of them that a writable path would open.
    fn opened_by(&self, path: &Path) -> Option<&Path> {
        self.0.iter().find(|guarded| guarded.starts_with(path)).map(PathBuf::as_path)
    }
}

/// What would be writable and is not, for people: built-in paths, those of the settings, and of agents.
///
/// # Errors
/// When the settings or the trust file cannot be read.
pub(super) fn dropped(hub: &Hub, settings: &Settings) -> Result<Vec<String>> {
    let guarded = Guarded::of(hub)?;
    let granted = trust::are_settings_granted(hub)?;
    let mut named = vec![PathBuf::from(places::SHARED_MEMORY)];
    named.extend(settings.caches.iter().chain(&settings.write).map(|path| places::absolute(path)));
    let agents = agents::known(hub.settings()?).into_iter().filter_map(|(_, agent)| agent.ok());
    named.extend(agents.flat_map(|agent| agent.own_paths(granted)).map(|own| own.path));
    let mut found: Vec<String> = named
        .iter()
        .filter_map(|path| without_links(path))
        .filter_map(|path| {
            let opened = guarded.opened_by(&path)?;
            Some(format!("{} is not writable, because that would open {}", path.display(), opened.display()))
        })
        .collect();
    found.sort();
    found.dedup();
    Ok(found)
}

/// The path without links, as far as it exists, and without a slash at its end.
fn without_links(path: &Path) -> Option<PathBuf> {
    let whole = |at: &Path| Some(at.canonicalize().ok()?.join(path.strip_prefix(at).ok()?).components().collect());
    path.is_absolute().then(|| path.ancestors().find_map(whole))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_opens_what_it_is_and_what_is_below_it() {
        let guarded = Guarded(vec!["/dev/shm/p/repo".into(), "/home/me".into()]);
        for path in ["/", "/dev/shm", "/dev/shm/p/repo", "/home", "/home/me"] {
            assert!(!guarded.allow(Path::new(path)), "{path}");
        }
        for path in ["/dev/shm/p/rep", "/dev/shm/p/repo/target", "/home/me/.cache", "/home/you"] {
            assert!(guarded.allow(Path::new(path)), "{path}");
        }
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::os::unix::fs::symlink(&root, root.join("link")).unwrap();
        assert_eq!(without_links(&root.join("link/new/x")), Some(root.join("new/x")));
        assert_eq!(without_links(&root.join("link/")).unwrap().as_os_str(), root.as_os_str());
        assert_eq!(without_links(Path::new("x")), None);
    }
}
