//! Stops processes: SIGTERM, a grace period, SIGKILL.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::process_tree::{self, Process, ProcessTree};

/// How often to look for processes that are left: a caller waits for the end.
pub(in crate::exec) const TICK: Duration = Duration::from_millis(10);
/// How long a process may take to exit after SIGKILL. One in uninterruptible sleep can take forever.
const KILL_WAIT: Duration = Duration::from_secs(5);

/// Stops every process whose environment contains all `marks`: what a killed supervisor left behind. Returns the
/// processes that were signalled, and those of them that are still alive.
pub fn end_marked(marks: Vec<(String, String)>, grace: Duration) -> (Vec<Process>, Vec<Process>) {
    end_tree(&ProcessTree { marks, ..ProcessTree::default() }, grace)
}

/// Like [`end_marked`], for a whole process tree.
pub(in crate::exec) fn end_tree(tree: &ProcessTree, grace: Duration) -> (Vec<Process>, Vec<Process>) {
    let mut termination = Termination::start(grace);
    while termination.step(tree.living()) {
        std::thread::sleep(TICK);
    }
    (termination.signalled, termination.living)
}

/// The progress from SIGTERM through the grace period to SIGKILL.
pub(in crate::exec) struct Termination {
    started: Instant,
    grace: Duration,
    /// Who got SIGTERM, by pid and start time: names and parents change.
    asked: HashSet<(i32, u64)>,
    pub signalled: Vec<Process>,
    pub living: Vec<Process>,
}

impl Termination {
    pub fn start(grace: Duration) -> Self {
        Self { started: Instant::now(), grace, asked: HashSet::new(), signalled: Vec::new(), living: Vec::new() }
    }

    /// Sends SIGTERM once to each living process, and SIGKILL after the grace period. Returns whether to look again.
    pub fn step(&mut self, living: Vec<Process>) -> bool {
        for process in &living {
            if self.asked.insert((process.pid, process.started)) {
                self.signalled.push(process.clone());
                process_tree::signal(process, Signal::TERM);
                // A stopped process reacts to SIGTERM only after SIGCONT.
                process_tree::signal(process, Signal::CONT);
            }
            if self.signal() == Signal::KILL {
                process_tree::signal(process, Signal::KILL);
            }
        }
        self.living = living;
        !self.living.is_empty() && !self.is_late()
    }

    pub fn signal(&self) -> Signal {
        if self.started.elapsed() >= self.grace { Signal::KILL } else { Signal::TERM }
    }

    pub fn is_late(&self) -> bool {
        self.started.elapsed() >= self.grace + KILL_WAIT
    }
}
