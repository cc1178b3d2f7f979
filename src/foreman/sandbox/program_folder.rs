//! The folder of an agent's own program, where such a program keeps its files: a log, a count, sessions.
//!
//! It is writable for that agent when it is clearly the program's own: of this account, closed to others, with no other
//! program in it, neither in a repository nor above one, not on `PATH`, and no system folder.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::places;
use crate::agents::Agent;
use crate::base::env;

/// So many entries of a folder are looked at; one with more is not a program's own.
const ENTRIES: usize = 1000;
const GIT: &str = ".git";
/// Of the mode of a file: somebody may execute it; anybody may write it.
const EXECUTABLE: u32 = 0o111;
const WRITABLE_BY_ALL: u32 = 0o002;

/// The folder of the program of an agent that the settings describe by an absolute path, without links.
pub(super) fn of(agent: &Agent) -> Option<PathBuf> {
    let named = Path::new(agent.program());
    let program = (!agent.is_preset() && named.is_absolute()).then(|| named.canonicalize().ok())??;
    let folder = program.parent()?;
    let meta = folder.metadata().ok()?;
    let is_ours = meta.uid() == rustix::process::getuid().as_raw() && meta.mode() & WRITABLE_BY_ALL == 0;
    let is_in_repository = folder.ancestors().any(|above| above.join(GIT).exists());
    let is_shared = is_in_repository || places::is_of_system(folder) || is_on_path(folder);
    (is_ours && !is_shared && holds_only(folder, &program, 1)).then(|| folder.to_owned())
}

fn is_on_path(folder: &Path) -> bool {
    let path = env::var(env::PATH).unwrap_or_default();
    std::env::split_paths(&path).filter_map(|entry| entry.canonicalize().ok()).any(|entry| entry == folder)
}

/// Whether a folder, and those in it down to `depth`, hold no program but this one, no link, and no repository.
fn holds_only(folder: &Path, program: &Path, depth: usize) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.take(ENTRIES + 1).enumerate().all(|(at, entry)| {
        let Ok(entry) = entry else { return false };
        let Ok(meta) = entry.metadata() else { return false };
        let path = entry.path();
        at < ENTRIES
            && entry.file_name() != GIT
            && match meta.is_dir() {
                true => depth == 0 || holds_only(&path, program, depth - 1),
                false => meta.is_file() && (path == program || meta.mode() & EXECUTABLE == 0),
            }
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::hub::settings::Settings;

    fn own(command: &Path) -> Option<PathBuf> {
        let text = format!("[agents.own]\ncommand = [\"{}\"]\nformat = \"claude\"\n", command.display());
        let settings: Settings = toml::from_str(&text).unwrap();
        of(&crate::agents::find(&settings, "own").unwrap())
    }

    fn program(path: &Path) -> PathBuf {
        fs::write(path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_owned()
    }

    #[test]
    fn a_folder_with_the_program_and_its_files_is_its_own() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().canonicalize().unwrap().join("agent");
        fs::create_dir_all(folder.join("logs")).unwrap();
        fs::write(folder.join("calls"), "3").unwrap();
        fs::write(folder.join("logs/1"), "").unwrap();
        let run = program(&folder.join("run"));
        assert_eq!(own(&run), Some(folder.clone()));
        symlink(&run, parent.path().join("link")).unwrap();
        assert_eq!(own(&parent.path().join("link")), Some(folder), "where it really lies");
    }

    #[test]
    fn a_folder_that_others_use_too_is_not() {
        let parent = tempfile::tempdir().unwrap();
        type Spoil = fn(&Path);
        let spoils: [(&str, Spoil); 7] = [
            ("another program", |folder| drop(program(&folder.join("other")))),
            ("a program one level down", |folder| drop(program(&folder.join("sub/other")))),
            ("a repository", |folder| fs::create_dir(folder.join(".git")).unwrap()),
            ("a repository one level down", |folder| fs::create_dir(folder.join("sub/.git")).unwrap()),
            ("in a repository", |folder| fs::create_dir_all(folder.parent().unwrap().join(".git")).unwrap()),
            ("a link", |folder| symlink("/etc", folder.join("link")).unwrap()),
            ("open to all", |folder| fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap()),
        ];
        for (name, spoil) in spoils {
            let folder = parent.path().join(name).join("agent");
            fs::create_dir_all(folder.join("sub")).unwrap();
            let run = program(&folder.join("run"));
            assert!(own(&run).is_some(), "{name}: before");
            spoil(&folder);
            assert_eq!(own(&run), None, "{name}");
        }
        for system in ["/bin/sh", "sh", "/no/such/program"] {
            assert_eq!(own(Path::new(system)), None, "{system}");
        }
    }
}
