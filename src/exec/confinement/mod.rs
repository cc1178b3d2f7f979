//! Confines a program by the kernel: where it may write and read, the network, and whom it may signal.
//!
//! A [`Confinement`] says what is allowed. The launcher applies it to itself right before it execs the program
//! ([`landlock`]), so it binds the program and all that it starts, and never the supervisor. What the running kernel
//! enforces of it is known beforehand: [`Support`].
//!
//! It is best effort: a kernel without Landlock runs the program unconfined, and whoever asked for the confinement
//! reports that. A policy that the kernel knows and refuses is an error, and the program does not start.

#[cfg(target_os = "linux")]
mod landlock;
mod policy;
mod support;
#[cfg(target_os = "linux")]
mod syscalls;

pub use policy::{Confinement, Network};
pub use support::{Level, Support};

/// Confines the calling thread and what it will exec. Call it in a process that has no other thread.
///
/// # Errors
/// When a path exists and cannot be opened, when one is a link or below one, or when the kernel refuses the rules.
#[cfg(target_os = "linux")]
pub(super) fn apply(confinement: &Confinement) -> std::io::Result<()> {
    landlock::apply(confinement)?;
    syscalls::apply()
}

/// Nothing is enforced here.
#[cfg(not(target_os = "linux"))]
pub(super) fn apply(_confinement: &Confinement) -> std::io::Result<()> {
    Ok(())
}
