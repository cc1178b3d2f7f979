//! A seat's session: start, repository sync, seat and inbox.

pub mod boot;
pub mod inbox;
pub mod place;
pub mod seat;
pub mod sync;
