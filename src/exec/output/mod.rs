//! What a program prints and reads: its output as it comes, shown to an observer, and kept in a file up to a limit.

pub(in crate::exec) mod capture;
pub(in crate::exec) mod follow;
pub(in crate::exec) mod observer;
pub(in crate::exec) mod stdin;
pub(in crate::exec) mod streams;

pub use capture::{Captured, Keep};
pub use observer::{Control, Input, Observer};
