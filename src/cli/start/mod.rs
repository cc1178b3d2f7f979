//! Commands to get started: set-up, the quickstart, the guide, completions.

pub(super) mod complete;
pub(super) mod completions;
pub(super) mod guide;
pub(super) mod init;
mod init_prompt;
mod install;
pub(super) mod quickstart;
pub(super) mod version;
