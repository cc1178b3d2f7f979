//! Signs commits as the person's git does, within a time limit. Without the signature there is no commit.
//!
//! The person's git configuration decides whether to sign, and with which key. A signing program that the
//! repository's own configuration names runs only if a person trusted it.

use std::process::{Command, Output};

use crate::base::{Refusal, Result, time};
use crate::guard::trust;
use crate::hub::Hub;
use crate::hub::git::bounded_process;
use crate::hub::git::{Git, complaint};

/// The git that signs, if the person's git signs commits; else `None`.
///
/// # Errors
/// `git.untrusted_programs` when it would run an untrusted program.
pub fn with(hub: &Hub) -> Result<Option<Git>> {
    let output = hub.git().output(&["config", "--type=bool", "--get", "commit.gpgsign"])?;
    let wanted = output.status.success() && output.stdout.trim_ascii() == b"true";
    if wanted { trust::require_git(hub, &hub.root).map(Some) } else { Ok(None) }
}

/// Runs the command that creates a signed commit. A person may have to touch the key or type its passphrase.
///
/// # Errors
/// `review.not_signed`, with the signing program's output or the time limit.
pub fn run(hub: &Hub, command: &mut Command) -> Result<Output> {
    let limit = hub.settings()?.git.sign_timeout;
    let why = match bounded_process::run(command, "git commit-tree", limit, &|| ()) {
        Ok(output) if output.status.success() => return Ok(output),
        Ok(output) => complaint(&output),
        Err(e) if Refusal::of(&e).is_some_and(|refusal| refusal.code == "remote.timed_out") => {
            format!("the signing program did not end within {} (git.sign_timeout)", time::show_span(limit))
        }
        Err(e) => return Err(e),
    };
    Err(Refusal::guard("review.not_signed", "cannot sign the merge, and commit.gpgsign requires it")
        .because(why)
        .next("unlock the key (ssh-add, or sign anything with gpg), then try again; nothing was merged")
        .next("see which program and key git uses: git config --show-origin --get-regexp '^(gpg|user.signingkey)'")
        .into())
}
