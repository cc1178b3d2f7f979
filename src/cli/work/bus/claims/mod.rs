//! `teof bus` commands that change a claim.

pub(in crate::cli) mod claim;
pub(in crate::cli) mod offer;
pub(super) mod pause;
pub(super) mod release;
pub(in crate::cli) mod report;
pub(super) mod takeover;
