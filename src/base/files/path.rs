//! Paths that stay inside a folder.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::base::{Refusal, Result, text};

/// `root` joined with `relative`, after checking that `relative` stays inside: no absolute path,
/// no `..`, and no symbolic link among the folders on the way.
///
/// The last component may be a link; what opens it decides (readers refuse, a rename replaces it).
pub fn within(root: &Path, relative: &str) -> Result<PathBuf> {
    let bad = |why: &str| {
        let shown = text::clip(&text::safe(relative), 120);
        Refusal::guard("path.outside", format!("the path {shown:?} is not allowed"))
            .because(why)
            .next("use a path inside the repository, relative to its root")
    };
    if relative.is_empty() || relative.contains('\0') || relative.contains('\n') {
        return Err(bad("it is empty or contains a line break or NUL").into());
    }
    let parts: Vec<_> = Path::new(relative).components().collect();
    if !parts.iter().all(|part| matches!(part, Component::Normal(_))) {
        return Err(bad("it is absolute or leaves the tree with '..'").into());
    }
    let mut path = root.to_owned();
    let (last, folders) = parts.split_last().expect("it is not empty");
    for folder in folders {
        path.push(folder);
        if fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
            return Err(bad(&format!("{} is a symbolic link", path.display())).into());
        }
    }
    path.push(last);
    Ok(path)
}

/// How `target` is called in `folder`, both absolute: `../other/file`. Where they have nothing but `/` in common,
/// `target` itself.
pub fn seen_from(folder: &Path, target: &Path) -> PathBuf {
    let shared = folder.components().zip(target.components()).take_while(|(a, b)| a == b).count();
    if shared < 2 {
        return target.to_owned();
    }
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(target.components().skip(shared)).collect()
}

pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_path_is_named_from_where_a_person_stands() {
        for (folder, target, wanted) in [
            ("/w/calc", "/w/calc/_plans/a.md", "_plans/a.md"),
            ("/w/calc", "/w/calc.record/_plans/a.md", "../calc.record/_plans/a.md"),
            ("/w/calc/src/x", "/w/calc/_plans", "../../_plans"),
            ("/w/calc", "/tmp/x", "/tmp/x"),
            ("/", "/w/calc/a", "/w/calc/a"),
        ] {
            assert_eq!(seen_from(Path::new(folder), Path::new(target)), Path::new(wanted));
        }
    }

    #[test]
    fn paths_that_leave_the_tree_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        symlink("/tmp", dir.path().join("link")).unwrap();
        for bad in ["", "/etc/passwd", "../x", "a/../../x", "link/x", "a\nb", "./x"] {
            assert!(within(dir.path(), bad).is_err(), "{bad:?}");
        }
        assert_eq!(within(dir.path(), "a/b.json").unwrap(), dir.path().join("a/b.json"));
    }
}
