//! A seat's session: start, brief, repository sync, seat, inbox, and the reflection at its end.

pub mod archive;
pub mod boot;
pub mod brief;
pub mod handoff;
pub mod inbox;
pub mod place;
pub mod seat;
pub mod sync;
pub mod wrap;
