//! Supervised processes: each starts in its own session, is observed, and is ended with everything that it started.
//!
//! # Theory of operation
//!
//! [`Supervisor::run`] starts one program through [`launch`], a hidden mode of our own binary that makes a
//! session, asks for SIGKILL when its parent dies, and then execs the program. The supervisor copies the output to
//! a file ([`capture`]) and checks three time limits. An [`Observer`] sees each piece of output and may stop the
//! program. When the program is over, the supervisor finds what is left of its process tree ([`process_tree`]) and
//! ends it ([`termination`]).
//!
//! A process can leave its parent, its session and its process group. It cannot avoid all three ways in which it
//! is found: its ancestors, the environment that it inherited, and, because we adopt orphans (sub-reaper), us as
//! its parent. When we are killed, the kernel kills the program, and a [`Reaper`] ends the rest.
//!
//! Depends on `base` only. It does not know tasks, orders or the record, and does not decide what a verdict means.

mod ancestry;
mod busy;
mod capture;
mod environment;
mod follow;
mod launch;
mod observer;
mod peer;
mod probe;
mod process_tree;
mod reaper;
mod streams;
mod supervise;
mod termination;

pub use ancestry::{Ancestor, ancestors, is_marked};
pub use busy::{busy_since, set_busy_since};
pub use capture::{Captured, Keep};
pub use environment::allowed;
pub use launch::{detached, run_hidden_mode};
pub use observer::{Control, Observer};
pub use peer::{Holder, Peer, peer};
pub use probe::{Answer, probe};
pub use process_tree::{Process, ProcessTree, Vitals, marked, vitals, vitals_of};
pub use reaper::Reaper;
pub use supervise::{Clocks, Report, Spec, Supervisor, TimedOut, Verdict};
pub use termination::end_marked;
