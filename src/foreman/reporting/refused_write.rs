//! Explains a failure that the sandbox may have caused, with the setting that allows what was refused.
//!
//! A program sees only that its write failed. Nobody would look for the sandbox behind that.

use std::path::{Path, PathBuf};

use super::last_output::{Culprit, culprit};
use super::report::Report;
use crate::base::text;
use crate::hub::Hub;

/// How programs report the error that the kernel gives, in lower case.
const REFUSED: [&str; 2] = ["permission denied", "eacces"];
/// How far from there a path may be, in bytes.
const NEAR: usize = 300;
/// How many characters of what failed come before the advice.
const FIRST: usize = 120;
/// What a shell returns for a file that is not executable.
const NOT_EXECUTABLE: i32 = 126;

/// The reason of a failure with what a person can do about it, where the sandbox may be behind it. That comes early: lists
/// show the start of a reason.
pub fn explain(hub: &Hub, report: &Report, reason: String) -> String {
    let Some(advice) = advice(hub, report) else { return reason };
    let (first, rest) = reason.split_once('\n').unwrap_or((&reason, ""));
    format!("{}. {advice}\n{rest}", text::clip(first, FIRST).trim_end_matches('.')).trim_end().to_owned()
}

/// What to set; `None` when the sandbox is off, the output does not look like that, or nobody should allow it.
fn advice(hub: &Hub, report: &Report) -> Option<String> {
    report.sandbox.as_ref().filter(|sandbox| sandbox.state.is_on())?;
    let (texts, section) = match culprit(report)? {
        Culprit::Command(command) if command.exit_code == Some(NOT_EXECUTABLE) => return None,
        Culprit::Command(command) => ([command.tail.as_str(), ""], "worker.sandbox".to_owned()),
        Culprit::Call(_, called) => ([called.errors_tail.as_str(), &called.tail], format!("agents.{}", called.agent)),
    };
    let found = texts.into_iter().find_map(refused)?;
    let worktree = report.place.as_ref().map(|place| &place.root);
    // A worktree is writable, and the record and git's own files are not for the programs of a run.
    let mut never = [&hub.root, &hub.common_dir].into_iter().chain(worktree);
    let path = match &found {
        Some(path) if never.any(|folder| path.starts_with(folder)) || !is_writable(path) => return None,
        Some(path) => format!(" (it was {})", text::safe(&path.display().to_string())),
        None => String::new(),
    };
    Some(format!(
        "Maybe the sandbox refused a write. Allow it with write under [{section}] in teof.toml, or set mode = \"off\" \
         under [worker.sandbox]; then: teof consent grant{path}"
    ))
}

/// Whether a text reports a refused write, and the absolute path nearest to where it says so.
fn refused(said: &str) -> Option<Option<PathBuf>> {
    let lower = said.to_ascii_lowercase();
    let at = REFUSED.iter().filter_map(|words| lower.rfind(words)).max()?;
    let start = said[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = said[at..].find('\n').map_or(said.len(), |newline| at + newline);
    let paths = words(&said[start..end]).map(|(from, word)| (start + from, word)).filter(|(_, word)| is_path(word));
    let near = paths.map(|(from, word)| (at.abs_diff(from).min(at.abs_diff(from + word.len())), word));
    let near = near.filter(|(far, _)| *far < NEAR);
    Some(near.min_by_key(|(far, _)| *far).map(|(_, word)| PathBuf::from(word)))
}

/// The words of a line, and where each begins: separated by what stands around paths in messages.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_between = |c: char| c.is_whitespace() || "'\"`()[]{}<>,;:=‘’“”".contains(c);
    line.split(is_between).map(|word| (word.as_ptr() as usize - line.as_ptr() as usize, word))
}

fn is_path(word: &str) -> bool {
    word.len() > 1 && word.starts_with('/') && !word.starts_with("//")
}

/// Whether this process, which is not confined, may write to a path or create it.
fn is_writable(path: &Path) -> bool {
    let existing = path.ancestors().find(|path| path.exists());
    existing.is_some_and(|path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_nearest_to_the_refusal_is_named() {
        let of = |said: &str| refused(said).map(|path| path.map(|path| path.display().to_string()));
        let path = |path: &str| Some(Some(path.to_owned()));
        assert_eq!(of("sh: 1: cannot create /tmp/x/calls: Permission denied"), path("/tmp/x/calls"));
        assert_eq!(of("mkdir: /a/eacces.log: permission denied"), path("/a/eacces.log"));
        assert_eq!(of("Error: EACCES: permission denied, open '/root/.x/y'\n    at /usr/lib/a.js"), path("/root/.x/y"));
        assert_eq!(of("PermissionError: [Errno 13] Permission denied: '/srv/x'"), path("/srv/x"));
        assert_eq!(of("/usr/bin/install: cannot create regular file '/opt/a': Permission denied"), path("/opt/a"));
        assert_eq!(of("Os { code: 13, kind: PermissionDenied, message: \"Permission denied\" }"), Some(None));
        assert_eq!(of("one\ntwo: /etc/x is fine"), None);
    }
}
