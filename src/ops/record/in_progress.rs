//! Detects a person's git command that is about to move the branch.
//!
//! `git commit` reads HEAD first, then runs hooks and an editor, and moves the branch last: a record commit in
//! between makes it fail. None of git's locks shows that, so this looks at the processes that run in this folder.

use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Commands that move the branch from where they found it when they began.
const MOVING: [&str; 7] = ["commit", "merge", "pull", "rebase", "cherry-pick", "revert", "am"];

/// The git command that runs in the worktree `root` and will move its branch, as `git commit (process 123)`.
pub fn command(root: &Path) -> Option<String> {
    if cfg!(not(target_os = "linux")) {
        // Git sets this for the hooks of a commit.
        return crate::base::env::var("GIT_INDEX_FILE").map(|_| "git commit".to_owned());
    }
    let mut running = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Ok(words) = fs::read(entry.path().join("cmdline")) else { continue };
        let words: Vec<&[u8]> = words.split(|byte| *byte == 0).collect();
        let Some(command) = moving(&words) else { continue };
        if fs::read_link(entry.path().join("cwd")).is_ok_and(|folder| folder == root) {
            running.insert(pid, command);
        }
    }
    if running.is_empty() {
        return None;
    }
    for pid in done(&ancestors()) {
        running.remove(&pid);
    }
    running.into_iter().next().map(|(pid, command)| format!("git {command} (process {pid})"))
}

/// The subcommand of a git command line, if it moves the branch.
fn moving(words: &[&[u8]]) -> Option<&'static str> {
    let program = Path::new(std::ffi::OsStr::from_bytes(words.first()?)).file_name()?;
    if program != "git" {
        return None;
    }
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        match *word {
            // The options of git itself that take their value as a word of its own.
            b"-c" | b"-C" | b"--git-dir" | b"--work-tree" | b"--namespace" => drop(words.next()),
            word if word.starts_with(b"-") => {}
            word => return MOVING.into_iter().find(|command| command.as_bytes() == word),
        }
    }
    None
}

/// This process's ancestors, nearest first, each with its command line.
fn ancestors() -> Vec<(i32, Vec<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut at = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    while let Some(pid) = at.filter(|pid| *pid > 1 && found.len() < 256) {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        found.push((pid, words.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()));
        // proc(5): `pid (name) state ppid …`; the name may hold anything.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        at = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
    }
    found
}

/// The ancestors above a hook that git runs when it has moved the branch already, such as `post-commit`.
fn done(ancestors: &[(i32, Vec<Vec<u8>>)]) -> Vec<i32> {
    let is_late_hook = |words: &[Vec<u8>]| {
        let name = |word: &Vec<u8>| word.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
        words.iter().any(|word| name(word).starts_with(b"post-"))
    };
    let hook = ancestors.iter().position(|(_, words)| is_late_hook(words));
    hook.map_or_else(Vec::new, |at| ancestors[at..].iter().map(|(pid, _)| *pid).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<&[u8]> {
        line.split(' ').map(str::as_bytes).collect()
    }

    #[test]
    fn commands_that_move_the_branch_are_known_by_their_command_line() {
        assert_eq!(moving(&words("git commit -m x")), Some("commit"));
        assert_eq!(moving(&words("/usr/bin/git -c a=b -C . --no-pager merge side")), Some("merge"));
        assert_eq!(moving(&words("git log commit")), None);
        assert_eq!(moving(&words("git commit-tree x")), None);
        assert_eq!(moving(&words("sh -c git commit")), None);
        assert_eq!(moving(&words("git")), None);
    }

    #[test]
    fn a_command_that_runs_a_late_hook_has_moved_the_branch() {
        let line = |pid, text: &str| (pid, text.split(' ').map(|word| word.as_bytes().to_vec()).collect());
        let chain =
            [line(5, "sh -c x"), line(4, "/bin/sh .git/hooks/post-commit"), line(3, "git commit"), line(2, "bash")];
        assert_eq!(done(&chain), [4, 3, 2]);
        assert_eq!(done(&[line(4, "/bin/sh .git/hooks/pre-commit"), line(3, "git commit")]), Vec::<i32>::new());
    }
}
