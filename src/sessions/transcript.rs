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

/// A program's own folder in the environment of this process, without links. Only a hook of the program has the
/// program's environment.
pub fn own_folder(program: &str) -> Option<PathBuf> {
    let (_, variable, folder) = FOLDERS.iter().find(|(name, ..)| *name == program)?;
    let named = variable.and_then(env::var).map(PathBuf::from);
    let home = || env::var(env::HOME).map(|home| Path::new(&home).join(folder));
    named.or_else(home)?.canonicalize().ok()
}

/// Why a transcript is not archived, if it is not: a hook may name any file. Links are followed.
pub fn refused(folder: Option<&Path>, file: &Path) -> Option<&'static str> {
    match (folder, file.canonicalize()) {
        (_, Err(_)) => Some("there is no such file"),
        (Some(folder), Ok(file)) if file.starts_with(folder) => None,
        _ => Some("it is not in the program's own folder"),
    }
}
