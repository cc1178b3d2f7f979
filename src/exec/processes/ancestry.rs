//! Lists the ancestors of this process, and checks whether a worker started it.
//!
//! A program cannot remove either of two signs. The first is its ancestors: a worker adopts every orphan below it,
//! so a new session or a double fork leads back to the worker. The second is a mark in the kernel that survives the
//! worker: every program of a worker starts with a lowered hard limit on file locks, which Linux has not enforced
//! since 2.4 and which only a privileged process can raise again. All descendants inherit it, whatever they do to
//! their environment.
//!
//! On Linux it reads `/proc`. On other systems the ancestors are unknown, and [`ancestors`] returns `None`.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::process_tree;

/// The limit that marks what a worker started. Any value but "unlimited" would do; this one is unlikely
/// to be set by anybody else.
#[cfg(target_os = "linux")]
const MARK: u64 = 1_414_483_782;

/// How often the walk is repeated when a process ended during it.
const ATTEMPTS: usize = 100;

/// A process above this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ancestor {
    pub pid: i32,
    /// The program's short name, as it chose to call itself.
    pub name: String,
    /// The file that it runs; `None` when that is hidden from us (another user's process, a zombie).
    pub program: Option<PathBuf>,
}

/// The processes above this one, nearest first; `None` when unknown.
///
/// A process that ends during the walk hides its own ancestors. Then the walk is repeated: by then the kernel has
/// given its children to the nearest adopter.
///
/// They are read once: who started a command does not change while it runs, and several checks ask.
pub fn ancestors() -> Option<&'static [Ancestor]> {
    static FOUND: OnceLock<Vec<Ancestor>> = OnceLock::new();
    if let Some(known) = FOUND.get() {
        return Some(known);
    }
    let found = (0..ATTEMPTS).find_map(|_| walk())?;
    Some(FOUND.get_or_init(|| found))
}

fn walk() -> Option<Vec<Ancestor>> {
    let mut found = Vec::new();
    let mut at = rustix::process::getppid().map_or(0, |parent| parent.as_raw_nonzero().get());
    // The first process has no parent, and neither has the first of a container.
    while at > 0 {
        let process = process_tree::read_process(at)?;
        let program = std::fs::read_link(format!("/proc/{at}/exe")).ok();
        found.push(Ancestor { pid: at, program, name: process.name });
        at = process.parent;
    }
    Some(found)
}

/// Whether a process is below another one, and not below one of `except` on the way. One that ended meanwhile is not.
pub(in crate::exec) fn descends(pid: i32, from: i32, except: &HashSet<i32>) -> bool {
    // A process on the way that ends hides what is above it; its children have another parent by then.
    (0..ATTEMPTS).find_map(|_| below(pid, from, except)).unwrap_or(false)
}

/// `None` when a process on the way ended.
fn below(pid: i32, from: i32, except: &HashSet<i32>) -> Option<bool> {
    let Some(mut process) = process_tree::read_process(pid) else { return Some(false) };
    while process.parent > 0 && !except.contains(&process.pid) {
        if process.parent == from {
            return Some(true);
        }
        process = process_tree::read_process(process.parent)?;
    }
    Some(false)
}

impl Ancestor {
    /// Its arguments, its own name first; empty when they are hidden. Read when they are asked for: most commands
    /// need none.
    pub fn arguments(&self) -> Vec<String> {
        let cmdline = process_tree::read_proc(self.pid, "cmdline").unwrap_or_default();
        String::from_utf8_lossy(&cmdline).split_terminator('\0').map(str::to_owned).collect()
    }

    /// Whether it runs this very program, or one of the same name.
    pub fn is_teof(&self) -> bool {
        let Some(program) = &self.program else { return false };
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        // A binary that was replaced while running has this suffix.
        let same_name = name.trim_end_matches(" (deleted)") == "teof";
        same_name || own_program().is_some_and(|own| own == program)
    }

    /// The folder in which it runs.
    pub fn folder(&self) -> Option<PathBuf> {
        std::fs::read_link(format!("/proc/{}/cwd", self.pid)).ok()
    }
}

fn own_program() -> Option<&'static PathBuf> {
    static OWN: OnceLock<Option<PathBuf>> = OnceLock::new();
    OWN.get_or_init(|| std::env::current_exe().ok()).as_ref()
}

/// Whether this process, or one above it, was started by a worker.
pub fn is_marked() -> bool {
    #[cfg(target_os = "linux")]
    return rustix::process::getrlimit(rustix::process::Resource::Locks).maximum.is_some();
    #[cfg(not(target_os = "linux"))]
    return false;
}

/// The same for another process, from its `/proc/<pid>/limits`.
pub(in crate::exec) fn is_marked_by(limits: &str) -> bool {
    let locks = limits.lines().find_map(|line| line.strip_prefix("Max file locks"));
    // The soft limit, then the hard one.
    locks.and_then(|line| line.split_whitespace().nth(1)).is_some_and(|limit| limit != "unlimited")
}

/// Marks this process and all that it will start. A kernel that does not allow it leaves the other sign.
pub(in crate::exec) fn mark() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let now = getrlimit(Resource::Locks);
        let lowered = |limit: Option<u64>| Some(limit.map_or(MARK, |limit| limit.min(MARK)));
        let _ = setrlimit(Resource::Locks, Rlimit { current: lowered(now.current), maximum: lowered(now.maximum) });
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn the_walk_begins_with_the_parent_and_ends_with_the_first_process() {
        let found = ancestors().unwrap();
        let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
        assert_eq!(found.first().map(|first| first.pid), parent);
        assert!(found.iter().all(|process| process.pid != process_tree::own_pid()));
        assert!(!found[0].arguments().is_empty(), "{found:?}");
    }

    #[test]
    fn a_process_is_below_its_ancestors_only() {
        let own = process_tree::own_pid();
        let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get()).unwrap();
        let none = HashSet::new();
        assert!(descends(own, parent, &none));
        assert!(!descends(parent, own, &none) && !descends(own, own, &none) && !descends(i32::MAX, own, &none));
        assert!(!descends(own, parent, &HashSet::from([own])), "one that does not count, and what is below it");
    }

    #[test]
    fn the_mark_of_another_process_is_its_hard_limit_of_locks() {
        let limits = |locks: &str| {
            format!("Limit  Soft Limit  Hard Limit  Units\nMax file locks   {locks}   locks\nMax pending  1 1\n")
        };
        assert!(is_marked_by(&limits("unlimited   1414483782")) && is_marked_by(&limits("5   1414483782")));
        assert!(!is_marked_by(&limits("unlimited   unlimited")) && !is_marked_by(""));
        let own = std::fs::read_to_string("/proc/self/limits").unwrap();
        assert_eq!(is_marked_by(&own), is_marked());
    }

    #[test]
    fn teof_is_recognised_by_its_file_not_its_name() {
        let named = |program: &str| Ancestor { pid: 1, name: "teof".into(), program: Some(program.into()) };
        assert!(named("/usr/bin/teof").is_teof());
        assert!(named("/usr/bin/teof (deleted)").is_teof());
        assert!(!named("/usr/bin/bash").is_teof());
    }
}
