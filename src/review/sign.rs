//! Commits that are signed as the person's git signs them: in a bounded time, or not made at all.
//!
//! Whether and with which key says the person's configuration. A signing program that the repository's own
//! configuration names runs only if a person trusted it.

use std::process::{Command, Output};
use std::time::Duration;

use crate::base::{Refusal, Result};
use crate::guard::trust;
use crate::hub::git::{Git, complaint};
use crate::hub::{Hub, bounded_process};

/// How long a key may be waited for: a person may have to touch it, or to type its passphrase.
const PATIENCE: Duration = Duration::from_secs(60);

/// The git that signs, where the person's git signs what it commits; else `None`.
///
/// # Errors
/// `git.untrusted_programs` when it would run a program that nobody trusted.
pub fn with(hub: &Hub) -> Result<Option<Git>> {
    let output = hub.git().output(&["config", "--type=bool", "--get", "commit.gpgsign"])?;
    let wanted = output.status.success() && output.stdout.trim_ascii() == b"true";
    if wanted { trust::require_git(hub, &hub.root).map(Some) } else { Ok(None) }
}

/// Runs the command that makes a signed commit.
///
/// # Errors
/// `review.not_signed`, with what the signing program said, or that it took too long.
pub fn run(command: &mut Command) -> Result<Output> {
    let why = match bounded_process::run(command, "git commit-tree", PATIENCE, &|| ()) {
        Ok(output) if output.status.success() => return Ok(output),
        Ok(output) => complaint(&output),
        Err(e) if Refusal::of(&e).is_some() => format!("the key was not available within {} s", PATIENCE.as_secs()),
        Err(e) => return Err(e),
    };
    Err(Refusal::guard("review.not_signed", "the merge cannot be signed, and commit.gpgsign asks for it")
        .because(why)
        .next("unlock the key (ssh-add, or sign anything with gpg), then try again; nothing was merged")
        .next("see which key git uses: git config --show-origin --get user.signingkey")
        .into())
}
