//! The tools: what each takes and answers, and the command that it runs.
//!
//! Commands that only an operator may give are none of them: consent, approvals, reviews, trust, settings, the
//! coordinator, holds that are lifted, claims that are taken over.

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
