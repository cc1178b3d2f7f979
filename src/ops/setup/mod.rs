//! Sets up a repository for teof.

mod commit;
pub(super) mod dedicated;
pub mod init;
pub mod proposal;
