//! Supervised processes: each starts in its own session, is observed, and is ended with everything that it started.
//!
//! # Theory of operation
//!
//! [`Supervisor::run`] starts one program through [`launch`], a hidden mode of our own binary that makes a session,
//! asks for SIGKILL when its parent dies, limits and confines itself ([`limits`], [`Confinement`]), and then execs the
//! program. The supervisor copies the output to a file ([`output`]) and checks three time limits. An [`Observer`] sees
//! each piece of output and may stop the program. When the program is over, the supervisor finds what is left of its
//! process tree and ends it ([`processes`]).
//!
//! A process can leave its parent, its session and its process group. It cannot avoid all three ways in which it
//! is found: its ancestors, the environment that it inherited, and, because we adopt orphans (sub-reaper), us as
//! its parent. When we are killed, the kernel kills the program, and a [`Reaper`] ends the rest.
//!
//! Depends on `base` only. It does not know tasks, orders or the record, and does not decide what a verdict means.

pub mod broker;
mod busy;
mod confinement;
mod environment;
mod executors;
mod launch;
mod limits;
mod output;
mod own_binary;
mod own_command;
mod probe;
mod processes;
mod supervise;

pub use busy::{Turn, publish_turn, turn_of};
pub use confinement::{Confinement, Level, Network, Support};
pub use environment::allowed;
pub use executors::{Access, Docker, DockerOptions, EngineInfo, Executor, Mounts, ProcessExecutor, Running};
pub use executors::{docker, run_hidden_mode, tmux};
pub use launch::detached;
pub use limits::cgroup::LEAF as CGROUP_LEAF;
pub use limits::{Base as CgroupBase, Group as Cgroup, Limit, Limits, RunLimits};
pub use output::{Captured, Control, Input, Keep, Observer};
pub use own_binary::own_file;
pub use own_command::OwnCommand;
pub use probe::{Answer, probe, probe_with_input};
pub use processes::{AfterDeath, Ancestor, Beside, Holder, Peer, Process, ProcessTree, Reaper, Vitals};
pub use processes::{ancestors, end_marked, is_marked, marked, peer, started, vitals, vitals_of};
pub use supervise::{Clocks, Report, Spec, Supervisor, TimedOut, Verdict};
