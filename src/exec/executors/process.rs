//! Runs a program as a child of the supervisor.

use super::executor::Executor;
use crate::base::Result;
use crate::exec::output::Observer;
use crate::exec::supervise::{Report, Spec, Supervisor};

/// The plain executor: everything that a program starts is in our process tree.
#[derive(Clone, Copy, Debug)]
pub struct Process;

impl Executor for Process {
    fn name(&self) -> &'static str {
        "process"
    }

    fn run(&self, supervisor: &Supervisor, spec: Spec, _title: &str, observer: &mut dyn Observer) -> Result<Report> {
        supervisor.run(&spec, observer)
    }
}
