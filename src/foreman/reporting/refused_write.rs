//! Explains what the sandbox refused, with the setting that allows it.
//!
//! A program sees only "Permission denied", which does not name the sandbox.

use std::path::{Path, PathBuf};

use super::last_output::{Culprit, culprit};
use super::report::Report;
use crate::base::{env, text};
use crate::hub::Hub;
use crate::model::run::noticed::Noticed;
use crate::model::run::outcome::Finding;

/// Code of the finding about a write that the sandbox refused an agent that went on.
const REFUSED_WRITE: &str = "sandbox.refused";
/// How programs report the error that the kernel gives, in lower case.
const REFUSED: [&str; 2] = ["permission denied", "eacces"];
/// How far from there a path may be, in bytes.
const NEAR: usize = 300;
/// What a shell returns for a file that is not executable.
const NOT_EXECUTABLE: i32 = 126;

/// The reason of a failure with what a person can do about it, where the sandbox may be behind it. That comes first:
/// lists show the start of a reason. A write to a known path is refused again in a retry, so a person is needed.
pub fn explain(hub: &Hub, report: &mut Report, reason: String) -> String {
    let Some((path, section)) = cause(hub, report) else { return reason };
    report.needs_person |= path.is_some();
    let advice = match path {
        Some(path) => format!("The sandbox refused {}. {}", access(report, &path), advice(report, &path, &section)),
        None => format!(
            "Maybe the sandbox refused a write: add its path to write under [{section}] in teof.toml, or set \
             mode = \"off\" under [worker.sandbox]; then: teof consent grant"
        ),
    };
    format!("{advice}. What failed: {reason}")
}

/// The finding about an error of an agent, if the sandbox refused it a write.
pub fn finding(hub: &Hub, report: &Report, agent: &str, error: &Noticed) -> Option<Finding> {
    let path = by_sandbox(hub, report, &error.text)??;
    let message = format!("the sandbox refused {agent} {} to {}", access(report, &path), shown(&path));
    Some(Finding::medium(REFUSED_WRITE, "", message).hint(advice(report, &path, &format!("agents.{agent}"))))
}

/// The path that was refused, if the output names one, and the section of the settings that can allow it; `None` when
/// the sandbox did not make the run fail.
fn cause(hub: &Hub, report: &Report) -> Option<(Option<PathBuf>, String)> {
    let (texts, section) = match culprit(report)? {
        Culprit::Command(command) if command.exit_code == Some(NOT_EXECUTABLE) => return None,
        Culprit::Command(command) => ([command.tail.as_str(), ""], "worker.sandbox".to_owned()),
        Culprit::Call(_, called) => ([called.errors_tail.as_str(), &called.tail], format!("agents.{}", called.agent)),
    };
    // What a guard found in the receipts is the cause, unless there are none.
    let is_cause = |finding: &Finding| finding.severity == "high" && finding.code != "receipt.missing";
    if report.evidence.findings.iter().any(is_cause) {
        return None;
    }
    let said = texts.into_iter().find(|said| refused(said).is_some())?;
    Some((by_sandbox(hub, report, said)?, section))
}

/// Whether a text reports a write that the sandbox may have refused, and to which path; `None` when the sandbox is off,
/// the text does not look like that, or should not be allowed.
fn by_sandbox(hub: &Hub, report: &Report, said: &str) -> Option<Option<PathBuf>> {
    report.sandbox.as_ref().filter(|sandbox| sandbox.state.is_on())?;
    let found = refused(said)?;
    let worktree = report.place.as_ref().map(|place| &place.root);
    // A worktree is writable, and the record, git's own files and the state of runs are not for the programs of a run.
    let state = hub.state_home();
    let mut never = [&hub.root, &hub.common_dir, &state].into_iter().chain(worktree);
    let mut is_allowed =
        |path: &Path| !never.any(|folder| path.starts_with(folder)) && (is_writable(path) || may_be_read(report, path));
    if found.as_deref().is_some_and(|path| !is_allowed(path)) {
        return None;
    }
    Some(found)
}

/// Whether a program may have been refused to read a path: where not everything is readable, a message does not tell.
fn may_be_read(report: &Report, path: &Path) -> bool {
    report.sandbox.as_ref().is_some_and(|sandbox| !sandbox.read.is_empty()) && path.exists()
}

fn access(report: &Report, path: &Path) -> &'static str {
    if may_be_read(report, path) { "access" } else { "a write" }
}

/// What to set, in one sentence without its end.
fn advice(report: &Report, path: &Path, section: &str) -> String {
    let missing = if path.exists() { "" } else { ". Create the file first, or end the path with / for a folder" };
    let path_shown = shown(path);
    let read = match may_be_read(report, path) {
        true => format!("read = [\"{path_shown}\"] under [worker.sandbox], or to write there "),
        false => String::new(),
    };
    format!(
        "To allow it: {read}write = [\"{path_shown}\"] under [{section}] in teof.toml, then: \
         teof consent grant{missing}"
    )
}

/// A path as the settings take it, from `~` where it can be.
fn shown(path: &Path) -> String {
    let home = env::var(env::HOME).filter(|home| home.len() > 1);
    let below = home.and_then(|home| Some(format!("~/{}", path.strip_prefix(home).ok()?.display())));
    text::safe(&below.unwrap_or_else(|| path.display().to_string()))
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
