//! Evidence over all stores: the index of receipts, how fast work is proved, what is missing; and retiring a receipt.

pub mod hygiene;
pub mod index;
pub mod metrics;
mod references;
pub mod retire;

pub use references::Reference;
