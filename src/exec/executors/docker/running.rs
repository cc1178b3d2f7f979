//! The container that runs now, and which processes of this machine are in it.
//!
//! The kernel tells who is below the container's first process, and the engine tells which process that is. A process
//! can get there in no other way than to be started there; one that a person starts in a running container (`docker
//! exec`) is not below it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::engine::Engine;
use super::options::Options;
use crate::exec::processes::Beside;
use crate::exec::processes::ancestry::descends;
use crate::exec::processes::process_tree::{self, Process};

/// The container of one run that runs now. All copies are one.
#[derive(Clone, Debug, Default)]
pub struct Running(Arc<Mutex<Option<Container>>>);

#[derive(Debug)]
struct Container {
    name: String,
    /// The variables that its first process has.
    marks: Vec<(String, String)>,
    /// Once somebody asked for it.
    first: Option<Process>,
}

/// A container runs until this is dropped.
pub(super) struct Entered<'a>(&'a Running);

impl Running {
    pub(super) fn enter(&self, name: &str, marks: &[(String, String)]) -> Entered<'_> {
        *self.container() = Some(Container { name: name.to_owned(), marks: marks.to_owned(), first: None });
        Entered(self)
    }

    /// Whether a process is in the container that runs now. The engine is asked while its first process is unknown.
    pub(super) fn holds(&self, pid: i32, options: &Options, beside: &Beside) -> bool {
        let mut container = self.container();
        let Some(container) = container.as_mut() else { return false };
        if !container.first.as_ref().is_some_and(lives) {
            container.first = container.find(options, beside);
        }
        let Some(first) = &container.first else { return false };
        (pid == first.pid || descends(pid, first.pid, &HashSet::new())) && lives(first)
    }

    fn container(&self) -> MutexGuard<'_, Option<Container>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        *self.0.container() = None;
    }
}

impl Container {
    /// Its first process. The engine of another machine may name a pid that is something else here: that has not the
    /// run's variables.
    fn find(&self, options: &Options, beside: &Beside) -> Option<Process> {
        let pid = Engine(options).first_process(&self.name, beside)?;
        let found = process_tree::read_process(pid)?;
        (process_tree::carries(pid, &self.marks) && lives(&found)).then_some(found)
    }
}

fn lives(process: &Process) -> bool {
    process_tree::started(process.pid) == Some(process.started)
}
