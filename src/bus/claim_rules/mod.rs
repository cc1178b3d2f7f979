//! Decides who may have a task. Pure: facts come in, the next claim or a refusal goes out.
//!
//! The rules are the playbook's (bus_claim, claim_guard), plus lease and epoch. Each change of owner and each return
//! to active raises the epoch. So earlier holders, including an earlier run of the same seat, are fenced off, and a
//! claim file that a stash or reset brought back differs from the acknowledged one.

mod decide;
mod epoch;
mod refusals;

pub use decide::{ClaimRequest, Decision, Facts, Notes, claim, pause, release, renew, take_over};
pub use epoch::{fence, is_current, may_write};
pub use refusals::{held, running};
