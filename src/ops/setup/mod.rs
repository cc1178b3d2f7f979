//! Setting up a repository for teof.

pub(super) mod dedicated;
pub mod init;
