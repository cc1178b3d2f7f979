//! Commands that show what goes on.

pub mod dashboard;
