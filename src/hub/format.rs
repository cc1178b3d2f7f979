//! Checks that teof supports this kind of repository, before anything is read or written.
//!
//! teof reads objects and references through libgit2, which knows both hash functions but only references that
//! are kept as files. The check reads one small file and asks libgit2 only when that file names an extension.

use std::fs;
use std::path::Path;

use crate::base::{Refusal, Result, text};

/// Extensions of the repository format that libgit2 handles, in lower case.
const SUPPORTED: [&str; 5] = ["noop", "objectformat", "worktreeconfig", "preciousobjects", "relativeworktrees"];

/// Refuses a repository in which some teof command would fail.
///
/// # Errors
/// `repository.reftable`, `repository.extension` and `repository.name`, each with a fix.
pub fn check(root: &Path, git_dir: &Path, common_dir: &Path) -> Result<()> {
    check_names([root, git_dir, common_dir])?;
    for (extension, value) in extensions(common_dir) {
        match (extension.as_str(), value.to_ascii_lowercase().as_str()) {
            ("refstorage", "files") => {}
            ("refstorage", _) => return Err(reftable(root).into()),
            ("partialclone", _) => return Err(old_partial_clone(root).into()),
            (known, _) if SUPPORTED.contains(&known) => {}
            (unknown, _) => return Err(unsupported(root, unknown).into()),
        }
    }
    Ok(())
}

/// Paths are kept as JSON text (the pin, work orders, envelopes), which cannot hold every name.
fn check_names(paths: [&Path; 3]) -> Result<()> {
    let odd = paths.into_iter().find(|path| path.to_str().is_none());
    let Some(path) = odd else { return Ok(()) };
    Err(Refusal::guard("repository.name", "the path of this repository is not UTF-8")
        .because(format!("{}: teof stores paths as UTF-8 text", text::safe(&path.to_string_lossy())))
        .next("rename the folder whose name is not UTF-8, then try again; find it: pwd | cat -v")
        .into())
}

/// The `extensions.*` keys of the repository format, without `extensions.`, in lower case. Git reads them from this
/// file alone, and follows no includes for them.
fn extensions(common_dir: &Path) -> Vec<(String, String)> {
    let path = common_dir.join("config");
    let config = fs::read(&path).unwrap_or_default();
    if !config.to_ascii_lowercase().windows(10).any(|word| word == b"extensions") {
        return Vec::new();
    }
    let Ok(config) = git2::Config::open(&path) else { return Vec::new() };
    let Ok(mut entries) = config.entries(Some("^extensions\\.")) else { return Vec::new() };
    let mut found = Vec::new();
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.name().unwrap_or_default().trim_start_matches("extensions.").to_ascii_lowercase();
        // A key may have no value; git2 must not be asked for it.
        let value = if entry.has_value() { entry.value().unwrap_or_default() } else { "" };
        found.push((name, value.to_owned()));
    }
    found
}

fn reftable(root: &Path) -> Refusal {
    let root = root.display();
    Refusal::guard("repository.reftable", format!("{root} uses the reftable format for references"))
        .because("teof supports references stored as files only")
        .next(format!("convert it (git 2.48 or later): git -C {root} refs migrate --ref-format=files"))
        .next(format!("or work in a clone: git clone --ref-format=files {root} {root}-files"))
}

fn old_partial_clone(root: &Path) -> Refusal {
    let root = root.display();
    Refusal::guard("repository.extension", format!("{root} is a partial clone in an old format"))
        .because("git 2.24 and later do not need extensions.partialClone, and teof cannot open a repository with it")
        .next(format!("remove the setting: git -C {root} config --unset extensions.partialClone"))
}

fn unsupported(root: &Path, extension: &str) -> Refusal {
    let (root, extension) = (root.display(), text::safe(extension));
    Refusal::guard("repository.extension", format!("{root} uses the repository extension {extension}"))
        .because("teof does not support this extension, and git requires programs to refuse such repositories")
        .next(format!("see where it is set: git config --file {root}/.git/config --get-regexp ^extensions"))
        .next(format!("or work in a clone: git clone {root} {root}-plain"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(config: &str) -> Option<&'static str> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("config"), config).unwrap();
        check(dir.path(), dir.path(), dir.path()).err().map(|e| Refusal::of(&e).unwrap().code)
    }

    #[test]
    fn only_extensions_that_every_command_can_handle_are_let_through() {
        assert_eq!(code("[core]\n\tbare = false\n"), None);
        assert_eq!(code("[extensions]\n\tobjectFormat = sha256\n\tworktreeConfig = true\n"), None);
        assert_eq!(code("[Extensions]\n\trefStorage = files\n"), None);
        assert_eq!(code("[EXTENSIONS]\n\trefStorage = RefTable\n"), Some("repository.reftable"));
        assert_eq!(code("[extensions]\n\tpartialClone = origin\n"), Some("repository.extension"));
        assert_eq!(code("[extensions]\n\tfutureThing\n"), Some("repository.extension"));
        assert_eq!(code("[alias]\n\textensions = log\n"), None);
    }
}
