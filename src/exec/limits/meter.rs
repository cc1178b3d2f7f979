//! Adds up what the programs of a run use, while one of them runs, and says when that is too much.
//!
//! What the kernel limits is not added up. Its own count says afterwards whether a program failed because of it.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::cgroup::Exceeded;
use super::numbers::Limit;
use super::run_limits::RunLimits;
use crate::exec::processes::process_tree::{Process, ProcessTree};

/// How often processes are added up.
const EVERY: Duration = Duration::from_secs(1);
/// How often the disk space is, at most; and how much longer than the last time is waited for the next.
const DISK_EVERY: Duration = Duration::from_secs(5);
const DISK_REST: u32 = 20;

/// Watches one program.
pub(in crate::exec) struct Meter<'a> {
    of: &'a RunLimits,
    /// What the group had exceeded before.
    before: Exceeded,
    processes_due: Instant,
    disk_due: Instant,
}

impl<'a> Meter<'a> {
    pub fn start(of: &'a RunLimits) -> Self {
        let first = Instant::now() + EVERY;
        let before = of.group.as_ref().map(|group| group.exceeded()).unwrap_or_default();
        Self { of, before, processes_due: first, disk_due: first }
    }

    /// What is over its limit; looks when it is time.
    pub fn over(&mut self, tree: &ProcessTree) -> Option<String> {
        let now = Instant::now();
        let processes = match now >= self.processes_due {
            true => {
                self.processes_due = now + EVERY;
                self.processes_over(tree)
            }
            false => None,
        };
        if processes.is_some() || now < self.disk_due {
            return processes;
        }
        let found = self.disk_over();
        self.disk_due = Instant::now() + DISK_EVERY.max(now.elapsed() * DISK_REST);
        found
    }

    /// What a program exceeded that is over now. `failed`: by its own exit it did not succeed.
    pub fn over_at_end(&self, failed: bool) -> Option<String> {
        let (limits, now) = (&self.of.limits, self.of.group.as_ref().map(|group| group.exceeded()).unwrap_or_default());
        let memory = limits.memory.as_ref().filter(|_| failed && now.memory > self.before.memory).map(out_of_memory);
        let pids = || limits.pids.as_ref().filter(|_| failed && now.pids > self.before.pids).map(too_many);
        memory.or_else(pids).or_else(|| self.disk_over())
    }

    fn processes_over(&self, tree: &ProcessTree) -> Option<String> {
        let group = self.of.group.as_ref();
        let memory = self.of.limits.memory.as_ref().filter(|_| !group.is_some_and(|group| group.limits_memory()));
        let pids = self.of.limits.pids.as_ref().filter(|_| !group.is_some_and(|group| group.limits_pids()));
        if memory.is_none() && pids.is_none() {
            return None;
        }
        let used = tree.living().iter().filter_map(Used::by).fold(Used::default(), Used::plus);
        let memory = memory.filter(|limit| used.memory > limit.most).map(out_of_memory);
        memory.or_else(|| pids.filter(|limit| used.threads > limit.most).map(too_many))
    }

    fn disk_over(&self) -> Option<String> {
        let limit = self.of.limits.disk.as_ref()?;
        let used = disk_used(&self.of.folders);
        (used > limit.most)
            .then(|| format!("{} MiB in its worktree and temporary folder ({})", used >> 20, limit.setting))
    }
}

fn out_of_memory(limit: &Limit) -> String {
    format!("out of memory ({})", limit.setting)
}

fn too_many(limit: &Limit) -> String {
    format!("more processes and threads than {} ({})", limit.most, limit.setting)
}

/// What processes use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Used {
    /// Bytes that they share with no file.
    memory: u64,
    threads: u64,
}

impl Used {
    fn by(process: &Process) -> Option<Used> {
        Some(Self::parse(&std::fs::read_to_string(format!("/proc/{}/status", process.pid)).ok()?))
    }

    fn parse(status: &str) -> Used {
        let field = |name: &str| {
            let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
            rest.split_whitespace().next()?.parse::<u64>().ok()
        };
        Used { memory: field("RssAnon:").unwrap_or_default() << 10, threads: field("Threads:").unwrap_or(1) }
    }

    fn plus(self, other: Used) -> Used {
        Used { memory: self.memory + other.memory, threads: self.threads + other.threads }
    }
}

/// The bytes that files below folders take on the disk. A file with several names counts once; links are not followed.
fn disk_used(roots: &[PathBuf]) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let (mut bytes, mut counted) = (0, HashSet::new());
    let mut folders = roots.to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else { continue };
            if found.is_dir() {
                folders.push(entry.path());
            } else if found.nlink() == 1 || counted.insert((found.dev(), found.ino())) {
                bytes += found.blocks() * 512;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_counted_by_what_it_alone_uses() {
        let status = "Name:\tsh\nVmRSS:\t    9000 kB\nRssAnon:\t    4096 kB\nThreads:\t3\n";
        assert_eq!(Used::parse(status), Used { memory: 4 << 20, threads: 3 });
        assert_eq!(Used::parse("Name:\tkworker\n"), Used { memory: 0, threads: 1 });
    }

    #[test]
    fn space_on_the_disk_is_what_files_take_once_however_they_are_linked() {
        let dir = tempfile::tempdir().unwrap();
        let (inner, outer) = (dir.path().join("a/b"), dir.path().join("outside"));
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(&outer, vec![1; 1 << 20]).unwrap();
        std::fs::write(inner.join("x"), vec![1; 1 << 16]).unwrap();
        std::os::unix::fs::symlink(&outer, inner.join("link")).unwrap();
        let folders = [dir.path().join("a"), dir.path().join("temp")];
        let used = disk_used(&folders);
        assert!((1 << 16..1 << 18).contains(&used), "{used}");
        // Build tools link what they made; it takes no more space, in another folder neither.
        std::fs::create_dir(&folders[1]).unwrap();
        for link in [inner.join("y"), folders[1].join("z")] {
            std::fs::hard_link(inner.join("x"), link).unwrap();
        }
        assert_eq!(disk_used(&folders), used);
    }
}
