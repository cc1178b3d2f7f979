//! Evidence over all stores: the index of receipts, how fast work is proved, what is missing; retiring a
//! receipt; and the chain heads that a delivered commit carries.

pub mod chain_heads;
pub mod heads;
pub mod hygiene;
pub mod index;
pub mod metrics;
mod references;
pub mod retire;

pub use references::{Reference, named};
