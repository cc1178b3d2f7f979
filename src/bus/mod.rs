//! The bus: claims, assignments, the event log and the channels of messages under `_bus/`.
//!
//! Knows how each is stored, not who may write: sessions, claims' owners and epochs are asked for above.
//! Nothing here decides by what another store (plans, receipts, seats) holds.

pub mod events;
mod line;
pub mod messages;
