//! Finds and signals the process tree of a supervised program.
//!
//! On Linux it reads `/proc`. On other systems it finds no process, and only the program's own process group can
//! be ended: the caller does that.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;

use rustix::process::{Pid, Signal};

use super::beside::Beside;

/// One process, as the kernel described it when it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: i32,
    /// Clock ticks since boot. Together with the pid it identifies a process.
    pub started: u64,
    /// The program's short name; a program can choose any.
    pub name: String,
    pub(in crate::exec) parent: i32,
    session: i32,
    dead: bool,
}

/// Defines which processes belong to one tree.
#[derive(Debug, Default)]
pub struct ProcessTree {
    /// The program that was started: its descendants and its session belong to the tree.
    pub root: Option<i32>,
    /// A process whose environment contains all these variables with these values belongs to the tree. Empty: none.
    pub marks: Vec<(String, String)>,
    /// Orphans that we adopted belong to the tree, except these, which were our children before.
    pub adopted_except: Option<HashSet<i32>>,
    /// When the first member can have started, in clock ticks since boot: the environment of a process that is older
    /// is not read. 0: any process may be a member.
    pub since: u64,
    /// Commands of ours that run next to the program and do not belong to it.
    pub beside: Beside,
}

impl ProcessTree {
    /// The living members, including the program itself, but never this process or its ancestors. Adopted members
    /// that died are reaped.
    pub fn living(&self) -> Vec<Process> {
        // Held until the dead are reaped: whoever runs a command next to the program waits for it.
        let beside = self.beside.running();
        let mut all = all_processes();
        let others = with_descendants(&all, beside.clone());
        all.retain(|p| !others.contains(&p.pid));
        let above = ancestors(&all, own_pid());
        let found = all.iter().filter(|p| !above.contains(&p.pid) && self.contains(p)).map(|p| p.pid).collect();
        let members = with_descendants(&all, found);
        let (dead, living): (Vec<_>, Vec<_>) =
            all.into_iter().filter(|p| members.contains(&p.pid) && !above.contains(&p.pid)).partition(|p| p.dead);
        self.reap(&dead);
        living
    }

    fn contains(&self, p: &Process) -> bool {
        let descends = self.root.is_some_and(|root| p.pid == root || p.session == root);
        let adopted = self.adopted_except.as_ref().is_some_and(|ours| p.parent == own_pid() && !ours.contains(&p.pid));
        descends || adopted || (!p.dead && p.started >= self.since && carries(p.pid, &self.marks))
    }

    /// Reaps orphans only: the owner of the program's handle waits for the program itself.
    fn reap(&self, dead: &[Process]) {
        if self.adopted_except.is_some() {
            for orphan in dead.iter().filter(|p| p.parent == own_pid() && Some(p.pid) != self.root) {
                let _ = rustix::process::waitpid(Pid::from_raw(orphan.pid), rustix::process::WaitOptions::NOHANG);
            }
        }
    }
}

/// The processes whose environment contains all these variables and values, without their children.
pub fn marked(marks: &[(String, String)]) -> Vec<Process> {
    all_processes().into_iter().filter(|p| !p.dead && carries(p.pid, marks)).collect()
}

/// When the process with this pid started, in clock ticks since boot; `None` when there is none, or it is over. 0 where
/// that is not shown.
pub fn started(pid: i32) -> Option<u64> {
    if cfg!(not(target_os = "linux")) {
        let exists = Pid::from_raw(pid).is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok());
        return exists.then_some(0);
    }
    read_process(pid).filter(|found| !found.dead).map(|found| found.started)
}

/// What the kernel counts of a process's activity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Context switches of its main thread: the count grows only while the process does something.
    pub context_switches: u64,
    /// Stopped by a signal (`SIGSTOP`) or a debugger.
    pub stopped: bool,
}

/// The vitals of the process that has this pid now.
pub fn vitals_of(pid: i32) -> Option<Vitals> {
    std::fs::read_to_string(format!("/proc/{pid}/status")).ok().map(|status| parse_vitals(&status))
}

/// The vitals of all these processes together; `None` where the kernel does not show them.
pub fn vitals(processes: &[Process]) -> Option<Vitals> {
    let each = processes.iter().filter_map(|p| vitals_of(p.pid));
    each.reduce(|a, b| Vitals {
        context_switches: a.context_switches.saturating_add(b.context_switches),
        stopped: a.stopped || b.stopped,
    })
}

fn parse_vitals(status: &str) -> Vitals {
    let field = |name: &str| status.lines().find_map(|line| Some(line.strip_prefix(name)?.trim()));
    let count = |name: &str| field(name).and_then(|n| n.parse::<u64>().ok()).unwrap_or_default();
    Vitals {
        context_switches: count("voluntary_ctxt_switches:").saturating_add(count("nonvoluntary_ctxt_switches:")),
        stopped: field("State:").is_some_and(|state| state.starts_with(['T', 't'])),
    }
}

impl Process {
    /// Sends SIGTERM or, if `firmly`, SIGKILL.
    pub fn end(&self, firmly: bool) {
        signal(self, if firmly { Signal::KILL } else { Signal::TERM });
    }
}

/// Whether a child is over. It is not reaped, so no other process can get its pid until its handle is waited for.
///
/// # Errors
/// When it was reaped already.
pub(in crate::exec) fn is_over(child: &std::process::Child) -> std::io::Result<bool> {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let pid = Pid::from_raw(child.id().cast_signed()).ok_or(std::io::ErrorKind::InvalidInput)?;
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(pid), options)?.is_some())
}

/// This process's own children now.
pub(in crate::exec) fn children() -> HashSet<i32> {
    all_processes().into_iter().filter(|p| p.parent == own_pid()).map(|p| p.pid).collect()
}

/// Signals exactly this process, not another one that got the same pid meanwhile.
#[cfg(target_os = "linux")]
pub(in crate::exec) fn signal(process: &Process, signal: Signal) {
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
    let Some(pid) = Pid::from_raw(process.pid) else { return };
    // The handle first, then the look: from here on the pid cannot come to mean somebody else.
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    if read_process(process.pid).is_some_and(|now| now.started == process.started) {
        let _ = pidfd_send_signal(&handle, signal);
    }
}

#[cfg(not(target_os = "linux"))]
pub(in crate::exec) fn signal(process: &Process, signal: Signal) {
    if let Some(pid) = Pid::from_raw(process.pid) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

pub(in crate::exec) fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// When this process started, in clock ticks since boot: whatever it started is not older. 0 where that is not shown.
pub(in crate::exec) fn own_start() -> u64 {
    read_process(own_pid()).map_or(0, |own| own.started)
}

fn ancestors(all: &[Process], of: i32) -> HashSet<i32> {
    let parents: HashMap<i32, i32> = all.iter().map(|p| (p.pid, p.parent)).collect();
    let mut found = HashSet::from([of]);
    let mut at = of;
    while let Some(&parent) = parents.get(&at) {
        if !found.insert(parent) {
            break;
        }
        at = parent;
    }
    found
}

fn with_descendants(all: &[Process], mut members: HashSet<i32>) -> HashSet<i32> {
    // Parents are usually listed before their children, but nothing promises it.
    loop {
        let children: Vec<_> = all.iter().filter(|p| members.contains(&p.parent)).map(|p| p.pid).collect();
        let before = members.len();
        members.extend(children);
        if members.len() == before {
            return members;
        }
    }
}

fn all_processes() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(read_process).collect()
}

pub(in crate::exec) fn read_process(pid: i32) -> Option<Process> {
    // The kernel gives the whole line in one read.
    let mut line = [0; 2048];
    let length = File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut line).ok()?;
    parse_stat(pid, line.get(..length)?)
}

/// A file of a process under `/proc`. Such files tell no size; most of them fit into the first read.
pub(in crate::exec) fn read_proc(pid: i32, name: &str) -> Option<Vec<u8>> {
    let file = File::open(format!("/proc/{pid}/{name}")).ok()?;
    let mut bytes = Vec::with_capacity(4096);
    // `take` keeps the standard library from asking for a size first.
    file.take(u64::MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// proc(5): `pid (name) state ppid pgrp session … starttime …`; the name may hold anything, so the
/// fields are counted from its last parenthesis.
fn parse_stat(pid: i32, stat: &[u8]) -> Option<Process> {
    let stat = String::from_utf8_lossy(stat);
    let (open, close) = (stat.find('(')?, stat.rfind(')')?);
    let mut fields = stat.get(close + 1..)?.split_ascii_whitespace();
    Some(Process {
        pid,
        name: stat.get(open + 1..close)?.to_owned(),
        dead: matches!(fields.next()?, "Z" | "X" | "x"),
        parent: fields.next()?.parse().ok()?,
        session: fields.nth(1)?.parse().ok()?,
        started: fields.nth(15)?.parse().ok()?,
    })
}

/// Whether the environment that the process started with holds the variables with these values.
/// Other users' processes do not show theirs, and are not ours to end.
pub(in crate::exec) fn carries(pid: i32, marks: &[(String, String)]) -> bool {
    if marks.is_empty() {
        return false;
    }
    let Some(environ) = read_proc(pid, "environ") else { return false };
    marks.iter().all(|(name, value)| {
        let wanted = format!("{name}={value}");
        environ.split(|&b| b == 0).any(|entry| entry == wanted.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_activity_is_counted() {
        let status = "Name:\tx\nState:\tT (stopped)\nvoluntary_ctxt_switches:\t70\nnonvoluntary_ctxt_switches:\t7\n";
        assert_eq!(parse_vitals(status), Vitals { context_switches: 77, stopped: true });
        assert_eq!(parse_vitals("State:\tS (sleeping)\n"), Vitals::default());
    }

    #[test]
    fn process_names_may_contain_anything() {
        let stat = b"77 (a) Z 1 (b)) S 12 77 70 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2";
        let p = parse_stat(77, stat).unwrap();
        assert_eq!((p.name.as_str(), p.parent, p.session, p.started, p.dead), ("a) Z 1 (b)", 12, 70, 98765, false));
        assert_eq!(parse_stat(1, b"1 (x) S"), None);
        assert_eq!(parse_stat(1, b")("), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_member_that_started_since_is_found_by_its_environment() {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).env("TEOF_TEST_SINCE", "1");
        let mut child = command.spawn().unwrap();
        // What it answers shows that it runs: for a moment after the start its environment is not there yet.
        child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let found = |since| {
            let marks = vec![("TEOF_TEST_SINCE".to_owned(), "1".to_owned())];
            let living = ProcessTree { marks, since, ..ProcessTree::default() }.living();
            living.iter().map(|p| p.pid.cast_unsigned()).collect::<Vec<_>>()
        };
        let started = read_process(child.id().cast_signed()).unwrap().started;
        let all = [found(0), found(own_start()), found(started), found(started + 1)];
        child.kill().unwrap();
        child.wait().unwrap();
        let own = vec![child.id()];
        assert_eq!(all, [own.clone(), own.clone(), own, Vec::new()]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn neither_this_process_nor_its_parents_are_ever_members() {
        let root = rustix::process::getppid().unwrap().as_raw_nonzero().get();
        let path = std::fs::read("/proc/self/environ").unwrap();
        let path = path.split(|&b| b == 0).find_map(|e| std::str::from_utf8(e).ok()?.strip_prefix("PATH=")).unwrap();
        let tree =
            ProcessTree { root: Some(root), marks: vec![("PATH".into(), path.into())], ..ProcessTree::default() };
        let pids: Vec<_> = tree.living().iter().map(|p| p.pid).collect();
        assert!(!pids.contains(&own_pid()) && !pids.contains(&root), "{pids:?}");
    }
}
