//! Writes the results of a run: evidence, report, envelope and review bundle.

pub mod alert;
pub(super) mod bundle;
pub(super) mod bundle_markdown;
pub(super) mod collect;
pub mod envelope;
pub(super) mod evidence;
pub(super) mod last_output;
pub(super) mod live;
pub(super) mod record;
pub(super) mod refused_write;
pub(super) mod report;
