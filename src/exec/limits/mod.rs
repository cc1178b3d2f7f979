//! Limits on what the programs of a run use together: memory, processors, processes and disk space.
//!
//! Where a cgroup is delegated to this process, the kernel limits memory, processors and processes ([`cgroup`]). Where
//! none is, the supervisor adds up memory and processes while a program runs ([`meter`]), and no process may allocate
//! more than twice the memory; processors are not limited then. Disk space is always added up. A program over a limit
//! is stopped with the reason.
//!
//! Not used: `RLIMIT_AS`, because runtimes such as node and Java reserve more addresses than they use;
//! `RLIMIT_NPROC`, which counts all processes of the account, those of other runs included; `RLIMIT_CPU`, which limits
//! seconds.

pub mod cgroup;
mod delegation;
mod meter;
mod numbers;
mod placement;
mod run_limits;

pub use cgroup::{Base, Group};
pub(super) use meter::Meter;
pub use numbers::{Limit, Limits};
pub(super) use placement::Placement;
pub use run_limits::RunLimits;
