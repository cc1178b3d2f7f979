//! teof: one binary that lets many coding agents, and the people who run them, work in one git
//! repository at the same time.
//!
//! # The map
//!
//! Arrows between rooms run down only; `tests/suite/house.rs` holds the list and checks every file.
#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr))]

pub mod base;
pub mod exec;
pub mod model;
