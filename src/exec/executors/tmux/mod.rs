//! Runs programs in windows of a tmux server, where a person can watch and join them.

mod pane;
mod server;
mod window;

pub use pane::{Ended, ended, ended_at};
pub(in crate::exec) use pane::{MODE, RELAY, relay, run};
pub(in crate::exec) use server::{MARKED, run_marked};
pub use server::{Server, Window};
pub use window::{Terminal, Tmux, open_terminal};
