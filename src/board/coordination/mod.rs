//! The coordination snapshot that managers sweep (the playbook: coord_dashboard): active plans, claims, heartbeats,
//! directives, dirty hand-offs, and alerts about all of them.

mod alerts;
mod directives;
mod facts;
mod gather;
mod handoffs;
mod plans;
mod presence;
mod snapshot;

pub use directives::{Directive, Directives, Unpointed};
pub(super) use directives::{read as directives, sources};
pub(super) use facts::Facts;
pub use facts::Options;
pub(super) use gather::gather;
pub use handoffs::Handoff;
pub use plans::ActivePlan;
pub use presence::{Beat, Heartbeats, Retired};

pub use crate::ops::presence::heartbeat::Presence;
pub use crate::ops::tasks::disagreements::Disagreement;
pub use snapshot::{ClaimRow, Coordination, HeartbeatMeta, Prunable, Pruning};
