//! Runs programs in windows of a tmux server, where a person can watch and join them.

mod log;
mod server;
mod terminal;
mod view;
mod window;

pub(in crate::exec) use log::{MODE as LOG, run as run_log};
pub(in crate::exec) use server::{MARKED, run_marked};
pub use server::{Server, Window};
pub use terminal::{Ended, ended, ended_at};
pub(in crate::exec) use terminal::{MODE, run};
pub(in crate::exec) use view::{MODE as VIEW, run as run_view};
pub use window::{Terminal, Tmux, open_terminal};
