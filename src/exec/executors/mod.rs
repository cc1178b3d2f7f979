//! How a supervised program is started: as a child of ours, in a container, or in a window that a person can join.
//!
//! Each executor hands the [`Supervisor`] something to run, the program itself or docker's client, so that output, time
//! limits, observers and the end of the process tree are the same for all. What lives outside of our process tree is
//! the executor's to remove: a container, or the window that shows the program.

pub mod docker;
mod executor;
mod process;
pub mod tmux;

pub use docker::{Access, Docker, EngineInfo, Mounts, Options as DockerOptions, Running};
pub use executor::Executor;
pub use process::Process as ProcessExecutor;

use std::process::ExitCode;

use super::{launch, limits::cgroup};

/// Call this first in `main`: when the arguments select a hidden mode, the process does nothing else. It does not
/// return when it execs a program.
pub fn run_hidden_mode() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    let mode = args.next()?;
    match mode.to_str() {
        Some(tmux::MODE) => Some(tmux::run(args)),
        Some(tmux::MARKED) => Some(tmux::run_marked(args)),
        Some(tmux::LOG) => Some(tmux::run_log(args)),
        Some(tmux::VIEW) => Some(tmux::run_view(args)),
        Some(docker::REMOVE) => Some(docker::remove_of_run(args)),
        Some(cgroup::REMOVE) => Some(cgroup::remove_of_run(args)),
        _ => launch::run_hidden_mode(),
    }
}
