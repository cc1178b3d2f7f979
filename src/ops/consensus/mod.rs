//! Records decisions, reviews them daily and weekly, and escalates those that wait too long (the playbook: consensus
//! toolkit and cadence).

pub mod escalate;
pub mod record;
pub mod review;
