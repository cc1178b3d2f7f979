//! The tools: what each takes and answers, and the command that it runs.
//!
//! No tool is a command that belongs to an operator: consent, approval, review, trust, settings, the coordinator,
//! lifting a hold.

mod bus;
mod claims;
mod session;
mod tool;
mod work;

pub use tool::{Concern, Listed};

use tool::listed;

/// Every tool, in the order in which an agent needs them.
pub fn all() -> Vec<Listed> {
    vec![
        listed::<session::Boot>(),
        listed::<session::Inbox>(),
        listed::<session::Status>(),
        listed::<claims::Next>(),
        listed::<claims::Claim>(),
        listed::<bus::Event>(),
        listed::<bus::Message>(),
        listed::<work::PlanStep>(),
        listed::<work::Receipt>(),
        listed::<claims::Release>(),
        listed::<session::Handoff>(),
    ]
}
