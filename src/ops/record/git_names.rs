//! Names that git takes in no tree, or checks out on no machine (git's `verify_path`, with `core.protectNTFS` and
//! `core.protectHFS`).

use crate::base::text;

/// Whether git refuses a file or folder of this name: `.git` as any file system may read it.
pub fn is_refused(name: &[u8]) -> bool {
    matches!(as_read(name).as_str(), ".git" | "git~1")
}

/// Whether git refuses a link of this name.
pub fn is_refused_for_a_link(name: &[u8]) -> bool {
    let name = as_read(name);
    name == ".gitmodules" || name.starts_with("gitmod~") || name.starts_with("gi7eba~")
}

/// The name as Windows and macOS read it: without an alternate stream, final dots and blanks, and characters that
/// macOS ignores (and some that it does not), in lower case.
fn as_read(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let seen: String = name.chars().filter(|c| !text::is_hidden(*c)).collect();
    let stem = seen.split(':').next().unwrap_or_default();
    stem.trim_end_matches(['.', ' ']).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_git_refuses_are_known() {
        for name in [".git", ".GIT", "git~1", "GIT~1", ".git.", ".git ", ".git::$INDEX_ALLOCATION", ".g\u{200c}it"] {
            assert!(is_refused(name.as_bytes()), "{name}");
        }
        for name in [".gitkeep", ".gitattributes", "git", "git~10", "x.git", ".git-x"] {
            assert!(!is_refused(name.as_bytes()), "{name}");
        }
        assert!(is_refused_for_a_link(b".gitmodules") && is_refused_for_a_link(b".GITMODULES "));
        assert!(!is_refused_for_a_link(b".gitignore") && !is_refused_for_a_link(b"latest"));
    }
}
