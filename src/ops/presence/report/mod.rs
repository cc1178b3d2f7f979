//! The manager report (the playbook: manager_report): what a manager needs for a sweep, as data and as a page.

pub mod content;
pub mod handoffs;
pub mod markdown;
pub mod plans;
pub mod tasks;
pub mod write;
