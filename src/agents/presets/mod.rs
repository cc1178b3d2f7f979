//! The built-in agents: how each is called unattended.
//!
//! Those with a version were tried like this, and their output is what the parsers were written for; the others follow
//! their vendors' documentation. Each has an allow-list of environment variables, so that nothing of a surrounding
//! agent's session (`CLAUDECODE`, `CLAUDE_CODE_…`) reaches an agent.

mod acp;
mod app_server;
mod preset;
mod programs;
mod stream;

pub(super) use preset::Preset;

/// All of them, in the order in which people see them.
pub(super) fn all() -> impl Iterator<Item = &'static Preset> {
    stream::PRESETS.iter().chain(&app_server::PRESETS).chain(&acp::PRESETS)
}
