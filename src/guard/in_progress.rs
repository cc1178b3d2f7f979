//! Detects a person's git command that is about to move the branch.
//!
//! `git commit` reads HEAD first, then runs hooks and an editor, and moves the branch last: a record commit in
//! between makes it fail. None of git's locks shows that, so this looks at the processes that run in this folder.

use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::exec;

/// Commands that move the branch from its commit at their start.
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
        let Ok(args) = fs::read(entry.path().join("cmdline")) else { continue };
        let args: Vec<&[u8]> = args.split(|byte| *byte == 0).collect();
        let Some(command) = moves_branch(&args) else { continue };
        if fs::read_link(entry.path().join("cwd")).is_ok_and(|folder| folder == root) {
            running.insert(pid, command);
        }
    }
    if running.is_empty() {
        return None;
    }
    // Where they cannot be told, all count as moving.
    let above = exec::ancestors().unwrap_or_default();
    let above: Vec<_> = above.iter().map(|process| (process.pid, process.arguments())).collect();
    for pid in above_late_hook(&above) {
        running.remove(&pid);
    }
    running.into_iter().next().map(|(pid, command)| format!("git {command} (process {pid})"))
}

/// The subcommand of a git command line, if it moves the branch.
fn moves_branch(args: &[&[u8]]) -> Option<&'static str> {
    let program = Path::new(std::ffi::OsStr::from_bytes(args.first()?)).file_name()?;
    if program != "git" {
        return None;
    }
    let mut args = args.iter().skip(1);
    while let Some(arg) = args.next() {
        match *arg {
            // The options of git itself that take their value as a separate argument.
            b"-c" | b"-C" | b"--git-dir" | b"--work-tree" | b"--namespace" => drop(args.next()),
            arg if arg.starts_with(b"-") => {}
            arg => return MOVING.into_iter().find(|command| command.as_bytes() == arg),
        }
    }
    None
}

/// The ancestors above a hook that git runs after moving the branch, such as `post-commit`.
fn above_late_hook(ancestors: &[(i32, Vec<String>)]) -> Vec<i32> {
    let is_late_hook =
        |args: &[String]| args.iter().any(|arg| arg.rsplit('/').next().is_some_and(|name| name.starts_with("post-")));
    let hook = ancestors.iter().position(|(_, args)| is_late_hook(args));
    hook.map_or_else(Vec::new, |at| ancestors[at..].iter().map(|(pid, _)| *pid).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Vec<&[u8]> {
        line.split(' ').map(str::as_bytes).collect()
    }

    #[test]
    fn commands_that_move_the_branch_are_known_by_their_command_line() {
        assert_eq!(moves_branch(&args("git commit -m x")), Some("commit"));
        assert_eq!(moves_branch(&args("/usr/bin/git -c a=b -C . --no-pager merge side")), Some("merge"));
        assert_eq!(moves_branch(&args("git log commit")), None);
        assert_eq!(moves_branch(&args("git commit-tree x")), None);
        assert_eq!(moves_branch(&args("sh -c git commit")), None);
        assert_eq!(moves_branch(&args("git")), None);
    }

    #[test]
    fn a_command_that_runs_a_late_hook_has_moved_the_branch() {
        let line = |pid, text: &str| (pid, text.split(' ').map(str::to_owned).collect());
        let chain =
            [line(5, "sh -c x"), line(4, "/bin/sh .git/hooks/post-commit"), line(3, "git commit"), line(2, "bash")];
        assert_eq!(above_late_hook(&chain), [4, 3, 2]);
        assert_eq!(
            above_late_hook(&[line(4, "/bin/sh .git/hooks/pre-commit"), line(3, "git commit")]),
            Vec::<i32>::new()
        );
    }
}
