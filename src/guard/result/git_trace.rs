//! Reads git's own trace of the git commands that a worker ran: which command, and in which worktree. Pure.
//!
//! Git appends to the file that `GIT_TRACE2_EVENT` names. A program that clears the variable, or uses no git, is not
//! traced: the trace proves that a command ran, not that none did.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Commands that change a worktree, its index or its branch.
const CHANGING: [&str; 23] = [
    "add",
    "am",
    "apply",
    "checkout",
    "checkout-index",
    "cherry-pick",
    "clean",
    "commit",
    "merge",
    "mv",
    "pull",
    "read-tree",
    "rebase",
    "reset",
    "restore",
    "revert",
    "rm",
    "sparse-checkout",
    "stash",
    "switch",
    "symbolic-ref",
    "update-index",
    "update-ref",
];

/// Those of them that may move a branch.
const MOVING: [&str; 11] =
    ["am", "checkout", "cherry-pick", "commit", "merge", "pull", "rebase", "reset", "revert", "switch", "update-ref"];

/// Uses of such commands that change nothing: the command and its first argument. Later arguments may be a message or
/// a path.
const READING: [(&str, &str); 7] = [
    ("add", "--dry-run"),
    ("clean", "--dry-run"),
    ("mv", "--dry-run"),
    ("rm", "--dry-run"),
    ("sparse-checkout", "list"),
    ("stash", "list"),
    ("stash", "show"),
];

/// A git command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitCommand {
    /// `commit`.
    pub name: String,
    pub arguments: Vec<String>,
    /// The worktree that git worked in.
    pub worktree: PathBuf,
}

impl GitCommand {
    /// Whether it may have changed its worktree, index or branch.
    pub fn changes(&self) -> bool {
        let first = self.arguments.iter().skip_while(|argument| **argument != self.name).nth(1);
        let reads = first.is_some_and(|first| READING.contains(&(self.name.as_str(), first.as_str())));
        CHANGING.contains(&self.name.as_str()) && !reads
    }

    /// Whether it may have moved a branch.
    pub fn moves_branch(&self) -> bool {
        MOVING.contains(&self.name.as_str())
    }
}

/// Variables that make a worker's git write its trace to `file`, without the details that would make it long.
pub fn variables(file: &Path) -> [(String, String); 3] {
    let set = |name: &str, value: String| (name.to_owned(), value);
    [
        set("GIT_TRACE2_EVENT", file.display().to_string()),
        set("GIT_TRACE2_EVENT_NESTING", "1".to_owned()),
        set("GIT_TRACE2_EVENT_BRIEF", "1".to_owned()),
    ]
}

/// The commands of a trace that worked in a worktree, oldest first. Lines that are not events are skipped.
pub fn commands(trace: &[u8]) -> Vec<GitCommand> {
    #[derive(Default)]
    struct Process {
        arguments: Vec<String>,
        worktree: Option<PathBuf>,
    }
    let mut processes: BTreeMap<String, Process> = BTreeMap::new();
    let mut found = Vec::new();
    for line in trace.split(|byte| *byte == b'\n') {
        let Ok(event) = serde_json::from_slice::<Value>(line) else { continue };
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let process = processes.entry(text("sid")).or_default();
        match event["event"].as_str() {
            Some("start") => {
                let words = event["argv"].as_array().into_iter().flatten();
                process.arguments = words.filter_map(|word| word.as_str().map(str::to_owned)).collect();
            }
            Some("def_repo") => process.worktree = Some(text("worktree").into()),
            Some("cmd_name") => {
                if let Some(worktree) = process.worktree.clone() {
                    found.push(GitCommand { name: text("name"), arguments: process.arguments.clone(), worktree });
                }
            }
            Some("atexit") => drop(processes.remove(&text("sid"))),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_from_a_trace_of_processes_that_ran_at_once() {
        let trace = br#"{"event":"version","sid":"a","evt":"4"}
{"event":"start","sid":"a","argv":["git","-C","/hub","commit","-qm","x"]}
{"event":"start","sid":"b","argv":["git","log"]}
{"event":"def_repo","sid":"b","repo":1,"worktree":"/own"}
no event
{"event":"def_repo","sid":"a","repo":1,"worktree":"/hub"}
{"event":"cmd_name","sid":"a","name":"commit","hierarchy":"commit"}
{"event":"cmd_name","sid":"b","name":"log","hierarchy":"log"}
{"event":"atexit","sid":"a","code":0}
{"event":"start","sid":"c","argv":["git","-C","/hub","stash","list"]}
{"event":"def_repo","sid":"c","repo":1,"worktree":"/hub"}
{"event":"cmd_name","sid":"c","name":"stash","hierarchy":"stash"}
{"event":"cmd_na"#;
        let found = commands(trace);
        let shown: Vec<_> =
            found.iter().map(|c| (c.name.as_str(), c.worktree.to_str().unwrap(), c.changes())).collect();
        assert_eq!(shown, [("commit", "/hub", true), ("log", "/own", false), ("stash", "/hub", false)]);
    }

    #[test]
    fn a_message_or_a_path_that_looks_like_reading_hides_no_change() {
        let run = |line: &str| {
            let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let name = arguments.iter().find(|word| CHANGING.contains(&word.as_str())).unwrap().clone();
            GitCommand { name, arguments, worktree: "/hub".into() }.changes()
        };
        for line in
            ["git commit -m show", "git -C /hub add list", "git add -- --dry-run", "git apply --check --apply p"]
        {
            assert!(run(line), "{line}");
        }
        for line in ["git -C /hub stash list", "git add --dry-run .", "git sparse-checkout list"] {
            assert!(!run(line), "{line}");
        }
    }
}
