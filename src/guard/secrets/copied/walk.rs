//! Finds the settings files among the copied ones: few, small, and none of a dependency.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use crate::hub::worktrees::setup::Original;

/// The most files that are read, and the most names that are looked at for them.
const MAX_FILES: usize = 200;
const MAX_ENTRIES: usize = 10_000;
/// Folders of dependencies and build results.
const SKIPPED: [&str; 5] = [".git", ".venv", "node_modules", "target", "vendor"];
/// How the names of settings files end.
const ENDINGS: [&str; 12] =
    [".cfg", ".conf", ".env", ".envrc", ".ini", ".json", ".npmrc", ".properties", ".pypirc", ".toml", ".yaml", ".yml"];

/// The settings files among these files and in these folders, those nearest to the top first. No link is followed.
pub fn settings_files(originals: &[Original]) -> Vec<Original> {
    let mut open: VecDeque<Original> =
        originals.iter().filter(|one| !is_skipped(Path::new(&one.name))).cloned().collect();
    let (mut files, mut looked) = (Vec::new(), 0);
    while let Some(one) = open.pop_front().filter(|_| looked < MAX_ENTRIES && files.len() < MAX_FILES) {
        looked += 1;
        match std::fs::symlink_metadata(one.path()).map(|found| found.file_type()) {
            Ok(kind) if kind.is_file() && is_settings(&one.name) => files.push(one),
            Ok(kind) if kind.is_dir() => {
                let mut names = names(&one.path());
                names.retain(|name| !SKIPPED.contains(&name.as_str()));
                let below = |name| Original { checkout: one.checkout.clone(), name: format!("{}/{name}", one.name) };
                open.extend(names.into_iter().map(below));
            }
            _ => {}
        }
    }
    files
}

/// The names in a folder, in order.
fn names(folder: &PathBuf) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().take(MAX_ENTRIES).flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

fn is_skipped(path: &Path) -> bool {
    path.iter().any(|part| part.to_str().is_some_and(|part| SKIPPED.contains(&part)))
}

fn is_settings(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default().to_lowercase();
    // `.env.local` is one, too.
    name.starts_with(".env") || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_files_are_few_and_of_no_dependency() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        };
        for name in ["conf/a.json", "conf/readme.txt", "conf/node_modules/b/c.json", "vendor/d.json", ".env.local"] {
            write(name);
        }
        std::os::unix::fs::symlink("a.json", dir.path().join("conf/link.json")).unwrap();
        let found = |names: &[&str]| {
            let one = |name: &&str| Original { checkout: dir.path().to_owned(), name: (*name).to_owned() };
            let found = settings_files(&names.iter().map(one).collect::<Vec<_>>());
            found.into_iter().map(|one| one.name).collect::<Vec<_>>()
        };
        assert_eq!(found(&["conf", "vendor/d.json", ".env.local", "missing.json"]), [".env.local", "conf/a.json"]);
        (0..MAX_FILES + 10).for_each(|at| write(&format!("many/{at}.json")));
        assert_eq!(found(&["many"]).len(), MAX_FILES);
    }
}
