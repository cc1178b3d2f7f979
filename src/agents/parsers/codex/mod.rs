//! codex, in both ways of speaking to it: `codex exec --json` prints its events, `codex app-server` also answers.

mod app_server;
mod exec;
mod items;
mod reports;
mod talk;

pub use app_server::AppServer;
pub use exec::Codex;
pub use talk::{introduction, opening};
