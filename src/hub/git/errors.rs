//! Turns errors of libgit2 that the user can fix into refusals.
//!
//! Every command tries this before it reports an error as a fault of teof.

use git2::{ErrorClass, ErrorCode};

use crate::base::{Refusal, text};

/// The refusal for a libgit2 error, if its cause is outside teof.
pub fn explain(error: &anyhow::Error) -> Option<Refusal> {
    let cause = error.chain().find_map(|cause| cause.downcast_ref::<git2::Error>())?;
    let why = text::safe(cause.message());
    let refuse = |code, message: &str| Refusal::guard(code, message).because(why.clone());
    Some(match (cause.code(), cause.class()) {
        (ErrorCode::Owner, _) => distrusted(&why),
        (_, ErrorClass::Repository) if why.contains("unsupported extension") => {
            refuse("repository.extension", "libgit2 cannot open this repository").next("see the cause: teof doctor")
        }
        (ErrorCode::Locked, _) => refuse("git.locked", "another git process holds a lock in this repository")
            .next("try again when it has ended; if none is running: teof doctor"),
        (ErrorCode::NotFound, ErrorClass::Odb) => {
            refuse("repository.incomplete", "an object of this repository is missing")
                .next("in a shallow clone: git fetch --unshallow")
                .next("in a partial clone: git fetch --refetch --no-filter")
        }
        (_, ErrorClass::Config) => refuse("git.config", "cannot read git's configuration")
            .next("find the damaged file: git config --list --show-origin"),
        (_, ErrorClass::Os | ErrorClass::Filesystem) if is_denied(&why) => {
            refuse("disk.read_only", "cannot write git's files here")
                .next("check owner and mode of the git directory; acknowledged changes are safe")
        }
        (_, ErrorClass::Os | ErrorClass::Filesystem) if why.contains("No space left") || why.contains("quota") => {
            refuse("disk.full", "no space left on the disk").next("free some space and try again")
        }
        // What libgit2 looked up in vain before it found the object elsewhere: the true error came without words, as
        // when the disk fills up during a checkout.
        (_, ErrorClass::Odb) if why.starts_with("object not found") => {
            Refusal::guard("disk.failed", "could not write git's files")
                .because("libgit2 gives no reason; a full disk is the usual one")
                .next("check the free space, then try again: df -h")
        }
        (ErrorCode::UnbornBranch, _) => refuse("repository.unborn", "this branch has no commit yet")
            .next("create the first commit: git add . && git commit"),
        (ErrorCode::Modified, _) => {
            refuse("git.locked", "another program moved a branch at the same moment").next("run the command again")
        }
        (code, class) if is_damage(code, class) || why.contains("cannot be peeled") => damaged(why),
        _ => return None,
    })
}

/// Refusal where git's own files cannot be read.
pub fn damaged(why: impl Into<String>) -> Refusal {
    Refusal::guard("repository.damaged", "git's own files are damaged here")
        .because(why)
        .next("see what is damaged: git fsck --full")
        .next("keep a copy of the working tree before you repair them: it has what teof acknowledged")
}

/// What libgit2 says when it cannot read objects and references; something that is not there, or a wrong name, has a
/// code of its own.
fn is_damage(code: ErrorCode, class: ErrorClass) -> bool {
    use ErrorClass::{Index, Indexer, Object, Odb, Reference, Repository, Tree, Zlib};
    let is_general = matches!(code, ErrorCode::GenericError | ErrorCode::Invalid | ErrorCode::HashsumMismatch);
    is_general && matches!(class, Odb | Object | Tree | Reference | Zlib | Index | Indexer | Repository)
}

/// Refusal for a repository of another user, from an error text of git or libgit2.
pub fn distrusted(why: &str) -> Refusal {
    let path = why.split('\'').nth(1).unwrap_or("<path of the repository>").to_owned();
    Refusal::guard("repository.owner", "this repository belongs to another user, so git does not trust it")
        .because("settings of a repository can run programs, so git opens only repositories of the current user")
        .next(format!("if you trust its owner: git config --global --add safe.directory {}", text::shell_word(&path)))
}

fn is_denied(why: &str) -> bool {
    ["Permission denied", "Read-only file system", "Operation not permitted"].iter().any(|said| why.contains(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_checkout_without_a_reason_is_not_a_fault_of_teof() {
        let said = "object not found - failed to find pack entry (1625ece78149dc6295d5f7183201aff8f9306af3)";
        let explained = |code| {
            let error =
                anyhow::Error::new(git2::Error::new(code, ErrorClass::Odb, said)).context("write the merged files");
            explain(&error).map(|refusal| refusal.code)
        };
        assert_eq!(explained(ErrorCode::GenericError), Some("disk.failed"));
        assert_eq!(explained(ErrorCode::NotFound), Some("repository.incomplete"));
    }

    #[test]
    fn damage_of_git_is_not_a_fault_of_teof() {
        let explained = |class| {
            let error = anyhow::Error::new(git2::Error::new(ErrorCode::GenericError, class, "it is damaged"));
            explain(&error.context("read the branch of the record")).map(|refusal| refusal.code)
        };
        for class in [ErrorClass::Odb, ErrorClass::Reference, ErrorClass::Zlib, ErrorClass::Index] {
            assert_eq!(explained(class), Some("repository.damaged"), "{class:?}");
        }
        assert_eq!(explained(ErrorClass::Invalid), None);
    }
}
