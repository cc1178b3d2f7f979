//! What makes the coordinator a service: it tells its supervisor how it is, notices what happens to the machine, and
//! reads its settings again.

pub(super) mod clock;
pub mod facts;
pub(super) mod reload;
pub(super) mod supervisor;
