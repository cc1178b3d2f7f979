//! Transcripts that programs keep themselves: where those of a program are.

use std::path::{Path, PathBuf};

use crate::base::env;

/// The programs whose hooks tell of a transcript, with the variable that names their folder and its place in the home.
const FOLDERS: [(&str, Option<&str>, &str); 4] = [
    ("claude", Some(env::CLAUDE_CONFIG_DIR), ".claude"),
    ("codex", Some(env::CODEX_HOME), ".codex"),
    ("gemini", None, ".gemini"),
    ("cursor", None, ".cursor"),
];

/// Whether a file is in the own folder of a program, links followed. A hook may name any file.
pub fn is_own(program: &str, file: &Path) -> bool {
    let Some((_, variable, folder)) = FOLDERS.iter().find(|(name, ..)| *name == program) else { return false };
    let named = variable.and_then(env::var).map(PathBuf::from);
    let home = env::var(env::HOME).map(|home| Path::new(&home).join(folder));
    let Ok(file) = file.canonicalize() else { return false };
    named.or(home).and_then(|folder| folder.canonicalize().ok()).is_some_and(|folder| file.starts_with(folder))
}
