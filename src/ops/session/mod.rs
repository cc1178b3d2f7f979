//! A seat's session: starting it, bringing the repository up to date, its seat and its inbox.

pub mod boot;
pub mod inbox;
pub mod place;
pub mod seat;
pub mod sync;
