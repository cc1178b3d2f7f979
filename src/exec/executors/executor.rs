//! What every executor does.

use crate::base::Result;
use crate::exec::output::Observer;
use crate::exec::processes::reaper::AfterDeath;
use crate::exec::supervise::{Report, Spec, Supervisor};

/// Starts programs in one way.
pub trait Executor: std::fmt::Debug {
    /// Its name in the settings and in records.
    fn name(&self) -> &'static str;

    /// Runs one program to its end, and removes what it left outside of our process tree. `title` names it to people;
    /// it is an identifier.
    ///
    /// # Errors
    /// Like [`Supervisor::run`], and when what the program needs cannot be prepared.
    fn run(&self, supervisor: &Supervisor, spec: Spec, title: &str, observer: &mut dyn Observer) -> Result<Report>;

    /// What removes everything of a run outside of our process tree, once its supervisor was killed.
    fn after_death(&self, _run: &str) -> AfterDeath {
        AfterDeath::default()
    }
}
