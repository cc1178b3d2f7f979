//! Commands that check and repair.

pub(super) mod check;
pub(super) mod doctor;
pub(super) mod operator;
pub(super) mod preflight;
pub(super) mod receipts;
pub(super) mod scan;
pub(super) mod trust;
