//! Has commands carried out, one at a time for each job, and remembers what came of them.
//!
//! An approval runs tests, which may take minutes: it goes on while the person looks at other pages.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::base::{Exit, Refusal, Stamp};
use crate::faces::operator::{Command, Operator};

/// What is known about the last command about one job, or about the coordinator.
#[derive(Clone, Debug)]
pub struct CommandStatus {
    /// `Approving`
    pub doing: &'static str,
    pub since: Stamp,
    /// What is done at this moment.
    pub progress: Option<String>,
    /// `None` while it is being done.
    pub result: Option<Result<Vec<String>, Refusal>>,
}

#[derive(Default)]
struct Known {
    /// By the job's id; the coordinator has none.
    status: BTreeMap<Option<String>, CommandStatus>,
    /// Grows with every change.
    revision: u64,
}

#[derive(Default)]
pub struct Commands {
    known: Mutex<Known>,
    changed: Condvar,
}

impl Commands {
    pub fn revision(&self) -> u64 {
        self.known().revision
    }

    /// What is known about a job, or about the coordinator.
    pub fn of(&self, job: Option<&str>) -> Option<CommandStatus> {
        self.known().status.get(&job.map(str::to_owned)).cloned()
    }

    /// Has a command about a job carried out; the receiver is told when it is done. `None` when something is being
    /// done about the same job.
    pub fn start(
        self: &Arc<Commands>,
        job: Option<String>,
        command: Command,
        now: Stamp,
        operator: Arc<dyn Operator>,
        done: impl FnOnce() + Send + 'static,
    ) -> Option<oneshot::Receiver<()>> {
        let status = CommandStatus { doing: command.doing(), since: now, progress: None, result: None };
        if !self.begin(&job, status) {
            return None;
        }
        let (tell, finished) = oneshot::channel();
        let (commands, about) = (Arc::clone(self), job.clone());
        let perform = move || {
            let progress = |line: &str| commands.change(&job, |status| status.progress = Some(line.to_owned()));
            let given = catch_unwind(AssertUnwindSafe(|| operator.perform(&command, &progress)));
            done();
            commands.end(&job, given.unwrap_or_else(|_| Err(failed())));
            let _ = tell.send(());
        };
        if let Err(e) = std::thread::Builder::new().spawn(perform) {
            let refusal = Refusal::guard("machine.exhausted", "could not start a thread for this command");
            self.end(&about, Err(refusal.because(e.to_string()).next("stop other programs and try again")));
        }
        Some(finished)
    }

    fn begin(&self, job: &Option<String>, status: CommandStatus) -> bool {
        let mut known = self.known();
        if known.status.get(job).is_some_and(|status| status.result.is_none()) {
            return false;
        }
        known.status.insert(job.clone(), status);
        known.revision += 1;
        true
    }

    fn end(&self, job: &Option<String>, result: Result<Vec<String>, Refusal>) {
        self.change(job, |status| status.result = Some(result));
        self.changed.notify_all();
    }

    fn change(&self, job: &Option<String>, change: impl FnOnce(&mut CommandStatus)) {
        let mut known = self.known();
        if let Some(status) = known.status.get_mut(job) {
            change(status);
        }
        known.revision += 1;
    }

    /// What is being done, and about which job.
    pub fn unfinished(&self) -> Vec<(Option<String>, &'static str)> {
        let known = self.known();
        let unfinished = known.status.iter().filter(|(_, status)| status.result.is_none());
        unfinished.map(|(job, status)| (job.clone(), status.doing)).collect()
    }

    /// Waits until nothing is being done.
    pub fn finish(&self) {
        let known = self.known();
        let is_busy = |known: &mut Known| known.status.values().any(|status| status.result.is_none());
        drop(self.changed.wait_while(known, is_busy));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed() -> Refusal {
    Refusal::new(Exit::Fault, "fault", "internal error: see the terminal that runs teof web")
}
