//! Paths of the sandbox's settings, as the kernel's rules need them: absolute and without links.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::workplace::Workplace;
use crate::agents::{self, OwnPath};
use crate::base::env;
use crate::hub::Hub;
use crate::hub::settings::CACHES;

/// Folders that a variable may move elsewhere.
const MOVED: [(&str, &str); 4] = [
    ("~/.cache", "XDG_CACHE_HOME"),
    ("~/.config", env::XDG_CONFIG_HOME),
    ("~/.cargo", "CARGO_HOME"),
    ("~/go", "GOPATH"),
];

/// Shared memory and semaphores of POSIX.
pub(super) const SHARED_MEMORY: &str = "/dev/shm";

/// What programs need to run at all, when not everything is readable.
const SYSTEM: [&str; 15] = [
    "/bin",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/opt",
    "/proc",
    "/run/systemd/resolve",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib/ca-certificates",
];
/// The same below the home folder: toolchains, programs, and git's own settings, without which git refuses to run.
const TOOLS: [&str; 6] = ["~/.cargo", "~/.rustup", "~/.local/bin", "~/.nvm", "~/.gitconfig", "~/.config/git"];

/// Whether a path is below what programs of the system are in. Shared memory is not, though it is below `/dev`.
pub(super) fn is_of_system(path: &Path) -> bool {
    !path.starts_with(SHARED_MEMORY)
        && SYSTEM.iter().filter_map(|system| resolve(Path::new(system))).any(|system| path.starts_with(system))
}

/// A path of the settings. One that is neither absolute nor from `~` is none, and neither is one that does not exist.
pub(super) fn expand(path: &str) -> Option<PathBuf> {
    resolve(&absolute(path))
}

/// A writable path of the settings: a folder, marked by a slash at its end, is created.
pub(super) fn granted(path: &str) -> Option<PathBuf> {
    let absolute = absolute(path);
    if path.ends_with('/') {
        create(&absolute);
    }
    resolve(&absolute)
}

/// Whether a writable path of the settings opens something: a folder that is created when it is missing, or what
/// exists.
pub(super) fn has_effect(path: &str) -> bool {
    let absolute = absolute(path);
    absolute.is_absolute() && (path.ends_with('/') || absolute.exists())
}

/// A cache of the settings. One that its program would create is created, because only what exists can be granted: a
/// program that is installed, or that the project in `root` brings as its wrapper (`gradlew`).
pub(super) fn cache(path: &str, root: &Path) -> Option<PathBuf> {
    let absolute = absolute(path);
    let is_installed = |program: &str| agents::find_program(program, Path::new("/")).is_some();
    let is_used =
        |program: &str| program.is_empty() || is_installed(program) || root.join(format!("{program}w")).exists();
    if !absolute.exists() && CACHES.iter().any(|(known, program)| *known == path && is_used(program)) {
        create(&absolute);
    }
    resolve(&absolute)
}

/// A path of the settings; a relative one stays relative.
pub(super) fn absolute(path: &str) -> PathBuf {
    let below = |from: &str, variable: &str| {
        let rest = path.strip_prefix(from).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        Some(PathBuf::from(env::var(variable)?).join(rest.trim_start_matches('/')))
    };
    let moved = MOVED.iter().find_map(|(from, variable)| below(from, variable));
    moved.or_else(|| below("~", env::HOME)).unwrap_or_else(|| PathBuf::from(path))
}

/// For this account only. Without it, what needs the folder fails and says so.
fn create(folder: &Path) {
    if folder.is_absolute() {
        let _ = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    }
}

/// The path without links; `None` when it does not exist.
pub(super) fn resolve(path: &Path) -> Option<PathBuf> {
    path.is_absolute().then(|| path.canonicalize().ok())?
}

/// A path of an agent, if it is this account's; a folder is created, because the agent would create it.
pub(super) fn of_agent(own: &OwnPath) -> Option<PathBuf> {
    if own.is_folder {
        create(&own.path);
    }
    let path = resolve(&own.path)?;
    let is_ours = path.metadata().is_ok_and(|meta| meta.uid() == rustix::process::getuid().as_raw());
    is_ours.then_some(path)
}

/// What is readable besides what is writable, when the settings name it.
pub(super) fn readable(hub: &Hub, at: &Workplace, named: &[String]) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = SYSTEM.map(PathBuf::from).into();
    found.extend(TOOLS.into_iter().filter_map(expand));
    // The record, and what it points to; the push block, and what else the run's folder has for them; teof itself.
    found.extend([hub.root.clone(), hub.common_dir.clone(), at.root.to_owned(), at.session.to_owned()]);
    found.extend(std::env::current_exe().ok());
    found.extend(named.iter().filter_map(|path| expand(path)));
    outermost(found)
}

/// The paths without those that are below another: what a program may write, it may replace by a link.
pub(super) fn outermost(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    // In order of their parts: what is below a path comes right after it.
    paths.sort();
    let mut kept: Vec<PathBuf> = Vec::new();
    for path in paths {
        if !kept.last().is_some_and(|outer| path.starts_with(outer)) {
            kept.push(path);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_memory_is_no_folder_of_the_system() {
        let is = |path: &str| is_of_system(Path::new(path));
        assert!(is("/usr/bin") && is("/dev/fd"));
        assert!(!is("/dev/shm/agent") && !is("/home/me/agent") && !is("/usrx"));
    }

    #[test]
    fn a_path_below_another_needs_no_rule() {
        let of = |paths: &[&str]| outermost(paths.iter().map(PathBuf::from).collect());
        assert_eq!(of(&["/a/b", "/a", "/ab", "/a/b/c", "/ab"]), [PathBuf::from("/a"), PathBuf::from("/ab")]);
    }

    #[test]
    fn caches_of_programs_that_are_not_there_are_not_created() {
        let folder = tempfile::tempdir().unwrap();
        let known = CACHES.iter().filter(|(path, _)| path.starts_with("~/.gradle"));
        assert!(
            known.clone().count() > 0 && known.clone().all(|(_, program)| *program == "gradle"),
            "not of every java"
        );
        let of_others = CACHES.iter().filter(|(path, program)| {
            !program.is_empty() && agents::find_program(program, Path::new("/")).is_none() && !absolute(path).exists()
        });
        for (path, program) in of_others {
            assert_eq!(cache(path, folder.path()), None, "{program}");
            assert!(!absolute(path).exists(), "{path}");
        }
    }

    #[test]
    fn only_absolute_paths_and_those_from_home_are_granted() {
        assert_eq!(expand("/"), Some(PathBuf::from("/")));
        assert!(expand("~").is_some_and(|home| home.is_absolute()));
        for path in ["src", "", "~nobody/x", "~/no such folder", "$HOME"] {
            assert_eq!(expand(path), None, "{path:?}");
        }
    }
}
