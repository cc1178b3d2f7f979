//! `teof mcp`: the bus for an agent that speaks the Model Context Protocol, over stdin and stdout.
//!
//! A tool call runs the command of the same name, with `--json`, in a process of our own binary ([`command`]). So a
//! tool has exactly the guards, locks, idempotency keys and refusals of its command, and inside a run the command goes
//! to the run's worker as any other: nothing of it is written twice. It costs a process for each call. Calling
//! [`crate::ops`] in this process was weighed: it would need a second copy of what `cli` checks before it calls them.
//!
//! The server acts as one seat and never as the operator; no tool is an operator's command ([`tools`]). The SDK
//! (`rmcp`) speaks the protocol's versions with an `initialize` handshake and the stateless one. Only this module and
//! [`super::web`] use tokio, here on one thread. Stdout carries the protocol and nothing else.
//!
//! While the client lives, the leases of the claims that it works under are renewed ([`leases`]). When it ends, in
//! whatever way, they are left to expire: a client restarts its servers when it reconnects, and a released task could
//! be gone with half of its work in the tree.

mod client;
mod command;
mod errors;
mod leases;
mod options;
mod prompts;
mod resources;
mod schemas;
mod serve;
mod server;
mod tools;

pub use options::Options;
pub use serve::serve;
