//! Configures libgit2 for a repository: syncs what it writes, and ignores files that agents keep for themselves.

use anyhow::Context;
use git2::{ConfigLevel, Repository};

use crate::base::{Result, files};

/// What agents keep for themselves at the top of a worktree, as rules of a `.gitignore`. (aider 0.86: the map of the
/// repository and the histories, which no flag moves or switches off without a loss.)
const AGENTS_FILES: &str = "/.aider.tags.cache*\n/.aider.chat.history.md\n/.aider.input.history\n/.aider.llm.history\n";

/// Makes libgit2 ignore agents' own files unless they are tracked: they are neither work nor a finding.
///
/// # Errors
/// When libgit2 cannot take the rules.
pub fn ignore_agents_files(repo: &Repository) -> Result<()> {
    repo.add_ignore_rule(AGENTS_FILES).context("ignore agents' own files")
}

/// Keeps the objects that are written through this handle in memory, for as long as it lives.
///
/// # Errors
/// When libgit2 cannot open the object store.
pub fn keep_new_objects_in_memory(repo: &Repository) -> Result<()> {
    // Above the priority of every other store.
    repo.odb()?.add_new_mempack_backend(1000).context("keep objects in memory").map(drop)
}

/// Settings of libgit2, which reads them from a file only. Objects and refs are synced as they are written: a power cut
/// must not lose a checkpoint that was already acted on. Line ends are converted as the person configured it, and a
/// file whose line ends change with that is accepted.
const SETTINGS: &[u8] = b"[core]\n\tfsyncObjectFiles = true\n\tsafecrlf = false\n";

/// Makes libgit2 use [`SETTINGS`]. libgit2 opens any file type, and would block on a FIFO.
pub fn make_durable(repo: &Repository) -> Result<()> {
    let path = repo.commondir().join("teof/durable.gitconfig");
    let found = files::read(&path, SETTINGS.len() as u64);
    if !matches!(&found, Ok(Some(bytes)) if bytes == SETTINGS) {
        files::create_parent(&path)?;
        if let Err(e) = found {
            // A folder is not replaced, and the error names it.
            files::remove(&path).map_err(|_| e)?;
        }
        files::replace(&path, SETTINGS)?;
    }
    repo.config()?.add_file(&path, ConfigLevel::App, true).context("have git sync what it writes")
}
