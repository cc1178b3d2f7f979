//! Processes as the kernel knows them: who started whom, what is left of a tree, and how it is ended.

pub(in crate::exec) mod ancestry;
mod beside;
mod peer;
pub(in crate::exec) mod process_tree;
pub(in crate::exec) mod reaper;
pub(in crate::exec) mod termination;
mod unix_peer;

pub use ancestry::{Ancestor, ancestors, is_marked};
pub use beside::Beside;
pub(in crate::exec) use beside::Listed;
pub use peer::{Holder, Peer, peer};
pub use process_tree::{Process, ProcessTree, Vitals, marked, started, vitals, vitals_of};
pub use reaper::{AfterDeath, Reaper};
pub use termination::end_marked;
pub(in crate::exec) use unix_peer::UnixPeer;
