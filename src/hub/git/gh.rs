//! How GitHub's `gh` is called: about the repository of one remote, with plain output, and without questions.
//!
//! gh takes the repository from its environment, or guesses between the remotes: `upstream` before `origin`, or the one
//! that somebody once chose. teof pushes to one remote, and means its repository.

use std::path::Path;
use std::process::Command;

use super::Git;
use crate::base::{Result, env};

/// The oldest gh with all that pull requests need: `pr ready --undo`, `pr merge --match-head-commit`.
pub const OLDEST: (u64, u64) = (2, 16);

/// What a person or a CI may have set that names another repository, or makes gh colour and lay out what it prints for
/// a terminal.
const FORGET: [&str; 3] = ["GH_REPO", "GH_FORCE_TTY", "CLICOLOR_FORCE"];

/// A call of gh in `folder`, ready to be given arguments. `git` says what the git that gh calls may run.
///
/// # Errors
/// When git's configuration cannot be read.
pub fn command(git: Git, folder: &Path, remote: &str) -> Result<Command> {
    let listed = git.run(&["remote"])?;
    let chosen = |name: &str| if name == remote { "base" } else { "" };
    let git = match listed.lines().any(|name| name == remote) {
        true => listed.lines().fold(git, |git, name| {
            // Those of the configuration count otherwise.
            git.with_setting(&format!("remote.{name}.gh-resolved"), chosen(name))
        }),
        false => git,
    };
    let mut command = Command::new("gh");
    git.guard(&mut command)?;
    for name in FORGET {
        command.env_remove(name);
    }
    command
        .current_dir(folder)
        .env("GH_PROMPT_DISABLED", "1")
        .env("GH_NO_UPDATE_NOTIFIER", "1")
        // Else its log of requests stands where the reason of a failure is looked for.
        .env("GH_DEBUG", "0")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("NO_COLOR", "1");
    Ok(command)
}

/// Whether a program (`gh`, `git-lfs`) is on the search path.
pub fn is_installed(program: &str) -> bool {
    let path = env::safe_path().unwrap_or_default();
    path.split(':').any(|folder| !folder.is_empty() && Path::new(folder).join(program).is_file())
}

/// The version that `gh --version` printed.
pub fn version(printed: &str) -> Option<(u64, u64)> {
    let numbers = printed.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut parts = numbers.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_gh_is_read() {
        assert_eq!(version("gh version 2.23.0 (2023-02-27 Debian 2.23.0+dfsg1-1)\nhttps://x/v9.9.9\n"), Some((2, 23)));
        assert_eq!(version("gh version 2.9.0-rc1\n"), Some((2, 9)));
        assert_eq!(version("command not found\n"), None);
        assert!((2, 9) < OLDEST && OLDEST < (2, 100));
    }
}
